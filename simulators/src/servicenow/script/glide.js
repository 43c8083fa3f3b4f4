// The script API of the platform, as far as rules and form buttons need it.
//
// Whatever touches the instance goes through `host(operation, arguments)`,
// which takes and gives JSON text; the rest is done here. What a script uses
// and the simulator lacks fails as an unknown name, and is told in the log.
(function (global) {
    'use strict';

    const ask = (operation, details) => {
        const answer = global.host(operation, JSON.stringify(details || {}));
        // The run ends here, and starts again when the answer is known.
        while (answer === 'suspended');
        return JSON.parse(answer);
    };
    const start = ask('start');
    delete global.start;

    // Neither the clock nor chance of this machine.
    const RealDate = Date;
    const FixedDate = function (...parts) {
        if (!new.target) return new RealDate(start.now_ms).toString();
        return parts.length ? new RealDate(...parts) : new RealDate(start.now_ms);
    };
    FixedDate.prototype = RealDate.prototype;
    FixedDate.now = () => start.now_ms;
    FixedDate.UTC = RealDate.UTC;
    FixedDate.parse = RealDate.parse;
    global.Date = FixedDate;
    let chance = start.now_ms % 2147483647 || 1;
    Math.random = () => (chance = (chance * 48271) % 2147483647) / 2147483647;

    const text = (value) => (value === null || value === undefined ? '' : String(value));
    const textOrNull = (value) => (text(value) === '' ? null : text(value));

    global.Class = {
        create: () =>
            function () {
                if (this.initialize) this.initialize.apply(this, arguments);
            },
    };
    Object.extendsObject = (parent, properties) =>
        Object.assign(Object.create(parent.prototype || parent), properties);
    global.global = global;

    const substitute = (pattern, values) =>
        text(pattern).replace(/\{(\d)\}/g, (all, at) => (at in values ? text(values[at]) : all));
    const log = (level) => (message, ...values) => {
        ask('log', { level, text: substitute(message, values.flat()) });
    };
    const GlideStringUtil = {
        base64Encode: (value) => ask('base64_encode', { text: text(value) }),
        base64Decode: (value) => ask('base64_decode', { text: text(value) }),
        escapeQueryTermSeparator: (value) => text(value).replace(/\^/g, '^^'),
        nullToEmpty: text,
        notNil: (value) => text(value) !== '',
        nil: (value) => text(value) === '',
    };
    global.GlideStringUtil = GlideStringUtil;

    class MessageCode {
        generateMac(key, algorithm, data) {
            return ask('mac', { key: text(key), algorithm: text(algorithm), data: text(data) });
        }
    }
    global.GlideCertificateEncryption = MessageCode;
    global.CertificateEncryption = MessageCode;

    class GlideDateTime {
        constructor(stamp) {
            this.ms =
                stamp === undefined
                    ? start.now_ms
                    : RealDate.parse(text(stamp.getValue ? stamp.getValue() : stamp).replace(' ', 'T') + 'Z');
        }
        getNumericValue() {
            return this.ms;
        }
        getValue() {
            return new RealDate(this.ms).toISOString().slice(0, 19).replace('T', ' ');
        }
        toString() {
            return this.getValue();
        }
    }
    global.GlideDateTime = GlideDateTime;

    class GlideElement {
        constructor(record, path) {
            Object.defineProperty(this, 'of', { value: { record, path } });
            return new Proxy(this, {
                get: (element, name) =>
                    name in element || typeof name === 'symbol'
                        ? element[name]
                        : record.getElement(path + '.' + name),
            });
        }
        getValue() {
            return this.of.record.rawAt(this.of.path);
        }
        getDisplayValue() {
            return this.of.record.getDisplayValue(this.of.path);
        }
        getName() {
            return this.of.path.split('.').pop();
        }
        nil() {
            return text(this.getValue()) === '';
        }
        getRefRecord() {
            const referenced = new GlideRecord(this.of.record.kind(this.of.path).reference || '');
            referenced.get(this.getValue());
            return referenced;
        }
        changes() {
            throw new Error('the simulator does not keep what changed');
        }
        getJournalEntry(count) {
            return ask('journal', {
                sys_id: this.of.record.getUniqueValue(),
                element: this.of.path,
                count: Number(count),
            });
        }
        toString() {
            return text(this.getValue());
        }
        valueOf() {
            const isBoolean = this.of.record.kind(this.of.path).type === 'boolean';
            return isBoolean ? this.getValue() === 'true' : this.toString();
        }
        toJSON() {
            return this.toString();
        }
    }

    const escape = (value) => text(value).replace(/\^/g, '^^');

    class GlideRecord {
        #table;
        #columns;
        #terms = [];
        #order = [];
        #limit = null;
        #rows = [];
        #at = -1;
        #row = {};
        #changed = {};
        #isNew = false;
        #operation = null;

        constructor(table) {
            this.#table = text(table);
            this.#columns = ask('columns', { table: this.#table });
            const isColumn = (name) => name in this.#columns;
            return new Proxy(this, {
                get: (record, name) => {
                    const found = record[name];
                    if (typeof found === 'function') return found.bind(record);
                    return isColumn(name) ? new GlideElement(record, name) : found;
                },
                set: (record, name, value) => {
                    record.setValue(name, value);
                    return true;
                },
            });
        }
        // A record as a rule or a button finds it.
        begin(found) {
            this.#take(found.row || { sys_id: found.sys_id });
            this.#isNew = found.row === null;
            this.#operation = found.operation;
            for (const name in found.changes) this.setValue(name, found.changes[name]);
        }
        kind(path) {
            return this.#columns[path] || {};
        }
        addQuery(field, operator, value) {
            if (operator === undefined) return this.addEncodedQuery(field);
            if (value === undefined) [operator, value] = ['=', operator];
            const values = Array.isArray(value) ? value.map(escape).join(',') : escape(value);
            const condition = [field + operator + values];
            this.#terms.push(condition);
            const or = {
                addOrCondition: (field, operator, value) => {
                    if (value === undefined) [operator, value] = ['=', operator];
                    condition.push('OR' + field + operator + escape(value));
                    return or;
                },
            };
            return or;
        }
        addEncodedQuery(query) {
            this.#terms.push([text(query)]);
        }
        addActiveQuery() {
            return this.addQuery('active', 'true');
        }
        addNullQuery(field) {
            this.#terms.push([field + 'ISEMPTY']);
        }
        addNotNullQuery(field) {
            this.#terms.push([field + 'ISNOTEMPTY']);
        }
        orderBy(field) {
            this.#order.push('ORDERBY' + field);
        }
        orderByDesc(field) {
            this.#order.push('ORDERBYDESC' + field);
        }
        setLimit(limit) {
            this.#limit = Number(limit);
        }
        query() {
            const query = this.#terms.flat().concat(this.#order).join('^');
            this.#rows = ask('query', { table: this.#table, query, limit: this.#limit });
            this.#at = -1;
        }
        hasNext() {
            return this.#at + 1 < this.#rows.length;
        }
        next() {
            if (!this.hasNext()) return false;
            this.#at += 1;
            this.#take(this.#rows[this.#at]);
            return true;
        }
        getRowCount() {
            return this.#rows.length;
        }
        #take(row) {
            this.#row = row;
            this.#changed = {};
            this.#isNew = false;
        }
        get(field, value) {
            const query = value === undefined ? 'sys_id=' + escape(field) : field + '=' + escape(value);
            const rows = ask('query', { table: this.#table, query, limit: 1 });
            if (rows.length) this.#take(rows[0]);
            return rows.length > 0;
        }
        initialize() {
            this.#row = {};
            this.#changed = {};
            this.#isNew = true;
        }
        newRecord() {
            this.initialize();
        }
        isValidRecord() {
            return 'sys_id' in this.#row;
        }
        isNewRecord() {
            return this.#isNew;
        }
        isValidField(name) {
            return name in this.#columns;
        }
        operation() {
            return this.#operation;
        }
        getTableName() {
            return this.#table;
        }
        getRecordClassName() {
            return this.#table;
        }
        getUniqueValue() {
            return this.#row.sys_id || null;
        }
        rawAt(path) {
            if (!path.includes('.')) return textOrNull(this.#row[path]);
            return textOrNull(ask('raw', { table: this.#table, row: this.#row, path }));
        }
        getValue(name) {
            return name in this.#columns ? textOrNull(this.#row[name]) : null;
        }
        getElement(path) {
            return new GlideElement(this, path);
        }
        getDisplayValue(path) {
            if (path === undefined) path = 'number' in this.#columns ? 'number' : 'name';
            return ask('shown', { table: this.#table, row: this.#row, path });
        }
        setValue(name, value) {
            if (!(name in this.#columns)) return;
            this.#row[name] = text(value);
            this.#changed[name] = text(value);
        }
        insert() {
            return this.#write(true);
        }
        update() {
            return this.#write(this.#isNew || !this.#row.sys_id);
        }
        #write(isNew) {
            const row = ask('write', {
                table: this.#table,
                sys_id: isNew ? null : this.#row.sys_id,
                new_sys_id: this.#isNew ? this.#row.sys_id : null,
                fields: this.#changed,
            });
            if (row) this.#take(row);
            return row ? row.sys_id : null;
        }
        setAbortAction() {
            throw new Error('an asynchronous rule runs after the write, and cannot abort it');
        }
        setWorkflow() {
            throw new Error('setWorkflow is not part of the simulator');
        }
    }
    global.GlideRecord = GlideRecord;
    global.GlideRecordSecure = GlideRecord;

    class RESTResponse {
        constructor(answer) {
            this.answer = answer;
        }
        getStatusCode() {
            return this.answer.status;
        }
        getBody() {
            return this.answer.body;
        }
        getHeader(name) {
            return this.answer.headers[text(name).toLowerCase()] || null;
        }
        haveError() {
            return this.answer.error !== null;
        }
        getErrorMessage() {
            return this.answer.error;
        }
        getErrorCode() {
            return this.answer.error === null ? 0 : 1;
        }
    }

    class RESTMessageV2 {
        constructor() {
            this.request = {
                method: 'GET',
                endpoint: '',
                headers: [],
                parameters: [],
                body: '',
                timeout_ms: null,
            };
            this.variables = {};
            this.substitutes = true;
        }
        setHttpMethod(method) {
            this.request.method = text(method).toUpperCase();
        }
        setEndpoint(endpoint) {
            this.request.endpoint = text(endpoint);
        }
        setRequestHeader(name, value) {
            this.request.headers.push([text(name), text(value)]);
        }
        setRequestBody(body) {
            this.request.body = text(body);
        }
        setQueryParameter(name, value) {
            this.request.parameters.push([text(name), text(value)]);
        }
        setBasicAuth(user, password) {
            const credentials = GlideStringUtil.base64Encode(user + ':' + password);
            this.setRequestHeader('Authorization', 'Basic ' + credentials);
        }
        setHttpTimeout(ms) {
            this.request.timeout_ms = Number(ms);
        }
        setStringParameter(name, value) {
            this.variables[name] = text(value);
        }
        setStringParameterNoEscape(name, value) {
            this.variables[name] = text(value);
        }
        disableForcedVariableSubstitution() {
            this.substitutes = false;
        }
        getRequestBody() {
            return this.request.body;
        }
        getEndpoint() {
            return this.request.endpoint;
        }
        // A MID server only changes the way, and a log level only the log.
        setMIDServer() {}
        setLogLevel() {}
        setEccParameter() {}
        setEccCorrelator() {}
        ready() {
            const request = Object.assign({}, this.request);
            if (this.substitutes) {
                const variable = /\$\{([^{}]*)\}/g;
                request.body = request.body.replace(variable, (all, name) => text(this.variables[name]));
            }
            return request;
        }
        executeAsync() {
            ask('send', this.ready());
            return {
                waitForResponse() {
                    throw new Error('the simulator answers execute(), not executeAsync()');
                },
            };
        }
        execute() {
            return new RESTResponse(ask('execute', this.ready()));
        }
    }
    global.sn_ws = { RESTMessageV2 };

    if (start.is_client) {
        const form = start.form;
        const pending = Object.assign({}, form.changes);
        const row = form.row || {};
        global.window = global;
        global.g_user = { userName: start.user_name, userID: start.user_id };
        global.g_form = {
            getUniqueValue: () => form.sys_id,
            getTableName: () => 'incident',
            isNewRecord: () => form.row === null,
            getValue: (name) => (name in pending ? pending[name] : text(row[name])),
            setValue: (name, value) => {
                pending[name] = text(value);
            },
            save: () => ask('save', { fields: pending }),
            submit: () => ask('save', { fields: pending }),
            getFormElement: () => null,
            addInfoMessage: (message) => ask('show', { text: text(message) }),
            addErrorMessage: (message) => ask('show', { text: text(message) }),
            clearMessages: () => {},
        };
        global.alert = (message) => ask('show', { text: text(message) });
        global.getMessage = text;
        global.gsftSubmit = () => ask('submit', { fields: pending });
        const answers = [];
        global.GlideAjax = class {
            constructor(processor) {
                this.processor = text(processor);
                this.parameters = {};
            }
            addParam(name, value) {
                this.parameters[name] = text(value);
            }
            request(give) {
                const { processor, parameters } = this;
                answers.push(() => give(ask('ajax', { processor, parameters })));
            }
            getXMLAnswer(give) {
                this.request((answer) => give(answer));
            }
            getXML(give) {
                const documentElement = (answer) => ({ getAttribute: () => answer });
                this.request((answer) =>
                    give({ responseXML: { documentElement: documentElement(answer) } })
                );
            }
        };
        // What comes back is looked at only after the script has returned.
        global.takeAnswers = () => {
            while (answers.length) answers.shift()();
        };
        return;
    }

    global.gs = {
        getProperty: (name, otherwise) => {
            const found = ask('property', { name: text(name) });
            return found === null ? (otherwise === undefined ? null : otherwise) : found;
        },
        getUserName: () => start.user_name,
        getUserID: () => start.user_id,
        getUserDisplayName: () => start.user_display_name,
        hasRole: (role) => ask('has_role', { role: text(role) }),
        error: log('error'),
        warn: log('warn'),
        info: log('info'),
        debug: log('debug'),
        log: log('info'),
        print: log('info'),
        nil: (value) => text(value) === '',
        generateGUID: () => ask('guid'),
        nowDateTime: () => new GlideDateTime().getValue(),
        base64Encode: GlideStringUtil.base64Encode,
        base64Decode: GlideStringUtil.base64Decode,
        getMessage: (message, values) => substitute(message, values || []),
        addInfoMessage: (message) => ask('show', { text: text(message) }),
        addErrorMessage: (message) => ask('show', { text: text(message) }),
    };
    class AbstractAjaxProcessor {
        initialize() {}
        getParameter(name) {
            const parameters = start.parameters || {};
            return name in parameters ? parameters[name] : null;
        }
        process() {
            const name = text(this.getParameter('sysparm_name'));
            if (name.startsWith('_') || typeof this[name] !== 'function') return null;
            const answer = this[name]();
            return answer === undefined || answer === null ? null : text(answer);
        }
    }
    global.AbstractAjaxProcessor = AbstractAjaxProcessor;
    global.callProcessor = (name) => {
        const Processor = global[name];
        return Processor ? new Processor().process() : null;
    };
    if (start.current) {
        global.current = new GlideRecord('incident');
        global.current.begin(start.current);
        global.previous = start.current.previous_is_null ? null : undefined;
        global.action = { setRedirectURL() {}, setReturnURL() {} };
    }
})(globalThis);

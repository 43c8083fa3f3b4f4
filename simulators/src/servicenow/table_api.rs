//! The Table API: `/api/now/table/{table}` and `/api/now/table/{table}/{sys_id}`.

use serde_json::Value;
use serde_json::json;

use super::ServiceNow;
use super::answer;
use super::answer::header;
use super::display::View;
use super::instance::JOURNAL;
use super::instance::NO_LAG;
use super::instance::Record;
use super::instance::value;
use super::parameters::Parameters;
use super::query::Query;
use super::refusal::Refusal;
use super::schema::Kind;
use super::session::Session;
use super::write::Input;
use super::write::Write;
use crate::Request;
use crate::Response;

/// Rows of a list whose request names no limit.
const DEFAULT_LIMIT: usize = 10_000;

/// The largest body, `glide.rest.max_content_length`.
const MAX_CONTENT_LENGTH: usize = 10_485_760;

/// One request to the Table API.
struct Call<'a> {
    request: &'a Request,
    session: &'a Session,
    parameters: Parameters,
    base_url: String,
    /// The first version differs in what it says of an empty list.
    is_v1: bool,
    table: String,
    sys_id: Option<String>,
    now_ms: u64,
}

impl ServiceNow {
    /// Answers a request of an authenticated user.
    pub(super) fn table_api(
        &mut self,
        request: &Request,
        session: &Session,
        now_ms: u64,
    ) -> Response {
        let outcome = self
            .call(request, session, now_ms)
            .and_then(|call| self.dispatch(&call));
        outcome.unwrap_or_else(|refusal| answer::refusal(&refusal))
    }

    fn call<'a>(
        &self,
        request: &'a Request,
        session: &'a Session,
        now_ms: u64,
    ) -> Result<Call<'a>, Refusal> {
        let no_resource = || Refusal::no_resource(&request.path);
        let path = request
            .path
            .strip_prefix("/api/now/")
            .ok_or_else(no_resource)?;
        let (is_v1, path) = match path.split_once('/') {
            Some(("v1", rest)) => (true, rest),
            Some(("v2", rest)) => (false, rest),
            _ => (false, path),
        };
        let mut segments = path.trim_end_matches('/').split('/').map(decode);
        if segments.next().as_deref() != Some("table") {
            return Err(no_resource());
        }
        let table = segments.next().ok_or_else(no_resource)?;
        let sys_id = segments.next();
        if segments.next().is_some() {
            return Err(no_resource());
        }
        if !self.instance.has_table(&table) {
            return Err(Refusal::invalid_table(&table));
        }
        let wanted = header(request, "accept").unwrap_or("*/*");
        let json = ["application/json", "*/*", "application/*"];
        if !json.iter().any(|kind| wanted.contains(kind)) {
            let detail = format!("the simulator answers in application/json, not in {wanted}");
            return Err(Refusal::new(406, "Not Acceptable", detail));
        }
        Ok(Call {
            base_url: self.base_url(request),
            parameters: Parameters::parse(&request.query),
            request,
            session,
            is_v1,
            table,
            sys_id,
            now_ms,
        })
    }

    fn dispatch(&mut self, call: &Call) -> Result<Response, Refusal> {
        let method = match header(call.request, "x-http-method-override") {
            Some(other) if call.request.method == "POST" => other,
            _ => &call.request.method,
        };
        match (method, &call.sys_id) {
            ("GET", None) => self.list(call),
            ("GET", Some(sys_id)) => self.one(call, sys_id),
            ("HEAD", None) => self.list(call).map(without_body),
            ("HEAD", Some(sys_id)) => self.one(call, sys_id).map(without_body),
            ("POST", None) => self.create(call),
            ("PUT" | "PATCH", Some(sys_id)) => self.modify(call, sys_id),
            ("DELETE", Some(sys_id)) => {
                self.instance.remove(&call.table, sys_id, call.session)?;
                Ok(answer::empty(204))
            }
            _ => Err(Refusal::new(405, "Method not supported", method)),
        }
    }

    fn list(&self, call: &Call) -> Result<Response, Refusal> {
        let parameters = &call.parameters;
        let offset = match parameters.get("sysparm_offset").map(str::parse::<i64>) {
            None | Some(Err(_)) => 0,
            Some(Ok(offset)) => usize::try_from(offset).map_err(|_| {
                let detail = format!("sysparm_offset must not be negative: {offset}");
                Refusal::new(400, "Invalid parameter", detail)
            })?,
        };
        let limit = parameters
            .get("sysparm_limit")
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(DEFAULT_LIMIT);
        let found = self.find(call)?;
        let view = self.view(call, call.now_ms);
        // The page is cut before it is known what the user may see of it.
        let page = found.iter().skip(offset).take(limit);
        let result: Vec<Value> = page
            .filter(|record| {
                self.instance
                    .may_see(&call.table, value(record, "sys_id"), call.session)
            })
            .map(|record| view.record(&call.table, record))
            .collect();
        if result.is_empty() && call.is_v1 {
            return Err(Refusal::no_record());
        }
        let mut response = answer::json(200, &json!({"result": result}));
        let counted = !parameters.is_true("sysparm_no_count");
        if counted {
            let count = ("x-total-count".to_owned(), found.len().to_string());
            response.headers.push(count);
        }
        if !parameters.is_true("sysparm_suppress_pagination_header") {
            let links = links(call, offset, limit, found.len(), counted);
            response.headers.push(("link".to_owned(), links));
        }
        Ok(response)
    }

    /// The records that a list request asks for, in its order.
    fn find(&self, call: &Call) -> Result<Vec<&Record>, Refusal> {
        let instance = &self.instance;
        let table = call.table.as_str();
        let mut query =
            match call.parameters.get("sysparm_query") {
                Some(text) => {
                    let javascript = |script: &str| match script {
                        "gs.getUserID()" => Some(call.session.user_id.clone()),
                        "gs.getUserName()" => Some(call.session.user_name.clone()),
                        _ => None,
                    };
                    Query::parse(text, &javascript)
                        .map_err(|unsupported| Refusal::unsupported(&unsupported.0))?
                }
                None => Query::of_equalities(call.parameters.conditions().map(|(field, value)| {
                    (field.to_owned(), self.value_of_shown(call, field, value))
                })),
            };
        let forbidden = table == "incident"
            && !call.session.is_admin()
            && query.names(|path| {
                let head = path.split('.').next().unwrap_or_default();
                instance.options.unqueryable_fields.contains(head)
            });
        if forbidden {
            return Err(Refusal::query_acl());
        }
        let dropped = query.drop_unknown(|path| instance.schema.walk(table, path).is_some());
        if dropped && instance.options.invalid_query_returns_no_rows {
            return Ok(Vec::new());
        }
        let raw = |record, path: &str| instance.raw(table, record, path, call.now_ms);
        let mut found: Vec<_> = match query.required("element_id") {
            Some(incident) if table == JOURNAL => instance.journal_seen(incident, call.now_ms),
            _ => instance.all_seen(table, call.now_ms).collect(),
        };
        found.retain(|record| query.matches(&|path| raw(record, path)));
        query.sort(&mut found, |record, path| raw(record, path));
        Ok(found)
    }

    /// Conditions outside of `sysparm_query` may name what people see.
    fn value_of_shown(&self, call: &Call, field: &str, shown: &str) -> String {
        let table = call.table.as_str();
        let known = match self
            .instance
            .schema
            .column(table, field)
            .map(|column| column.kind)
        {
            Some(Kind::Choice) => {
                let language = &call.session.language;
                self.instance.value_of_label(language, table, field, shown)
            }
            Some(Kind::Reference(target)) => self.instance.by_reference_name(target, shown),
            _ => None,
        };
        known.unwrap_or(shown).to_owned()
    }

    fn one(&self, call: &Call, sys_id: &str) -> Result<Response, Refusal> {
        let record = self
            .instance
            .seen(&call.table, sys_id, call.now_ms)
            .filter(|_| self.instance.may_see(&call.table, sys_id, call.session))
            .ok_or_else(Refusal::no_record)?;
        let result = self.view(call, call.now_ms).record(&call.table, record);
        Ok(answer::json(200, &json!({"result": result})))
    }

    fn create(&mut self, call: &Call) -> Result<Response, Refusal> {
        let input = input(call.request)?;
        let write = self.write(call);
        let written = self.instance.insert(&call.table, &input, &write)?;
        self.after_write(&call.table, call.session, &written, call.now_ms);
        let mut response = self.written(call, &written.sys_id, 201);
        let location = format!(
            "{}/api/now/table/{}/{}",
            call.base_url, call.table, written.sys_id
        );
        response.headers.push(("location".to_owned(), location));
        Ok(response)
    }

    fn modify(&mut self, call: &Call, sys_id: &str) -> Result<Response, Refusal> {
        let input = input(call.request)?;
        let write = self.write(call);
        let written = self.instance.update(&call.table, sys_id, &input, &write)?;
        self.after_write(&call.table, call.session, &written, call.now_ms);
        Ok(self.written(call, sys_id, 200))
    }

    fn write<'a>(&self, call: &Call<'a>) -> Write<'a> {
        Write {
            session: call.session,
            now_ms: call.now_ms,
            lag_ms: self.faults.read_lag_ms(),
            display_values: call.parameters.is_true("sysparm_input_display_value"),
        }
    }

    fn written(&self, call: &Call, sys_id: &str, status: u16) -> Response {
        if header(call.request, "x-no-response-body") == Some("true") {
            return answer::empty(status);
        }
        let record = self.instance.record(&call.table, sys_id);
        let view = self.view(call, NO_LAG);
        let result = record.map(|record| view.record(&call.table, record));
        answer::json(status, &json!({"result": result}))
    }

    fn view<'a>(&'a self, call: &'a Call, now_ms: u64) -> View<'a> {
        View {
            instance: &self.instance,
            session: call.session,
            now_ms,
            base_url: &call.base_url,
            mode: call.parameters.display_mode(),
            exclude_reference_link: call.parameters.is_true("sysparm_exclude_reference_link"),
            fields: call.parameters.fields(),
        }
    }
}

/// The pages of a list, as an instance orders them: first, prev, next, last.
fn links(call: &Call, offset: usize, limit: usize, count: usize, counted: bool) -> String {
    let mut kept = String::new();
    for parameter in call.request.query.split('&').filter(|p| !p.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if name != "sysparm_limit" && name != "sysparm_offset" {
            kept.push_str(parameter);
            kept.push('&');
        }
    }
    let link = |offset: usize, rel: &str| {
        let (base_url, path) = (&call.base_url, &call.request.path);
        format!(
            "<{base_url}{path}?{kept}sysparm_limit={limit}&sysparm_offset={offset}>;rel=\"{rel}\""
        )
    };
    let step = limit.max(1);
    let mut links = vec![link(0, "first")];
    if offset > 0 {
        links.push(link(offset.saturating_sub(step), "prev"));
    }
    if offset + step < count {
        links.push(link(offset + step, "next"));
    }
    if counted {
        links.push(link(count.saturating_sub(1) / step * step, "last"));
    }
    links.join(",")
}

fn without_body(mut response: Response) -> Response {
    response.body.clear();
    response
}

/// The record in a request body: one object, or the first of an array.
fn input(request: &Request) -> Result<Input, Refusal> {
    let unreadable = |detail: String| Refusal::new(400, "Exception while reading request", detail);
    let length = request.body.len();
    if length > MAX_CONTENT_LENGTH {
        return Err(unreadable(format!(
            "Rejected large REST payload with content-length = {length} bytes. Max allowed: {MAX_CONTENT_LENGTH} bytes."
        )));
    }
    let kind = header(request, "content-type").unwrap_or("application/json");
    if !kind.starts_with("application/json") {
        let detail = format!("the simulator reads application/json, not {kind}");
        return Err(Refusal::new(415, "Unsupported Media Type", detail));
    }
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| unreadable(format!("Cannot parse the body as JSON: {error}")))?;
    let object = match body {
        Value::Array(records) => records.into_iter().next().unwrap_or(json!({})),
        other => other,
    };
    let Value::Object(fields) = object else {
        return Err(unreadable("The body must be a JSON object".to_owned()));
    };
    let fields = fields.into_iter();
    Ok(fields
        .filter_map(|(name, value)| Some((name, scalar(value)?)))
        .collect())
}

/// Nested values are dropped: no column holds any.
fn scalar(value: Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn decode(segment: &str) -> String {
    // A path segment has no `+` for a space, but nor has any table or sys_id.
    url::form_urlencoded::parse(format!("={segment}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

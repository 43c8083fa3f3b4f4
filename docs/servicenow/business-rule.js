// Tells ServiceNow Sync that an incident was created or changed.
//
// Business rule on the table Incident: Active, Advanced, When = async, Insert and Update ticked.
// docs/setup-servicenow.md explains each setting, the condition and the two system properties.
//
// What is sent is a hint. With API access configured, the gateway reads the record itself before
// it writes anything; only `sys_id` is needed then. The other fields serve an integration without
// API access to ServiceNow, and `comments` one whose user may not read the journal.
// Raw values are sent, not labels, because labels depend on the language of a user.
//
// Without API access nothing travels but what is sent. For the resolution notes and for fields of
// your own, add their columns to `columns`: 'close_notes', 'u_tier'. What stands in the record that
// a reference points to is sent under its path; for the assignee, and a field with by = "email":
//     body['assigned_to.email'] = String(current.assigned_to.email || '');
//     body['u_owner.email'] = String(current.u_owner.email || '');
(function executeRule(current, previous) {
    // The names of the two system properties. Each integration on an instance has its own.
    var properties = { url: 'flashduty.sync.url', token: 'flashduty.sync.token' };
    var url = gs.getProperty(properties.url);
    var token = gs.getProperty(properties.token);
    if (!url || !token) {
        gs.error('ServiceNow Sync: set the properties ' + properties.url + ' and ' + properties.token);
        return;
    }

    function newestComment(sysId) {
        var entry = new GlideRecord('sys_journal_field');
        entry.addQuery('element_id', sysId);
        entry.addQuery('element', 'comments');
        entry.orderByDesc('sys_created_on');
        entry.setLimit(1);
        entry.query();
        return entry.next() ? entry.getValue('value') : '';
    }

    var body = { action_type: 'update', sys_id: current.getUniqueValue() };
    var columns = ['number', 'short_description', 'description', 'state', 'impact', 'urgency'];
    for (var i = 0; i < columns.length; i++) {
        body[columns[i]] = current.getValue(columns[i]) || '';
    }
    body.comments = newestComment(body.sys_id);

    try {
        var request = new sn_ws.RESTMessageV2();
        request.setHttpMethod('POST');
        request.setEndpoint(url);
        request.setRequestHeader('Content-Type', 'application/json');
        request.setRequestHeader('Authorization', 'Bearer ' + token);
        // Else ${...} in an incident's text would be taken for a variable and replaced.
        request.disableForcedVariableSubstitution();
        request.setRequestBody(JSON.stringify(body));
        request.executeAsync();
    } catch (error) {
        gs.error('ServiceNow Sync: webhook for ' + body.number + ' not sent: ' + error.message);
    }
})(current, previous);

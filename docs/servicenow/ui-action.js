// Sends one incident to ServiceNow Sync by hand, and shows whether it was taken.
//
// UI action on the table Incident: Form button, Active, Show insert and Show update ticked,
// Client unticked. docs/setup-servicenow.md explains each setting and the two system properties.
//
// It runs on the server: what was typed into the form is saved first, so that nothing is sent
// before it is there, also for a new incident. Then it waits for the answer. What is sent is what
// business-rule.js sends; a column that is added there is added here too.
(function () {
    // The names of the two system properties. Each integration on an instance has its own.
    var properties = { url: 'flashduty.sync.url', token: 'flashduty.sync.token' };
    var url = gs.getProperty(properties.url);
    var token = gs.getProperty(properties.token);
    if (!url || !token) {
        gs.addErrorMessage('ServiceNow Sync: set the properties ' + properties.url + ' and ' + properties.token);
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

    var saved = current.isNewRecord() ? current.insert() : current.update();
    action.setRedirectURL(current);
    if (!saved) {
        gs.addErrorMessage('Not sent to Flashduty: the incident could not be saved');
        return;
    }

    var body = { action_type: 'update', sys_id: current.getUniqueValue() };
    var columns = ['number', 'short_description', 'description', 'state', 'impact', 'urgency'];
    for (var i = 0; i < columns.length; i++) {
        body[columns[i]] = current.getValue(columns[i]) || '';
    }
    body.comments = newestComment(body.sys_id);

    var problem;
    try {
        var request = new sn_ws.RESTMessageV2();
        request.setHttpMethod('POST');
        request.setEndpoint(url);
        request.setHttpTimeout(10000);
        request.setRequestHeader('Content-Type', 'application/json');
        request.setRequestHeader('Authorization', 'Bearer ' + token);
        // Else ${...} in an incident's text would be taken for a variable and replaced.
        request.disableForcedVariableSubstitution();
        request.setRequestBody(JSON.stringify(body));
        var response = request.execute();
        var status = response.getStatusCode();
        if (response.haveError()) {
            problem = response.getErrorMessage();
        } else if (status < 200 || status > 299) {
            problem = 'status ' + status + ' ' + response.getBody();
        }
    } catch (error) {
        problem = error.message;
    }
    if (problem) {
        gs.addErrorMessage('Not sent to Flashduty: ' + problem);
        gs.error('ServiceNow Sync: webhook for ' + body.number + ' not sent: ' + problem);
    } else {
        gs.addInfoMessage(body.number + ' was sent to Flashduty');
    }
})();

function onClick() {
    g_form.save(); 

    var ga = new GlideAjax('IncidentWebhookHelperAjax');
    ga.addParam('sysparm_name', 'sendWebhook');
    ga.addParam('sysparm_sys_id', g_form.getUniqueValue());
    
    ga.getXMLAnswer(function(response) {
        alert('Webhook Triggered: ' + response);
    });
}

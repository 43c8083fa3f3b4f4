//! ServiceNow: its Table API, its Incident table and its business rule.

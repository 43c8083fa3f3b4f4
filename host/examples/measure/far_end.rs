//! Stands for the HTTP client of the program, and for the two systems behind it.

use integration_gateway::Client;
use integration_gateway::OutgoingRequest;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;

const INCIDENT: &str = r#"{ "data": { "incident_id": "6a1d2f45c0ffee0123456789",
    "title": "disk full", "progress": "Triggered" } }"#;

const RECORD: &str = r#"{ "result": { "sys_id": "0123456789abcdef0123456789abcdef",
    "sys_mod_count": "0", "short_description": "disk full", "state": "1" } }"#;

/// A real program sends the request with whatever HTTP library it has.
pub(crate) struct OurClient;

impl Client for OurClient {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        let (method, path) = (request.method.as_str(), request.url.path());
        println!("{method} {}{path}", request.url.authority());
        let body = match (method, path) {
            ("POST", "/incident/info") => INCIDENT,
            ("GET", "/api/now/table/incident") => r#"{ "result": [] }"#,
            (_, path) if path.starts_with("/api/now/table/incident") => RECORD,
            _ => "{}",
        };
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(Response {
            status: 200,
            headers,
            body: body.into(),
        })
    }
}

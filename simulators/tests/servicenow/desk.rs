//! A user at work on a simulated instance, without sockets and clocks.

use serde_json::Value;
use simulators::Request;
use simulators::Response;
use simulators::Simulator as _;
use simulators::servicenow::Options;
use simulators::servicenow::ServiceNow;

/// 2026-03-02 09:00:00 UTC.
pub(crate) const START_MS: u64 = 1_772_442_000_000;

/// `flashduty:flashduty-password`.
pub(crate) const FLASHDUTY: &str = "Basic Zmxhc2hkdXR5OmZsYXNoZHV0eS1wYXNzd29yZA==";

/// `admin:people-password`.
pub(crate) const ADMIN: &str = "Basic YWRtaW46cGVvcGxlLXBhc3N3b3Jk";

/// `abel.tuter:people-password`.
pub(crate) const ABEL: &str = "Basic YWJlbC50dXRlcjpwZW9wbGUtcGFzc3dvcmQ=";

pub(crate) struct Desk {
    pub(crate) snow: ServiceNow,
    pub(crate) now_ms: u64,
    pub(crate) headers: Vec<(String, String)>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Desk {
    pub(crate) fn new(options: Options) -> Desk {
        let mut desk = Desk {
            snow: ServiceNow::new(options),
            now_ms: START_MS,
            headers: Vec::new(),
        };
        desk.sit_down(FLASHDUTY);
        desk
    }

    /// Lets another user work from now on.
    pub(crate) fn sit_down(&mut self, authorization: &str) {
        self.headers = vec![
            ("host".to_owned(), "acme.example".to_owned()),
            ("authorization".to_owned(), authorization.to_owned()),
        ];
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, body: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: self.headers.clone(),
            body: body.as_bytes().to_vec(),
        };
        let Response {
            status,
            headers,
            body,
        } = self.snow.handle(&request, self.now_ms);
        Answer {
            status,
            headers,
            text: String::from_utf8(body).unwrap(),
        }
    }

    /// `GET` below `/api/now/table/`.
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send("GET", &format!("/api/now/table/{target}"), "")
    }

    /// Creates an incident by the API; returns its sys_id.
    pub(crate) fn create(&mut self, body: &str) -> String {
        let answer = self.send("POST", "/api/now/table/incident", body);
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.result()["sys_id"].as_str().unwrap().to_owned()
    }

    /// Changes an incident by the API.
    pub(crate) fn patch(&mut self, sys_id: &str, body: &str) -> Answer {
        self.send("PATCH", &format!("/api/now/table/incident/{sys_id}"), body)
    }

    /// The raw value of a column in the database.
    pub(crate) fn stored(&self, sys_id: &str, column: &str) -> String {
        self.snow.incident(sys_id).unwrap()[column].clone()
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// The bodies of the webhooks that are due by now.
    pub(crate) fn webhooks(&mut self) -> Vec<String> {
        let pushes = self.snow.take_due(self.now_ms);
        let bodies = pushes.into_iter().map(|push| push.body);
        bodies
            .map(|body| String::from_utf8(body).unwrap())
            .collect()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn result(&self) -> Value {
        self.json()["result"].clone()
    }

    /// One column of each record of a list.
    pub(crate) fn column(&self, name: &str) -> Vec<String> {
        let result = self.result();
        let records = result.as_array().unwrap().iter();
        records
            .map(|record| record[name].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other == name);
        header.map(|(_, value)| value.as_str())
    }

    /// Asserts that the answer is a refusal with exactly this body.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, message: &str, detail: Option<&str>) {
        let body = serde_json::json!({
            "error": {"message": message, "detail": detail},
            "status": "failure",
        });
        assert_eq!((self.status, self.json()), (status, body));
    }
}

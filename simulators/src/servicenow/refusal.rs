//! What the instance says when it refuses.
//!
//! Every error has the same shape, and few tell the cause: a client must be
//! written against the status and the text, so both are reproduced exactly
//! where they are known.

use serde_json::Value;
use serde_json::json;

/// A request that the instance refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status code.
    pub status: u16,
    /// What kind of refusal, in the instance's words.
    pub message: String,
    /// The cause, where the instance tells one.
    pub detail: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: u16, message: &str, detail: impl Into<String>) -> Refusal {
        Refusal {
            status,
            message: message.to_owned(),
            detail: Some(detail.into()),
        }
    }

    /// The same text for a wrong password, a locked user, an expired token
    /// and the basic-authentication restriction: only the instance's own log
    /// tells them apart.
    pub(super) fn unauthenticated() -> Refusal {
        let detail = "Required to provide Auth information";
        Refusal::new(401, "User Not Authenticated", detail)
    }

    /// For a client of OAuth that is bound to applications.
    pub(super) fn unscoped() -> Refusal {
        let detail = "Access to unscoped api is not allowed";
        Refusal::new(403, "User Not Authorized", detail)
    }

    pub(super) fn query_acl() -> Refusal {
        let detail = "Field(s) present in the query do not have permission to be read";
        Refusal::new(403, "Insufficient rights to query records", detail)
    }

    /// A rule of the instance that does not let the write through.
    pub(super) fn aborted(rule: &str) -> Refusal {
        let detail = format!(
            "Operation against file 'incident' was aborted by Business Rule '{rule}^5f0c1d9a'. Business Rule Stack:{rule}"
        );
        Refusal::new(403, "Operation Failed", detail)
    }

    /// Also what a reader gets who may not see the record.
    pub(super) fn no_record() -> Refusal {
        let detail = "Record doesn't exist or ACL restricts the record retrieval";
        Refusal::new(404, "No Record found", detail)
    }

    /// `operation` is `Insert`, `Update` or `Delete`.
    pub(super) fn acl(operation: &str) -> Refusal {
        let detail = format!("ACL Exception {operation} Failed due to security constraints");
        Refusal::new(403, "Operation Failed", detail)
    }

    pub(super) fn mandatory(labels: &[&str]) -> Refusal {
        let labels = labels.join(", ");
        let detail =
            format!("Data Policy Exception: \n\tThe following fields are mandatory: {labels}");
        Refusal::new(403, "Operation Failed", detail)
    }

    pub(super) fn duplicate(sys_id: &str) -> Refusal {
        let detail = format!(
            "Error: Unique Key violation detected by database (Duplicate entry '{sys_id}' for key 'PRIMARY')"
        );
        Refusal::new(403, "Operation Failed", detail)
    }

    pub(super) fn invalid_table(table: &str) -> Refusal {
        Refusal {
            status: 400,
            message: format!("Invalid table {table}"),
            detail: None,
        }
    }

    pub(super) fn no_resource(path: &str) -> Refusal {
        let message = "Requested URI does not represent any resource";
        Refusal::new(400, message, path)
    }

    /// For what a real instance can do and the simulator cannot: better a
    /// clear refusal than an answer that no instance would give.
    pub(super) fn unsupported(what: &str) -> Refusal {
        Refusal::new(400, "Not supported by the simulator", what)
    }

    pub(super) fn body(&self) -> Value {
        json!({
            "error": {"message": self.message, "detail": self.detail},
            "status": "failure",
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.message)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

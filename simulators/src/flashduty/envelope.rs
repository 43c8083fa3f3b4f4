//! The envelope around every answer of the Open API, and its errors.
//!
//! The code is the authority and the HTTP status only a hint: what does not
//! exist is `ResourceNotFound` with status **400**, and 404 means that the
//! route is unknown.

use std::fmt;

use serde_json::Value;
use serde_json::json;

use crate::Response;

/// The error codes of the Open API that the simulator can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A parameter is missing, of the wrong type, or out of range.
    InvalidParameter,
    /// The request cannot be read at all.
    BadRequest,
    /// The body is not declared as JSON.
    InvalidContentType,
    /// The object does not exist; comes as HTTP 400.
    ResourceNotFound,
    /// The key is missing or unknown.
    Unauthorized,
    /// There is no such path.
    RouteNotFound,
    /// The path exists for another method.
    MethodNotAllowed,
    /// The rate limit is used up.
    RequestTooFrequently,
    /// The service failed.
    InternalError,
    /// The service is not available at present.
    ServiceUnavailable,
}

impl ErrorCode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidParameter => "InvalidParameter",
            ErrorCode::BadRequest => "BadRequest",
            ErrorCode::InvalidContentType => "InvalidContentType",
            ErrorCode::ResourceNotFound => "ResourceNotFound",
            ErrorCode::Unauthorized => "Unauthorized",
            ErrorCode::RouteNotFound => "RouteNotFound",
            ErrorCode::MethodNotAllowed => "MethodNotAllowed",
            ErrorCode::RequestTooFrequently => "RequestTooFrequently",
            ErrorCode::InternalError => "InternalError",
            ErrorCode::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::InvalidParameter
            | ErrorCode::BadRequest
            | ErrorCode::InvalidContentType
            | ErrorCode::ResourceNotFound => 400,
            ErrorCode::Unauthorized => 401,
            ErrorCode::RouteNotFound => 404,
            ErrorCode::MethodNotAllowed => 405,
            ErrorCode::RequestTooFrequently => 429,
            ErrorCode::InternalError => 500,
            ErrorCode::ServiceUnavailable => 503,
        }
    }
}

/// A refusal of the Open API, and of an action of a person in the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What kind of refusal.
    pub code: ErrorCode,
    /// What was expected, what was found, and where.
    pub message: String,
}

impl ApiError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::InvalidParameter, message)
    }

    pub(super) fn not_found(what: &str, id: impl fmt::Display) -> ApiError {
        ApiError::new(
            ErrorCode::ResourceNotFound,
            format!("{what} {id} does not exist"),
        )
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for ApiError {}

/// Wraps the outcome of a call as the Open API does.
pub(super) fn wrap(request_id: &str, outcome: Result<Value, ApiError>) -> Response {
    match outcome {
        Ok(data) => json_response(
            200,
            request_id,
            &json!({ "request_id": request_id, "data": data }),
        ),
        Err(error) => json_response(
            error.code.status(),
            request_id,
            &json!({
                "request_id": request_id,
                "error": { "code": error.code.as_str(), "message": error.message },
            }),
        ),
    }
}

fn json_response(status: u16, request_id: &str, body: &Value) -> Response {
    Response {
        status,
        headers: vec![
            (
                "content-type".to_owned(),
                "application/json; charset=utf-8".to_owned(),
            ),
            ("flashcat-request-id".to_owned(), request_id.to_owned()),
        ],
        body: body.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::ApiError;
    use super::wrap;
    use serde_json::Value;

    #[test]
    fn a_missing_object_is_resource_not_found_with_status_400() {
        let response = wrap("R1", Err(ApiError::not_found("incident", "6a1d")));
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(response.status, 400);
        assert_eq!(body["error"]["code"], "ResourceNotFound");
        assert_eq!(body["error"]["message"], "incident 6a1d does not exist");
    }

    #[test]
    fn the_request_id_is_in_the_body_and_in_a_header() {
        let response = wrap("R1", Ok(Value::Null));
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(body["request_id"], "R1");
        assert!(
            response
                .headers
                .contains(&("flashcat-request-id".to_owned(), "R1".to_owned()))
        );
    }
}

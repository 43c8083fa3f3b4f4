//! What can go wrong with a call to a far end, seen from the sync: not which
//! status it was, but what may be done next.

use crate::HttpFailure;
use crate::Response;
use crate::date;
use crate::json;
use crate::plan::Side;
use crate::text;
use alloc::boxed::Box;
use alloc::string::String;
use serde_json::Value;

/// Why a call did not bring what was asked for. Boxed, since every result that
/// is passed on has room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(Box<(Kind, String)>);

/// What may be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Certainly not carried out, and not the incident's fault: no connection,
    /// rate limit, credential, gate. Wait, and do not count it.
    NotNow,
    /// As `NotNow`, and the gateway knows until when (Unix milliseconds).
    NotBefore(u64),
    /// Perhaps carried out. What is absolute may be sent again at once; what
    /// adds something (a record, a comment) must be looked for first.
    Unknown,
    /// Understood and declined: trying again without a change is unlikely to
    /// help.
    Refused,
    /// On this side there is no such incident, or none that may be seen.
    Missing(Side),
    /// The operator's policy forbids the call itself.
    Forbidden,
}

impl Kind {
    /// Trouble of this kind. The reason is for operators.
    pub(crate) fn because(self, reason: String) -> Trouble {
        Trouble(Box::new((self, reason)))
    }
}

impl Trouble {
    /// An answer to a read that makes no sense: nothing has happened.
    pub(crate) fn unreadable(why: String) -> Self {
        Kind::NotNow.because(why)
    }

    /// What may be done next.
    pub fn kind(&self) -> Kind {
        self.0.0
    }

    /// The text for operators.
    pub fn reason(&self) -> &str {
        &self.0.1
    }

    /// The side that does not have what was asked for, if that is why.
    pub(crate) fn missing(&self) -> Option<Side> {
        match self.kind() {
            Kind::Missing(side) => Some(side),
            _ => None,
        }
    }

    /// Whether it was declined, and would be again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.kind(), Kind::Refused | Kind::Missing(_))
    }
}

/// What the far end's own clock shows, in Unix milliseconds, if the answer
/// tells; else what is known of it.
pub(crate) fn clock_ms(
    result: &Result<Response, HttpFailure>,
    known_ms: Option<u64>,
) -> Option<u64> {
    let date = result.as_ref().ok().and_then(|r| header(r, "date"));
    let told_ms = date.and_then(date::http_ms);
    told_ms.and_then(|ms| u64::try_from(ms).ok()).or(known_ms)
}

/// A header of an answer.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let mut headers = response.headers.iter();
    let found = headers.find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Takes the JSON out of an answer, whatever its status. A success that is not
/// JSON is none: log-in pages, sleeping instances and proxies answer 200 with
/// HTML.
pub(crate) fn json_answer(
    result: Result<Response, HttpFailure>,
    what: &str,
) -> Result<(u16, Value), Trouble> {
    let response = result.map_err(|failure| {
        let (kind, why) = match failure {
            HttpFailure::Refused(why) => (Kind::Forbidden, why),
            HttpFailure::Held(hold) => (Kind::NotBefore(hold.until_ms), hold.reason),
            HttpFailure::Unreachable(why) => (Kind::NotNow, why),
            HttpFailure::Unknown(why) => (Kind::Unknown, why),
        };
        kind.because(format!("{what}: {why}"))
    })?;
    let status = response.status;
    let content_type = header(&response, "content-type").unwrap_or_default();
    let is_json = content_type
        .split(';')
        .next()
        .is_some_and(|t| t.trim().ends_with("json"));
    match json::parse(&response.body) {
        Ok(value) if is_json => Ok((status, value)),
        _ => {
            let kind = text::cut(&text::single_line(content_type), 60);
            let why = format!(
                "{what} answered {status} with {} instead of JSON",
                if kind.is_empty() {
                    "no content type"
                } else {
                    &kind
                }
            );
            let kind = match status {
                // Declined before anything was done.
                300..=399 | 401 | 403 | 404 | 407 | 429 => Kind::NotNow,
                400..=499 => Kind::Refused,
                _ => Kind::Unknown,
            };
            Err(kind.because(why))
        }
    }
}

/// What an answer says of why it is none, on one line and not too long.
pub(crate) fn said(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text::cut(&text::single_line(text), 200)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hold;

    fn answer(status: u16, content_type: &str, body: &str) -> Result<(u16, Value), Trouble> {
        let response = Response {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
        };
        json_answer(Ok(response), "it")
    }

    #[test]
    fn a_page_with_status_200_is_no_success() {
        let html = "<title>Instance Hibernating page</title>";
        assert_eq!(
            answer(200, "text/html", html),
            Err(Kind::Unknown.because("it answered 200 with text/html instead of JSON".into()))
        );
        let kind = answer(200, "application/json", html).unwrap_err().kind();
        assert_eq!(kind, Kind::Unknown);
    }

    #[test]
    fn a_redirect_is_waited_out_and_never_followed() {
        assert_eq!(answer(302, "", "").unwrap_err().kind(), Kind::NotNow);
    }

    #[test]
    fn what_the_gateway_holds_back_is_tried_when_it_says() {
        let hold = HttpFailure::Held(Hold {
            until_ms: 9,
            reason: "rate limit".into(),
        });
        assert_eq!(
            json_answer(Err(hold), "it"),
            Err(Kind::NotBefore(9).because("it: rate limit".into()))
        );
    }
}

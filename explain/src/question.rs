//! What a request asks: about which event, on which path, of which pair.

use crate::form;
use integration_gateway::Incoming;
use url::form_urlencoded;

/// What `servicenow-sync explain` takes as `--event`, `--path` and `--pair`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) event: Vec<u8>,
    pub(crate) path: Option<String>,
    /// Empty if the event is about something new.
    pub(crate) pair: String,
}

impl Question {
    /// Reads a request to `/explain`. Its body is the event; or it is a form of
    /// the event and the pair. Its query may name the path.
    pub(crate) fn read(request: Incoming) -> Result<Self, String> {
        let path = path(&request.query)?;
        let content_type = request
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map_or("", |(_, value)| value.as_str());
        let Some(boundary) = form::boundary(content_type) else {
            return Ok(Self {
                event: request.body,
                path,
                pair: String::new(),
            });
        };
        let (mut event, mut pair) = (None, None);
        for part in form::parts(&request.body, &boundary?)? {
            let place = match part.name.as_str() {
                "event" => &mut event,
                "pair" => &mut pair,
                name => {
                    return Err(format!(
                        "expected the parts event and pair, found {name:?}; a path goes into the \
                         query, as in /explain?path=/flashduty/prod"
                    ));
                }
            };
            if place.replace(part.content).is_some() {
                return Err(format!("the part {} stands twice; send it once", part.name));
            }
        }
        let event = event.ok_or(
            "expected a part event with the body of a webhook, found none; add it, as in curl \
             --form event=@event.json",
        )?;
        let pair = String::from_utf8(pair.unwrap_or_default().to_vec());
        Ok(Self {
            event: event.to_vec(),
            path,
            pair: pair.map_err(|_| "the pair is not UTF-8; expected JSON")?,
        })
    }
}

/// The one thing that a query may say.
fn path(query: &str) -> Result<Option<String>, String> {
    let mut path = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "path" {
            return Err(format!(
                "expected the query path=PATH or none, found {name:?}; the event and the pair go \
                 into the body"
            ));
        }
        if path.replace(value.into_owned()).is_some() {
            return Err("the query names path twice; name it once".to_owned());
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, content_type: &str, body: &str) -> Result<Question, String> {
        Question::read(Incoming {
            method: "POST".into(),
            path: "/explain".into(),
            query: query.into(),
            headers: vec![("Content-Type".into(), content_type.into())],
            body: body.into(),
        })
    }

    fn form(parts: &[(&str, &str)]) -> String {
        let part = |(name, content): &(&str, &str)| {
            format!("--b\r\ncontent-disposition: form-data; name={name}\r\n\r\n{content}\r\n")
        };
        parts.iter().map(part).collect::<String>() + "--b--"
    }

    const FORM: &str = "multipart/form-data; boundary=b";

    #[test]
    fn a_body_is_the_event_whatever_its_content_type() {
        for content_type in ["application/json", "application/x-www-form-urlencoded", ""] {
            let expected = Question {
                event: b"{\"a\": 1}".into(),
                path: Some("/flashduty/prod".into()),
                pair: String::new(),
            };
            let found = read("path=%2Fflashduty%2Fprod", content_type, "{\"a\": 1}");
            assert_eq!(found, Ok(expected), "{content_type}");
        }
    }

    #[test]
    fn a_form_holds_the_event_and_the_pair() {
        let found = read("", FORM, &form(&[("pair", "{}"), ("event", "[]")]));
        let expected = Question {
            event: b"[]".into(),
            path: None,
            pair: "{}".into(),
        };
        assert_eq!(found, Ok(expected));
        let found = read("", FORM, &form(&[("event", "")]));
        assert_eq!(found, Ok(Question::default()));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_told_with_the_remedy() {
        for (query, parts, expected) in [
            (
                "event=a",
                &[] as &[_],
                "expected the query path=PATH or none, found \"event\"; the event and the pair go \
                 into the body",
            ),
            (
                "path=/a&path=/b",
                &[],
                "the query names path twice; name it once",
            ),
            (
                "",
                &[],
                "expected a part event with the body of a webhook, found none; add it, as in curl \
                 --form event=@event.json",
            ),
            (
                "",
                &[("event", "a"), ("event", "b")],
                "the part event stands twice; send it once",
            ),
            (
                "",
                &[("path", "/a")],
                "expected the parts event and pair, found \"path\"; a path goes into the query, \
                 as in /explain?path=/flashduty/prod",
            ),
        ] {
            assert_eq!(read(query, FORM, &form(parts)), Err(expected.to_owned()));
        }
        let mut body = form(&[("event", ""), ("pair", "x")]).into_bytes();
        let at = body.iter().position(|byte| *byte == b'x').unwrap();
        body[at] = 0xff;
        let request = Incoming {
            method: "POST".into(),
            path: "/explain".into(),
            query: String::new(),
            headers: vec![("content-type".into(), FORM.into())],
            body,
        };
        let told = Question::read(request).unwrap_err();
        assert_eq!(told, "the pair is not UTF-8; expected JSON");
    }
}

//! Where a plugin's requests may go, and what they may carry.
//!
//! The list of origins is the operator's, and a request's URL must match one
//! of them to the letter: scheme, host and port. Comparison happens on the
//! parsed URL, and the parsed URL is also what is sent, so there is no second
//! reading of the text on which the two could disagree.

use crate::contract::Headers;
use crate::contract::HttpRequest;
use crate::origin::Origin;
use crate::origin::parse_url;
use crate::suggestion::did_you_mean;
use url::Url;

/// The origins that requests may go to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    allowed: Vec<Origin>,
}

/// Headers that are the gateway's, or that would change how the message is
/// framed and routed.
const RESERVED: [&str; 12] = [
    "host",
    "content-length",
    "cookie",
    "authorization",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "forwarded",
];

const LONGEST_URL: usize = 8 << 10;

impl Egress {
    pub(crate) fn new(origins: impl IntoIterator<Item = Origin>) -> Self {
        let mut allowed = Vec::new();
        for origin in origins {
            if !allowed.contains(&origin) {
                allowed.push(origin);
            }
        }
        Self { allowed }
    }

    pub(crate) fn allows(&self, origin: &Origin) -> bool {
        self.allowed.contains(origin)
    }

    /// Whether an origin is allowed, by its text.
    pub(crate) fn names(&self, origin: &str) -> bool {
        self.origins().any(|allowed| allowed == origin)
    }

    pub(crate) fn origins(&self) -> impl Iterator<Item = &str> {
        self.allowed.iter().map(Origin::as_str)
    }

    /// Checks a request, or says what forbids it and what to change.
    pub(crate) fn check(&self, request: &HttpRequest) -> Result<(Url, Origin), String> {
        let url = parse(&request.url)?;
        let origin = Origin::of(&url);
        if !self.allows(&origin) {
            return Err(format!(
                "{origin} is not allowed; add it to egress.allow if it is meant{}",
                did_you_mean(origin.as_str(), self.origins())
            ));
        }
        if request.method.is_empty() || !request.method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(format!(
                "expected a method in upper case, found {:?}",
                request.method
            ));
        }
        if matches!(request.method.as_str(), "CONNECT" | "TRACE") {
            return Err(format!("the method {} is not allowed", request.method));
        }
        for (name, value) in &request.headers {
            check_header(name, value)?;
        }
        Ok((url, origin))
    }
}

/// Reads a URL. The parser is lenient, since browsers are: it drops tabs and
/// line breaks and takes a backslash for a slash. A plugin that writes such a
/// URL has let in text from somewhere, so it is refused before it is parsed.
fn parse(text: &str) -> Result<Url, String> {
    if text.len() > LONGEST_URL {
        return Err(format!(
            "the URL is {} bytes long; at most {LONGEST_URL} are sent",
            text.len()
        ));
    }
    let odd = |c: char| !c.is_ascii() || c.is_ascii_control() || matches!(c, ' ' | '\\');
    if text.contains(odd) {
        return Err("the URL holds a character that must be percent-encoded".to_owned());
    }
    let url = parse_url(text).map_err(|why| format!("the URL cannot be read: {why}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!(
            "the URL's scheme is {:?}; expected https",
            url.scheme()
        ));
    }
    // The parser also finds a host, and a user, behind one slash, three or none.
    let Some((_, rest)) = text
        .split_once("://")
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(url.scheme()))
    else {
        return Err("the URL does not begin with https://".to_owned());
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err("the URL names a user; a credential belongs to the gateway".to_owned());
    }
    if url.fragment().is_some() {
        return Err("the URL has a fragment, which is never sent".to_owned());
    }
    Ok(url)
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    if !is_header_name(name) || name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!(
            "expected a header name in lower case, found {name:?}"
        ));
    }
    if is_reserved(name) {
        return Err(format!("the header {name} is the gateway's"));
    }
    if !is_header_value(value) {
        return Err(format!(
            "the value of the header {name} holds a control character"
        ));
    }
    Ok(())
}

/// Whether a header of this name, in lower case, is none of a plugin's.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("proxy-")
}

pub(crate) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(crate) fn is_header_value(value: &str) -> bool {
    value
        .bytes()
        .all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f))
}

/// A far end's or a plugin's headers, without those that could not be sent on
/// as they are and those that only concern one connection.
pub(crate) fn end_to_end(headers: Headers) -> Headers {
    headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, value)| {
            is_header_name(name)
                && is_header_value(value)
                && !is_reserved(name)
                && name != "set-cookie"
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress() -> Egress {
        Egress::new([
            Origin::parse("https://api.example.com").unwrap(),
            Origin::parse("http://127.0.0.1:8080").unwrap(),
        ])
    }

    fn get(url: &str) -> HttpRequest {
        HttpRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            credential: None,
            timeout_ms: 1000,
        }
    }

    #[test]
    fn the_listed_origins_are_reached_and_no_other() {
        for url in [
            "https://api.example.com/a?b=c",
            "https://api.example.com:443/",
            "HTTPS://API.example.com",
            "http://127.0.0.1:8080/x",
            // Another spelling of an address that is listed is that address.
            "http://0x7f.1:8080/x",
        ] {
            assert!(egress().check(&get(url)).is_ok(), "{url}");
        }
        for url in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://api.example.com./",
            "https://api.example.com.evil.test/",
            "https://evil.test/?https://api.example.com",
            "https://evil.test/https://api.example.com/",
            "https://api.example.com@evil.test/",
            "https://evil.test@api.example.com/",
            "https://@api.example.com/",
            "https://evil.test#@api.example.com/",
            "https://evil.test\\@api.example.com/",
            "https:\\\\api.example.com/",
            "https://api.example.com/#a",
            "https://api.example.com/a b",
            "https://api.example.com/a\r\nHost: evil.test",
            "https://api.exa\tmple.com/",
            "https://\u{430}pi.example.com/",
            "http://127.0.0.1/",
            "http://127.0.0.1:80801/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]:8080/",
            "http://[::ffff:127.0.0.1]:8080/",
            "file:///etc/passwd",
            "ftp://api.example.com/",
            "data:text/plain,x",
            "//api.example.com/",
            "api.example.com",
            "",
        ] {
            assert!(egress().check(&get(url)).is_err(), "{url}");
        }
    }

    #[test]
    fn a_refused_origin_is_named_without_its_query() {
        assert_eq!(
            egress()
                .check(&get("https://api.exmaple.com/?key=canary"))
                .unwrap_err(),
            "https://api.exmaple.com is not allowed; add it to egress.allow if it is meant; did you mean \"https://api.example.com\"?"
        );
    }

    #[test]
    fn headers_cannot_smuggle() {
        for (name, value) in [
            ("Accept", "a"),
            ("", "a"),
            ("a b", "a"),
            ("a:b", "a"),
            ("a\r\nb", "a"),
            ("x", "a\r\nhost: evil.test"),
            ("x", "a\0"),
            ("x", "a\nb"),
            ("host", "evil.test"),
            ("content-length", "0"),
            ("cookie", "a=b"),
            ("authorization", "Basic canary"),
            ("proxy-authorization", "a"),
            ("proxy-connection", "a"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
        ] {
            let mut request = get("https://api.example.com/");
            request.headers.push((name.to_owned(), value.to_owned()));
            assert!(egress().check(&request).is_err(), "{name:?}: {value:?}");
        }
        let mut request = get("https://api.example.com/");
        request.headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("x-note".to_owned(), "\u{e9}t\u{e9}\t1".to_owned()),
        ];
        assert!(egress().check(&request).is_ok());
    }

    #[test]
    fn a_method_is_one_word_in_upper_case() {
        for method in ["", "get", "GET /", "CONNECT", "TRACE"] {
            let mut request = get("https://api.example.com/");
            request.method = method.to_owned();
            assert!(egress().check(&request).is_err(), "{method:?}");
        }
    }
}

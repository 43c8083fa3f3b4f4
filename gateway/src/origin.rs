use crate::redaction::without_queries;
use std::fmt;
use url::Host;
use url::Url;

/// `scheme://host[:port]` in the one form that every way of writing it is
/// brought to, so that equal text means the same place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin(String);

impl Origin {
    /// Reads what an operator or a plugin wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = |why: &str| {
            format!(
                "expected scheme://host[:port] such as https://example.com, found {}{why}",
                as_written(text)
            )
        };
        let url = parse_url(text).map_err(|why| expected(&format!(": {why}")))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(expected(", whose scheme is neither https nor http"));
        }
        if text.contains('@') {
            return Err(expected(", which names a user; use a credential"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(expected(", which goes on behind the host"));
        }
        let origin = Self::of(&url);
        // The parser accepts `0x7f.1`, tabs, backslashes and more. An operator
        // should read in the settings what the gateway will compare with.
        let written = text.trim_end_matches('/').to_ascii_lowercase();
        let default_port = if url.scheme() == "https" {
            ":443"
        } else {
            ":80"
        };
        if written.strip_suffix(default_port).unwrap_or(&written) != origin.0 {
            return Err(format!("expected {:?}, found {text:?}", origin.0));
        }
        if url.host_str().is_some_and(|host| host.ends_with('.')) {
            return Err(expected(", whose host ends in a dot"));
        }
        Ok(origin)
    }

    /// The origin of an `http` or `https` URL.
    pub(crate) fn of(url: &Url) -> Self {
        Self(url.origin().ascii_serialization())
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what goes there can be read on the way.
    pub(crate) fn is_readable_on_the_way(&self) -> bool {
        self.0.starts_with("http://") && !self.is_this_machine()
    }

    fn is_this_machine(&self) -> bool {
        match self.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The host, parsed anew: this is asked at load only.
    pub(crate) fn host(&self) -> Option<Host> {
        Url::parse(&self.0).ok()?.host().map(|host| host.to_owned())
    }
}

/// What was found in the place of a URL, for a message: without the query, and
/// not at all if it may name a user, whose password would be next to that.
pub(crate) fn as_written(text: &str) -> String {
    match text.contains('@') {
        true => "one with @ in it".to_owned(),
        false => format!("{:?}", without_queries(text)),
    }
}

/// Parses a URL that is written in ASCII, and its host as it is. The tables of
/// Unicode with which others are brought to ASCII are not built in, for the sake
/// of gateways that are components, and the parser counts on never needing them.
pub(crate) fn parse_url(text: &str) -> Result<Url, String> {
    let behind_scheme = text.split_once(':').map_or("", |(_, behind)| behind);
    let authority = behind_scheme.trim_start_matches(['/', '\\', '\t', '\n', '\r']);
    let authority = authority.split(['/', '\\', '?', '#']).next();
    let is_encoded = authority.is_some_and(|authority| authority.contains('%'));
    if !text.is_ascii() || is_encoded {
        let expected = "a host of other letters than those of ASCII is written in Punycode, xn--…, \
                        and what follows it percent-encoded";
        return Err(expected.to_owned());
    }
    Url::parse(text).map_err(|error| error.to_string())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_other_letters_is_refused_and_breaks_nothing() {
        for text in [
            "https://ap\u{fffd}.example.com",
            "https://b\u{fc}cher.example",
            "https://b%C3%BCcher.example",
            "https:\t\\%ff",
        ] {
            let problem = Origin::parse(text).unwrap_err();
            assert_eq!(
                problem,
                format!(
                    "expected scheme://host[:port] such as https://example.com, found {text:?}: \
                     a host of other letters than those of ASCII is written in Punycode, xn--…, \
                     and what follows it percent-encoded"
                )
            );
        }
        let punycode = "https://xn--bcher-kva.example";
        assert_eq!(Origin::parse(punycode).unwrap().as_str(), punycode);
    }

    #[test]
    fn every_way_of_writing_an_origin_comes_to_one() {
        for text in [
            "https://Example.com",
            "https://example.com/",
            "HTTPS://example.com:443",
        ] {
            assert_eq!(
                Origin::parse(text).unwrap().as_str(),
                "https://example.com",
                "{text}"
            );
        }
        let ported = Origin::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!(ported.as_str(), "http://127.0.0.1:8080");
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for (text, message) in [
            (
                "example.com",
                "expected scheme://host[:port] such as https://example.com, found \"example.com\": relative URL without a base",
            ),
            (
                "ftp://example.com",
                "expected scheme://host[:port] such as https://example.com, found \"ftp://example.com\", whose scheme is neither https nor http",
            ),
            (
                "https://user@example.com",
                "expected scheme://host[:port] such as https://example.com, found one with @ in it, which names a user; use a credential",
            ),
            (
                "https://example.com/api?key=canary",
                "expected scheme://host[:port] such as https://example.com, found \"https://example.com/api\", which goes on behind the host",
            ),
            (
                "https://example.com.",
                "expected scheme://host[:port] such as https://example.com, found \"https://example.com.\", whose host ends in a dot",
            ),
            (
                "http://0x7f.1",
                "expected \"http://127.0.0.1\", found \"http://0x7f.1\"",
            ),
            (
                "http://2130706433",
                "expected \"http://127.0.0.1\", found \"http://2130706433\"",
            ),
        ] {
            assert_eq!(Origin::parse(text).unwrap_err(), message);
        }
    }

    #[test]
    fn only_plain_http_to_another_machine_is_readable_on_the_way() {
        for (text, readable) in [
            ("https://example.com", false),
            ("http://localhost:1", false),
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1", false),
            ("http://example.com", true),
            ("http://10.0.0.1", true),
            ("http://localhost.example.com", true),
        ] {
            assert_eq!(
                Origin::parse(text).unwrap().is_readable_on_the_way(),
                readable,
                "{text}"
            );
        }
    }
}

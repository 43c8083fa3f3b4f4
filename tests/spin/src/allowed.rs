//! `allowed_outbound_hosts`: `scheme://host[:port]`, where scheme, host and port
//! may be `*`, a host may begin with `*.`, and a port may be a range.

use anyhow::Context as _;
use anyhow::bail;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    scheme: String,
    host: String,
    ports: Option<(u16, u16)>,
}

impl Allowed {
    /// Reads an entry.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let expected = || format!("expected scheme://host[:port], found {text:?}");
        let (scheme, rest) = text.split_once("://").with_context(expected)?;
        if rest.is_empty() || rest.trim_end_matches('/').contains('/') {
            bail!(expected());
        }
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let number = |port: &str| port.parse::<u16>().with_context(expected);
        let ports = match port {
            Some("*") => None,
            Some(port) => Some(match port.split_once("..") {
                Some((first, end)) => (number(first)?, number(end)?.saturating_sub(1)),
                None => (number(port)?, number(port)?),
            }),
            None if scheme == "*" => None,
            None => usual_port(scheme).map(|port| (port, port)),
        };
        Ok(Self {
            scheme: scheme.to_owned(),
            host: host.to_ascii_lowercase(),
            ports,
        })
    }

    /// Whether it lets a connection through.
    pub fn lets(&self, scheme: &str, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let is_host = match self.host.strip_prefix('*') {
            Some("") => true,
            Some(domain) => host.ends_with(domain),
            None => host == self.host,
        };
        (self.scheme == "*" || self.scheme == scheme)
            && is_host
            && self
                .ports
                .is_none_or(|(first, last)| (first..=last).contains(&port))
    }
}

/// The port of a URL that names none.
pub(crate) fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "postgres" | "postgresql" => Some(5432),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lets_through_what_it_names() {
        for (entry, scheme, host, port, expected) in [
            ("https://a.example", "https", "A.example", 443, true),
            ("https://a.example", "https", "a.example", 8443, false),
            ("https://a.example", "http", "a.example", 443, false),
            ("https://a.example:8443", "https", "a.example", 8443, true),
            ("https://*.example", "https", "a.b.example", 443, true),
            ("https://*.example", "https", "example", 443, false),
            ("http://127.0.0.1:*", "http", "127.0.0.1", 9, true),
            ("http://127.0.0.1:10..20", "http", "127.0.0.1", 19, true),
            ("http://127.0.0.1:10..20", "http", "127.0.0.1", 20, false),
            ("*://*:*", "postgres", "db", 1, true),
            ("postgres://db", "postgres", "db", 5432, true),
        ] {
            let allowed = Allowed::parse(entry).expect(entry);
            assert_eq!(
                allowed.lets(scheme, host, port),
                expected,
                "{entry}: {scheme}://{host}:{port}"
            );
        }
        for entry in [
            "a.example",
            "https://",
            "https://a.example/path",
            "https://a:b",
        ] {
            assert!(Allowed::parse(entry).is_err(), "{entry}");
        }
    }
}

//! Where a gateway is.

use crate::bindings::http::Scheme;

/// Takes an origin apart, `http://HOST:PORT`, into what a request wants to know.
pub(crate) fn parts(origin: &str) -> Result<(Scheme, &str), String> {
    let parts = origin.split_once("://").and_then(|(scheme, rest)| {
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let is_one = !authority.is_empty() && !authority.contains(['/', '?', '#', '@']);
        is_one.then_some((scheme, authority))
    });
    parts.ok_or_else(|| {
        format!("the Spin variable gateway_origin: expected http://HOST:PORT, found {origin:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_an_authority_and_nothing_else() {
        for (origin, authority) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://127.0.0.1:3000/", "127.0.0.1:3000"),
            ("https://sync.example", "sync.example"),
        ] {
            assert_eq!(parts(origin).map(|(_, found)| found), Ok(authority));
        }
        for origin in [
            "",
            "sync.example",
            "ftp://a",
            "http://",
            "http://a/tick",
            "http://u@a",
        ] {
            let expected = format!(
                "the Spin variable gateway_origin: expected http://HOST:PORT, found {origin:?}"
            );
            assert_eq!(parts(origin).err(), Some(expected));
        }
    }
}

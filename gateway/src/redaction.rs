/// A text in which every URL ends before its query. Some far ends take their
/// key in the query, and libraries like to print the URL that failed.
pub(crate) fn without_queries(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, url) = rest.split_at(scheme);
        let end = url
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | '`'))
            .unwrap_or(url.len());
        let shown = url[..end].find(['?', '#']).unwrap_or(end);
        clean.push_str(before);
        clean.push_str(&url[..shown]);
        rest = &url[end..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_every_url_is_cut_and_the_rest_stays() {
        for (text, expected) in [
            ("connection refused", "connection refused"),
            ("why? nobody knows", "why? nobody knows"),
            (
                "error sending request for url (https://api.example.com/a?app_key=canary): refused",
                "error sending request for url (https://api.example.com/a): refused",
            ),
            (
                "https://a/?k=canary https://b/c?k=canary#canary",
                "https://a/ https://b/c",
            ),
            (
                "\"https://a/?k=canary://canary\" failed",
                "\"https://a/\" failed",
            ),
        ] {
            assert_eq!(without_queries(text), expected);
        }
    }
}

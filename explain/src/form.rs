//! Takes a form apart: `multipart/form-data`, as RFC 7578 has it and as `curl
//! --form` sends it.

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'b> {
    /// The name of the field.
    pub(crate) name: String,
    /// Its bytes as they were sent.
    pub(crate) content: &'b [u8],
}

/// The boundary between the parts of a form, in quotes or not; none if the
/// content type is not that of a form.
pub(crate) fn boundary(content_type: &str) -> Option<Result<String, String>> {
    let media_type = content_type.split(';').next().unwrap_or_default();
    if !media_type
        .trim()
        .eq_ignore_ascii_case("multipart/form-data")
    {
        return None;
    }
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty());
    Some(boundary.ok_or_else(|| {
        "expected content-type multipart/form-data with a boundary, found none; let your HTTP \
         client set the header, as curl does with --form"
            .to_owned()
    }))
}

/// The parts of a form, or what is wrong with it.
pub(crate) fn parts<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>, String> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let first = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => Some(rest),
        None => split_once(body, &delimiter).map(|(_, rest)| rest),
    };
    let mut rest =
        first.ok_or("the form does not hold the boundary that its content-type names")?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let part = split_once(rest, &delimiter);
        let (part, behind) = part.ok_or("the form is cut: it ends before its last boundary")?;
        rest = behind;
        let blanks = part.iter().take_while(|byte| b" \t".contains(byte)).count();
        let (head, content) = split_once(&part[blanks..], b"\r\n\r\n")
            .ok_or("expected a blank line behind the headers of a part, found none")?;
        let head = String::from_utf8_lossy(head);
        let name = head
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
            .and_then(|(_, value)| parameter(value, "name"));
        let name =
            name.ok_or("expected a content-disposition with a name in each part, found none")?;
        parts.push(Part { name, content });
    }
    Ok(parts)
}

/// A parameter of a header: `form-data; name="event"; filename="a.json"`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = header.split_once(';')?;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, behind) = behind.split_once(';').unwrap_or((behind, ""));
                (value.trim().to_owned(), behind)
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind.trim_start_matches([';', ' ', '\t']);
    }
}

/// A text up to the quote that ends it, and what is behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(characters.next()?.1),
            (_, character) => value.push(character),
        }
    }
}

fn split_once<'b>(bytes: &'b [u8], by: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As curl 8 sends it.
    const FORM: &str = "--------------------------d74496d66958873e\r\n\
        Content-Disposition: form-data; name=\"event\"; filename=\"a;\\\"b.json\"\r\n\
        Content-Type: application/json\r\n\
        \r\n\
        {\"a\":\r\n--1}\r\n\
        --------------------------d74496d66958873e\r\n\
        Content-Disposition: form-data; name=\"pair\"\r\n\
        \r\n\
        \r\n\
        --------------------------d74496d66958873e--\r\n";
    const BOUNDARY: &str = "------------------------d74496d66958873e";

    fn told(body: &str) -> String {
        parts(body.as_bytes(), "b").unwrap_err()
    }

    #[test]
    fn a_form_of_curls_has_its_parts_byte_for_byte() {
        let part = |name: &str, content| Part {
            name: name.into(),
            content,
        };
        let expected = vec![part("event", b"{\"a\":\r\n--1}"), part("pair", b"")];
        assert_eq!(parts(FORM.as_bytes(), BOUNDARY), Ok(expected));
        assert_eq!(parts(b"a preamble\r\n--b--", "b"), Ok(vec![]));
    }

    #[test]
    fn the_boundary_stands_in_the_content_type() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=b", "b"),
            (
                "Multipart/Form-Data; charset=utf-8; Boundary=\"b c\"",
                "b c",
            ),
        ] {
            assert_eq!(boundary(content_type), Some(Ok(expected.to_owned())));
        }
        for content_type in ["application/json", "multipart/mixed; boundary=b", ""] {
            assert_eq!(boundary(content_type), None);
        }
        for content_type in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"b",
        ] {
            let told = boundary(content_type).unwrap().unwrap_err();
            assert!(told.starts_with(
                "expected content-type multipart/form-data with a boundary, found none; "
            ));
        }
    }

    #[test]
    fn what_is_wrong_with_a_form_is_told() {
        let head = "content-disposition: form-data; name=\"event\"\r\n\r\n";
        assert_eq!(
            told("{}"),
            "the form does not hold the boundary that its content-type names"
        );
        let cut = "the form is cut: it ends before its last boundary";
        assert_eq!(told("--b\r\n"), cut);
        assert_eq!(told(&format!("--b\r\n{head}{{}}")), cut);
        assert_eq!(
            told("--b\r\n{}\r\n--b--"),
            "expected a blank line behind the headers of a part, found none"
        );
        for head in [
            "",
            "content-disposition: form-data",
            "content-type: a; name=b",
        ] {
            assert_eq!(
                told(&format!("--b\r\n{head}\r\n\r\n{{}}\r\n--b--")),
                "expected a content-disposition with a name in each part, found none"
            );
        }
    }

    #[test]
    fn damaged_forms_break_nothing() {
        let mut random = fastrand::Rng::with_seed(20_261_201);
        let mut whole = 0;
        for _ in 0..20_000 {
            let mut form = FORM.as_bytes().to_vec();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..form.len());
                let other = form[random.usize(..form.len())];
                match random.u8(..4) {
                    0 => form[at] = other,
                    1 => form.insert(at, other),
                    2 => form.truncate(at + 1),
                    _ => drop(form.remove(at)),
                }
            }
            whole += usize::from(parts(&form, BOUNDARY).is_ok());
        }
        assert!((1000..19_000).contains(&whole), "{whole} were forms still");
    }
}

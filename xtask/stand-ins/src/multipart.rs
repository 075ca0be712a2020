//! Forms sent as `multipart/form-data`: their fields, as Go's `FormValue` finds them.

use crate::go_http::Values;

/// The fields of a body of this type; none, if it is of another. Files are no fields.
pub(crate) fn values(content_type: &str, body: &[u8]) -> Values {
    let mut values = Values::default();
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let boundary = parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty());
    let Some(boundary) = boundary.filter(|_| kind.trim().eq_ignore_ascii_case("multipart/form-data")) else {
        return values;
    };
    // What stands before the first boundary belongs to no part, nor what follows the last.
    let text = format!("\r\n{}", String::from_utf8_lossy(body));
    for part in text.split(&format!("\r\n--{boundary}")).skip(1) {
        let Some((head, value)) = part.split_once("\r\n\r\n").filter(|_| !part.starts_with("--")) else {
            break;
        };
        let disposition = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let disposition = disposition.filter(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
        let parameters =
            disposition.filter_map(|(_, value)| value.split_once(';')).map(|(_, rest)| rest).next();
        let Some(parameters) = parameters.filter(|text| parameter(text, "filename").is_none()) else {
            continue;
        };
        if let Some(name) = parameter(parameters, "name") {
            values.add(name, value);
        }
    }
    values
}

/// `value` of `a=b; name="value"`.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_files_are_not() {
        let part = |head: &str, value: &str| {
            format!("--x-y\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
        };
        let body = [
            part("name=\"login\"", "a@b"),
            part("name=password", "two\r\nlines --x"),
            part("name=\"f\"; filename=\"f.txt\"", "file"),
            "--x-y--\r\n".into(),
        ]
        .concat();
        let read = values("multipart/form-data; boundary=\"x-y\"", body.as_bytes());
        assert_eq!((read.get("login"), read.get("password"), read.get("f")), ("a@b", "two\r\nlines --x", ""));
        for (kind, body) in [
            ("text/plain; boundary=x-y", body.as_str()),
            ("multipart/form-data", &body),
            ("multipart/form-data; boundary=x-y", "--x-y\r\nno end of the head"),
            ("multipart/form-data; boundary=x-y", ""),
        ] {
            assert_eq!(values(kind, body.as_bytes()).encode(), "", "{kind}");
        }
    }
}

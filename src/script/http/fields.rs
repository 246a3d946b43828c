//! The fields of a head, as Go's net/http has them.

use std::borrow::Cow;

use crate::http::request::is_token_byte;

/// Name and value of each field of a response's head, in their order, without the blanks around them; folded lines are joined by one blank
/// (RFC 9112, 5.2).
pub fn fields(head: &[u8]) -> Vec<(&[u8], Cow<'_, [u8]>)> {
    let mut all: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::new();
    for line in lines(head).skip(1) {
        if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            if let Some((_, value)) = all.last_mut() {
                value.to_mut().push(b' ');
                value.to_mut().extend_from_slice(line.trim_ascii());
            }
        } else if let Some(at) = line.iter().position(|b| *b == b':').filter(|at| *at > 0) {
            all.push((&line[..at], line[at + 1..].trim_ascii().into()));
        }
    }
    all
}

/// The values of the fields of this name, whatever its case.
pub fn values(head: &[u8], name: &str) -> Vec<String> {
    let found = fields(head).into_iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| String::from_utf8_lossy(&value).into_owned()).collect()
}

/// The value of the first field of this name, whatever its case.
pub fn first<'a>(head: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let mut lines = lines(head).skip(1);
    let value = lines.by_ref().find_map(|line| {
        let (known, value) = line.split_at_checked(name.len())?;
        known.eq_ignore_ascii_case(name.as_bytes()).then(|| value.strip_prefix(b":")).flatten()
    })?;
    let is_folded = lines.next().is_some_and(|line| line.starts_with(b" ") || line.starts_with(b"\t"));
    if is_folded {
        return values(head, name).into_iter().next().map(Cow::Owned);
    }
    Some(String::from_utf8_lossy(value.trim_ascii()))
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut begin = 0;
    memchr::memchr_iter(b'\n', head).chain([head.len()]).map(move |end| {
        let line = &head[begin..end];
        begin = end + 1;
        line
    })
}

/// What `res.headers` has: canonical names, in the order in which they were first seen, several values joined with `, `.
pub fn joined(head: &[u8]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in fields(head) {
        let name = canonical(&String::from_utf8_lossy(name));
        let value = String::from_utf8_lossy(&value);
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                known.push_str(", ");
                known.push_str(&value);
            }
            None => all.push((name, value.into_owned())),
        }
    }
    all
}

/// As Go's textproto writes a field's name: `X-Api-Key`. One that no field can have stays as it is.
pub fn canonical(name: &str) -> String {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return name.to_owned();
    }
    let mut upper = true;
    let letter = |c: char| {
        let c = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        upper = c == '-';
        c
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in the `res.headers` of k6 1.1.0.
    #[test]
    fn names_are_canonical_and_values_joined() {
        let head = b"HTTP/1.1 200 OK\r\nx-api-key: 1\r\nETAG: \"a\"\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-Multi: 1\r\nx-multi:   2  \r\n\
            x_under_score: u\r\nwww-authenticate: Basic\r\nx-empty:\r\n1abc-2def: d\r\ncontent-MD5: x\r\nX-Lat: caf\xe9\r\nX-Fold: a\r\n b\r\n\
            X Bad: a\r\n\r\n";
        let wanted = [
            ("X-Api-Key", "1"),
            ("Etag", "\"a\""),
            ("Set-Cookie", "a=1, b=2"),
            ("X-Multi", "1, 2"),
            ("X_under_score", "u"),
            ("Www-Authenticate", "Basic"),
            ("X-Empty", ""),
            ("1abc-2def", "d"),
            ("Content-Md5", "x"),
            ("X-Lat", "caf\u{fffd}"),
            ("X-Fold", "a b"),
            ("X Bad", "a"),
        ];
        let found = joined(head);
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, wanted);
        assert_eq!(values(head, "SET-cookie"), ["a=1", "b=2"]);
        for (name, wanted) in
            [("SET-cookie", Some("a=1")), ("x-fold", Some("a b")), ("x-empty", Some("")), ("x", None)]
        {
            assert_eq!(first(head, name).as_deref(), wanted, "{name}");
        }
    }

    #[test]
    fn names_that_no_field_can_have_stay() {
        for (name, wanted) in
            [("x-a", "X-A"), ("UPPER-CASE", "Upper-Case"), ("x bad", "x bad"), ("é", "é"), ("", "")]
        {
            assert_eq!(canonical(name), wanted);
        }
    }
}

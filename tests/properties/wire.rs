//! What a request on the wire must be, whatever was filled in: exactly one.

/// A request as an independent parser reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names and values, in order.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    /// Names in order: the shape that no value may change.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).count()
    }
}

/// Reads bytes that must be one request of HTTP/1.1, neither more nor less. Control bytes that end
/// nothing may be sent: what the other side makes of them may be what is tested.
pub(crate) fn one_request(bytes: &[u8]) -> Wire {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of a head");
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let shown = head.escape_ascii();
    let mut lines = split(head, b"\r\n").into_iter();
    let line = std::str::from_utf8(lines.next().unwrap()).expect("ASCII");
    let [method, target, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{shown}") };
    assert!(!target.is_empty() && target.bytes().all(|b| b.is_ascii_graphic()), "{shown}");
    let is_token = |text: &str| {
        let tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !text.is_empty() && text.bytes().all(tchar)
    };
    assert!(is_token(method), "{shown}");
    let field = |line: &[u8]| {
        let colon = line.iter().position(|b| *b == b':').unwrap_or_else(|| panic!("no colon: {shown}"));
        let (name, value) = (std::str::from_utf8(&line[..colon]).unwrap(), &line[colon + 1..]);
        assert!(is_token(name), "{shown}");
        assert!(!value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "{shown}");
        (name.to_owned(), value.trim_ascii().to_vec())
    };
    let fields = lines.map(field).collect();
    let wire = Wire { method: method.into(), target: target.into(), fields, body: body.into() };
    assert_eq!(wire.count("host"), 1, "{wire:?}");
    assert_eq!(wire.count("transfer-encoding"), 0, "{wire:?}");
    let lengths = wire.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let lengths: Vec<&[u8]> = lengths.map(|(_, value)| &value[..]).collect();
    match lengths[..] {
        [] => assert!(wire.body.is_empty(), "{wire:?}"),
        [length] => assert_eq!(length, wire.body.len().to_string().as_bytes(), "{wire:?}"),
        _ => panic!("{wire:?}"),
    }
    wire
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while let Some(at) = rest.windows(by.len()).position(|window| window == by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}

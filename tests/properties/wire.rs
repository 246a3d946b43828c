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

/// Reads bytes that must be one request of HTTP/1.1, neither more nor less.
pub(crate) fn one_request(bytes: &[u8]) -> Wire {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut fields);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    };
    assert!(bytes[..head].ends_with(b"\r\n\r\n"));
    assert_eq!(request.version, Some(1));
    let wire = Wire {
        method: request.method.unwrap().into(),
        target: request.path.unwrap().into(),
        fields: request.headers.iter().map(|field| (field.name.into(), field.value.into())).collect(),
        body: bytes[head..].into(),
    };
    let lines = bytes[..head].split(|b| *b == b'\n').count() - 3;
    assert_eq!(wire.fields.len(), lines, "each line is a field: {}", bytes.escape_ascii());
    assert!(wire.target.bytes().all(|b| b.is_ascii_graphic()), "{}", wire.target);
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

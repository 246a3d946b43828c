//! What holds for any fields as the body of a form.

use squall::script::http::form::{File, Value, encode, shown, urlencoded};

/// In parts each field is one, whole and in its order; as a form each value is one pair, and names are sorted.
pub(crate) fn holds(input: &[u8]) {
    let fields: Vec<(String, Value)> = input.split(|b| *b == b'\n').map(field).collect();
    let boundary = "07".repeat(30);
    // Thirty random bytes are in no body; those of a test may be.
    if !String::from_utf8_lossy(input).contains(&boundary) {
        in_parts(&fields, &boundary);
    }
    as_form(&fields);
}

/// A line as a field: what its first byte says of its value, its name up to `=`, and the rest.
fn field(line: &[u8]) -> (String, Value) {
    let (kind, rest) = line.split_first().map_or((b't', line), |(kind, rest)| (*kind, rest));
    let at = rest.iter().position(|b| *b == b'=').unwrap_or(rest.len());
    let (name, value) = (text(&rest[..at]), rest.get(at + 1..).unwrap_or_default());
    (name, self::value(kind, value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn value(kind: u8, bytes: &[u8]) -> Value {
    match kind {
        b'n' => Value::Number(text(bytes).parse().unwrap_or(f64::NAN)),
        b'b' => Value::Bool(bytes.first() == Some(&b'1')),
        b'0' => Value::Null,
        b'l' => Value::List(bytes.split(|b| *b == b',').map(|part| Value::Text(text(part))).collect()),
        b'o' => Value::Object(vec![(text(bytes), Value::Text("inside".into()))]),
        b'f' => {
            let (name, data) = bytes.split_at(bytes.len() / 2);
            Value::File(File { data: data.to_vec(), name: text(name), content_type: "text/plain".into() })
        }
        _ => Value::Text(text(bytes)),
    }
}

fn in_parts(fields: &[(String, Value)], boundary: &str) {
    let form = encode(fields, || [7; 30]);
    if !fields.iter().any(|(_, value)| matches!(value, Value::File(_))) {
        assert_eq!(form.content_type, "application/x-www-form-urlencoded");
        return assert_eq!(form.body, urlencoded(fields).into_bytes());
    }
    assert_eq!(form.content_type, format!("multipart/form-data; boundary={boundary}"));
    let ended =
        form.body.strip_suffix(format!("\r\n--{boundary}--\r\n").as_bytes()).expect("the last delimiter");
    let first = ended.strip_prefix(format!("--{boundary}\r\n").as_bytes()).expect("the first delimiter");
    let parts = split(first, format!("\r\n--{boundary}\r\n").as_bytes());
    assert_eq!(parts.len(), fields.len(), "{}", form.body.escape_ascii());
    for (part, (_, value)) in parts.iter().zip(fields) {
        let data = match value {
            Value::File(file) => file.data.clone(),
            other => shown(other).into_bytes(),
        };
        let head = part.strip_suffix(&data[..]).expect("the value as it is");
        assert!(head.starts_with(b"Content-Disposition: form-data; name=\"") && head.ends_with(b"\r\n\r\n"));
    }
}

fn as_form(fields: &[(String, Value)]) {
    let body = urlencoded(fields);
    assert!(body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~+%&=".contains(&b)), "{body}");
    let values: usize =
        fields.iter().map(|(_, value)| if let Value::List(list) = value { list.len() } else { 1 }).sum();
    let pairs: Vec<&str> = body.split('&').filter(|pair| !pair.is_empty()).collect();
    assert_eq!(pairs.len(), values, "{body}");
    let read = |text: &str| String::from_utf8(decoded(text)).expect("text");
    let names: Vec<String> = pairs.iter().map(|pair| read(pair.split_once('=').expect("a pair").0)).collect();
    assert!(names.is_sorted(), "{names:?}");
}

fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(b) = rest.next() {
        let mut digit = || (rest.next().expect("two digits") as char).to_digit(16).expect("a digit") as u8;
        bytes.push(match b {
            b'%' => digit() << 4 | digit(),
            b'+' => b' ',
            b => b,
        });
    }
    bytes
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

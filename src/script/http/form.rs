//! Bodies that are made of an object: a form, or with files one in parts (RFC 7578), as k6 has them from Go.
//!
//! What is no text is written as Go's `%v` has it: `map[a:1]`, `[1 2]`, `<nil>`, `1.5e+07`.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number of JavaScript's.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Null, or undefined.
    Null,
    /// An array: outside of parts its key is repeated for each element.
    List(Vec<Value>),
    /// An object.
    Object(Vec<(String, Value)>),
    /// What `http.file` made.
    File(File),
}

/// A file of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its name, which may be empty.
    pub name: String,
    /// Its Content-Type, as it is sent.
    pub content_type: String,
}

/// The type of a file of which nothing else is said.
pub const FILE_TYPE: &str = "application/octet-stream";

/// A body and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The body.
    pub body: Vec<u8>,
    /// For Content-Type.
    pub content_type: String,
}

/// What boundaries are made of.
pub type Random = [u8; 30];

/// The body of these fields: in parts, in their order, where one of them is a file; else a form, by name. Files within lists and objects do
/// not count.
pub fn encode(fields: &[(String, Value)], random: impl FnOnce() -> Random) -> Form {
    if fields.iter().any(|(_, value)| matches!(value, Value::File(_))) {
        return parts(fields, &hex::encode(random()));
    }
    Form { body: urlencoded(fields).into_bytes(), content_type: "application/x-www-form-urlencoded".into() }
}

/// As `a=1&b=2`, by name.
pub fn urlencoded(fields: &[(String, Value)]) -> String {
    let mut sorted: Vec<&(String, Value)> = fields.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut body = String::new();
    for (name, value) in sorted {
        let values = if let Value::List(values) = value { &values[..] } else { std::slice::from_ref(value) };
        for value in values {
            if !body.is_empty() {
                body.push('&');
            }
            escape(name, &mut body);
            body.push('=');
            escape(&shown(value), &mut body);
        }
    }
    body
}

/// What stays as it is in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

fn escape(text: &str, out: &mut String) {
    for part in utf8_percent_encode(text, ESCAPED) {
        part.chars().for_each(|c| out.push(if c == ' ' { '+' } else { c }));
    }
}

fn parts(fields: &[(String, Value)], boundary: &str) -> Form {
    let mut body = Vec::new();
    let mut between = "";
    for (name, value) in fields {
        let mut head = format!("{between}--{boundary}\r\nContent-Disposition: form-data; name=\"");
        match value {
            // k6 leaves the name of a file's field as it is.
            Value::File(file) => {
                head += &format!(
                    "{name}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
                    quoted(&file.name),
                    file.content_type
                );
                body.extend_from_slice(head.as_bytes());
                body.extend_from_slice(&file.data);
            }
            _ => {
                head += &format!("{}\"\r\n\r\n{}", quoted(name), shown(value));
                body.extend_from_slice(head.as_bytes());
            }
        }
        between = "\r\n";
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Form { body, content_type: format!("multipart/form-data; boundary={boundary}") }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// As Go's `%v` has it; an object's keys are sorted.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number_shown(*number),
        Value::Bool(yes) => yes.to_string(),
        Value::Null => "<nil>".into(),
        Value::List(values) => {
            let values: Vec<String> = values.iter().map(shown).collect();
            format!("[{}]", values.join(" "))
        }
        Value::Object(fields) => {
            let mut sorted: Vec<&(String, Value)> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            let fields: Vec<String> =
                sorted.into_iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        Value::File(file) => {
            format!("&{{{} {} {}}}", String::from_utf8_lossy(&file.data), file.name, file.content_type)
        }
    }
}

/// Whole numbers up to 2^53 are integers to k6; others are written with as many digits as tell them apart, and with an exponent below 1e-4
/// and from 1e6 on.
fn number_shown(number: f64) -> String {
    /// The greatest whole number that no other one is written like.
    const WHOLE_MOST: f64 = 9_007_199_254_740_991.0;
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let is_integer = number.fract() == 0.0 && number.abs() <= WHOLE_MOST;
    if is_integer && !(number == 0.0 && number.is_sign_negative()) {
        return (number as i64).to_string();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let mut out = digits.to_owned();
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "e{sign}{:02}", exponent.abs());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn object(fields: Vec<(&str, Value)>) -> Vec<(String, Value)> {
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn file(data: &str, name: &str, content_type: &str) -> Value {
        Value::File(File { data: data.into(), name: name.into(), content_type: content_type.into() })
    }

    /// Each body is what k6 1.1.0 sent for the object.
    #[test]
    fn forms_are_those_of_k6() {
        let number = Value::Number;
        let nested = object(vec![
            ("b", number(1.0)),
            ("a", text("x")),
            ("c", Value::List(vec![number(1.0), number(2.0)])),
            ("d", Value::Object(object(vec![("e", Value::Null)]))),
        ]);
        let list = Value::List(vec![
            number(1.0),
            text("x"),
            Value::Bool(true),
            Value::Null,
            Value::List(vec![number(1.0), number(2.0)]),
            Value::Object(object(vec![("k", text("v"))])),
        ]);
        for (fields, wanted) in [
            (
                vec![
                    ("b", text("2")),
                    ("a", text("1 2")),
                    ("c", text("ä&=+%~-_.!*'()@:/?#[]$,;\"<>\\^`{|}")),
                ],
                "a=1+2&b=2&c=%C3%A4%26%3D%2B%25~-_.%21%2A%27%28%29%40%3A%2F%3F%23%5B%5D%24%2C%3B%22%3C%3E%5C%5E%60%7B%7C%7D",
            ),
            (vec![("t", Value::Bool(true)), ("f", Value::Bool(false))], "f=false&t=true"),
            (vec![("n", Value::Null)], "n=%3Cnil%3E"),
            (
                vec![("a", list), ("e", Value::List(vec![]))],
                "a=1&a=x&a=true&a=%3Cnil%3E&a=%5B1+2%5D&a=map%5Bk%3Av%5D",
            ),
            (
                vec![("o", Value::Object(nested))],
                "o=map%5Ba%3Ax+b%3A1+c%3A%5B1+2%5D+d%3Amap%5Be%3A%3Cnil%3E%5D%5D",
            ),
            (vec![], ""),
            (
                vec![("a b", text("1")), ("a&b", text("2")), ("é", text("3")), ("", text("4"))],
                "=4&a+b=1&a%26b=2&%C3%A9=3",
            ),
            (
                vec![("a", Value::List(vec![file("d", "x.txt", FILE_TYPE), text("y")]))],
                "a=%26%7Bd+x.txt+application%2Foctet-stream%7D&a=y",
            ),
        ] {
            let form = encode(&object(fields), || [0; 30]);
            assert_eq!(String::from_utf8(form.body).unwrap(), wanted);
            assert_eq!(form.content_type, "application/x-www-form-urlencoded");
        }
    }

    #[test]
    fn numbers_are_those_of_k6() {
        for (number, wanted) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (-1.0, "-1"),
            (-0.0, "-0"),
            (1e21, "1e+21"),
            (1e20, "1e+20"),
            (1e-7, "1e-07"),
            (1e6, "1000000"),
            (12_345_678.9, "1.23456789e+07"),
            (123_456_789_012_345.0, "123456789012345"),
            (9_007_199_254_740_992.0, "9.007199254740992e+15"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(shown(&Value::Number(number)), wanted);
        }
    }

    /// As k6 1.1.0 sent it, but for the boundary and the order of the fields, which it draws.
    #[test]
    fn files_make_parts_as_k6_writes_them() {
        let fields = object(vec![
            ("z", text("t")),
            ("a\"b\\c", file("d", "x\\y\"z.txt", "a/b\"c")),
            ("n\"m", text("v")),
            ("o", Value::Object(object(vec![("k", Value::Number(1.0))]))),
            ("l", Value::List(vec![Value::Number(1.0), Value::Number(2.0)])),
            ("nu", Value::Null),
            ("e", file("", "", "")),
        ]);
        let form = encode(&fields, || [0xab; 30]);
        let b = "ab".repeat(30);
        let wanted = format!(
            "--{b}\r\nContent-Disposition: form-data; name=\"z\"\r\n\r\nt\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"a\"b\\c\"; filename=\"x\\\\y\\\"z.txt\"\r\nContent-Type: a/b\"c\r\n\r\nd\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"n\\\"m\"\r\n\r\nv\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"o\"\r\n\r\nmap[k:1]\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"l\"\r\n\r\n[1 2]\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"nu\"\r\n\r\n<nil>\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"e\"; filename=\"\"\r\nContent-Type: \r\n\r\n\r\n\
             --{b}--\r\n"
        );
        assert_eq!(String::from_utf8(form.body).unwrap(), wanted);
        assert_eq!(form.content_type, format!("multipart/form-data; boundary={b}"));
    }
}

//! How requests are compared that two programs have sent.

use super::recorder::Asked;

/// A request without what docs/scenarios.md says may differ: who asks (User-Agent, Accept), the boundary of a multipart body, blanks around
/// values, the digits of percent-encodings, where Content-Length stands, whether lines of one name stand together, and Expect.
pub(crate) fn compared(asked: &Asked) -> String {
    let (head, mut body) = (&asked.head, asked.body.clone());
    let mut lines = head.strip_suffix("\r\n").unwrap_or(head).split("\r\n");
    let line = lower_escapes(lines.next().unwrap());
    let mut fields: Vec<(String, String)> = Vec::new();
    for field in lines {
        let (name, value) = field.split_once(':').unwrap_or_else(|| panic!("no field: {field}\n{head}"));
        let (mut name, mut value) = (name.to_owned(), value.trim().to_owned());
        let own = ["curl/", "squall/"].iter().any(|own| value.starts_with(own));
        if (name == "User-Agent" && own) || (name == "Accept" && value == "*/*") || name == "Expect" {
            continue;
        }
        if let Some((start, boundary)) =
            value.clone().split_once("boundary=").filter(|_| name.eq_ignore_ascii_case("content-type"))
        {
            let boundary = boundary.trim_matches('"');
            (body, value) = (body.replace(boundary, "BOUNDARY"), format!("{start}boundary=BOUNDARY"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            // It is held to the body by whoever reads that; here both are as long as they are with the same boundary.
            value.clear();
        }
        let same = |(other, _): &(String, String)| other.eq_ignore_ascii_case(&name);
        let at = fields.iter().rposition(same).map_or(fields.len(), |at| at + 1);
        if at > 0 && at <= fields.len() && same(&fields[at - 1]) {
            name.clone_from(&fields[at - 1].0);
        }
        fields.insert(at, (name, value));
    }
    // A POST without a body: RFC 9110, 8.6 has its length said, and curl does not say it.
    let length = fields.iter().position(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map(|at| fields.remove(at)).filter(|_| !body.is_empty());
    fields.extend(length.map(|_| ("Content-Length".into(), body.len().to_string())));
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{line}\n{fields}\n{}", body.replace('\r', "\\r"))
}

/// Percent-encodings in lower case, and what is beyond ASCII percent-encoded: curl sends it raw in a query.
fn lower_escapes(line: &str) -> String {
    let bytes =
        line.bytes().map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02x}") });
    let line: String = bytes.collect();
    let mut parts = line.split('%');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        out += &format!("%{}{rest}", digits.to_ascii_lowercase());
    }
    out
}

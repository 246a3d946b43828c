//! Bodies that are made of an object: a form, or with files one in parts (RFC 7578), as Go writes them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rquickjs::{Ctx, Object, Result, Value};

use crate::clock;
use crate::rng::Rng;
use crate::script::foreign::bytes;
use crate::script::modules::args::{list, text};

/// A body and its type.
pub(super) struct Form {
    pub(super) body: Vec<u8>,
    pub(super) content_type: String,
}

/// What stays as it is in a query: Go's url.QueryEscape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

/// Makes it.
pub(super) fn read<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> Result<Form> {
    let mut fields = Vec::new();
    for entry in object.props::<String, Value>() {
        fields.push(entry?);
    }
    if fields.iter().any(|(_, value)| file(value).is_some()) {
        return parts(ctx, fields);
    }
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let mut body = String::new();
    for (name, value) in &fields {
        let values = match list(value) {
            Some(values) => values.iter().map(|value| shown(ctx, value)).collect::<Result<Vec<_>>>()?,
            None => vec![shown(ctx, value)?],
        };
        for value in values {
            if !body.is_empty() {
                body.push('&');
            }
            body += &escape(name);
            body.push('=');
            body += &escape(&value);
        }
    }
    Ok(Form { body: body.into_bytes(), content_type: "application/x-www-form-urlencoded".into() })
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string().replace(' ', "+")
}

/// A value as Go's `%v` has it.
fn shown<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    if value.is_null() || value.is_undefined() {
        return Ok("<nil>".into());
    }
    if let Some(values) = list(value) {
        let values: Vec<String> = values.iter().map(|value| shown(ctx, value)).collect::<Result<_>>()?;
        return Ok(format!("[{}]", values.join(" ")));
    }
    if let Some(object) = value.as_object() {
        let mut fields = Vec::new();
        for entry in object.props::<String, Value>() {
            let (name, value) = entry?;
            fields.push((name, shown(ctx, &value)?));
        }
        fields.sort();
        let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
        return Ok(format!("map[{}]", fields.join(" ")));
    }
    text(ctx, value)
}

struct File {
    data: Vec<u8>,
    name: String,
    content_type: String,
}

/// What `http.file` made, if it is that.
fn file(value: &Value<'_>) -> Option<File> {
    let object = value.as_object()?;
    let class: Object = object.get("constructor").ok()?;
    if class.get::<_, String>("name").ok()? != "FileData" {
        return None;
    }
    let data: Value = object.get("data").ok()?;
    let data = match data.as_string() {
        Some(text) => text.to_string().ok()?.into_bytes(),
        None => bytes(&data)?,
    };
    Some(File { data, name: object.get("filename").ok()?, content_type: object.get("content_type").ok()? })
}

fn parts<'js>(ctx: &Ctx<'js>, fields: Vec<(String, Value<'js>)>) -> Result<Form> {
    let mut random = Rng::new(clock::now().0);
    let boundary: String = (0..4).map(|_| format!("{:015x}", random.next_u64() >> 4)).collect();
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut body = Vec::new();
    for (name, value) in fields {
        let name = quoted(&name);
        let (head, data) = match file(&value) {
            Some(file) => (
                format!(
                    "Content-Disposition: form-data; name=\"{name}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
                    quoted(&file.name),
                    file.content_type
                ),
                file.data,
            ),
            None => (
                format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n"),
                shown(ctx, &value)?.into_bytes(),
            ),
        };
        let between = if body.is_empty() { "" } else { "\r\n" };
        body.extend_from_slice(format!("{between}--{boundary}\r\n{head}").as_bytes());
        body.extend_from_slice(&data);
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(Form { body, content_type: format!("multipart/form-data; boundary={boundary}") })
}

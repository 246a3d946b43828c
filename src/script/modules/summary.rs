//! What `handleSummary` returned: files and their contents.

use base64::Engine;
use rquickjs::{Ctx, Exception, Result, Value};
use serde_json::{Map, json};

use super::args::text;
use crate::script::foreign;

/// As JSON: an object of paths, each with `text`, or `bytes` in base64.
///
/// # Errors
/// When it is no object, or a value of it is neither text nor an ArrayBuffer.
pub(in crate::script) fn summary_files<'js>(ctx: &Ctx<'js>, returned: Value<'js>) -> Result<String> {
    let mut files = Map::new();
    if let Some(object) = returned.as_object() {
        for entry in object.props::<String, Value>() {
            let (path, content) = entry?;
            if let Some(bytes) = foreign::bytes(&content) {
                files.insert(
                    path,
                    json!({ "bytes": base64::engine::general_purpose::STANDARD.encode(bytes) }),
                );
            } else if content.is_string() {
                files.insert(path, json!({ "text": text(ctx, &content)? }));
            } else {
                let message = format!(
                    "handleSummary() should return a map with string keys, and `{path}` is neither text nor an ArrayBuffer"
                );
                return Err(Exception::throw_message(ctx, &message));
            }
        }
    } else if !returned.is_undefined() && !returned.is_null() {
        return Err(Exception::throw_message(ctx, "handleSummary() should return a map with string keys"));
    }
    Ok(serde_json::Value::Object(files).to_string())
}

//! Objects of a script as fields of a form.

use rquickjs::{Ctx, Object, Result, Value};

use crate::clock;
use crate::rng::Rng;
use crate::script::foreign::bytes;
use crate::script::http::form::{self, File, Form, Random};
use crate::script::modules::args::{is_nothing, list, text};

/// The body that an object stands for.
pub(super) fn read<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> Result<Form> {
    Ok(form::encode(&fields(ctx, object)?, random))
}

fn random() -> Random {
    let mut rng = Rng::new(clock::now().0);
    std::array::from_fn(|_| rng.next_u64() as u8)
}

fn fields<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> Result<Vec<(String, form::Value)>> {
    let mut fields = Vec::new();
    for entry in object.props::<String, Value>() {
        let (name, value) = entry?;
        fields.push((name, read_value(ctx, &value)?));
    }
    Ok(fields)
}

/// A value of a field.
pub(super) fn read_value<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<form::Value> {
    if is_nothing(value) {
        return Ok(form::Value::Null);
    }
    if let Some(yes) = value.as_bool() {
        return Ok(form::Value::Bool(yes));
    }
    if let Some(number) = value.as_number() {
        return Ok(form::Value::Number(number));
    }
    if let Some(file) = file(value) {
        return Ok(form::Value::File(file));
    }
    let values = list(value)
        .map(|values| values.iter().map(|value| read_value(ctx, value)).collect::<Result<Vec<_>>>());
    match (values, value.as_object()) {
        (Some(values), _) => Ok(form::Value::List(values?)),
        (None, Some(object)) if !object.is_function() => Ok(form::Value::Object(fields(ctx, object)?)),
        _ => Ok(form::Value::Text(text(ctx, value)?)),
    }
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

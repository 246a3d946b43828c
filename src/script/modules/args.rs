//! What natives are called with, read as k6 does.

use rquickjs::{Array, Coerced, Ctx, Exception, FromJs, Object, Result, Value};

use crate::script::core::Core;
use crate::script::foreign;

/// The argument at `at`; undefined where there is none.
pub(super) fn arg<'js>(ctx: &Ctx<'js>, args: &[Value<'js>], at: usize) -> Value<'js> {
    args.get(at).cloned().unwrap_or_else(|| Value::new_undefined(ctx.clone()))
}

/// Whether it is undefined or null.
pub(super) fn is_nothing(value: &Value<'_>) -> bool {
    value.is_undefined() || value.is_null()
}

/// As JavaScript makes text of it.
pub(super) fn text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    match value.as_string() {
        Some(text) => text.to_string(),
        None => Ok(Coerced::<String>::from_js(ctx, value.clone())?.0),
    }
}

/// As JavaScript takes it for true or false.
pub(super) fn is_true<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<bool> {
    Ok(Coerced::<bool>::from_js(ctx, value.clone())?.0)
}

/// As a number, of text, too; `None` where it is none.
pub(super) fn number(value: &Value<'_>) -> Option<f64> {
    if let Some(number) = value.as_number() {
        return Some(number).filter(|number| !number.is_nan());
    }
    if let Some(yes) = value.as_bool() {
        return Some(f64::from(u8::from(yes)));
    }
    value.as_string().and_then(|text| text.to_string().ok()?.trim().parse().ok())
}

/// Tags of an object: names and values as text.
///
/// # Errors
/// When one of them is an object, or null.
pub(super) fn tags<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<(String, String)>> {
    let Some(object) = value.as_object() else { return Ok(Vec::new()) };
    let mut tags = Vec::new();
    for entry in object.props::<String, Value>() {
        let (name, value) = entry?;
        if is_nothing(&value) || value.is_object() {
            let message = format!(
                "invalid value for metric tag '{name}': only String, Boolean and Number types are accepted as a metric tag value"
            );
            return Err(Exception::throw_type(ctx, &message));
        }
        tags.push((name, text(ctx, &value)?));
    }
    Ok(tags)
}

/// The elements of an array.
pub(super) fn list<'js>(value: &Value<'js>) -> Option<Vec<Value<'js>>> {
    let array: &Array<'js> = value.as_array()?;
    array.iter::<Value>().collect::<Result<Vec<_>>>().ok()
}

/// The bytes of a text, of an ArrayBuffer or of a view of one.
pub(super) fn bytes<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    if let Some(bytes) = foreign::bytes(value) {
        return Ok(bytes);
    }
    if is_nothing(value) {
        return Err(Exception::throw_message(
            ctx,
            "invalid type undefined, expected string, ArrayBuffer or typed array",
        ));
    }
    Ok(text(ctx, value)?.into_bytes())
}

/// What a native throws while its user is cut off.
pub(super) fn cut_off<T>(ctx: &Ctx<'_>) -> Result<T> {
    Err(Exception::throw_message(ctx, "cut off"))
}

/// Refuses what needs a user at work, while the module code runs.
pub(super) fn not_at_init(ctx: &Ctx<'_>, core: &Core, what: &str) -> Result<()> {
    if core.is_initialising() {
        return Err(Exception::throw_message(ctx, &format!("{what} in the init context is not supported")));
    }
    Ok(())
}

/// Evaluates a function of JavaScript that a module is made with.
pub(super) fn glue<'js>(ctx: &Ctx<'js>, source: &'static str) -> Result<rquickjs::Function<'js>> {
    ctx.eval(source)
}

/// A new object.
pub(super) fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    Object::new(ctx.clone())
}

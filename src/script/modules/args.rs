//! What natives are called with, read as k6 does.

use rquickjs::{Array, Coerced, Ctx, Exception, FromJs, Function, IntoJs, Module, Result, Value};

use crate::script::core::Core;
use crate::script::foreign;

/// Whether it is undefined or null.
pub(super) fn is_nothing(value: &Value<'_>) -> bool {
    value.is_undefined() || value.is_null()
}

/// As JavaScript makes text of it.
pub(super) fn text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    match value.as_string() {
        Some(text) => well_formed(text),
        None => Ok(Coerced::<String>::from_js(ctx, value.clone())?.0),
    }
}

/// A text of JavaScript; halves of characters that stand alone in it are replaced, as by Go.
fn well_formed(text: &rquickjs::String<'_>) -> Result<String> {
    match text.to_string() {
        Err(rquickjs::Error::Utf8(_)) => {
            let ctx = text.as_value().ctx();
            let text: rquickjs::String<'_> =
                glue(ctx, "well-formed", "(text) => text.toWellFormed()")?.call((text.clone(),))?;
            text.to_string()
        }
        text => text,
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
        let value = tag_value(ctx, &name, &value)?;
        tags.push((name, value));
    }
    Ok(tags)
}

/// The value of a tag, as text.
///
/// # Errors
/// When it is an object, or null.
pub(super) fn tag_value<'js>(ctx: &Ctx<'js>, name: &str, value: &Value<'js>) -> Result<String> {
    if is_nothing(value) || value.is_object() {
        let message = format!(
            "invalid value for metric tag '{name}': only String, Boolean and Number types are accepted as a metric tag value"
        );
        return Err(Exception::throw_type(ctx, &message));
    }
    text(ctx, value)
}

/// The elements of an array.
pub(super) fn list<'js>(value: &Value<'js>) -> Option<Vec<Value<'js>>> {
    let array: &Array<'js> = value.as_array()?;
    array.iter::<Value>().collect::<Result<Vec<_>>>().ok()
}

/// The bytes of a text, of an ArrayBuffer or of a view of its bytes.
///
/// # Errors
/// When it is something else, in k6's words.
pub(super) fn read_bytes(value: &Value<'_>) -> std::result::Result<Vec<u8>, String> {
    if let Some(text) = value.as_string() {
        return well_formed(text).map(String::into_bytes).map_err(|error| error.to_string());
    }
    foreign::bytes(value)
        .ok_or_else(|| format!("invalid type {}, expected string, []byte or ArrayBuffer", go_type(value)))
}

/// As [`read_bytes`], thrown.
pub(super) fn bytes<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    read_bytes(value).map_err(|error| Exception::throw_message(ctx, &error))
}

/// What k6 calls the type of a value in its messages: Go's.
pub(super) fn go_type(value: &Value<'_>) -> &'static str {
    match value.as_number() {
        Some(number) if number.fract() == 0.0 => "int64",
        Some(_) => "float64",
        None if is_nothing(value) => "<nil>",
        None if value.is_bool() => "bool",
        None if value.is_array() => "[]interface {}",
        None if value.is_function() => "func(sobek.FunctionCall) sobek.Value",
        None => "map[string]interface {}",
    }
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

/// A function of JavaScript that a module is made with, by a name of its own: compiled once for all users, made once for each.
pub(super) fn glue<'js>(ctx: &Ctx<'js>, name: &'static str, source: &str) -> Result<Function<'js>> {
    let core = Core::of(ctx);
    let make = || {
        let file = format!("squall:{name}");
        let module = match core.program.bytecode(&file) {
            Some(bytecode) => foreign::load(ctx, &bytecode)?,
            None => {
                let module =
                    Module::declare(ctx.clone(), file.as_str(), format!("export default {source};"))?;
                core.program.keep(&file, foreign::bytecode(&module)?);
                module
            }
        };
        let (module, promise) = module.eval()?;
        // It waits for nothing.
        promise.result::<Value>().transpose()?;
        module.get("default")
    };
    core.kept(ctx, name, make)?.get()
}

/// A value of JavaScript.
pub(super) fn js<'js>(ctx: &Ctx<'js>, value: impl IntoJs<'js>) -> Result<Value<'js>> {
    value.into_js(ctx)
}

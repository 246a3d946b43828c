//! The module `k6/encoding`: base64 in k6's four alphabets.

use rquickjs::function::Rest;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{ArrayBuffer, Ctx, Exception, Result, Value};

use super::args::{arg, bytes, is_nothing, text};
use super::exports::{Members, declare};
use crate::script::base64::Alphabet;

pub(super) struct Encoding;

impl ModuleDef for Encoding {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, ["b64encode", "b64decode"])
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let members = Members::new(ctx)?;
        members.function("b64encode", encode)?;
        members.function("b64decode", decode)?;
        members.export(exports)
    }
}

fn alphabet<'js>(ctx: &Ctx<'js>, name: &Value<'js>) -> Result<Alphabet> {
    Ok(Alphabet::named(&if is_nothing(name) { String::new() } else { text(ctx, name)? }))
}

fn encode<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<String> {
    let input = bytes(&ctx, &arg(&ctx, &args, 0))?;
    Ok(alphabet(&ctx, &arg(&ctx, &args, 1))?.encode(&input))
}

/// To an ArrayBuffer; to text with the format `s`.
fn decode<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let input = arg(&ctx, &args, 0);
    let input = if is_nothing(&input) { String::new() } else { text(&ctx, &input)? };
    let decoded = alphabet(&ctx, &arg(&ctx, &args, 1))?
        .decode(&input)
        .map_err(|error| Exception::throw_message(&ctx, &error))?;
    let format = arg(&ctx, &args, 2);
    if !is_nothing(&format) && text(&ctx, &format)? == "s" {
        return Ok(rquickjs::String::from_str(ctx, &String::from_utf8_lossy(&decoded))?.into_value());
    }
    Ok(ArrayBuffer::new(ctx, decoded)?.into_value())
}

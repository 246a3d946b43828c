//! The module `k6/encoding`: base64 in k6's four alphabets.

use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{ArrayBuffer, Ctx, Exception, Result, Value};

use super::args::{bytes, is_nothing, js, text};
use super::exports::{declare, export};
use crate::script::base64::Alphabet;
use crate::script::foreign::natives::{Call, Entry};

pub(super) struct Encoding;

static MEMBERS: [Entry; 2] =
    [Entry::function(c"b64encode", 0, encode), Entry::function(c"b64decode", 0, decode)];

impl ModuleDef for Encoding {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, &MEMBERS)
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        export(ctx, exports, &MEMBERS)
    }
}

fn alphabet<'js>(ctx: &Ctx<'js>, name: &Value<'js>) -> Result<Alphabet> {
    Ok(Alphabet::named(&if is_nothing(name) { String::new() } else { text(ctx, name)? }))
}

fn encode<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let input = bytes(ctx, &call.arg(0))?;
    js(ctx, alphabet(ctx, &call.arg(1))?.encode(&input))
}

/// To an ArrayBuffer; to text with the format `s`.
fn decode<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let input = call.arg(0);
    let input = if is_nothing(&input) { String::new() } else { text(ctx, &input)? };
    let decoded =
        alphabet(ctx, &call.arg(1))?.decode(&input).map_err(|error| Exception::throw_message(ctx, &error))?;
    let format = call.arg(2);
    if !is_nothing(&format) && text(ctx, &format)? == "s" {
        return js(ctx, &*String::from_utf8_lossy(&decoded));
    }
    Ok(ArrayBuffer::new(ctx.clone(), decoded)?.into_value())
}

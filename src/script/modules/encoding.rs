//! The module `k6/encoding`: base64 in k6's four alphabets.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rquickjs::function::Rest;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{ArrayBuffer, Ctx, Exception, Function, Object, Result, Value};

use super::args::{arg, bytes, is_nothing, text};

const PADDED: GeneralPurposeConfig = GeneralPurposeConfig::new();
const RAW: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone);

pub(super) struct Encoding;

impl ModuleDef for Encoding {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("b64encode")?.declare("b64decode")?.declare("default")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let default = Object::new(ctx.clone())?;
        let encode = Function::new(ctx.clone(), encode)?.with_name("b64encode")?;
        let decode = Function::new(ctx.clone(), decode)?.with_name("b64decode")?;
        default.set("b64encode", encode.clone())?;
        default.set("b64decode", decode.clone())?;
        exports.export("b64encode", encode)?.export("b64decode", decode)?.export("default", default)?;
        Ok(())
    }
}

fn engine<'js>(ctx: &Ctx<'js>, name: &Value<'js>) -> Result<GeneralPurpose> {
    let name = if is_nothing(name) { "std".to_owned() } else { text(ctx, name)? };
    Ok(match name.as_str() {
        "rawstd" => GeneralPurpose::new(&alphabet::STANDARD, RAW),
        "url" => GeneralPurpose::new(&alphabet::URL_SAFE, PADDED),
        "rawurl" => GeneralPurpose::new(&alphabet::URL_SAFE, RAW),
        // Whatever else is asked for is the standard one, as in k6.
        _ => GeneralPurpose::new(&alphabet::STANDARD, PADDED),
    })
}

fn encode<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<String> {
    let input = bytes(&ctx, &arg(&ctx, &args, 0))?;
    Ok(engine(&ctx, &arg(&ctx, &args, 1))?.encode(input))
}

/// To an ArrayBuffer; to text with the format `s`.
fn decode<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let input = text(&ctx, &arg(&ctx, &args, 0))?;
    // Line ends are passed over, as Go does.
    let input: String = input.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let decoded = engine(&ctx, &arg(&ctx, &args, 1))?.decode(input).map_err(|e| {
        let message = match e {
            base64::DecodeError::InvalidByte(at, _) => format!("illegal base64 data at input byte {at}"),
            other => format!("illegal base64 data: {other}"),
        };
        Exception::throw_message(&ctx, &message)
    })?;
    let format = arg(&ctx, &args, 2);
    if !is_nothing(&format) && text(&ctx, &format)? == "s" {
        return Ok(rquickjs::String::from_str(ctx, &String::from_utf8_lossy(&decoded))?.into_value());
    }
    Ok(ArrayBuffer::new(ctx, decoded)?.into_value())
}

//! The module `k6/crypto`: hashes, HMAC, random bytes.

use std::cell::RefCell;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::{Constructor, Rest, This};
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{ArrayBuffer, Class, Ctx, Exception, Function, Object, Result, Value};

use super::args::{arg, bytes, is_nothing, number, read_bytes, text};
use super::exports::{Members, declare};
use crate::script::hash::{self, Hash, NAMES, Shown};

/// Besides a function for each hash.
const FUNCTIONS: [&str; 5] = ["hmac", "createHash", "createHMAC", "randomBytes", "hexEncode"];

pub(super) struct Crypto;

impl ModuleDef for Crypto {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, NAMES.into_iter().chain(FUNCTIONS))
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let members = Members::new(ctx)?;
        for name in NAMES {
            members.function(name, move |ctx: Ctx<'js>, args: Rest<Value<'js>>| plain(&ctx, name, &args))?;
        }
        members.function("hmac", one_hmac)?;
        members.function("createHash", create_hash)?;
        members.function("createHMAC", create_hmac)?;
        members.function("hexEncode", hex_encode)?;
        members.function("randomBytes", random_bytes)?;
        members.export(exports)
    }
}

/// Throws what went wrong.
fn thrown<T>(ctx: &Ctx<'_>, result: std::result::Result<T, String>) -> Result<T> {
    result.map_err(|error| Exception::throw_message(ctx, &error))
}

/// In the encoding that was asked for.
fn shown<'js>(ctx: &Ctx<'js>, digest: Vec<u8>, encoding: &Value<'js>) -> Result<Value<'js>> {
    let encoding = if is_nothing(encoding) { String::new() } else { text(ctx, encoding)? };
    match thrown(ctx, hash::shown(digest, &encoding))? {
        Shown::Text(text) => Ok(rquickjs::String::from_str(ctx.clone(), &text)?.into_value()),
        Shown::Bytes(bytes) => Ok(ArrayBuffer::new(ctx.clone(), bytes)?.into_value()),
    }
}

fn plain<'js>(ctx: &Ctx<'js>, name: &str, args: &[Value<'js>]) -> Result<Value<'js>> {
    let input = read_bytes(&arg(ctx, args, 0)).map_err(|error| format!("{name} failed: {error}"));
    let mut hash = thrown(ctx, Hash::new(name))?;
    hash.update(&thrown(ctx, input)?);
    shown(ctx, hash.digest(), &arg(ctx, args, 1))
}

fn keyed<'js>(ctx: &Ctx<'js>, args: &[Value<'js>]) -> Result<Hash> {
    let name = text(ctx, &arg(ctx, args, 0))?;
    thrown(ctx, Hash::keyed(&name, &bytes(ctx, &arg(ctx, args, 1))?))
}

fn one_hmac<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let mut hash = keyed(&ctx, &args)?;
    hash.update(&bytes(&ctx, &arg(&ctx, &args, 2))?);
    shown(&ctx, hash.digest(), &arg(&ctx, &args, 3))
}

fn create_hash<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Class<'js, Hasher>> {
    let hash = thrown(&ctx, Hash::new(&text(&ctx, &arg(&ctx, &args, 0))?))?;
    Class::instance(ctx, Hasher(RefCell::new(hash)))
}

fn create_hmac<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Class<'js, Hasher>> {
    let hash = keyed(&ctx, &args)?;
    Class::instance(ctx, Hasher(RefCell::new(hash)))
}

fn random_bytes<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<ArrayBuffer<'js>> {
    let random = hash::random_bytes(args.first().and_then(number).unwrap_or(0.0));
    ArrayBuffer::new(ctx.clone(), thrown(&ctx, random)?)
}

fn hex_encode<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<String> {
    Ok(hex::encode(bytes(&ctx, &value)?))
}

/// What `createHash` and `createHMAC` give.
struct Hasher(RefCell<Hash>);

impl<'js> Trace<'js> for Hasher {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

crate::script::foreign::holds_nothing_of_a_runtime!(Hasher);

impl<'js> JsClass<'js> for Hasher {
    const NAME: &'static str = "Hasher";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let prototype = Object::new(ctx.clone())?;
        let update = |ctx: Ctx<'js>, this: This<Class<'js, Hasher>>, args: Rest<Value<'js>>| -> Result<()> {
            let bytes = bytes(&ctx, &arg(&ctx, &args, 0))?;
            this.0.borrow().0.borrow_mut().update(&bytes);
            Ok(())
        };
        let digest = |ctx: Ctx<'js>, this: This<Class<'js, Hasher>>, args: Rest<Value<'js>>| {
            let digest = this.0.borrow().0.borrow().digest();
            shown(&ctx, digest, &arg(&ctx, &args, 0))
        };
        prototype.set("update", Function::new(ctx.clone(), update)?)?;
        prototype.set("digest", Function::new(ctx.clone(), digest)?)?;
        Ok(Some(prototype))
    }

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

//! The module `k6/crypto`: hashes, HMAC, random bytes.

use std::cell::RefCell;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::Constructor;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{ArrayBuffer, Class, Ctx, Exception, FromJs, IntoJs, Object, Result, Value};

use super::args::{bytes, is_nothing, js, number, read_bytes, text};
use super::exports::{declare, export};
use crate::script::foreign::natives::{self, Call, Entry};
use crate::script::hash::{self, Hash, Shown};

pub(super) struct Crypto;

static MEMBERS: [Entry; 14] = [
    Entry::function(c"hmac", 0, one_hmac),
    Entry::function(c"createHash", 0, create_hash),
    Entry::function(c"createHMAC", 0, create_hmac),
    Entry::function(c"hexEncode", 0, hex_encode),
    Entry::function(c"randomBytes", 0, random_bytes),
    Entry::function(c"md4", 0, |call| plain(call, "md4")),
    Entry::function(c"md5", 0, |call| plain(call, "md5")),
    Entry::function(c"sha1", 0, |call| plain(call, "sha1")),
    Entry::function(c"sha256", 0, |call| plain(call, "sha256")),
    Entry::function(c"sha384", 0, |call| plain(call, "sha384")),
    Entry::function(c"sha512", 0, |call| plain(call, "sha512")),
    Entry::function(c"sha512_224", 0, |call| plain(call, "sha512_224")),
    Entry::function(c"sha512_256", 0, |call| plain(call, "sha512_256")),
    Entry::function(c"ripemd160", 0, |call| plain(call, "ripemd160")),
];

impl ModuleDef for Crypto {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, &MEMBERS)
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        export(ctx, exports, &MEMBERS)
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

fn plain<'js>(call: &Call<'_, 'js>, name: &str) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let input = read_bytes(&call.arg(0)).map_err(|error| format!("{name} failed: {error}"));
    let mut hash = thrown(ctx, Hash::new(name))?;
    hash.update(&thrown(ctx, input)?);
    shown(ctx, hash.digest(), &call.arg(1))
}

fn keyed(call: &Call<'_, '_>) -> Result<Hash> {
    let ctx = call.ctx();
    let name = text(ctx, &call.arg(0))?;
    thrown(ctx, Hash::keyed(&name, &bytes(ctx, &call.arg(1))?))
}

fn one_hmac<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let mut hash = keyed(call)?;
    hash.update(&bytes(call.ctx(), &call.arg(2))?);
    shown(call.ctx(), hash.digest(), &call.arg(3))
}

fn create_hash<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let hash = thrown(call.ctx(), Hash::new(&text(call.ctx(), &call.arg(0))?))?;
    js(call.ctx(), Hasher(RefCell::new(hash)))
}

fn create_hmac<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    js(call.ctx(), Hasher(RefCell::new(keyed(call)?)))
}

fn random_bytes<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let random = hash::random_bytes(number(&call.arg(0)).unwrap_or(0.0));
    Ok(ArrayBuffer::new(call.ctx().clone(), thrown(call.ctx(), random)?)?.into_value())
}

fn hex_encode<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    js(call.ctx(), hex::encode(bytes(call.ctx(), &call.arg(0))?))
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
        natives::define(&prototype, &METHODS)?;
        Ok(Some(prototype))
    }

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

impl<'js> IntoJs<'js> for Hasher {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        Ok(Class::instance(ctx.clone(), self)?.into_value())
    }
}

static METHODS: [Entry; 2] =
    [Entry::function(c"update", 0, update).hidden(), Entry::function(c"digest", 0, digest).hidden()];

fn update<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let bytes = bytes(call.ctx(), &call.arg(0))?;
    let hasher = Class::<Hasher>::from_js(call.ctx(), call.this())?;
    hasher.borrow().0.borrow_mut().update(&bytes);
    call.nothing()
}

fn digest<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let hasher = Class::<Hasher>::from_js(call.ctx(), call.this())?;
    let digest = hasher.borrow().0.borrow().digest();
    shown(call.ctx(), digest, &call.arg(0))
}

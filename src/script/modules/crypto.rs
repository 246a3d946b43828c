//! The module `k6/crypto`: hashes, HMAC, random bytes.

use std::cell::RefCell;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use hmac::digest::{Digest, DynDigest};
use hmac::{Hmac, KeyInit, Mac};
use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::{Constructor, Rest, This};
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{ArrayBuffer, Class, Ctx, Exception, Function, Object, Result, Value};

use super::args::{arg, bytes, number, text};

/// The hashes that have a function of their own.
const HASHES: [&str; 9] =
    ["md4", "md5", "sha1", "sha256", "sha384", "sha512", "sha512_224", "sha512_256", "ripemd160"];

pub(super) struct Crypto;

impl ModuleDef for Crypto {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        for name in HASHES.into_iter().chain(["hmac", "createHash", "createHMAC", "randomBytes", "default"]) {
            declarations.declare(name)?;
        }
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let default = Object::new(ctx.clone())?;
        let export = |name: &'static str, function: Function<'js>| {
            let function = function.with_name(name)?;
            default.set(name, function.clone())?;
            exports.export(name, function).map(drop)
        };
        for name in HASHES {
            let hash = move |ctx: Ctx<'js>, args: Rest<Value<'js>>| {
                let mut state = state(&ctx, name)?;
                state.update(&bytes(&ctx, &arg(&ctx, &args, 0))?);
                shown(&ctx, &state.finish(), &arg(&ctx, &args, 1))
            };
            export(name, Function::new(ctx.clone(), hash)?)?;
        }
        export("hmac", Function::new(ctx.clone(), one_hmac)?)?;
        export("createHash", Function::new(ctx.clone(), create_hash)?)?;
        export("createHMAC", Function::new(ctx.clone(), create_hmac)?)?;
        export("randomBytes", Function::new(ctx.clone(), random_bytes)?)?;
        exports.export("default", default)?;
        Ok(())
    }
}

/// A hash under way.
trait State {
    fn update(&mut self, bytes: &[u8]);
    /// Of all so far; it goes on.
    fn finish(&self) -> Vec<u8>;
}

struct Plain(Box<dyn DynDigest>);

impl State for Plain {
    fn update(&mut self, bytes: &[u8]) {
        DynDigest::update(&mut *self.0, bytes);
    }

    fn finish(&self) -> Vec<u8> {
        self.0.box_clone().finalize().into_vec()
    }
}

struct Keyed<M: Mac + Clone>(M);

impl<M: Mac + Clone> State for Keyed<M> {
    fn update(&mut self, bytes: &[u8]) {
        Mac::update(&mut self.0, bytes);
    }

    fn finish(&self) -> Vec<u8> {
        self.0.clone().finalize().into_bytes().to_vec()
    }
}

fn state(ctx: &Ctx<'_>, name: &str) -> Result<Box<dyn State>> {
    let digest: Box<dyn DynDigest> = match name {
        "md4" => Box::new(md4::Md4::new()),
        "md5" => Box::new(md5::Md5::new()),
        "sha1" => Box::new(sha1::Sha1::new()),
        "sha256" => Box::new(sha2::Sha256::new()),
        "sha384" => Box::new(sha2::Sha384::new()),
        "sha512" => Box::new(sha2::Sha512::new()),
        "sha512_224" => Box::new(sha2::Sha512_224::new()),
        "sha512_256" => Box::new(sha2::Sha512_256::new()),
        "ripemd160" => Box::new(ripemd::Ripemd160::new()),
        _ => return Err(Exception::throw_message(ctx, &format!("invalid algorithm: {name}"))),
    };
    Ok(Box::new(Plain(digest)))
}

fn keyed(ctx: &Ctx<'_>, name: &str, key: &[u8]) -> Result<Box<dyn State>> {
    macro_rules! of {
        ($hash:ty) => {
            match Hmac::<$hash>::new_from_slice(key) {
                Ok(mac) => Box::new(Keyed(mac)) as Box<dyn State>,
                Err(e) => return Err(Exception::throw_message(ctx, &e.to_string())),
            }
        };
    }
    Ok(match name {
        "md4" => of!(md4::Md4),
        "md5" => of!(md5::Md5),
        "sha1" => of!(sha1::Sha1),
        "sha256" => of!(sha2::Sha256),
        "sha384" => of!(sha2::Sha384),
        "sha512" => of!(sha2::Sha512),
        "sha512_224" => of!(sha2::Sha512_224),
        "sha512_256" => of!(sha2::Sha512_256),
        "ripemd160" => of!(ripemd::Ripemd160),
        _ => return Err(Exception::throw_message(ctx, &format!("invalid algorithm: {name}"))),
    })
}

/// In the encoding that was asked for.
fn shown<'js>(ctx: &Ctx<'js>, digest: &[u8], encoding: &Value<'js>) -> Result<Value<'js>> {
    let encoding = text(ctx, encoding)?;
    let text = match encoding.as_str() {
        "hex" => hex::encode(digest),
        "base64" => STANDARD.encode(digest),
        "base64url" => URL_SAFE.encode(digest),
        "base64rawurl" => URL_SAFE_NO_PAD.encode(digest),
        "binary" => return Ok(ArrayBuffer::new_copy(ctx.clone(), digest)?.into_value()),
        other => {
            return Err(Exception::throw_message(ctx, &format!("invalid output encoding: {other}")));
        }
    };
    Ok(rquickjs::String::from_str(ctx.clone(), &text)?.into_value())
}

fn one_hmac<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let name = text(&ctx, &arg(&ctx, &args, 0))?;
    let mut state = keyed(&ctx, &name, &bytes(&ctx, &arg(&ctx, &args, 1))?)?;
    state.update(&bytes(&ctx, &arg(&ctx, &args, 2))?);
    shown(&ctx, &state.finish(), &arg(&ctx, &args, 3))
}

fn create_hash<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Class<'js, Hasher>> {
    let state = state(&ctx, &text(&ctx, &arg(&ctx, &args, 0))?)?;
    Class::instance(ctx, Hasher(RefCell::new(state)))
}

fn create_hmac<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Class<'js, Hasher>> {
    let name = text(&ctx, &arg(&ctx, &args, 0))?;
    let state = keyed(&ctx, &name, &bytes(&ctx, &arg(&ctx, &args, 1))?)?;
    Class::instance(ctx, Hasher(RefCell::new(state)))
}

fn random_bytes<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<ArrayBuffer<'js>> {
    /// More at once would hold everybody up.
    const MOST: f64 = (16 << 20) as f64;
    let size = args.first().and_then(number).unwrap_or(0.0);
    if !(1.0..=MOST).contains(&size) {
        return Err(Exception::throw_message(&ctx, "invalid size"));
    }
    let mut random = vec![0u8; size as usize];
    if getrandom::fill(&mut random).is_err() {
        return Err(Exception::throw_message(&ctx, "the system has no random bytes"));
    }
    ArrayBuffer::new(ctx, random)
}

/// What `createHash` and `createHMAC` give.
struct Hasher(RefCell<Box<dyn State>>);

impl<'js> Trace<'js> for Hasher {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

crate::script::foreign::holds_nothing_of_a_runtime!(Hasher);

impl<'js> JsClass<'js> for Hasher {
    const NAME: &'static str = "Hasher";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let prototype = Object::new(ctx.clone())?;
        let update = |ctx: Ctx<'js>, this: This<Class<'js, Hasher>>, value: Value<'js>| -> Result<()> {
            let bytes = bytes(&ctx, &value)?;
            this.0.borrow().0.borrow_mut().update(&bytes);
            Ok(())
        };
        let digest = |ctx: Ctx<'js>, this: This<Class<'js, Hasher>>, encoding: Value<'js>| {
            let digest = this.0.borrow().0.borrow().finish();
            shown(&ctx, &digest, &encoding)
        };
        prototype.set("update", Function::new(ctx.clone(), update)?)?;
        prototype.set("digest", Function::new(ctx.clone(), digest)?)?;
        Ok(Some(prototype))
    }

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

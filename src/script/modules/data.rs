//! The module `k6/data`: SharedArray, whose elements are there once for all users.

use rquickjs::function::Rest;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Function, Result, Value};

use super::args::{arg, glue, list, text};
use super::exports::{Members, declare};
use crate::script::core::Core;

/// An array that makes each element when it is looked at, from JSON that all users share. What is looked at is frozen.
const ARRAY: &str = r#"(make, element) => {
    const freeze = (value) => {
        if (typeof value === 'object' && value !== null) {
            for (const key of Object.keys(value)) freeze(value[key]);
            Object.freeze(value);
        }
        return value;
    };
    const index = (key) => (typeof key === 'string' && /^(0|[1-9][0-9]*)$/.test(key) ? Number(key) : -1);
    const handler = (name, length) => ({
        get(target, key, receiver) {
            if (key === 'length') return length;
            const at = index(key);
            if (at >= 0) return at < length ? freeze(JSON.parse(element(name, at))) : undefined;
            return Reflect.get(target, key, receiver);
        },
        has(target, key) {
            const at = index(key);
            return at >= 0 ? at < length : Reflect.has(target, key);
        },
        set() { throw new TypeError('SharedArray is immutable'); },
        defineProperty() { throw new TypeError('SharedArray is immutable'); },
        deleteProperty() { throw new TypeError('SharedArray is immutable'); },
        ownKeys() { return [...Array.from({ length }, (_, at) => String(at)), 'length']; },
        getOwnPropertyDescriptor(target, key) {
            const at = index(key);
            if (at >= 0 && at < length) {
                return { value: freeze(JSON.parse(element(name, at))), writable: true, enumerable: true, configurable: true };
            }
            return key === 'length' ? { value: length, writable: true, enumerable: false, configurable: false } : undefined;
        },
    });
    return function SharedArray(name, call) {
        if (!new.target) throw new TypeError("Class constructor SharedArray cannot be invoked without 'new'");
        const length = make(name, call);
        return new Proxy([], handler(String(name), length));
    };
}"#;

pub(super) struct Data;

impl ModuleDef for Data {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, ["SharedArray"])
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let make = Function::new(ctx.clone(), make)?;
        let element = Function::new(ctx.clone(), element)?;
        let class: Value = glue(ctx, ARRAY)?.call((make, element))?;
        let members = Members::new(ctx)?;
        members.add("SharedArray", class)?;
        members.export(exports)
    }
}

/// Makes the elements, unless another user did; their number.
fn make<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<usize> {
    let core = Core::of(&ctx);
    if !core.is_initialising() {
        return Err(Exception::throw_message(&ctx, "new SharedArray must be called in the init context"));
    }
    let name = text(&ctx, &arg(&ctx, &args, 0))?;
    if name.is_empty() {
        return Err(Exception::throw_message(&ctx, "empty name provided to SharedArray's constructor"));
    }
    if let Some(known) = core.program.array(&name) {
        return Ok(known.len());
    }
    let call = arg(&ctx, &args, 1);
    let Some(call) = call.as_function() else {
        let message = "a function is expected as the second argument of SharedArray's constructor";
        return Err(Exception::throw_message(&ctx, message));
    };
    let made: Value = call.call(())?;
    let Some(elements) = list(&made) else {
        let message = "only arrays can be made into SharedArray";
        return Err(Exception::throw_message(&ctx, message));
    };
    let mut texts: Vec<Box<str>> = Vec::with_capacity(elements.len());
    for element in elements {
        let json = ctx.json_stringify(element)?;
        texts.push(match json {
            Some(json) => json.to_string()?.into(),
            None => "null".into(),
        });
    }
    Ok(core.program.keep_array(&name, texts).len())
}

fn element<'js>(ctx: Ctx<'js>, name: String, at: usize) -> Result<rquickjs::String<'js>> {
    let array = Core::of(&ctx).program.array(&name);
    let json = array.as_ref().and_then(|array| array.get(at)).map_or("null", |json| json);
    rquickjs::String::from_str(ctx, json)
}

//! The module `k6/data`: SharedArray, whose elements are there once for all users.

use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Object, Result, Value};

use super::args::{glue, js, list, number, text};
use super::exports::{declare_all, export_all};
use crate::script::core::Core;
use crate::script::foreign::natives::{self, Call, Entry};

/// An array that makes each element when it is looked at, from JSON that all users share. What is looked at is frozen.
const ARRAY: &str = r#"({ make, element }) => {
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

static NATIVES: [Entry; 2] = [Entry::function(c"make", 2, make), Entry::function(c"element", 2, element)];

impl ModuleDef for Data {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare_all(declarations, &["SharedArray"])
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let own = Object::new(ctx.clone())?;
        natives::define(&own, &NATIVES)?;
        let members = Object::new(ctx.clone())?;
        members.set("SharedArray", glue(ctx, "SharedArray", ARRAY)?.call::<_, Value>((own,))?)?;
        export_all(exports, members)
    }
}

/// Makes the elements, unless another user did; their number.
fn make<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    if !core.is_initialising() {
        return Err(Exception::throw_message(ctx, "new SharedArray must be called in the init context"));
    }
    let name = text(ctx, &call.arg(0))?;
    if name.is_empty() {
        return Err(Exception::throw_message(ctx, "empty name provided to SharedArray's constructor"));
    }
    if let Some(known) = core.program.array(&name) {
        return js(ctx, known.len());
    }
    let maker = call.arg(1);
    let Some(maker) = maker.as_function() else {
        let message = "a function is expected as the second argument of SharedArray's constructor";
        return Err(Exception::throw_message(ctx, message));
    };
    let made: Value = maker.call(())?;
    let Some(elements) = list(&made) else {
        let message = "only arrays can be made into SharedArray";
        return Err(Exception::throw_message(ctx, message));
    };
    let mut texts: Vec<Box<str>> = Vec::with_capacity(elements.len());
    for element in elements {
        let json = ctx.json_stringify(element)?;
        texts.push(match json {
            Some(json) => json.to_string()?.into(),
            None => "null".into(),
        });
    }
    js(ctx, core.program.keep_array(&name, texts).len())
}

fn element<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let array = Core::of(call.ctx()).program.array(&text(call.ctx(), &call.arg(0))?);
    let at = number(&call.arg(1)).unwrap_or(0.0) as usize;
    js(call.ctx(), array.as_ref().and_then(|array| array.get(at)).map_or("null", |json| json))
}

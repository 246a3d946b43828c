//! The module `k6`: check, group, sleep, fail, randomSeed.

use std::rc::Rc;

use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Object, Result, Value};

use super::args::{cut_off, is_nothing, is_true, js, not_at_init, number, tags, text};
use super::exports::{declare, export};
use crate::clock;
use crate::rng::Rng;
use crate::script::core::{Core, Given, Wanted};
use crate::script::foreign::natives::{self, Call, Entry};
use crate::stats::registry::Kind;
use crate::units::Nanos;

const SEPARATOR: &str = "::";

pub(super) struct K6;

static MEMBERS: [Entry; 5] = [
    Entry::function(c"check", 2, check),
    Entry::function(c"fail", 1, fail),
    Entry::function(c"group", 2, group),
    Entry::function(c"randomSeed", 1, random_seed),
    Entry::function(c"sleep", 1, sleep),
];

impl ModuleDef for K6 {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, &MEMBERS)
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        export(ctx, exports, &MEMBERS)
    }
}

/// Refuses a name that would be a path of groups.
fn is_one_name(ctx: &Ctx<'_>, name: &str) -> Result<()> {
    if name.contains(SEPARATOR) {
        return Err(Exception::throw_message(ctx, "group and check names may not contain '::'"));
    }
    Ok(())
}

fn is_async(value: &Value<'_>) -> bool {
    value.as_object().and_then(|function| function.get::<_, Object>("constructor").ok()).is_some_and(
        |constructor| constructor.get::<_, String>("name").is_ok_and(|name| name == "AsyncFunction"),
    )
}

fn check<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    not_at_init(ctx, core, "using check()")?;
    let value = call.arg(0);
    let sets = call.arg(1);
    let Some(sets) = sets.as_object() else {
        return Err(Exception::throw_message(ctx, "no checks provided to `check`"));
    };
    let own = core.shared_tags(tags(ctx, &call.arg(2))?);
    let mut all = true;
    for entry in sets.props::<String, Value>() {
        let (name, wanted) = entry?;
        is_one_name(ctx, &name)?;
        let function = wanted.as_function();
        let judged = match function {
            Some(function) => function.call::<_, Value>((value.clone(),)),
            None => Ok(wanted.clone()),
        };
        if function.is_some() && judged.as_ref().is_ok_and(Value::is_promise) {
            let message = "check() does not support async functions as its condition; await what it waits for before it";
            return Err(Exception::throw_message(ctx, message));
        }
        let passed = match &judged {
            Ok(judged) => is_true(ctx, judged)?,
            Err(_) => false,
        };
        all &= passed;
        give_check(core, &name, passed, &own);
        judged?;
    }
    js(ctx, all)
}

fn give_check(core: &Core, name: &str, passed: bool, tags: &[(Rc<str>, Rc<str>)]) {
    let mut own = Vec::with_capacity(tags.len() + 1);
    own.extend_from_slice(tags);
    own.push((Rc::clone(&core.check), core.text(name)));
    let (metric, value) = (Rc::clone(&core.checks), f64::from(u8::from(passed)));
    core.give(Given { metric, kind: Kind::Rate, value, tags: core.tags(), own });
}

fn group<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    not_at_init(ctx, core, "using group()")?;
    let name = text(ctx, &call.arg(0))?;
    is_one_name(ctx, &name)?;
    let body = call.arg(1);
    if is_async(&body) {
        let message = "group() does not support async functions as its second argument";
        return Err(Exception::throw_type(ctx, message));
    }
    let Some(body) = body.as_function() else {
        return Err(Exception::throw_message(ctx, "group() requires a callback as its second argument"));
    };
    let before = core.group();
    core.set_group(&format!("{before}{SEPARATOR}{name}"));
    let begun = clock::now();
    let result = body.call::<_, Value>(());
    let value = (clock::now() - begun).0 as f64 / 1e6;
    core.give(Given {
        metric: core.text("group_duration"),
        kind: Kind::Trend,
        value,
        tags: core.tags(),
        own: Vec::new(),
    });
    core.set_group(&before);
    result
}

fn sleep<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    if core.is_stopping() {
        return cut_off(ctx);
    }
    let seconds = number(&call.arg(0)).filter(|seconds| *seconds > 0.0);
    let Some(seconds) = seconds else { return call.nothing() };
    // A module that sleeps while it is loaded holds up the start, as in k6.
    let span = Nanos((seconds * 1e9).min(1e18) as u64);
    if core.is_initialising() {
        clock::sleep(span);
        return call.nothing();
    }
    let until = clock::now() + span;
    if core.wait(Wanted::Time(until)) { call.nothing() } else { cut_off(ctx) }
}

fn fail<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let message = call.arg(0);
    let message = if is_nothing(&message) { String::new() } else { text(ctx, &message)? };
    Err(Exception::throw_message(ctx, &message))
}

fn random_seed<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    let seed = number(&call.arg(0)).unwrap_or(0.0) as i64 as u64;
    *core.rng.borrow_mut() = Some(Rng::new(seed));
    let made = Object::new(ctx.clone())?;
    natives::define(&made, &RANDOM)?;
    ctx.globals().get::<_, Object>("Math")?.set("random", made.get::<_, Value>("random")?)?;
    call.nothing()
}

/// What stands for `Math.random` once a seed was given.
static RANDOM: [Entry; 1] = [Entry::function(c"random", 0, random)];

fn random<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let random = Core::of(call.ctx()).rng.borrow_mut().as_mut().map_or(0.0, Rng::unit);
    js(call.ctx(), random)
}

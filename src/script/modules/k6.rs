//! The module `k6`: check, group, sleep, fail, randomSeed.

use std::rc::Rc;

use rquickjs::function::Rest;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Function, Object, Result, Value};

use super::args::{arg, cut_off, is_nothing, is_true, not_at_init, number, tags, text};
use super::exports::{Members, declare};
use crate::clock;
use crate::rng::Rng;
use crate::script::core::{Core, Given, Wanted};
use crate::stats::registry::{CHECKS, Kind};
use crate::units::Nanos;

const SEPARATOR: &str = "::";

pub(super) struct K6;

impl ModuleDef for K6 {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, ["check", "fail", "group", "randomSeed", "sleep"])
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let members = Members::new(ctx)?;
        members.function("check", check)?;
        members.function("fail", fail)?;
        members.function("group", group)?;
        members.function("randomSeed", random_seed)?;
        members.function("sleep", sleep)?;
        members.export(exports)
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

fn check<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<bool> {
    let core = Core::of(&ctx);
    not_at_init(&ctx, &core, "using check()")?;
    let value = arg(&ctx, &args, 0);
    let sets = arg(&ctx, &args, 1);
    let Some(sets) = sets.as_object() else {
        return Err(Exception::throw_message(&ctx, "no checks provided to `check`"));
    };
    let own = core.shared_tags(tags(&ctx, &arg(&ctx, &args, 2))?);
    let mut all = true;
    for entry in sets.props::<String, Value>() {
        let (name, wanted) = entry?;
        is_one_name(&ctx, &name)?;
        let function = wanted.as_function();
        let judged = match function {
            Some(function) => function.call::<_, Value>((value.clone(),)),
            None => Ok(wanted.clone()),
        };
        if function.is_some() && judged.as_ref().is_ok_and(Value::is_promise) {
            let message = "check() does not support async functions as its condition; await what it waits for before it";
            return Err(Exception::throw_message(&ctx, message));
        }
        let passed = match &judged {
            Ok(judged) => is_true(&ctx, judged)?,
            Err(_) => false,
        };
        all &= passed;
        give_check(&core, &name, passed, &own);
        judged?;
    }
    Ok(all)
}

fn give_check(core: &Core, name: &str, passed: bool, tags: &[(Rc<str>, Rc<str>)]) {
    let mut own = Vec::with_capacity(tags.len() + 1);
    own.extend_from_slice(tags);
    own.push((core.text("check"), core.text(name)));
    let value = f64::from(u8::from(passed));
    core.give(Given { metric: core.text(CHECKS), kind: Kind::Rate, value, tags: core.tags(), own });
}

fn group<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let core = Core::of(&ctx);
    not_at_init(&ctx, &core, "using group()")?;
    let name = text(&ctx, &arg(&ctx, &args, 0))?;
    is_one_name(&ctx, &name)?;
    let body = arg(&ctx, &args, 1);
    if is_async(&body) {
        let message = "group() does not support async functions as its second argument";
        return Err(Exception::throw_type(&ctx, message));
    }
    let Some(body) = body.as_function() else {
        return Err(Exception::throw_message(&ctx, "group() requires a callback as its second argument"));
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

fn sleep<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<()> {
    let core = Core::of(&ctx);
    if core.is_stopping() {
        return cut_off(&ctx);
    }
    let seconds = args.first().and_then(number).filter(|seconds| *seconds > 0.0);
    let Some(seconds) = seconds else { return Ok(()) };
    // A module that sleeps while it is loaded holds up the start, as in k6.
    let span = Nanos((seconds * 1e9).min(1e18) as u64);
    if core.is_initialising() {
        clock::sleep(span);
        return Ok(());
    }
    let until = clock::now() + span;
    if core.wait(Wanted::Time(until)) { Ok(()) } else { cut_off(&ctx) }
}

fn fail<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<()> {
    let message = arg(&ctx, &args, 0);
    let message = if is_nothing(&message) { String::new() } else { text(&ctx, &message)? };
    Err(Exception::throw_message(&ctx, &message))
}

fn random_seed<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<()> {
    let core = Core::of(&ctx);
    let seed = args.first().and_then(number).unwrap_or(0.0) as i64 as u64;
    *core.rng.borrow_mut() = Some(Rng::new(seed));
    let random = Function::new(ctx.clone(), |ctx: Ctx<'_>| {
        Core::of(&ctx).rng.borrow_mut().as_mut().map_or(0.0, Rng::unit)
    })?;
    ctx.globals().get::<_, Object>("Math")?.set("random", random)
}

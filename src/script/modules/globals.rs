//! What scripts find without importing it: `__ENV`, `__VU`, `__ITER`, `open`, `console`, timers.

use std::path::Path;

use rquickjs::object::Property;
use rquickjs::{ArrayBuffer, Ctx, Exception, Object, Result, Value};

use super::args::{is_nothing, js, text};
use super::console::CONSOLE;
use super::timers::TIMERS;
use crate::script::core::Core;
use crate::script::foreign::natives::{self, Call, Entry};

static GLOBALS: [Entry; 4] = [
    Entry::function(c"open", 0, open).hidden(),
    Entry::object(c"console", &CONSOLE).hidden(),
    Entry::accessor(c"__ENV", 0, env, replace),
    Entry::accessor(c"__ITER", 1, iteration, replace),
];

/// Names of those that are made when they are looked at, by their number.
const MADE: [&str; 2] = ["__ENV", "__ITER"];

/// Sets them, before the script's module code runs.
pub(in crate::script) fn globals(ctx: &Ctx<'_>, core: &Core) -> Result<()> {
    let globals = ctx.globals();
    natives::define(&globals, &GLOBALS)?;
    natives::define(&globals, &TIMERS)?;
    globals.set("__VU", core.facts.borrow().vu)?;
    globals.set("global", globals.clone())
}

/// Adds a scenario's variables to `__ENV`, before its user's first iteration.
pub(in crate::script) fn begin_job(ctx: &Ctx<'_>, core: &Core) -> Result<()> {
    let facts = core.facts.borrow();
    if facts.iteration == 0
        && let Some(scenario) = facts.scenario.and_then(|index| core.program.scenario(index))
        && !scenario.env.is_empty()
    {
        let env: Object = ctx.globals().get("__ENV")?;
        for (name, value) in &scenario.env {
            env.set(name.as_str(), value.as_str())?;
        }
    }
    Ok(())
}

/// `__ENV`, which is a plain object once it was looked at.
fn env<'js>(call: &Call<'_, 'js>, number: usize) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let env = Object::new(ctx.clone())?;
    for (name, value) in Core::of(ctx).program.env() {
        env.set(name.as_str(), value.as_str())?;
    }
    put(ctx, number, env.as_value().clone())?;
    Ok(env.into_value())
}

/// `__ITER`: the number of the iteration, once there is one.
fn iteration<'js>(call: &Call<'_, 'js>, _: usize) -> Result<Value<'js>> {
    let core = Core::of(call.ctx());
    let facts = core.facts.borrow();
    if core.is_initialising() || facts.scenario.is_none() {
        return call.nothing();
    }
    js(call.ctx(), facts.iteration)
}

/// A script that sets one of them has its own from then on.
fn replace<'js>(call: &Call<'_, 'js>, number: usize) -> Result<Value<'js>> {
    put(call.ctx(), number, call.arg(0))?;
    call.nothing()
}

fn put<'js>(ctx: &Ctx<'js>, number: usize, value: Value<'js>) -> Result<()> {
    ctx.globals().prop(MADE[number], Property::from(value).writable().enumerable().configurable())
}

/// `open(path, mode)`: relative to the module that is being evaluated.
fn open<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    if !core.is_initialising() {
        let message = "the \"open\" function is only available in the init stage (i.e. the global scope), see https://grafana.com/docs/k6/latest/using-k6/test-lifecycle for more information";
        return Err(Exception::throw_message(ctx, message));
    }
    let name = call.arg(0);
    let name = if is_nothing(&name) { String::new() } else { text(ctx, &name)? };
    if name.is_empty() {
        return Err(Exception::throw_message(ctx, "open() can't be used with an empty filename"));
    }
    // The outermost of the script's functions that are being called is the module that is evaluated.
    let callers = (1..64).rev().filter_map(|level| ctx.script_or_module_name(level));
    let mut files =
        callers.filter_map(|name| name.to_string().ok()).filter(|name| name.starts_with("file://"));
    let base = files.next().unwrap_or_else(|| core.program.main().into());
    let dir = Path::new(base.trim_start_matches("file://")).parent().unwrap_or(Path::new("/")).to_owned();
    let path = crate::script::paths::clean(&dir.join(name.trim_start_matches("file://")));
    let bytes = core.program.open(&path).map_err(|e| Exception::throw_message(ctx, &e))?;
    let mode = call.arg(1);
    if !is_nothing(&mode) && text(ctx, &mode)?.contains('b') {
        return Ok(ArrayBuffer::new_copy(ctx.clone(), &bytes[..])?.into_value());
    }
    js(ctx, &*String::from_utf8_lossy(&bytes))
}

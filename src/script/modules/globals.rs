//! What scripts find without importing it: `__ENV`, `__VU`, `__ITER`, `open`, `console`, timers.

use std::path::Path;
use std::rc::Rc;

use rquickjs::function::Rest;
use rquickjs::{ArrayBuffer, Ctx, Exception, Function, Object, Result, Value};

use super::args::{arg, is_nothing, text};
use super::{console, timers};
use crate::script::core::Core;

/// Sets them, before the script's module code runs.
pub(in crate::script) fn globals<'js>(ctx: &Ctx<'js>, core: &Rc<Core>) -> Result<()> {
    let globals = ctx.globals();
    let env = Object::new(ctx.clone())?;
    for (name, value) in core.program.env() {
        env.set(name.as_str(), value.as_str())?;
    }
    globals.set("__ENV", env)?;
    globals.set("__VU", core.facts.borrow().vu)?;
    globals.set("global", globals.clone())?;
    globals.set("open", Function::new(ctx.clone(), open)?.with_name("open")?)?;
    console::globals(ctx)?;
    timers::globals(ctx)
}

/// Sets those that differ from job to job.
pub(in crate::script) fn begin_job<'js>(ctx: &Ctx<'js>, core: &Rc<Core>) -> Result<()> {
    let facts = core.facts.borrow();
    let globals = ctx.globals();
    let Some(scenario) = facts.scenario else { return Ok(()) };
    globals.set("__ITER", facts.iteration)?;
    if facts.iteration == 0
        && let Some(scenario) = core.program.scenario(scenario)
    {
        let env: Object = globals.get("__ENV")?;
        for (name, value) in &scenario.env {
            env.set(name.as_str(), value.as_str())?;
        }
    }
    Ok(())
}

/// `open(path, mode)`: relative to the module that is being evaluated.
fn open<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let core = Core::of(&ctx);
    if !core.is_initialising() {
        let message = "the \"open\" function is only available in the init stage (i.e. the global scope), see https://grafana.com/docs/k6/latest/using-k6/test-lifecycle for more information";
        return Err(Exception::throw_message(&ctx, message));
    }
    let name = arg(&ctx, &args, 0);
    let name = if is_nothing(&name) { String::new() } else { text(&ctx, &name)? };
    if name.is_empty() {
        return Err(Exception::throw_message(&ctx, "open() can't be used with an empty filename"));
    }
    // The outermost of the script's functions that are being called is the module that is evaluated.
    let callers = (1..64).rev().filter_map(|level| ctx.script_or_module_name(level));
    let mut files =
        callers.filter_map(|name| name.to_string().ok()).filter(|name| name.starts_with("file://"));
    let base = files.next().unwrap_or_else(|| core.program.main().into());
    let dir = Path::new(base.trim_start_matches("file://")).parent().unwrap_or(Path::new("/")).to_owned();
    let path = crate::script::paths::clean(&dir.join(name.trim_start_matches("file://")));
    let bytes = core.program.open(&path).map_err(|e| Exception::throw_message(&ctx, &e))?;
    let binary = match args.get(1) {
        Some(mode) if !is_nothing(mode) => text(&ctx, mode)?.contains('b'),
        _ => false,
    };
    if binary {
        return Ok(ArrayBuffer::new_copy(ctx, &bytes[..])?.into_value());
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(rquickjs::String::from_str(ctx, &text)?.into_value())
}

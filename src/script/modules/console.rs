//! The global `console`.

use rquickjs::function::Rest;
use rquickjs::{Ctx, Function, Object, Result, Value};

use super::args::text;
use crate::script::console::{Level, Source};
use crate::script::core::Core;

pub(super) fn globals(ctx: &Ctx<'_>) -> Result<()> {
    let console = Object::new(ctx.clone())?;
    console.set("log", Function::new(ctx.clone(), |ctx, args| say(ctx, args, Level::Info))?)?;
    console.set("info", Function::new(ctx.clone(), |ctx, args| say(ctx, args, Level::Info))?)?;
    console.set("debug", Function::new(ctx.clone(), |ctx, args| say(ctx, args, Level::Debug))?)?;
    console.set("warn", Function::new(ctx.clone(), |ctx, args| say(ctx, args, Level::Warn))?)?;
    console.set("error", Function::new(ctx.clone(), |ctx, args| say(ctx, args, Level::Error))?)?;
    ctx.globals().set("console", console)
}

fn say<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>, level: Level) -> Result<()> {
    let core = Core::of(&ctx);
    if core.is_stopping() {
        return Ok(());
    }
    let mut line = String::new();
    for (at, value) in args.iter().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        line.push_str(&shown(&ctx, value)?);
    }
    let source = match core.is_initialising() {
        true => Source::Init,
        false => Source::Run(core.facts.borrow().scenario),
    };
    core.program.console.script(source, level, &line);
    Ok(())
}

/// Texts as they are, errors with their stack, functions as such, all else as JSON.
fn shown<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    if value.is_function() {
        return Ok("[object Function]".into());
    }
    if value.is_error()
        && let Some(exception) = value.as_exception()
    {
        let head = format!("Error: {}", exception.message().unwrap_or_default());
        return Ok(match exception.stack() {
            Some(stack) => format!("{head}\n{stack}"),
            None => head,
        });
    }
    if value.is_object()
        && let Ok(Some(json)) = ctx.json_stringify(value.clone())
    {
        return json.to_string();
    }
    // What has no JSON (a circle) has a text.
    let _ = ctx.catch();
    text(ctx, value)
}

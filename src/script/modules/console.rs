//! The global `console`.

use rquickjs::{Ctx, Result, Value};

use super::args::text;
use crate::script::console::{Level, Source};
use crate::script::core::Core;
use crate::script::foreign::natives::{Call, Entry};

/// Its members.
pub(super) static CONSOLE: [Entry; 5] = [
    Entry::function(c"log", 0, |call| say(call, Level::Info)),
    Entry::function(c"info", 0, |call| say(call, Level::Info)),
    Entry::function(c"debug", 0, |call| say(call, Level::Debug)),
    Entry::function(c"warn", 0, |call| say(call, Level::Warn)),
    Entry::function(c"error", 0, |call| say(call, Level::Error)),
];

fn say<'js>(call: &Call<'_, 'js>, level: Level) -> Result<Value<'js>> {
    let core = Core::of(call.ctx());
    if core.is_stopping() {
        return call.nothing();
    }
    let mut line = String::new();
    for (at, value) in call.args().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        line.push_str(&shown(call.ctx(), &value)?);
    }
    let source = match core.is_initialising() {
        true => Source::Init,
        false => Source::Run(core.facts.borrow().scenario),
    };
    core.program.console.script(source, level, &line);
    call.nothing()
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

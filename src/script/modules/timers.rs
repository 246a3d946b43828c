//! The module `k6/timers`, whose functions are globals, too.

use rquickjs::function::Rest;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Function, Persistent, Result, Value};

use super::args::{arg, number};
use super::exports::{Members, declare};
use crate::clock;
use crate::script::core::{Core, Timer};
use crate::units::Nanos;

const NAMES: [&str; 4] = ["setTimeout", "clearTimeout", "setInterval", "clearInterval"];

pub(super) struct Timers;

impl ModuleDef for Timers {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, NAMES)
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let (members, globals) = (Members::new(ctx)?, ctx.globals());
        for name in NAMES {
            members.add(name, globals.get::<_, Value>(name)?)?;
        }
        members.export(exports)
    }
}

/// Makes them globals.
pub(super) fn globals(ctx: &Ctx<'_>) -> Result<()> {
    let globals = ctx.globals();
    globals.set("setTimeout", Function::new(ctx.clone(), once)?.with_name("setTimeout")?)?;
    globals.set("setInterval", Function::new(ctx.clone(), again)?.with_name("setInterval")?)?;
    let clear = Function::new(ctx.clone(), clear)?;
    globals.set("clearTimeout", clear.clone())?;
    globals.set("clearInterval", clear)
}

fn once<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<u32> {
    set(&ctx, &args, false)
}

fn again<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<u32> {
    set(&ctx, &args, true)
}

fn set<'js>(ctx: &Ctx<'js>, args: &[Value<'js>], repeats: bool) -> Result<u32> {
    let core = Core::of(ctx);
    let call = arg(ctx, args, 0);
    let Some(call) = call.as_function().cloned() else {
        return Err(Exception::throw_type(ctx, "setTimeout's callback isn't a callable function"));
    };
    let delay = args.get(1).and_then(number).unwrap_or(0.0).max(0.0);
    // An interval of nothing would never let anything else happen.
    let span = Nanos((delay * 1e6).min(1e18) as u64);
    let every = repeats.then(|| span.max(Nanos::from_millis(1)));
    let number = core.timer_number();
    let given = args.iter().skip(2).map(|value| Persistent::save(ctx, value.clone())).collect();
    let timer = Timer { at: clock::now() + span, every, call: Persistent::save(ctx, call), args: given };
    core.timers.borrow_mut().insert(number, timer);
    Ok(number)
}

fn clear<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) {
    if let Some(number) = args.first().and_then(number) {
        Core::of(&ctx).timers.borrow_mut().remove(&(number as u32));
    }
}

//! The module `k6/timers`, whose functions are globals, too.

use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Persistent, Result, Value};

use super::args::{js, number};
use super::exports::{declare, export};
use crate::clock;
use crate::script::core::{Core, Timer};
use crate::script::foreign::natives::{Call, Entry};
use crate::units::Nanos;

/// The module's members, and globals.
pub(super) static TIMERS: [Entry; 4] = [
    Entry::function(c"setTimeout", 0, |call| set(call, false)),
    Entry::function(c"setInterval", 0, |call| set(call, true)),
    Entry::function(c"clearTimeout", 0, clear),
    Entry::function(c"clearInterval", 0, clear),
];

pub(super) struct Timers;

impl ModuleDef for Timers {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare(declarations, &TIMERS)
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        export(ctx, exports, &TIMERS)
    }
}

fn set<'js>(call: &Call<'_, 'js>, repeats: bool) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    let callback = call.arg(0);
    let Some(callback) = callback.as_function().cloned() else {
        return Err(Exception::throw_type(ctx, "setTimeout's callback isn't a callable function"));
    };
    let delay = number(&call.arg(1)).unwrap_or(0.0).max(0.0);
    // An interval of nothing would never let anything else happen.
    let span = Nanos((delay * 1e6).min(1e18) as u64);
    let every = repeats.then(|| span.max(Nanos::from_millis(1)));
    let number = core.timer_number();
    let given = call.args().skip(2).map(|value| Persistent::save(ctx, value)).collect();
    let timer = Timer { at: clock::now() + span, every, call: Persistent::save(ctx, callback), args: given };
    core.timers.borrow_mut().insert(number, timer);
    js(ctx, number)
}

fn clear<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    if let Some(number) = number(&call.arg(0)) {
        Core::of(call.ctx()).timers.borrow_mut().remove(&(number as u32));
    }
    call.nothing()
}

//! The module `k6/metrics`: Counter, Gauge, Rate, Trend.

use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Coerced, Ctx, Exception, FromJs, Object, Result, Value};

use super::args::{glue, is_nothing, is_true, js, tags, text};
use super::exports::{declare_all, export_all};
use crate::script::console::Level;
use crate::script::core::{Core, Given};
use crate::script::foreign::natives::{self, Call, Entry};
use crate::script::program::MetricDef;
use crate::stats::registry::Kind;

const KINDS: [(&str, Kind); 4] =
    [("Counter", Kind::Counter), ("Gauge", Kind::Gauge), ("Rate", Kind::Rate), ("Trend", Kind::Trend)];

/// The classes: how a metric is defined and added to is native.
const CLASSES: &str = r#"({ define, add }) => {
    class Counter { constructor(name, isTime) { define(0, name, isTime); this.name = name; } add(value, tags) { return add(0, this.name, value, tags); } }
    class Gauge { constructor(name, isTime) { define(1, name, isTime); this.name = name; } add(value, tags) { return add(1, this.name, value, tags); } }
    class Rate { constructor(name, isTime) { define(2, name, isTime); this.name = name; } add(value, tags) { return add(2, this.name, value, tags); } }
    class Trend { constructor(name, isTime) { define(3, name, isTime); this.name = name; } add(value, tags) { return add(3, this.name, value, tags); } }
    return { Counter, Gauge, Rate, Trend };
}"#;

pub(super) struct Metrics;

static NATIVES: [Entry; 2] = [Entry::function(c"define", 3, define), Entry::function(c"add", 4, add)];

impl ModuleDef for Metrics {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare_all(declarations, &KINDS.map(|(name, _)| name))
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let own = Object::new(ctx.clone())?;
        natives::define(&own, &NATIVES)?;
        export_all(exports, glue(ctx, "metrics", CLASSES)?.call((own,))?)
    }
}

/// Whether k6 takes it for a metric's name: `^[A-Za-z_][A-Za-z0-9_]{1,128}$`.
fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (2..=129).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && !bytes[0].is_ascii_digit()
}

fn define<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    let kind = kind(call);
    if !core.is_initialising() {
        let message = "metrics must be declared in the init context";
        return Err(Exception::throw_message(ctx, message));
    }
    let name = call.arg(1);
    let name = if is_nothing(&name) { String::new() } else { text(ctx, &name)? };
    if !is_name(&name) {
        let message = format!(
            "invalid metric name: '{name}': metric names must only include up to 128 ASCII letters, numbers, or underscores and \
             start with a letter or an underscore"
        );
        return Err(Exception::throw_message(ctx, &message));
    }
    let is_time = is_true(ctx, &call.arg(2))?;
    let defined = core.program.define(&name, MetricDef { kind, is_time });
    defined.map_err(|e| Exception::throw_message(ctx, &e))?;
    call.nothing()
}

fn kind(call: &Call<'_, '_>) -> Kind {
    let index = call.arg(0).as_int().unwrap_or(0);
    KINDS[index.clamp(0, 3) as usize].1
}

/// As JavaScript makes a number of it (of `''`, `'0x10'` and dates, too); `None` for what is none, and for nothing.
fn coerced<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<f64>> {
    if is_nothing(value) {
        return Ok(None);
    }
    let number = Coerced::<f64>::from_js(ctx, value.clone())?.0;
    Ok(Some(number).filter(|number| !number.is_nan()))
}

fn add<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    if core.is_initialising() {
        let message = "metrics can't be added to in the init context";
        return Err(Exception::throw_message(ctx, message));
    }
    let (kind, metric) = (kind(call), text(ctx, &call.arg(1))?);
    let value = call.arg(2);
    let Some(value) = coerced(ctx, &value)? else {
        let shown = if value.is_undefined() { "undefined".into() } else { text(ctx, &value)? };
        let message = format!(
            "'{shown}' is an invalid value for metric '{metric}', a number or a boolean value is expected"
        );
        if core.program.settings().is_some_and(|settings| settings.throw) {
            return Err(Exception::throw_message(ctx, &message));
        }
        core.program.console.about(Level::Warn, &message);
        return js(ctx, false);
    };
    let own = core.shared_tags(tags(ctx, &call.arg(3))?);
    core.give(Given { metric: core.text(&metric), kind, value, tags: core.tags(), own });
    js(ctx, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_k6s() {
        for name in ["ab", "_x", "A9", &"a".repeat(129)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a", "9a", "a-b", "a b", "ä1", &"a".repeat(130)] {
            assert!(!is_name(name), "{name}");
        }
    }
}

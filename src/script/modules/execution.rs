//! The module `k6/execution`: where the test, its scenario and the user stand.

use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, IntoJs, Object, Result, Value};

use super::args::{glue, is_nothing, tag_value, text};
use super::exports::{declare_all, export_all};
use crate::clock;
use crate::script::core::Core;
use crate::script::foreign;
use crate::script::foreign::natives::{self, Call, Entry};

/// Objects whose properties ask a native for their values; tags are kept by natives as well.
const OBJECTS: &str = r#"({ fact, tag, abort, fail }) => {
    const facts = (of, names, more) => {
        const object = {};
        for (const name of names) Object.defineProperty(object, name, { enumerable: true, get: () => fact(of + '.' + name) });
        return Object.assign(object, more);
    };
    const tags = new Proxy({}, {
        get: (_, name) => (typeof name === 'string' ? tag('get', name) : undefined),
        set: (_, name, value) => { tag('set', name, value); return true; },
        has: (_, name) => tag('get', name) !== undefined,
        deleteProperty: (_, name) => { tag('delete', name); return true; },
        ownKeys: () => tag('names'),
        getOwnPropertyDescriptor: (_, name) => {
            const value = tag('get', name);
            return value === undefined ? undefined : { value, enumerable: true, configurable: true, writable: true };
        },
    });
    const vu = facts('vu', ['idInInstance', 'idInTest', 'iterationInInstance', 'iterationInScenario']);
    Object.defineProperty(vu, 'tags', { enumerable: true, get: () => tags, set: (all) => { for (const name of Object.keys(all)) tags[name] = all[name]; } });
    Object.defineProperty(vu, 'metrics', { enumerable: true, value: { tags, metadata: {} } });
    const test = { abort, fail };
    Object.defineProperty(test, 'options', { enumerable: true, get: () => JSON.parse(fact('test.options')) });
    return {
        vu,
        test,
        scenario: facts('scenario', ['name', 'executor', 'startTime', 'progress', 'iterationInInstance', 'iterationInTest']),
        instance: facts('instance', ['iterationsInterrupted', 'iterationsCompleted', 'vusActive', 'vusInitialized', 'currentTestRunDuration']),
    };
}"#;

pub(super) struct Execution;

static NATIVES: [Entry; 4] = [
    Entry::function(c"fact", 1, fact),
    Entry::function(c"tag", 3, tag),
    Entry::function(c"abort", 1, abort),
    Entry::function(c"fail", 1, fail),
];

impl ModuleDef for Execution {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declare_all(declarations, &["instance", "scenario", "test", "vu"])
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let own = Object::new(ctx.clone())?;
        natives::define(&own, &NATIVES)?;
        export_all(exports, glue(ctx, "execution", OBJECTS)?.call((own,))?)
    }
}

fn fact<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    let name = text(ctx, &call.arg(0))?;
    let facts = core.facts.borrow().clone();
    let elapsed = clock::now().0.saturating_sub(facts.load_start.0);
    let (of, _) = name.split_once('.').unwrap_or((&name, ""));
    not_in_init(ctx, core, of)?;
    if of == "test" {
        let options = core.program.consolidated().map_or("{}", |all| all.shown.as_str());
        return options.into_js(ctx);
    }
    let counts = core.program.live();
    match name.as_str() {
        "vu.idInInstance" | "vu.idInTest" => return facts.vu.into_js(ctx),
        "vu.iterationInInstance" | "vu.iterationInScenario" => return facts.iteration.into_js(ctx),
        "instance.iterationsInterrupted" => return counts.interrupted().into_js(ctx),
        "instance.iterationsCompleted" => return counts.completed().into_js(ctx),
        "instance.vusActive" => return counts.active().into_js(ctx),
        "instance.vusInitialized" => return counts.initialised().into_js(ctx),
        "instance.currentTestRunDuration" => return (elapsed as f64 / 1e6).into_js(ctx),
        _ => {}
    }
    let scenario = facts.scenario.and_then(|index| core.program.scenario(index));
    let Some(scenario) = scenario else {
        let message = "getting scenario information outside of the VU context is not supported";
        return Err(Exception::throw_message(ctx, message));
    };
    match name.as_str() {
        "scenario.name" => scenario.name.as_str().into_js(ctx),
        "scenario.executor" => scenario.executor.name().into_js(ctx),
        "scenario.startTime" => {
            let begun = facts.load_start + scenario.start;
            let wall = clock::wall().0.saturating_sub(clock::now().0.saturating_sub(begun.0));
            ((wall / 1_000_000) as f64).into_js(ctx)
        }
        "scenario.progress" => {
            let progress = match scenario.iterations() {
                Some(all) if all > 0 => facts.in_scenario as f64 / all as f64,
                _ => {
                    elapsed.saturating_sub(scenario.start.0) as f64
                        / scenario.executor.duration().0.max(1) as f64
                }
            };
            progress.clamp(0.0, 1.0).into_js(ctx)
        }
        _ => facts.in_scenario.into_js(ctx),
    }
}

/// Nothing is known of user, scenario and test while the module code runs, in k6's words.
fn not_in_init(ctx: &Ctx<'_>, core: &Core, of: &str) -> Result<()> {
    if !core.is_initialising() {
        return Ok(());
    }
    let message = match of {
        "scenario" => "getting scenario information outside of the VU context is not supported".into(),
        "test" => "getting test options in the init context is not supported".into(),
        "vu" => "getting VU information in the init context is not supported".into(),
        _ => format!("getting {of} information in the init context is not supported"),
    };
    Err(Exception::throw_message(ctx, &message))
}

/// Looks at, sets or deletes a tag of the user.
fn tag<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    not_in_init(ctx, core, "vu")?;
    let what = text(ctx, &call.arg(0))?;
    let now = core.tags();
    if what == "names" {
        let names: Vec<&str> = now.list().iter().map(|(name, _)| name.as_str()).collect();
        return names.into_js(ctx);
    }
    let name = text(ctx, &call.arg(1))?;
    match what.as_str() {
        "get" => {
            return now
                .get(&name)
                .into_js(ctx)
                .map(|value| if value.is_null() { Value::new_undefined(ctx.clone()) } else { value });
        }
        "delete" => core.set_tags(now.without(&name)),
        _ => {
            let value = tag_value(ctx, &name, &call.arg(2))?;
            core.set_tags(now.with([(name.as_str(), value.as_str())]));
        }
    }
    call.nothing()
}

fn abort<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let reason = call.arg(0);
    let reason = if is_nothing(&reason) { String::new() } else { format!(": {}", text(ctx, &reason)?) };
    let reason = format!("test aborted{reason}");
    let core = Core::of(ctx);
    core.program.abort(&reason);
    core.abort();
    // As in k6: what stands behind it is not done, whatever catches exceptions.
    Err(foreign::throw_uncatchable(ctx, &reason))
}

fn fail<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    core.program.fail();
    let reason = call.arg(0);
    if !is_nothing(&reason) {
        let text = text(ctx, &reason)?;
        core.program.console.about(crate::script::console::Level::Error, &text);
    }
    call.nothing()
}

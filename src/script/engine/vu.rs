//! One user's coroutine, and what runs in it.

use std::rc::Rc;
use std::sync::Arc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use rquickjs::function::Args;
use rquickjs::{Context, Ctx, Function, Object, Persistent, Runtime, Value};

use super::loader::{Load, Resolve, file};
use crate::clock;
use crate::script::core::{Core, Facts, Job, JobEnd, Pause, Wanted};
use crate::script::exception::{Thrown, thrown};
use crate::script::foreign::natives::resume_panic;
use crate::script::modules;
use crate::script::program::{Program, ScriptError};
use crate::script::tags::TagSet;
use crate::units::Nanos;

/// The stack of a user: address space, of which only what is used takes memory. A call in a script takes some 650 bytes.
const STACK: usize = 1 << 20;
/// What is left free below for natives: 8 KiB were too few for a sort, 12 enough.
const STACK_MARGIN: usize = 64 << 10;
/// Most memory that one user's script may have.
const MEMORY_MOST: usize = 1 << 30;
/// The next garbage collection comes when so much is in use.
const GC_THRESHOLD: usize = 256 << 10;

/// One user's JavaScript. Dropped, it ends what it runs.
pub struct Vu {
    coroutine: Coroutine<(), Pause, ()>,
    core: Rc<Core>,
}

impl Vu {
    /// A user of a script, whose module code has run.
    ///
    /// # Errors
    /// When that threw, or there is no memory for its stack.
    pub fn new(program: &Arc<Program>, facts: Facts, tags: TagSet) -> Result<Vu, ScriptError> {
        let core = Core::new(program, facts, tags);
        let stack = DefaultStack::new(STACK)
            .map_err(|e| ScriptError::Exception(format!("there is no memory for a user's stack: {e}")))?;
        let shared = Rc::clone(&core);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), Pause>, ()| {
            shared.set_yielder(yielder);
            live(&shared);
        });
        let mut vu = Vu { coroutine, core };
        // Its module code has nobody to wait for.
        while vu.go_on() != Pause::Idle {}
        match vu.core.take_end() {
            Some(JobEnd::Threw(thrown)) => Err(match program.aborted() {
                Some(reason) => ScriptError::Aborted(reason.into()),
                None => ScriptError::Exception(thrown.text),
            }),
            _ => Ok(vu),
        }
    }

    /// What it shares with whoever drives it.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Begins a job; it must be idle.
    pub fn run(&mut self, job: Job) -> Pause {
        *self.core.job.borrow_mut() = Some(job);
        self.go_on()
    }

    /// Goes on where it has suspended itself.
    pub fn go_on(&mut self) -> Pause {
        if self.coroutine.done() {
            return Pause::Idle;
        }
        let begun = clock::now();
        self.core.begin_slice(begun);
        let pause = match self.coroutine.resume(()) {
            CoroutineResult::Yield(pause) => pause,
            CoroutineResult::Return(()) => Pause::Idle,
        };
        let computed = self.core.computed.get() + (clock::now() - begun);
        self.core.computed.set(computed);
        pause
    }

    /// Cuts off what it runs: its script sees nothing of it but that it ends.
    pub fn stop(&mut self) {
        self.core.stop(true);
        // Natives throw, and the interpreter is interrupted: it ends soon.
        while self.go_on() != Pause::Idle {}
        self.core.stop(false);
        let _ = self.core.take_end();
        self.core.forget_requests();
        self.core.drain_given(drop);
    }
}

impl Drop for Vu {
    fn drop(&mut self) {
        if self.coroutine.done() {
            return;
        }
        self.core.quit();
        self.core.stop(true);
        while !self.coroutine.done() {
            let _ = self.coroutine.resume(());
        }
    }
}

/// The coroutine's life: a runtime, the module code, then job after job.
fn live(core: &Rc<Core>) {
    let made = Runtime::new().and_then(|runtime| Context::full(&runtime).map(|context| (runtime, context)));
    let Ok((runtime, context)) = made else {
        let text = "there is no memory for a user's runtime".into();
        core.set_end(JobEnd::Threw(Thrown { text }));
        core.suspend(Pause::Idle);
        return;
    };
    runtime.set_max_stack_size(STACK - STACK_MARGIN);
    runtime.set_memory_limit(MEMORY_MOST);
    runtime.set_gc_threshold(GC_THRESHOLD);
    let watched = Rc::clone(core);
    runtime.set_interrupt_handler(Some(Box::new(move || watched.interrupts())));
    let told = Rc::clone(core);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
        told.hears_of_rejection(&ctx, &promise, reason, handled);
    })));
    runtime.set_loader(Resolve, Load);
    // Whatever ends this: nothing of the runtime is kept for longer.
    let _emptied = Emptied(core);
    context.with(|ctx| {
        core.give_to(&ctx);
        match load(&ctx, core) {
            Ok(exports) => {
                if !core.program.is_loaded() {
                    take_note(&ctx, core, &exports);
                }
                core.has_initialised();
                core.suspend(Pause::Idle);
                work(&ctx, core, exports);
            }
            Err(thrown) => {
                core.set_end(JobEnd::Threw(thrown));
                core.suspend(Pause::Idle);
            }
        }
    });
}

/// Empties, at its end, what a user keeps of its runtime.
struct Emptied<'a>(&'a Core);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        self.0.forget();
    }
}

/// Runs the module code; what it exports.
fn load<'js>(ctx: &Ctx<'js>, core: &Rc<Core>) -> Result<Object<'js>, Thrown> {
    let loaded = modules::globals(ctx, core).and_then(|()| {
        if core.program.is_strict() {
            modules::take_what_k6_lacks(ctx)?;
        }
        let module = file(ctx, core, core.program.main())?;
        let (module, promise) = module.eval()?;
        promise.finish::<Value>()?;
        module.namespace()
    });
    loaded.map_err(|e| thrown(ctx, e))
}

/// The first load: what the script exports.
fn take_note<'js>(ctx: &Ctx<'js>, core: &Core, exports: &Object<'js>) {
    let mut functions = Vec::new();
    for name in exports.keys::<String>().flatten() {
        if exports.get::<_, Value>(name.as_str()).is_ok_and(|value| value.is_function()) {
            functions.push(name);
        }
    }
    let options = exports.get::<_, Value>("options").and_then(|options| ctx.json_stringify(options));
    let options = options.ok().flatten().and_then(|json| json.to_string().ok());
    core.program.has_loaded(functions, options);
}

/// Job after job.
fn work<'js>(ctx: &Ctx<'js>, core: &Core, exports: Object<'js>) {
    let mut script = Script { exports, data: None, iteration: None };
    while !core.quits() {
        let job = core.job.borrow_mut().take();
        if let Some(job) = job {
            let result = carry_out(ctx, core, &job, &mut script);
            let aborts = core.takes_abort();
            let end = match result {
                _ if core.is_stopping() => {
                    // What it threw is nobody's business.
                    let _ = ctx.catch();
                    JobEnd::Stopped
                }
                Ok(_) | Err(_) if aborts => {
                    let text = core.program.aborted().unwrap_or_default().into();
                    JobEnd::Threw(Thrown { text })
                }
                Ok(result) => JobEnd::Done(result),
                Err(thrown) => JobEnd::Threw(thrown),
            };
            if matches!(end, JobEnd::Threw(_)) {
                // As in k6: what it had begun beside is not gone on with.
                core.forget_requests();
            }
            resume_panic();
            core.set_end(end);
        }
        core.suspend(Pause::Idle);
    }
}

/// What a user's jobs are made of.
struct Script<'js> {
    exports: Object<'js>,
    /// What `setup` returned: parsed once, and kept with this user's changes.
    data: Option<Value<'js>>,
    /// What iterations call: a user has one scenario.
    iteration: Option<Function<'js>>,
}

impl<'js> Script<'js> {
    fn data(&mut self, ctx: &Ctx<'js>, core: &Core) -> rquickjs::Result<Value<'js>> {
        if let Some(known) = &self.data {
            return Ok(known.clone());
        }
        let value = match core.program.setup_data() {
            Some(json) => ctx.json_parse(json)?,
            None => Value::new_undefined(ctx.clone()),
        };
        self.data = Some(value.clone());
        Ok(value)
    }

    fn function(&mut self, job: &Job) -> rquickjs::Result<Function<'js>> {
        let name: &str = match (job, &self.iteration) {
            (Job::Iteration(_), Some(known)) => return Ok(known.clone()),
            (Job::Iteration(exec), None) => exec,
            (Job::Setup, _) => "setup",
            (Job::Teardown, _) => "teardown",
            (Job::Summary(_), _) => "handleSummary",
        };
        let function: Function = self.exports.get(name)?;
        if matches!(job, Job::Iteration(_)) {
            self.iteration = Some(function.clone());
        }
        Ok(function)
    }
}

fn carry_out<'js>(
    ctx: &Ctx<'js>,
    core: &Core,
    job: &Job,
    script: &mut Script<'js>,
) -> Result<Option<String>, Thrown> {
    let called = call(ctx, core, job, script);
    let result = settle(ctx, core, called.map_err(|e| thrown(ctx, e))?)?;
    let json = match job {
        Job::Setup => setup_data(ctx, result),
        Job::Summary(_) => modules::summary_files(ctx, result).map(Some),
        _ => Ok(None),
    };
    json.map_err(|e| thrown(ctx, e))
}

/// Calls the function of a job.
fn call<'js>(
    ctx: &Ctx<'js>,
    core: &Core,
    job: &Job,
    script: &mut Script<'js>,
) -> rquickjs::Result<Value<'js>> {
    let keeps_jar = core.program.settings().is_some_and(|settings| settings.no_cookies_reset);
    if !(keeps_jar && matches!(job, Job::Iteration(_))) {
        core.renew_jar();
    }
    modules::begin_job(ctx, core)?;
    let function = script.function(job)?;
    let mut args = Args::new(ctx.clone(), 1);
    match job {
        Job::Iteration(_) | Job::Teardown => args.push_arg(script.data(ctx, core)?)?,
        Job::Setup => {}
        Job::Summary(json) => args.push_arg(ctx.json_parse(&**json)?)?,
    }
    function.call_arg(args)
}

/// What `setup` returned as k6 hands it on: in JSON, where what is undefined within becomes null, and dates are as Go writes them.
fn setup_data<'js>(ctx: &Ctx<'js>, result: Value<'js>) -> rquickjs::Result<Option<String>> {
    if result.is_undefined() {
        return Ok(None);
    }
    let replacer: Function = ctx.eval(
        "(function (key, value) { if (typeof value === 'function') { throw new TypeError('the setup data cannot hold functions'); } \
         if (this[key] instanceof Date && value) { return value.replace(/\\.?0+Z$/, 'Z'); } \
         return value === undefined ? null : value; })",
    )?;
    let json = ctx.json_stringify_replacer(result, replacer)?;
    json.map(|json| json.to_string()).transpose()
}

/// Lets promises and timers go on until none is left, and gives what came of `result`.
///
/// # Errors
/// What was thrown, or a promise rejected with that nobody hears of: that ends the job, as in k6.
fn settle<'js>(ctx: &Ctx<'js>, core: &Core, result: Value<'js>) -> Result<Value<'js>, Thrown> {
    let cut_off = || Thrown { text: "cut off".into() };
    loop {
        while ctx.execute_pending_job() {
            if core.is_stopping() {
                return Err(cut_off());
            }
        }
        if let Some(reason) = core.take_rejection() {
            let reason = reason.restore(ctx).map(|reason| ctx.throw(reason)).unwrap_or_else(|e| e);
            let Thrown { text } = thrown(ctx, reason);
            return Err(Thrown { text: format!("Uncaught (in promise) {text}") });
        }
        if !core.has_pending() {
            break;
        }
        if modules::settle_answers(ctx, core).map_err(|e| thrown(ctx, e))? {
            continue;
        }
        if fire(ctx, core).map_err(|e| thrown(ctx, e))? {
            continue;
        }
        let next = core.timers.borrow().values().map(|timer| timer.at).min();
        if !core.wait(Wanted::Anything(next.unwrap_or(Nanos::MAX))) {
            return Err(cut_off());
        }
    }
    match result.as_promise() {
        // One that nothing settles any more is as good as none.
        Some(promise) => {
            let settled = promise.result().unwrap_or_else(|| Ok(Value::new_undefined(ctx.clone())));
            settled.map_err(|e| thrown(ctx, e))
        }
        None => Ok(result),
    }
}

/// Fires the timer that is due first, if any is due.
fn fire<'js>(ctx: &Ctx<'js>, core: &Core) -> rquickjs::Result<bool> {
    let now = clock::now();
    let due = {
        let mut timers = core.timers.borrow_mut();
        let due = timers.iter().filter(|(_, timer)| timer.at <= now);
        let first = due.min_by_key(|(number, timer)| (timer.at, **number)).map(|(number, _)| *number);
        let Some(mut timer) = first.and_then(|number| timers.remove(&number)) else { return Ok(false) };
        let due = (timer.call.clone(), timer.args.clone());
        if let (Some(number), Some(every)) = (first, timer.every) {
            timer.at = now + every;
            timers.insert(number, timer);
        }
        due
    };
    let (call, given) = due;
    let mut args = Args::new(ctx.clone(), given.len());
    for value in given {
        args.push_arg(Persistent::restore(value, ctx)?)?;
    }
    let _: Value = call.restore(ctx)?.call_arg(args)?;
    Ok(true)
}

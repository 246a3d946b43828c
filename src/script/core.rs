//! What a user's script and whoever drives it share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap as Map;
use std::rc::Rc;
use std::sync::Arc;

use corosensei::Yielder;
use hashbrown::{HashMap, HashSet};
use rquickjs::{Ctx, Function, Persistent, Value};

use super::exception::Thrown;
use super::foreign::{self, Suspender};
use crate::clock;
use crate::plan::status::StatusSet;
use crate::rng::Rng;
use crate::script::http::address::Address;
use crate::script::http::ask::{Answer, Ask, Jar};
use crate::script::program::Program;
use crate::script::tags::{TagSet, Tags};
use crate::stats::registry::{CHECKS, Kind};
use crate::units::Nanos;

/// How long a script computes before others have their turn.
pub const SLICE: Nanos = Nanos::from_micros(200);

/// URLs that a user remembers.
const URLS_MOST: usize = 32;
/// Texts of tags that a user keeps one copy of.
const TEXTS_MOST: usize = 256;

/// Names and values of fields.
pub type Headers = Rc<[(String, String)]>;

/// Requests that are to be sent: they go on one by one, as pointers.
pub type Asks = Vec<Box<Ask>>;

/// What came of requests, likewise.
type Answers = Vec<Box<Answer>>;

/// Why the coroutine suspended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// There is nothing to do: it is loaded, or its job is over.
    Idle,
    /// It waits: see [`Core::has_what_it_wants`].
    Waits,
    /// It has computed for a slice.
    Slice,
}

/// What a script waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    #[default]
    Nothing,
    /// That this request is over.
    Answer(u32),
    /// This time.
    Time(Nanos),
    /// That any request is over, or this time.
    Anything(Nanos),
}

/// What a user does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// An iteration: calls this exported function.
    Iteration(Rc<str>),
    /// `setup()`.
    Setup,
    /// `teardown(data)`.
    Teardown,
    /// `handleSummary(data)`, of this JSON.
    Summary(Rc<str>),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// The function returned; of setup and summary with what, as JSON (`None`: undefined).
    Done(Option<String>),
    /// It threw.
    Threw(Thrown),
    /// It was cut off.
    Stopped,
}

/// A figure that a script gave.
#[derive(Debug)]
pub struct Given {
    /// Of this metric.
    pub metric: Rc<str>,
    /// Whose figures are of this kind.
    pub kind: Kind,
    /// The value; of a rate not zero where it passed.
    pub value: f64,
    /// The user's tags.
    pub tags: Tags,
    /// Its own.
    pub own: Vec<(Rc<str>, Rc<str>)>,
}

/// Which user one is, and where it stands.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// k6's `__VU`, from 1; 0 in init, setup and teardown.
    pub vu: u64,
    /// Index of its scenario among the settings; `None` in setup and teardown.
    pub scenario: Option<u16>,
    /// Iterations that it has begun, from 0; that of its scenario is the same, since a user has one scenario.
    pub iteration: u64,
    /// The number of this iteration in its scenario, over all users.
    pub in_scenario: u64,
    /// The load's start, on the kernel's monotonic clock.
    pub load_start: Nanos,
}

/// A timer of a script.
pub struct Timer {
    /// When it fires.
    pub at: Nanos,
    /// And how long after that again.
    pub every: Option<Nanos>,
    /// Its function.
    pub call: Persistent<Function<'static>>,
    /// And what that gets.
    pub args: Vec<Persistent<Value<'static>>>,
}

/// A promise that waits for a request.
pub struct Promised {
    /// Called with the response, …
    pub resolve: Persistent<Function<'static>>,
    /// … or with why there is none.
    pub reject: Persistent<Function<'static>>,
}

/// What a user's script and whoever drives it share.
pub struct Core {
    /// The script.
    pub program: Arc<Program>,
    /// Which user it is.
    pub facts: RefCell<Facts>,
    suspender: Suspender<Pause>,
    slice_end: Cell<Nanos>,
    /// Time in which it computed.
    pub(super) computed: Cell<Nanos>,
    stopping: Cell<bool>,
    aborting: Cell<bool>,
    quits: Cell<bool>,
    initialising: Cell<bool>,
    pub(super) job: RefCell<Option<Job>>,
    end: RefCell<Option<JobEnd>>,
    wanted: Cell<Wanted>,
    /// Requests that nobody has begun yet.
    pub(super) asks: RefCell<Asks>,
    answers: RefCell<Answers>,
    next_ticket: Cell<u32>,
    given: RefCell<Vec<Given>>,
    tags: RefCell<Tags>,
    group: RefCell<Rc<str>>,
    jar: RefCell<Jar>,
    /// URLs that it has asked for.
    urls: RefCell<HashMap<Box<str>, Rc<Address>>>,
    texts: RefCell<HashSet<Rc<str>>>,
    /// The method of the last request.
    method: RefCell<Rc<str>>,
    /// The tag and the metric of checks.
    pub(super) check: Rc<str>,
    pub(super) checks: Rc<str>,
    plain_headers: RefCell<Option<Headers>>,
    callback: RefCell<Option<Rc<StatusSet>>>,
    /// Timers by their number.
    pub timers: RefCell<Map<u32, Timer>>,
    next_timer: Cell<u32>,
    /// Promises by the ticket of their request.
    pub promised: RefCell<Map<u32, Promised>>,
    /// Why promises were rejected that nobody has heard of yet, by which they are, with their order.
    rejected: RefCell<Map<usize, (u64, Persistent<Value<'static>>)>>,
    rejections: Cell<u64>,
    /// What is made once in a runtime, by its name.
    kept: RefCell<Vec<(&'static str, Persistent<Value<'static>>)>>,
    /// What `Math.random` and `randomSeed` go by, once that was called.
    pub rng: RefCell<Option<Rng>>,
}

foreign::contexts_are_given!(Core);

impl Core {
    pub(super) fn new(program: &Arc<Program>, facts: Facts, tags: TagSet) -> Rc<Core> {
        let mut all = StatusSet::empty();
        all.insert_range(200, 399);
        Rc::new(Core {
            program: Arc::clone(program),
            facts: RefCell::new(facts),
            suspender: Suspender::default(),
            slice_end: Cell::new(Nanos::MAX),
            computed: Cell::new(Nanos::ZERO),
            stopping: Cell::new(false),
            aborting: Cell::new(false),
            quits: Cell::new(false),
            initialising: Cell::new(true),
            job: RefCell::default(),
            end: RefCell::default(),
            wanted: Cell::default(),
            asks: RefCell::default(),
            answers: RefCell::default(),
            next_ticket: Cell::new(0),
            given: RefCell::default(),
            tags: RefCell::new(Rc::new(tags)),
            group: RefCell::new(Rc::from("")),
            jar: RefCell::default(),
            urls: RefCell::default(),
            texts: RefCell::default(),
            method: RefCell::new(Rc::from("GET")),
            check: Rc::from("check"),
            checks: Rc::from(CHECKS),
            plain_headers: RefCell::default(),
            callback: RefCell::new(Some(Rc::new(all))),
            timers: RefCell::default(),
            next_timer: Cell::new(1),
            promised: RefCell::default(),
            rejected: RefCell::default(),
            rejections: Cell::new(0),
            kept: RefCell::default(),
            rng: RefCell::default(),
        })
    }

    /// The one whose runtime this is.
    pub fn of<'a>(ctx: &'a Ctx<'_>) -> &'a Core {
        foreign::given(ctx)
    }

    pub(super) fn give_to(self: &Rc<Core>, ctx: &Ctx<'_>) {
        foreign::give(ctx, self);
    }

    pub(super) fn set_yielder(&self, yielder: &Yielder<(), Pause>) {
        self.suspender.belongs_to(yielder);
    }

    /// Suspends the coroutine that this is called in, until it is gone on with.
    pub(super) fn suspend(&self, pause: Pause) {
        self.suspender.suspend(pause);
    }

    /// Called every some ten thousand steps of the interpreter: true ends what runs.
    pub(super) fn interrupts(&self) -> bool {
        if !self.is_stopping() && clock::now() >= self.slice_end.get() {
            self.suspend(Pause::Slice);
        }
        self.is_stopping()
    }

    pub(super) fn begin_slice(&self, now: Nanos) {
        self.slice_end.set(now + SLICE);
    }

    /// What runs is to end: natives throw from now on.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get() || self.aborting.get()
    }

    /// Its script has ended the test: what runs is to end.
    pub fn abort(&self) {
        self.aborting.set(true);
    }

    /// Whether it has, once.
    pub(super) fn takes_abort(&self) -> bool {
        self.aborting.take()
    }

    pub(super) fn stop(&self, stop: bool) {
        self.stopping.set(stop);
    }

    pub(super) fn quit(&self) {
        self.quits.set(true);
    }

    pub(super) fn quits(&self) -> bool {
        self.quits.get()
    }

    /// The script's module code runs: no requests, no figures.
    pub fn is_initialising(&self) -> bool {
        self.initialising.get()
    }

    pub(super) fn has_initialised(&self) {
        self.initialising.set(false);
    }

    /// Waits for something; false when it was cut off meanwhile.
    pub fn wait(&self, wanted: Wanted) -> bool {
        if self.is_stopping() {
            return false;
        }
        self.wanted.set(wanted);
        self.suspend(Pause::Waits);
        self.wanted.set(Wanted::Nothing);
        !self.is_stopping()
    }

    /// Whether what it waits for is there; `answered`: a request has just ended.
    pub fn has_what_it_wants(&self, answered: bool, now: Nanos) -> bool {
        match self.wanted.get() {
            Wanted::Nothing => false,
            Wanted::Time(at) => at <= now,
            Wanted::Anything(at) => answered || at <= now,
            Wanted::Answer(ticket) => self.answers.borrow().iter().any(|answer| answer.ask.ticket == ticket),
        }
    }

    /// The time that it waits for, if it does.
    pub fn wakes_at(&self) -> Option<Nanos> {
        match self.wanted.get() {
            Wanted::Time(at) | Wanted::Anything(at) => Some(at).filter(|at| *at != Nanos::MAX),
            Wanted::Nothing | Wanted::Answer(_) => None,
        }
    }

    /// A number for a request.
    pub fn ticket(&self) -> u32 {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket.wrapping_add(1));
        ticket
    }

    /// Asks for a request to be sent.
    pub fn ask(&self, ask: Box<Ask>) {
        self.asks.borrow_mut().push(ask);
    }

    /// Moves the requests that were asked for into `asks`, which is empty, in their order.
    pub fn take_asks(&self, asks: &mut Asks) {
        std::mem::swap(&mut *self.asks.borrow_mut(), asks);
    }

    /// A request is over.
    pub fn answer(&self, answer: Box<Answer>) {
        self.answers.borrow_mut().push(answer);
    }

    /// What came of a request, if it is over.
    pub fn take_answer(&self, ticket: u32) -> Option<Box<Answer>> {
        let mut answers = self.answers.borrow_mut();
        let at = answers.iter().position(|answer| answer.ask.ticket == ticket)?;
        Some(answers.remove(at))
    }

    /// Requests that are over and not taken.
    pub fn answered(&self) -> Vec<u32> {
        self.answers.borrow().iter().map(|answer| answer.ask.ticket).collect()
    }

    pub(super) fn forget_requests(&self) {
        self.asks.borrow_mut().clear();
        self.answers.borrow_mut().clear();
        self.promised.borrow_mut().clear();
        self.rejected.borrow_mut().clear();
        self.timers.borrow_mut().clear();
    }

    /// A promise was rejected, or somebody has now heard of it.
    pub(super) fn hears_of_rejection<'js>(
        &self,
        ctx: &Ctx<'js>,
        promise: &Value<'js>,
        reason: Value<'js>,
        handled: bool,
    ) {
        let which = foreign::identity(promise);
        if handled {
            self.rejected.borrow_mut().remove(&which);
            return;
        }
        let order = self.rejections.get();
        self.rejections.set(order + 1);
        self.rejected.borrow_mut().insert(which, (order, Persistent::save(ctx, reason)));
    }

    /// Why the first promise was rejected that nobody has heard of; none is left.
    pub(super) fn take_rejection(&self) -> Option<Persistent<Value<'static>>> {
        let mut rejected = self.rejected.borrow_mut();
        if rejected.is_empty() {
            return None;
        }
        rejected.drain().min_by_key(|(_, (order, _))| *order).map(|(_, (_, reason))| reason)
    }

    /// Lets go of all that belongs to the runtime, which must not outlive it.
    pub(super) fn forget(&self) {
        self.forget_requests();
        self.kept.borrow_mut().clear();
    }

    /// What was kept by this name; else what `make` makes.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn kept<'js>(
        &self,
        ctx: &Ctx<'js>,
        name: &'static str,
        make: impl FnOnce() -> rquickjs::Result<Value<'js>>,
    ) -> rquickjs::Result<Value<'js>> {
        let known = self.kept.borrow().iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
        if let Some(known) = known {
            return known.restore(ctx);
        }
        let made = make()?;
        self.kept.borrow_mut().push((name, Persistent::save(ctx, made.clone())));
        Ok(made)
    }

    /// Whether promises or timers wait for anything.
    pub(super) fn has_pending(&self) -> bool {
        !self.promised.borrow().is_empty() || !self.timers.borrow().is_empty()
    }

    /// Takes a figure for a metric.
    pub fn give(&self, given: Given) {
        if !self.stopping.get() {
            self.given.borrow_mut().push(given);
        }
    }

    /// Lets `take` have the figures that were given, in their order; none is left.
    pub fn drain_given(&self, take: impl FnMut(Given)) {
        self.given.borrow_mut().drain(..).for_each(take);
    }

    /// The tags of its samples now.
    pub fn tags(&self) -> Tags {
        Rc::clone(&self.tags.borrow())
    }

    /// Its samples have these tags from now on.
    pub fn set_tags(&self, tags: TagSet) {
        *self.tags.borrow_mut() = Rc::new(tags);
    }

    /// The path of the group that it is in; empty at the root.
    pub fn group(&self) -> Rc<str> {
        Rc::clone(&self.group.borrow())
    }

    /// An iteration begins, in this group. Tags that the script has set stay, as in k6.
    pub fn begin_in(&self, group: &str) {
        if &**self.group.borrow() != group {
            self.set_group(group);
        }
    }

    /// It is in this group from now on.
    pub fn set_group(&self, path: &str) {
        *self.group.borrow_mut() = Rc::from(path);
        let tags = self.tags().with([("group", path)]);
        self.set_tags(tags);
    }

    /// Its cookies.
    pub fn jar(&self) -> Jar {
        Rc::clone(&self.jar.borrow())
    }

    /// It begins without cookies, unless it has none and nobody else has its jar.
    pub fn renew_jar(&self) {
        let mut jar = self.jar.borrow_mut();
        if Rc::strong_count(&jar) > 1 || !jar.borrow().is_empty() {
            *jar = Jar::default();
        }
    }

    /// What a URL that was asked for before is.
    pub fn url(&self, given: &str) -> Option<Rc<Address>> {
        self.urls.borrow().get(given).cloned()
    }

    /// Keeps what a URL is, for the next request to it.
    pub fn keep_url(&self, given: &str, url: Rc<Address>) {
        let mut urls = self.urls.borrow_mut();
        if urls.len() >= URLS_MOST {
            urls.clear();
        }
        urls.insert(given.into(), url);
    }

    /// A text that is given again and again: one copy of it.
    pub fn text(&self, text: &str) -> Rc<str> {
        let mut texts = self.texts.borrow_mut();
        if let Some(known) = texts.get(text) {
            return Rc::clone(known);
        }
        if texts.len() >= TEXTS_MOST {
            texts.clear();
        }
        let new: Rc<str> = Rc::from(text);
        texts.insert(Rc::clone(&new));
        new
    }

    /// The method of a request, of which there is one copy as of other texts.
    pub fn method(&self, method: &str) -> Rc<str> {
        let mut last = self.method.borrow_mut();
        if **last != *method {
            *last = self.text(method);
        }
        Rc::clone(&last)
    }

    /// Tags of one sample, with one copy of each text.
    pub fn shared_tags(&self, tags: Vec<(String, String)>) -> Vec<(Rc<str>, Rc<str>)> {
        tags.into_iter().map(|(name, value)| (self.text(&name), self.text(&value))).collect()
    }

    /// The fields of a request that gives none.
    pub fn plain_headers(&self) -> Headers {
        let mut plain = self.plain_headers.borrow_mut();
        Rc::clone(plain.get_or_insert_with(|| {
            let agent = self
                .program
                .settings()
                .and_then(|all| Some(("User-Agent".to_owned(), all.user_agent.clone()?)));
            agent.into_iter().collect()
        }))
    }

    /// Which statuses its requests expect, unless they say otherwise; `None`: nobody judges.
    pub fn callback(&self) -> Option<Rc<StatusSet>> {
        self.callback.borrow().clone()
    }

    /// From now on it expects these.
    pub fn set_callback(&self, expected: Option<Rc<StatusSet>>) {
        *self.callback.borrow_mut() = expected;
    }

    /// A number for a timer.
    pub fn timer_number(&self) -> u32 {
        let number = self.next_timer.get();
        self.next_timer.set(number.wrapping_add(1));
        number
    }

    pub(super) fn set_end(&self, end: JobEnd) {
        *self.end.borrow_mut() = Some(end);
    }

    /// How its job ended, once.
    pub fn take_end(&self) -> Option<JobEnd> {
        self.end.borrow_mut().take()
    }

    /// For how long it has computed since this was last asked.
    pub fn take_computed(&self) -> Nanos {
        self.computed.replace(Nanos::ZERO)
    }
}

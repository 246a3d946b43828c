//! What a virtual user does next: the seam between whoever decides that and everything that carries it out.
//!
//! A [`Flow`] is told what happened ([`What`]) and says what is to begin: requests, timers, and whether it then waits, goes on in the
//! next turn, or is done ([`Then`]). It holds no connection and knows no socket. [`plan`] is the flow of plans: lists of
//! steps. One flow serves all users of a worker; what is a user's own is its [`Flow::State`].
//!
//! A request's spec says all that carrying it out needs, so that nobody looks anything up again; its outcome owns what of the response
//! the spec asked for. Several requests and timers may be open at a time.
//!
//! What a flow begins goes into lists that are reused from call to call ([`Moves`]), so that nothing allocates per request.

pub(in crate::worker) mod ask;
pub(in crate::worker) mod parts;
pub mod plan;
pub mod script;

use std::rc::Rc;
use std::sync::Arc;

use super::exchange::Exchange;
use super::links::Origins;
use super::samples::Samples;
use super::shared::Shared;
use ask::Ask;
pub use parts::Parts;
use parts::Spare;

use crate::driver::PayloadId;
use crate::http::response::{Expect, Response};
use crate::http::url::Url;
use crate::plan::forward::Forward;
use crate::plan::request_template::RenderError;
use crate::plan::response::{Needs, ResponseView};
use crate::plan::status::StatusSet;
use crate::plan::workload::Workload;
use crate::stats::layout::{CHECKS, Layout, REQUESTS};
use crate::stats::metrics;
use crate::stats::outcome::ErrorKind;
pub use crate::stats::outcome::Timings;
use crate::stats::places::Found;
use crate::stats::recorder::Recorder;
use crate::stats::registry::{KeyRef, Kind, KindConflict, Role, SeriesId};
use crate::stats::samples::{Added, Judgement, Record};
use crate::stats::tally::{Cause, CheckSample};
use crate::units::Nanos;

/// Failing samples that a worker keeps of each check.
const SAMPLES_MAX: u8 = 3;
/// Bytes of a body that a sample shows.
const EXCERPT_MAX: usize = 256;

/// Decides what virtual users do.
pub trait Flow: Sized {
    /// What a user keeps, over all of its iterations.
    type State;

    /// The same for another window, which users begin afresh.
    fn anew(&self, setup: &FlowSetup<'_>) -> Self;

    /// A new user.
    fn user(&self, user: &UserKey) -> Self::State;

    /// Draws what the user's next iteration needs. False when there is nothing left to do one with: the user goes off.
    fn prepare(&mut self, state: &mut Self::State) -> bool;

    /// The load is at its end since the flow itself has ended it.
    fn is_called_off(&self) -> bool {
        false
    }

    /// Something happened; `moves` takes what is to begin.
    ///
    /// A flow that has much to compute says [`Then::Yield`] after a slice of it and is told [`What::GoOn`]: no user holds the loop
    /// for long.
    fn on(&mut self, state: &mut Self::State, what: What, moves: &mut Moves<'_>) -> Then;

    /// Writes the bytes of a request that said [`Source::Written`] into `out`, which is empty: when its connection can take
    /// them. `url` is that of its origin.
    ///
    /// # Errors
    /// When it cannot be put together: the request has failed then.
    fn write(
        &mut self,
        state: &mut Self::State,
        request: ExchangeId,
        url: &Url,
        wall: Nanos,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError>;
}

/// What a flow is made for.
#[derive(Clone, Copy, Debug)]
pub struct FlowSetup<'a> {
    /// What is to be done.
    pub workload: &'a Arc<Workload>,
    /// What is kept apart.
    pub layout: &'a Arc<Layout>,
    /// What all workers share.
    pub shared: &'a Arc<Shared>,
    /// Whose users follow it: this worker's, from 0, …
    pub worker: u32,
    /// … of so many.
    pub workers: u32,
    /// Seed of everything random.
    pub seed: u64,
}

/// Which user one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserKey {
    /// Its number over all scenarios and workers, from 0.
    pub number: u32,
    /// Index of its scenario in the workload.
    pub scenario: u16,
}

/// One of a worker's exchanges; none has the number of one that is still open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExchangeId(pub u32);

/// One of a flow's timers: the flow's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId(pub u32);

/// What happened.
#[derive(Debug)]
pub enum What {
    /// An iteration begins.
    Begin(Iteration),
    /// A request is over.
    Answered(ExchangeId, Outcome),
    /// A timer fires that was set for this time. What begins because of it was meant to start then.
    Timer(TimerId, Nanos),
    /// After [`Then::Yield`].
    GoOn,
    /// The iteration is cut off: requests and timers that are open are no more. Whatever is returned, it is over.
    Interrupt,
}

/// An iteration that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iteration {
    /// Of this user, from 0 (k6's `__ITER`).
    pub number: u64,
    /// In its scenario, from 0, unique over all workers.
    pub in_scenario: u64,
    /// When the schedule meant it to begin; `None` where iterations simply follow each other.
    pub scheduled: Option<Nanos>,
}

/// What comes after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// A request or a timer is open: wait for it.
    Wait,
    /// There is more to compute: call again in the next turn.
    Yield,
    /// The iteration is over; the next one begins after this pause at the earliest.
    End(Ending, Nanos),
}

/// How an iteration ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was done.
    Whole,
    /// A value was missing that the rest needs.
    Broken,
}

/// A request to begin.
#[derive(Clone, Debug)]
pub struct Request {
    /// Number of its origin, from [`Moves::origin`]; those of the plan come first, in its order.
    pub origin: u32,
    /// Its bytes.
    pub source: Source,
    /// What framing its response has.
    pub expect: Expect,
    /// From the send to the last byte of the response.
    pub limit: Nanos,
    /// What of the response its outcome shall own.
    pub keeps: Needs,
    /// It may be sent twice: where it met a connection that was just being closed, it is sent again.
    pub replayable: bool,
    /// Most bytes of a body that are kept.
    pub body_limit: usize,
    /// Statuses that make a response an expected one.
    pub expected: Rc<StatusSet>,
    /// Where its figures go: an index into [`Layout::places`], or what [`Moves::place`] said.
    pub place: u32,
    /// When it was meant to start; `None`: when it is sent.
    pub scheduled: Option<Nanos>,
}

/// Where the bytes of a request come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first bytes of a payload that the driver has.
    Payload(PayloadId, u32),
    /// [`Flow::write`] is asked for them.
    Written,
}

/// How a request ended.
#[derive(Debug)]
pub struct Outcome {
    /// The response; or why there is no whole one.
    pub result: Result<Response, ErrorKind>,
    /// Where it went.
    pub origin: u32,
    /// From the send to the end; zero when it was never sent.
    pub duration: Nanos,
    /// What it waited for.
    pub timings: Timings,
    /// Where its figures go.
    pub mark: Mark,
    /// What was asked for of the response.
    pub parts: Option<Box<Parts>>,
}

/// Where the figures of a request go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Index into [`Layout::places`], or what [`Moves::place`] said.
    pub place: u32,
    /// Stage of its scenario in which it was meant to start.
    pub stage: u16,
    /// It was meant to start in the window: it counts.
    pub measured: bool,
}

impl Outcome {
    /// As checks and extractions see it.
    pub fn response(&self) -> ResponseView<'_> {
        let (status, body_len) = self.result.map_or((0, 0), |response| (response.status, response.body_len));
        let response = ResponseView::new(status, body_len, self.duration);
        match &self.parts {
            Some(parts) => response.with_parts(&parts.head, &parts.body, parts.truncated),
            None => response,
        }
    }
}

/// A value that something could not go on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// Nothing was found for this variable: the iteration ended.
    NotFound(u32),
    /// A request could not be put together: it was not sent.
    NotMade(RenderError),
}

impl Lack {
    fn told(self, variables: &[String]) -> String {
        let name = |variable: u32| variables.get(variable as usize).map_or("", String::as_str);
        match self {
            Lack::NotFound(variable) => {
                format!("nothing was found for `{}`: the iteration ended", name(variable))
            }
            Lack::NotMade(RenderError::Unset(variable)) => {
                format!("`{}` has no value yet: the request was not sent", name(variable))
            }
            Lack::NotMade(error) => format!("{error}: the request was not sent"),
        }
    }
}

/// Checks, and what failed them; and what was missing.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) layout: Arc<Layout>,
    pub(super) samples: Vec<CheckSample>,
    /// At which place, and how often.
    lacks: Vec<(u32, Lack, u64)>,
    /// Failing samples kept of each check.
    sampled: Vec<u8>,
}

impl Checks {
    pub(super) fn new(layout: &Arc<Layout>) -> Checks {
        let sampled = vec![0; layout.checks.len()];
        Checks { layout: Arc::clone(layout), samples: Vec::new(), lacks: Vec::new(), sampled }
    }

    /// Counts what was missing at a place.
    #[cold]
    pub(super) fn lacks(&mut self, place: u32, lack: Lack) {
        match self.lacks.iter_mut().find(|(at, known, _)| (*at, *known) == (place, lack)) {
            Some((_, _, count)) => *count += 1,
            None => self.lacks.push((place, lack, 1)),
        }
    }

    /// What was missing, in words.
    pub(super) fn causes(&self, variables: &[String]) -> Vec<Cause> {
        let told = |(place, lack, count): &(u32, Lack, u64)| Cause {
            place: *place,
            what: lack.told(variables),
            count: *count,
        };
        self.lacks.iter().map(told).collect()
    }
}

/// What a flow is given to see and to say in one call.
pub struct Moves<'a> {
    pub(super) now: Nanos,
    pub(super) wall: fn() -> Nanos,
    pub(super) window_open: Nanos,
    pub(super) next_exchange: &'a mut u32,
    pub(super) requests: &'a mut Vec<Exchange<Ask>>,
    pub(super) timers: &'a mut Vec<(Nanos, TimerId)>,
    pub(super) spare: &'a mut Spare,
    pub(super) origins: &'a mut Origins,
    pub(super) recorder: &'a mut Recorder,
    pub(super) samples: &'a mut Samples,
    pub(super) checks: &'a mut Checks,
    /// The scenario's tally for the stage of the iteration.
    pub(super) tally: u32,
    pub(super) begins_anew: bool,
}

impl Moves<'_> {
    /// The time of this turn, on the driver's clock.
    #[inline]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// The wall clock, as time since the Unix epoch.
    pub fn wall(&self) -> Nanos {
        (self.wall)()
    }

    /// Begins a request.
    #[inline]
    pub fn request(&mut self, request: Request) -> ExchangeId {
        let id = ExchangeId(*self.next_exchange);
        *self.next_exchange = self.next_exchange.wrapping_add(1);
        let scheduled = request.scheduled.unwrap_or(self.now);
        self.requests.push(Exchange::new(scheduled, Ask::of(request, id)));
        id
    }

    /// Sets a timer; several may have the same number.
    #[inline]
    pub fn timer(&mut self, id: TimerId, at: Nanos) {
        self.timers.push((at, id));
    }

    /// The number of an origin, to which a response of the one numbered `from` has led, if any has. Its addresses are looked up if need be.
    ///
    /// # Errors
    /// The kind of failure when it may not be added.
    pub fn origin(&mut self, url: &Url, from: Option<u32>) -> Result<u32, ErrorKind> {
        self.origins.find(url, from)
    }

    /// Scheme, host and port of an origin.
    pub fn url(&self, origin: u32) -> &Url {
        &self.origins.get(origin).url
    }

    /// How requests to an origin are put for the proxy that forwards them.
    pub fn forward(&self, origin: u32) -> Option<&Forward> {
        self.origins.get(origin).forward.as_ref()
    }

    /// The place of requests with these tags, for [`Request::place`]; made where there is none yet. Worth keeping: it is looked up by text,
    /// and what is recorded by it is not. It is good for all users of this worker.
    ///
    /// `tags` are sorted by name, each name once: k6's `name`, `method`, `url`, own ones, and `scenario`, without which the requests are in
    /// no scenario's figures. `stage`, `expected_response`, `status` and `error` are squall's own, added to each sample; given ones are
    /// passed over. Where it would be one too many (`--max-series`), it is the place of all others; thresholds find its samples all the same.
    pub fn place(&mut self, tags: &[(&str, &str)]) -> u32 {
        let measuring = self.now >= self.window_open;
        let Found { number, new } = self.recorder.place(&self.checks.layout, tags, measuring);
        if let Some(tags) = new {
            self.samples.announce(number, tags);
        }
        number
    }

    /// Books a check, the `index`-th of the place, on an outcome. Places that were made while load is sent have none: what a flow checks
    /// there is a rate of its own, a series of the metric `checks`.
    pub fn check(&mut self, index: usize, passed: bool, outcome: &Outcome) {
        let mark = outcome.mark;
        if !mark.measured {
            return;
        }
        let Some(place) = self.checks.layout.places.get(mark.place as usize) else {
            return debug_assert!(false, "a place that was made has no checks");
        };
        let key = place.first_check as usize + index;
        if self.samples.are_wanted() {
            let judgement = Judgement { check: key as u32, stage: mark.stage, passed, at: self.now };
            self.samples.push(Record::Check(judgement));
        }
        let series = self.checks.layout.checks[key].first_series + u32::from(mark.stage);
        let Some(rate) = self.recorder.tally.rate_mut(series) else { return };
        if passed {
            rate.passes += 1;
            return;
        }
        rate.fails += 1;
        if self.checks.sampled[key] < SAMPLES_MAX {
            self.checks.sampled[key] += 1;
            let at = self.now - self.window_open;
            self.checks.samples.push(sample(key, outcome, at));
        }
    }

    /// The series of a metric of one's own, for [`Moves::add`]; made where there is none yet. Worth keeping: it is looked up by text.
    /// `tags` are sorted by name, each name once. Where it would be one too many, that of all others.
    ///
    /// # Errors
    /// When there is a metric of that name with figures of another kind.
    pub fn series(
        &mut self,
        metric: &str,
        kind: Kind,
        tags: &[(&str, &str)],
    ) -> Result<SeriesId, KindConflict> {
        debug_assert!(tags.is_sorted_by(|a, b| a.0 < b.0));
        let own =
            metrics::named(metric).map(|own| own.kind).or((metric == REQUESTS).then_some(Kind::Requests));
        if let Some(known) = own.filter(|own| *own != kind || metric != CHECKS) {
            return Err(KindConflict { metric: metric.into(), known, wanted: kind });
        }
        self.recorder.tally.series_of(KeyRef { metric, kind, tags, role: Role::Plain })
    }

    /// Adds a value to a metric of one's own. A rate takes what is not zero as passed. During the warm-up nothing is added.
    pub fn add(&mut self, series: SeriesId, value: f64) {
        if self.now < self.window_open {
            return;
        }
        self.recorder.tally.add(series, value, self.now - self.window_open);
        if self.samples.are_wanted()
            && value.is_finite()
            && let Some(key) = self.recorder.tally.registry().keys().get(series.0 as usize)
        {
            self.samples.add(Added { series: series.0, value, at: self.now }, key);
        }
    }

    /// Books for how long the flow computed in a call: time in which its worker did nothing else.
    pub fn computed(&mut self, span: Nanos) {
        self.recorder.tally.scenarios[self.tally as usize].script_time += span.0;
    }

    /// Books that nothing was found for a variable of the workload in an outcome, and that its iteration ends by that.
    pub fn missing(&mut self, variable: u32, outcome: &Outcome) {
        if outcome.mark.measured {
            self.checks.lacks(outcome.mark.place, Lack::NotFound(variable));
        }
    }

    /// The iteration begins anew: what was before does not belong to how long it takes.
    pub fn begin_anew(&mut self) {
        self.begins_anew = true;
    }

    /// Books a redirect that is not followed.
    pub fn redirect_refused(&mut self, outcome: &Outcome) {
        if outcome.mark.measured {
            self.recorder.tally.scenarios[self.tally as usize].redirects_refused += 1;
        }
    }

    /// Gives back what an outcome owned, for the next one.
    #[inline]
    pub fn recycle(&mut self, parts: Option<Box<Parts>>) {
        self.spare.put(parts);
    }
}

#[cold]
fn sample(check: usize, outcome: &Outcome, at: Nanos) -> CheckSample {
    let response = outcome.response();
    let excerpt = &response.body[..response.body.len().min(EXCERPT_MAX)];
    let excerpt = String::from_utf8_lossy(excerpt);
    let looked_at = response.body.len();
    CheckSample {
        check: check as u32,
        status: response.status,
        at,
        excerpt: match response.truncated {
            true => format!("(only the first {looked_at} bytes were looked at: --max-body) {excerpt}"),
            false => excerpt.into_owned(),
        },
    }
}

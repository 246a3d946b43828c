//! The flow of plans: an iteration walks through the steps of one of its scenario's flows, one request at a time, follows
//! redirects, judges the checks and takes values for later steps.

mod make;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::{
    Ending, ExchangeId, Flow, FlowSetup, Iteration, Moves, Outcome, Parts, Request, Source, Then, TimerId,
    UserKey, What,
};
use crate::driver::PayloadId;
use crate::http::response::{Expect, Response};
use crate::http::url::Url;
use crate::plan::check::Check;
use crate::plan::cookies::{self, CookieJar};
use crate::plan::extract::Extract;
use crate::plan::redirect;
use crate::plan::request_template::RenderError;
use crate::plan::response::{Needs, ResponseView};
use crate::plan::status::StatusSet;
use crate::plan::value::Value;
use crate::plan::workload::{CookiePolicy, Scenario, Step, Think, Workload};
use crate::rng::Rng;
use crate::units::Nanos;
use crate::worker::shared::Shared;

/// The only timer of a plan: the pause behind a step.
const PAUSE: TimerId = TimerId(0);

/// The flow of a workload, for the users of one worker.
pub struct PlanFlow {
    workload: Arc<Workload>,
    steps: Vec<StepPlan>,
    /// For each scenario and step the place in the layout; [`u32::MAX`] where the scenario has no such step.
    places: Vec<Vec<u32>>,
    /// The data sets that each flow takes rows of.
    sets: Vec<Vec<u32>>,
    /// For each scenario and data set the number of the user that has its first row, where each user has one of its own.
    first_users: Vec<Vec<u64>>,
    shared: Arc<Shared>,
    /// Some step's URL is known only when it begins.
    has_open: bool,
    seed: u64,
    cookies: Vec<u8>,
}

/// What is settled about a step beforehand.
struct StepPlan {
    keeps: Needs,
    expected: Rc<StatusSet>,
    /// Its bytes, where they are always the same.
    payload: Option<(PayloadId, u32)>,
    /// What its cookies go by, made once; not where its path differs from request to request.
    cookie_url: Option<url::Url>,
    /// Its requests may be sent twice.
    replayable: bool,
    /// It is put together when it begins: what the request says of itself must be known before it is sent.
    is_made: bool,
}

/// One user of a plan.
pub struct PlanUser {
    key: UserKey,
    /// Index of the flow of this iteration.
    flow: u16,
    /// Position in it.
    at: u16,
    /// Redirects followed for this step.
    hops: u16,
    /// The bytes of the request in work were written for it.
    written: bool,
    /// They are put together already, but for the jar's cookies: `extras.request`, or what was wrong.
    made: bool,
    /// It is at what it does once, before its first iteration …
    in_setup: bool,
    /// … or has done that.
    is_set_up: bool,
    /// Behind the setup: index of the flow of this iteration.
    flow_behind: u16,
    /// When its present cycle began, where iterations are paced.
    cycle: Nanos,
    iteration: u64,
    in_scenario: u64,
    rng: Rng,
    extras: Option<Box<Extras>>,
}

/// What only users of some plans have.
#[derive(Default)]
struct Extras {
    values: Vec<Option<Value>>,
    rows: Vec<u64>,
    jar: CookieJar,
    /// What an iteration begins with: what the setup has given.
    first: Option<(Vec<Option<Value>>, CookieJar)>,
    /// The request in work without the jar's cookies: what a redirect is made from, and what follows one.
    request: Vec<u8>,
    /// Why it could not be made.
    wrong: Option<RenderError>,
    /// Path and query of a request that was made.
    path: String,
    /// Where the request before went, in this iteration: origin, path and query. Kept where a step may lead on from there.
    before: Option<(u32, String)>,
}

impl PlanFlow {
    /// As payload i the driver has the bytes of step i, where they are constant.
    pub fn new(setup: &FlowSetup<'_>) -> PlanFlow {
        let FlowSetup { workload, layout, shared, seed, .. } = *setup;
        let mut places = vec![vec![u32::MAX; workload.steps.len()]; workload.scenarios.len()];
        for (index, place) in layout.places.iter().enumerate() {
            places[place.scenario as usize][place.step as usize] = index as u32;
        }
        let keeps_cookies = workload.cookies != CookiePolicy::Off;
        let cookie_url = |step: &Step| {
            let origin = &workload.origins[step.origin as usize].url;
            if keeps_cookies { cookies::request_url(origin, step.request.path_hint()) } else { None }
        };
        let step = |(index, step): (usize, &Step)| StepPlan {
            cookie_url: cookie_url(step),
            // Safe methods (RFC 9110, 9.2.1), as with Go's client.
            replayable: matches!(&*step.method, "GET" | "HEAD" | "OPTIONS" | "TRACE"),
            is_made: step.open_url.is_some() || step.request.open_method().is_some(),
            keeps: needs(step, keeps_cookies),
            expected: Rc::new(step.expected.clone()),
            payload: step.request.constant().map(|bytes| (PayloadId(index as u32), bytes.len() as u32)),
        };
        PlanFlow {
            steps: workload.steps.iter().enumerate().map(step).collect(),
            places,
            sets: (0..workload.flows.len()).map(|flow| workload.sets_of(flow as u32)).collect(),
            first_users: first_users(workload),
            shared: Arc::clone(shared),
            has_open: workload.steps.iter().any(|step| step.open_url.is_some()),
            seed,
            cookies: Vec::new(),
            workload: Arc::clone(workload),
        }
    }

    /// The step that the user is at.
    #[inline]
    fn step(&self, user: &PlanUser) -> usize {
        self.workload.flows[usize::from(user.flow)].steps[usize::from(user.at)] as usize
    }

    #[inline]
    fn scenario(&self, user: &PlanUser) -> &Scenario {
        &self.workload.scenarios[usize::from(user.key.scenario)]
    }

    #[inline]
    fn begin(&mut self, user: &mut PlanUser, iteration: Iteration, moves: &mut Moves<'_>) -> Then {
        user.at = 0;
        user.iteration = iteration.number;
        user.in_scenario = iteration.in_scenario;
        let scenario = self.scenario(user);
        user.in_setup = false;
        match scenario.setup {
            Some(setup) if !user.is_set_up => {
                (user.in_setup, user.flow_behind) = (true, user.flow);
                user.flow = setup as u16;
            }
            _ if scenario.pacing != Think::None => user.begin_cycle(moves.now()),
            _ => {}
        }
        self.begin_step(user, iteration.scheduled, moves);
        Then::Wait
    }

    #[inline]
    fn begin_step(&mut self, user: &mut PlanUser, scheduled: Option<Nanos>, moves: &mut Moves<'_>) {
        (user.hops, user.made) = (0, false);
        let at = self.step(user);
        let step = &self.workload.steps[at];
        let (mut origin, mut expect) = (step.origin, step.expect);
        if self.steps[at].is_made {
            (origin, expect) = self.make(user, at, moves);
        }
        self.begin_request(user, origin, expect, scheduled, moves);
    }

    /// One request to `origin`: a step's, or what follows a redirect.
    #[inline]
    fn begin_request(
        &mut self,
        user: &mut PlanUser,
        origin: u32,
        expect: Expect,
        scheduled: Option<Nanos>,
        moves: &mut Moves<'_>,
    ) {
        let at = self.step(user);
        let (plan, step) = (&self.steps[at], &self.workload.steps[at]);
        let source = match plan.payload {
            Some((payload, len)) if !user.made && user.has_no_cookies() => Source::Payload(payload, len),
            _ => Source::Written,
        };
        user.written = source == Source::Written;
        moves.request(Request {
            origin,
            source,
            expect,
            limit: step.timeout,
            keeps: plan.keeps,
            replayable: plan.replayable,
            body_limit: self.workload.body_limit,
            expected: Rc::clone(&plan.expected),
            place: self.places[usize::from(user.key.scenario)][at],
            scheduled,
        });
    }

    #[inline]
    fn answered(&mut self, user: &mut PlanUser, outcome: Outcome, moves: &mut Moves<'_>) -> Then {
        let at = self.step(user);
        if self.has_open {
            self.keep_place(user, at, &outcome);
        }
        if let (Ok(response), Some(parts)) = (&outcome.result, &outcome.parts) {
            self.store_cookies(user, at, &outcome, parts, moves);
            if (300..400).contains(&response.status)
                && let Some(origin) = self.redirected(user, at, &outcome, response, parts, moves)
            {
                (user.hops, user.made) = (user.hops + 1, true);
                moves.recycle(outcome.parts);
                let expect = match &user.extras {
                    Some(extras) if extras.request.starts_with(b"HEAD ") => Expect::Head,
                    _ => Expect::Normal,
                };
                self.begin_request(user, origin, expect, None, moves);
                return Then::Wait;
            }
        }
        let whole = self.judge(user, at, &outcome, moves);
        moves.recycle(outcome.parts);
        let pause = pause(&mut user.rng, self.workload.steps[at].think);
        if !whole {
            return Then::End(Ending::Broken, pause + self.pause_behind_iteration(user, moves.now()));
        }
        if pause > Nanos::ZERO {
            moves.timer(PAUSE, moves.now() + pause);
            return Then::Wait;
        }
        self.next_step(user, None, moves)
    }

    /// The step is over, its pause too: the next one, or the end.
    #[inline]
    fn next_step(&mut self, user: &mut PlanUser, scheduled: Option<Nanos>, moves: &mut Moves<'_>) -> Then {
        user.at += 1;
        if usize::from(user.at) == self.workload.flows[usize::from(user.flow)].steps.len() {
            if !user.in_setup {
                if let Some(gained) = &self.workload.once.gained {
                    let _ =
                        gained.set(user.extras.as_ref().map(|own| own.values.clone()).unwrap_or_default());
                }
                return Then::End(Ending::Whole, self.pause_behind_iteration(user, moves.now()));
            }
            user.set_up();
            user.begin_cycle(moves.now());
            moves.begin_anew();
        }
        self.begin_step(user, scheduled, moves);
        Then::Wait
    }

    #[inline]
    fn pause_behind_iteration(&self, user: &mut PlanUser, now: Nanos) -> Nanos {
        let Scenario { think, pacing, .. } = self.scenario(user);
        let think = pause(&mut user.rng, *think);
        if *pacing == Think::None {
            return think;
        }
        let next = (user.cycle + pause(&mut user.rng, *pacing)).max(now + think);
        user.cycle = next;
        next - now
    }

    fn store_cookies(
        &self,
        user: &mut PlanUser,
        at: usize,
        outcome: &Outcome,
        parts: &Parts,
        moves: &Moves<'_>,
    ) {
        // Most responses give none, and then no jar is needed.
        if self.workload.cookies == CookiePolicy::Off || !cookies::gives_any(&parts.head) {
            return;
        }
        if let Some(url) = self.steps[at].cookie_url(user, moves.url(outcome.origin)) {
            let extras = user.extras.get_or_insert_default();
            extras.jar.store(&parts.head, &url, moves.wall());
        }
    }

    /// The origin of the request that follows a redirect, which is then to be written; `None` when the response is
    /// to be taken as it is.
    fn redirected(
        &self,
        user: &mut PlanUser,
        at: usize,
        outcome: &Outcome,
        response: &Response,
        parts: &Parts,
        moves: &mut Moves<'_>,
    ) -> Option<u32> {
        let step = &self.workload.steps[at];
        if !matches!(response.status, 301 | 302 | 303 | 307 | 308) || step.redirects_max == 0 {
            return None;
        }
        let head = ResponseView::new(0, 0, Nanos::ZERO).with_parts(&parts.head, &[], false);
        // An empty one leads nowhere, as with Go and so k6: by RFC 3986 it would lead to the same again.
        let location = head.header("location").filter(|location| !location.is_empty())?;
        let base = moves.url(outcome.origin);
        let to = redirect::resolve(location, base, user.path(step)).ok();
        let allowed = u32::from(user.hops) < step.redirects_max.min(255);
        let origin =
            to.as_ref().filter(|_| allowed).and_then(|to| moves.origin(to, Some(outcome.origin)).ok());
        let (Some(to), Some(origin)) = (to, origin) else {
            moves.redirect_refused(outcome);
            return None;
        };
        let extras = user.extras.get_or_insert_default();
        let sent: &[u8] = match step.request.constant() {
            Some(bytes) if !user.written => bytes,
            _ => &extras.request,
        };
        // RFC 9110, 15.4: 307 and 308 keep the method; for the others everybody changes POST into GET.
        let keep = matches!(response.status, 307 | 308);
        let next = redirect::rewrite(sent, &to.target, &moves.url(origin).authority(), keep)?;
        extras.request = match moves.forward(origin) {
            Some(forward) => forward.apply(&next),
            None => next,
        };
        extras.path = to.target;
        Some(origin)
    }

    /// Judges the checks and takes the values. False when a value is missing for which there is no default.
    fn judge(&self, user: &mut PlanUser, at: usize, outcome: &Outcome, moves: &mut Moves<'_>) -> bool {
        let step = &self.workload.steps[at];
        if step.checks.is_empty() && step.extracts.is_empty() {
            return true;
        }
        let response = outcome.response();
        for (index, check) in step.checks.iter().enumerate() {
            moves.check(index, check.judge(&response), outcome);
        }
        for extract in &step.extracts {
            let value = extract.take(&response).or_else(|| extract.default.clone());
            let missing = value.is_none();
            let extras = user.extras.get_or_insert_default();
            if let Some(place) = extras.values.get_mut(extract.variable as usize) {
                *place = value;
            }
            if missing {
                moves.missing(extract.variable, outcome);
                return false;
            }
        }
        true
    }
}

impl Flow for PlanFlow {
    type State = PlanUser;

    fn anew(&self, setup: &FlowSetup<'_>) -> PlanFlow {
        PlanFlow::new(setup)
    }

    fn user(&self, key: &UserKey) -> PlanUser {
        PlanUser {
            key: *key,
            flow: 0,
            at: 0,
            hops: 0,
            written: false,
            made: false,
            in_setup: false,
            is_set_up: false,
            flow_behind: 0,
            cycle: Nanos::ZERO,
            iteration: 0,
            in_scenario: 0,
            rng: Rng::stream(self.seed, u64::from(key.number)),
            extras: None,
        }
    }

    /// Draws the iteration's flow, and the rows that this takes.
    #[inline]
    fn prepare(&mut self, user: &mut PlanUser) -> bool {
        user.flow = draw(&self.scenario(user).flows, &mut user.rng);
        if let Some(extras) = &mut user.extras
            && self.workload.cookies == CookiePolicy::Iteration
        {
            match &extras.first {
                Some((_, jar)) => extras.jar.clone_from(jar),
                None => extras.jar.clear(),
            }
        }
        if self.has_open {
            user.extras.get_or_insert_default().before = None;
        }
        if !self.workload.variables.is_empty() {
            let extras = user.extras.get_or_insert_default();
            match &extras.first {
                Some((values, _)) => extras.values.clone_from(values),
                None => extras.values.clone_from(&self.workload.once.values),
            }
            extras.values.resize_with(self.workload.variables.len(), || None);
        }
        let setup = self.scenario(user).setup.filter(|_| !user.is_set_up);
        let takes_none = |flow: usize| self.sets[flow].is_empty();
        (takes_none(usize::from(user.flow)) && setup.is_none_or(|setup| takes_none(setup as usize)))
            || self.draw_rows(user, setup)
    }

    #[inline]
    fn on(&mut self, user: &mut PlanUser, what: What, moves: &mut Moves<'_>) -> Then {
        match what {
            What::Begin(iteration) => self.begin(user, iteration, moves),
            What::Answered(_, outcome) => self.answered(user, outcome, moves),
            What::Timer(_, at) => self.next_step(user, Some(at), moves),
            What::GoOn | What::Interrupt => Then::Wait,
        }
    }

    fn write(
        &mut self,
        user: &mut PlanUser,
        _: ExchangeId,
        url: &Url,
        wall: Nanos,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        let at = self.step(user);
        let step = &self.workload.steps[at];
        if !user.made {
            if step.redirects_max == 0 && self.workload.cookies == CookiePolicy::Off {
                return self.render(user, step, None, wall, out);
            }
            self.render_apart(user, step, None, wall)?;
        }
        let Some(extras) = &user.extras else { return Err(RenderError::Nothing) };
        if let Some(wrong) = extras.wrong {
            return Err(wrong);
        }
        self.cookies.clear();
        if !extras.jar.is_empty()
            && let Some(url) = self.steps[at].cookie_url(user, url)
        {
            extras.jar.header(&url, wall, &mut self.cookies);
        }
        cookies::with_field(&extras.request, &self.cookies, out);
        Ok(())
    }
}

impl PlanFlow {
    /// The rows of the iteration. False when there is none left of some data set: then none is taken of the others.
    fn draw_rows(&self, user: &mut PlanUser, setup: Option<u32>) -> bool {
        let own = &self.sets[usize::from(user.flow)];
        let with_setup = setup.map(|setup| {
            let mut all = [own.as_slice(), &self.sets[setup as usize]].concat();
            all.sort_unstable();
            all.dedup();
            all
        });
        let sets = with_setup.as_ref().unwrap_or(own);
        let data = &self.workload.data;
        if sets.iter().any(|set| data[*set as usize].is_used_up(self.shared.rows_taken(*set as usize))) {
            return false;
        }
        let extras = user.extras.get_or_insert_default();
        extras.rows.resize(data.len(), 0);
        for set in sets.iter().map(|set| *set as usize) {
            let number = if data[set].is_sequential() { self.shared.take_row(set) } else { 0 };
            let first = self.first_users[usize::from(user.key.scenario)][set];
            match data[set].row_for(number, u64::from(user.key.number) - first, &mut user.rng) {
                Some(row) => extras.rows[set] = row,
                None => return false,
            }
        }
        true
    }
}

impl StepPlan {
    /// What the cookies of the request in work go by: it goes to `origin`.
    fn cookie_url(&self, user: &PlanUser, origin: &Url) -> Option<Cow<'_, url::Url>> {
        match &user.extras {
            Some(extras) if user.made => cookies::request_url(origin, &extras.path).map(Cow::Owned),
            _ => self.cookie_url.as_ref().map(Cow::Borrowed),
        }
    }
}

impl PlanUser {
    /// What it does once is done: each iteration begins with what that has given.
    fn set_up(&mut self) {
        (self.in_setup, self.is_set_up, self.at) = (false, true, 0);
        self.flow = self.flow_behind;
        if let Some(extras) = &mut self.extras {
            extras.first = Some((extras.values.clone(), extras.jar.clone()));
        }
    }

    /// A cycle begins when the one before ended, unless the user was away.
    fn begin_cycle(&mut self, now: Nanos) {
        const LATE: Nanos = Nanos::from_millis(1);
        if now > self.cycle + LATE {
            self.cycle = now;
        }
    }

    /// Path and query of the request in work, as far as they are known beforehand.
    fn path<'a>(&'a self, step: &'a Step) -> &'a str {
        match &self.extras {
            Some(extras) if self.made => &extras.path,
            _ => step.request.path_hint(),
        }
    }

    /// True when no response has given it a cookie.
    #[inline]
    fn has_no_cookies(&self) -> bool {
        self.extras.as_ref().is_none_or(|extras| extras.jar.is_empty())
    }
}

/// Users of scenarios that take no rows of a data set need none of their own.
fn first_users(workload: &Workload) -> Vec<Vec<u64>> {
    let mut without = vec![0; workload.data.len()];
    let mut all = Vec::new();
    for scenario in &workload.scenarios {
        all.push(without.clone());
        for (set, without) in without.iter_mut().enumerate() {
            let takes = workload.takes_rows(scenario, set as u32);
            *without += if takes { 0 } else { u64::from(scenario.executor.max_vus()) };
        }
    }
    all
}

fn pause(rng: &mut Rng, think: Think) -> Nanos {
    match think {
        Think::None => Nanos::ZERO,
        Think::Fixed(pause) => pause,
        Think::Between(from, to) => from + Nanos(rng.below((to - from).0.saturating_add(1))),
    }
}

fn needs(step: &Step, cookies: bool) -> Needs {
    let own = Needs { head: cookies || step.redirects_max > 0, body: false };
    let checks = step.checks.iter().map(Check::needs);
    checks.chain(step.extracts.iter().map(Extract::needs)).fold(own, Needs::or)
}

/// Draws one of the weighted flows.
fn draw(flows: &[(u32, u32)], rng: &mut Rng) -> u16 {
    if let [(only, _)] = flows {
        return *only as u16;
    }
    let total: u64 = flows.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut at = rng.below(total);
    for (flow, weight) in flows {
        match at.checked_sub(u64::from(*weight)) {
            Some(rest) => at = rest,
            None => return *flow as u16,
        }
    }
    flows.last().map_or(0, |(flow, _)| *flow as u16)
}

//! The flow of k6 scripts: each user is a coroutine that runs JavaScript; what it asks for is carried out here.

mod places;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::{
    Ending, ExchangeId, Flow, FlowSetup, Iteration, Moves, Outcome, Request, Source, Then, TimerId, UserKey,
    What,
};
use crate::http::response::Expect;
use crate::http::url::{Scheme, Url};
use crate::plan::cookies::{self, request_url};
use crate::plan::request_template::RenderError;
use crate::plan::response::Needs;
use crate::plan::status::StatusSet;
use crate::script::console::Level;
use crate::script::core::{Asks, Facts, Job, JobEnd, Pause};
use crate::script::engine::vu::Vu;
use crate::script::http::address::Refusal;
use crate::script::http::ask::{Answer, Ask};
use crate::script::http::{cookies as script_cookies, follow, wire};
use crate::script::program::{Program, ScriptError};
use crate::script::tags::TagSet;
use crate::stats::outcome::{ErrorKind, Timings};
use crate::units::Nanos;
use places::{Known, Places};

/// What a script waits for by the clock.
const CLOCK: TimerId = TimerId(0);
/// When the next request may go that `rps` holds back.
const HELD: TimerId = TimerId(1);

/// What users of a script are there for.
#[derive(Clone, Debug)]
pub enum Task {
    /// Iterations of its scenarios.
    Load,
    /// `setup()`, once.
    Setup,
    /// `teardown()`, once.
    Teardown,
    /// `handleSummary()`, once, with this JSON.
    Summary(Arc<str>),
}

/// A script, and what it is run for.
#[derive(Clone, Debug)]
pub struct ScriptTask {
    /// The script.
    pub program: Arc<Program>,
    /// What for.
    pub task: Task,
}

impl ScriptTask {
    /// It is load that the script itself has ended, or whose users could not be made.
    pub fn is_called_off(&self) -> bool {
        matches!(self.task, Task::Load) && !self.program.goes_on()
    }
}

/// The flow of a script, for the users of one worker.
pub struct ScriptFlow {
    task: ScriptTask,
    places: Places,
    /// For requests whose statuses nobody judges.
    all: Rc<StatusSet>,
    body_limit: usize,
    /// Requests of a user, while they are begun.
    asks: Asks,
}

/// One user of a script.
pub struct ScriptUser {
    key: UserKey,
    /// `None` where its module code threw.
    vu: Option<Box<Vu>>,
    open: Vec<Open>,
    /// Requests that `rps` holds back, and when they go, in that order.
    held: VecDeque<(Nanos, ToSend)>,
    exec: Rc<str>,
    known: Known,
    begun: Nanos,
    /// Its script has something to do, or waits.
    at_work: bool,
}

/// A request that is to be sent.
struct ToSend {
    ask: Box<Ask>,
    /// Redirects followed.
    hops: u32,
    /// When the script's time limit is over, which is one for all requests that redirects lead to; `None`: it begins with the send.
    until: Option<Nanos>,
}

/// A request that is under way.
struct Open {
    id: ExchangeId,
    ask: Box<Ask>,
    /// As of [`ToSend`].
    hops: u32,
    /// As of [`ToSend`].
    until: Nanos,
    /// The `Cookie` field that was sent.
    cookies: String,
}

impl ScriptFlow {
    /// The flow of `task`.
    pub fn new(task: &ScriptTask, setup: &FlowSetup<'_>) -> ScriptFlow {
        let mut all = StatusSet::empty();
        all.insert_range(0, 999);
        ScriptFlow {
            task: task.clone(),
            places: Places::default(),
            all: Rc::new(all),
            body_limit: setup.workload.body_limit,
            asks: Vec::new(),
        }
    }

    /// The tags that a user begins with, and the function that its iterations call.
    fn facts(&self, key: &UserKey) -> (Facts, TagSet, Rc<str>) {
        let settings = self.task.program.settings();
        let own = settings.map(|settings| settings.tags.clone()).unwrap_or_default();
        let scenario = match self.task.task {
            Task::Load => self.task.program.scenario(key.scenario),
            _ => None,
        };
        let mut tags = TagSet::of(own);
        if let Some(scenario) = scenario {
            let scenario_tags = scenario.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            tags = tags.with(scenario_tags).with([("scenario", scenario.name.as_str())]);
        }
        let facts = Facts {
            vu: if scenario.is_some() { u64::from(key.number) + 1 } else { 0 },
            scenario: scenario.map(|_| key.scenario),
            ..Facts::default()
        };
        let exec = scenario.map_or("default", |scenario| scenario.exec.as_str());
        (facts, tags.with([("group", self.group())]), Rc::from(exec))
    }

    fn group(&self) -> &'static str {
        match self.task.task {
            Task::Setup => "::setup",
            Task::Teardown => "::teardown",
            _ => "",
        }
    }

    fn job(&self, user: &ScriptUser) -> Job {
        match &self.task.task {
            Task::Load => Job::Iteration(Rc::clone(&user.exec)),
            Task::Setup => Job::Setup,
            Task::Teardown => Job::Teardown,
            Task::Summary(json) => Job::Summary(Rc::from(&**json)),
        }
    }

    fn begin(&mut self, user: &mut ScriptUser, iteration: Iteration, moves: &mut Moves<'_>) -> Then {
        let job = self.job(user);
        let Some(vu) = &mut user.vu else { return Then::End(Ending::Broken, Nanos::ZERO) };
        {
            let mut facts = vu.core().facts.borrow_mut();
            facts.iteration = iteration.number;
            facts.in_scenario = iteration.in_scenario;
            facts.load_start = moves.window_open;
        }
        vu.core().begin_in(self.group());
        self.task.program.live().begin();
        user.begun = moves.now();
        user.at_work = true;
        let pause = vu.run(job);
        self.after(user, pause, moves)
    }

    /// The coroutine has suspended itself: books what it gave, begins what it asked for, and says what comes next.
    fn after(&mut self, user: &mut ScriptUser, pause: Pause, moves: &mut Moves<'_>) -> Then {
        let mut pause = pause;
        loop {
            let Some(vu) = &mut user.vu else { return Then::End(Ending::Broken, Nanos::ZERO) };
            let console = &self.task.program.console;
            let known = &mut user.known;
            vu.core().drain_given(|given| self.places.book(known, given, moves, console));
            moves.computed(vu.core().take_computed());
            let mut answered = false;
            let mut asks = std::mem::take(&mut self.asks);
            vu.core().take_asks(&mut asks);
            for ask in asks.drain(..) {
                answered |= !self.begin_request(user, ToSend { ask, hops: 0, until: None }, moves);
            }
            self.asks = asks;
            match pause {
                Pause::Idle => return self.end(user, moves),
                Pause::Slice => return Then::Yield,
                Pause::Waits => {}
            }
            let Some(vu) = &mut user.vu else { return Then::End(Ending::Broken, Nanos::ZERO) };
            if !vu.core().has_what_it_wants(answered, moves.now()) {
                if let Some(at) = vu.core().wakes_at() {
                    moves.timer(CLOCK, at);
                }
                return Then::Wait;
            }
            pause = vu.go_on();
        }
    }

    /// Goes on if what the script waits for is there.
    fn look(&mut self, user: &mut ScriptUser, answered: bool, moves: &mut Moves<'_>) -> Then {
        match &mut user.vu {
            Some(vu) if vu.core().has_what_it_wants(answered, moves.now()) => {
                let pause = vu.go_on();
                self.after(user, pause, moves)
            }
            _ => Then::Wait,
        }
    }

    fn end(&mut self, user: &mut ScriptUser, moves: &mut Moves<'_>) -> Then {
        let program = &self.task.program;
        user.at_work = false;
        user.open.clear();
        user.held.clear();
        program.live().end();
        let end = user.vu.as_ref().and_then(|vu| vu.core().take_end());
        if matches!(self.task.task, Task::Load) {
            program.live().complete();
            if let Some(JobEnd::Threw(thrown)) = &end {
                let scenario = program.scenario(user.key.scenario);
                let of = scenario.map_or_else(String::new, |scenario| {
                    format!(" executor={} scenario={}", scenario.executor.name(), scenario.name)
                });
                if program.aborted().is_none() {
                    program.console.about(Level::Error, &format!("{}{of} source=stacktrace", thrown.text));
                }
            }
            let least = settings_min(program);
            let pause = (user.begun + least).0.saturating_sub(moves.now().0);
            return Then::End(Ending::Whole, Nanos(pause));
        }
        match end {
            Some(JobEnd::Done(json)) => program.errand_is_done(Ok(json)),
            Some(JobEnd::Threw(thrown)) => program.errand_is_done(Err(thrown.text)),
            Some(JobEnd::Stopped) | None => {}
        }
        Then::End(Ending::Whole, Nanos::ZERO)
    }

    /// Begins a request, which may be what a redirect leads to, now or as soon as `rps` lets it go. False where it may go nowhere:
    /// it is answered then.
    fn begin_request(&mut self, user: &mut ScriptUser, request: ToSend, moves: &mut Moves<'_>) -> bool {
        let now = moves.now();
        match self.task.program.pace().map(|pace| pace.take(now)) {
            Some(at) if at > now => {
                moves.timer(HELD, at);
                user.held.push_back((at, request));
                true
            }
            _ => self.send(user, request, moves),
        }
    }

    /// Lets go what is held back no longer, and looks whether the script goes on.
    fn let_go(&mut self, user: &mut ScriptUser, moves: &mut Moves<'_>) -> Then {
        let mut answered = false;
        while let Some((_, request)) = user.held.pop_front_if(|(at, _)| *at <= moves.now()) {
            answered |= !self.send(user, request, moves);
        }
        self.look(user, answered, moves)
    }

    /// Sends a request. False where it may go nowhere: it is answered then.
    fn send(&mut self, user: &mut ScriptUser, request: ToSend, moves: &mut Moves<'_>) -> bool {
        let ToSend { ask, hops, until } = request;
        let mapped = self.mapped(&ask.to.url);
        let origin = match moves.origin(mapped.as_ref().unwrap_or(&ask.to.url), None) {
            Ok(origin) => origin,
            Err(kind) => {
                answer_failed(user, ask, kind);
                return false;
            }
        };
        let place = self.places.of(&mut user.known, &ask, moves);
        let keeps = Needs { head: true, body: ask.keeps_body };
        let replayable = matches!(&*ask.method, "GET" | "HEAD" | "OPTIONS" | "TRACE") && ask.body.is_none();
        let id = moves.request(Request {
            origin,
            source: Source::Written,
            expect: if &*ask.method == "HEAD" { Expect::Head } else { Expect::Normal },
            limit: ask.timeout,
            keeps,
            replayable,
            body_limit: self.body_limit,
            expected: Rc::clone(ask.expected.as_ref().unwrap_or(&self.all)),
            place,
            scheduled: None,
        });
        let until = until.unwrap_or(Nanos(moves.now().0.saturating_add(ask.timeout.0)));
        user.open.push(Open { id, ask, hops, until, cookies: String::new() });
        true
    }

    /// Where a request goes whose host the options give an address for. Not with TLS, whose names are the host's: there
    /// the address is given to whoever resolves it.
    fn mapped(&self, url: &Url) -> Option<Url> {
        let settings = self.task.program.settings()?;
        if settings.hosts.is_empty() || url.scheme == Scheme::Https {
            return None;
        }
        let target = settings.address_of(&url.host, url.port)?;
        Some(Url { host: target.ip.to_string(), port: target.port.unwrap_or(url.port), ..url.clone() })
    }

    /// The request that a redirect leads to, if it is followed.
    fn follows(&self, open: &Open, status: u16, head: &[u8]) -> Result<Option<Ask>, Refusal> {
        let Some(location) = follow::location(status, head) else { return Ok(None) };
        let Open { ask, hops, cookies, .. } = open;
        if *hops < ask.redirects {
            let next = follow::next(ask, cookies, status, &location)?;
            let settings = self.task.program.settings();
            return match settings.is_some_and(|settings| settings.blocks(&next.to.url.host).is_some()) {
                true => Err(Refusal::blocked(&next.to)),
                false => Ok(Some(next)),
            };
        }
        if !ask.limits_redirects {
            // k6 counts the one that it does not follow, too.
            let text = format!(
                "Stopped after {} redirects and returned the redirection; pass {{ redirects: n }} in request params or set global \
                 maxRedirects to silence this",
                hops + 1
            );
            self.task.program.console.about(Level::Warn, &text);
        }
        Ok(None)
    }

    fn answered(
        &mut self,
        user: &mut ScriptUser,
        id: ExchangeId,
        mut outcome: Outcome,
        moves: &mut Moves<'_>,
    ) -> Then {
        let Some(at) = user.open.iter().position(|open| open.id == id) else { return Then::Wait };
        let open = user.open.swap_remove(at);
        let (mut head, mut body, mut truncated) = (Vec::new(), Vec::new(), false);
        if let Some(parts) = &mut outcome.parts {
            head = std::mem::take(&mut parts.head);
            body = std::mem::take(&mut parts.body);
            truncated = parts.truncated;
        }
        moves.recycle(outcome.parts.take());
        if outcome.result.is_ok()
            && cookies::gives_any(&head)
            && let Some(url) = request_url(&open.ask.to.url, &open.ask.to.url.target)
        {
            open.ask.jar.borrow_mut().store(&head, &url, moves.wall());
        }
        let status = outcome.result.map(|response| response.status);
        let mut refusal = None;
        if let Ok(status) = status {
            match self.follows(&open, status, &head) {
                Ok(None) => {}
                Ok(Some(mut next)) => {
                    // One that has none left fails at once.
                    next.timeout = Nanos(open.until.0.saturating_sub(moves.now().0).max(1));
                    let (ask, hops, until) = (Box::new(next), open.hops + 1, Some(open.until));
                    self.begin_request(user, ToSend { ask, hops, until }, moves);
                    return self.look(user, true, moves);
                }
                Err(refused) => refusal = Some(refused),
            }
        }
        let Open { mut ask, cookies, .. } = open;
        ask.cookies.clear();
        let answer = Answer {
            result: status,
            head,
            body,
            truncated,
            spent: outcome.timings,
            ask,
            sent_cookies: cookies,
            refusal,
        };
        if let Some(vu) = &user.vu {
            vu.core().answer(Box::new(answer));
        }
        self.look(user, true, moves)
    }
}

fn settings_min(program: &Program) -> Nanos {
    program.settings().map_or(Nanos::ZERO, |settings| settings.min_iteration_duration)
}

/// A request that could not even be begun.
fn answer_failed(user: &ScriptUser, ask: Box<Ask>, kind: ErrorKind) {
    let Some(vu) = &user.vu else { return };
    vu.core().answer(Box::new(Answer {
        result: Err(kind),
        head: Vec::new(),
        body: Vec::new(),
        truncated: false,
        spent: Timings::default(),
        ask,
        sent_cookies: String::new(),
        refusal: None,
    }));
}

impl Flow for ScriptFlow {
    type State = ScriptUser;

    fn anew(&self, setup: &FlowSetup<'_>) -> ScriptFlow {
        ScriptFlow::new(&self.task, setup)
    }

    fn user(&self, key: &UserKey) -> ScriptUser {
        let (facts, tags, exec) = self.facts(key);
        let program = &self.task.program;
        // Whoever calls the load off wants no more of them.
        let made = (!self.task.is_called_off()).then(|| Vu::new(program, facts, tags));
        let vu = match made.unwrap_or_else(|| Err(ScriptError::Aborted(String::new()))) {
            Ok(vu) => {
                program.live().initialise();
                Some(Box::new(vu))
            }
            Err(ScriptError::Aborted(_)) => None,
            Err(error) => {
                program.break_off(&error.to_string());
                None
            }
        };
        let key = *key;
        ScriptUser {
            key,
            vu,
            open: Vec::new(),
            held: VecDeque::new(),
            exec,
            known: Known::default(),
            begun: Nanos::ZERO,
            at_work: false,
        }
    }

    fn prepare(&mut self, user: &mut ScriptUser) -> bool {
        user.vu.is_some() && !self.task.is_called_off()
    }

    fn is_called_off(&self) -> bool {
        self.task.is_called_off()
    }

    fn on(&mut self, user: &mut ScriptUser, what: What, moves: &mut Moves<'_>) -> Then {
        match what {
            What::Begin(iteration) => self.begin(user, iteration, moves),
            What::Answered(id, outcome) => self.answered(user, id, outcome, moves),
            What::Timer(HELD, ..) => self.let_go(user, moves),
            What::Timer(..) => self.look(user, false, moves),
            What::GoOn => {
                let Some(vu) = &mut user.vu else { return Then::End(Ending::Broken, Nanos::ZERO) };
                let pause = vu.go_on();
                self.after(user, pause, moves)
            }
            What::Interrupt => {
                user.open.clear();
                user.held.clear();
                if std::mem::take(&mut user.at_work) {
                    self.task.program.live().end();
                    self.task.program.live().interrupt();
                    if let Some(vu) = &mut user.vu {
                        vu.stop();
                    }
                }
                Then::Wait
            }
        }
    }

    fn write(
        &mut self,
        user: &mut ScriptUser,
        request: ExchangeId,
        _: &Url,
        wall: Nanos,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        let Some(open) = user.open.iter_mut().find(|open| open.id == request) else {
            return Err(RenderError::Nothing);
        };
        let ask = &open.ask;
        let jar = ask.jar.borrow();
        let own = ask.headers.iter().find(|(name, _)| name == "Cookie").map(|(_, value)| value.as_str());
        open.cookies.clear();
        if own.is_some() || !jar.is_empty() || !ask.cookies.is_empty() {
            let at = request_url(&ask.to.url, &ask.to.url.target);
            let kept = at.iter().flat_map(|at| jar.pairs(at, wall));
            open.cookies = script_cookies::field(own, &ask.cookies, kept);
        }
        wire::write(ask, &open.cookies, out);
        Ok(())
    }
}

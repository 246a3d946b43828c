//! The compiled form of scenarios: everything that a worker needs to know, decided before any load.
//!
//! Immutable and shared by all workers. A [`Scenario`] says when virtual users start iterations
//! ([`Executor`]); each iteration walks one [`Flow`], which is a list of [`Step`]s.

use std::sync::{Arc, OnceLock};

use super::check::Check;
use super::data::DataSet;
use super::extract::Extract;
use super::forward::Forward;
use super::request_template::RequestTemplate;
use super::status::StatusSet;
use super::template::Template;
use super::value::Value;
use crate::http::response::Expect;
use crate::http::url::Url;
use crate::load::{Arrivals, RateStages, VuStages};
use crate::units::{Nanos, Rate};

/// k6's default for gracefulStop and gracefulRampDown.
pub const GRACE: Nanos = Nanos::from_secs(30);
/// How many bytes of a body are kept unless asked otherwise.
pub const BODY_LIMIT: usize = 64 << 20;

/// All that is to be done in a run.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Where requests go. Never empty. A virtual user has one connection to each.
    pub origins: Vec<Origin>,
    /// What can be asked. Never empty.
    pub steps: Vec<Step>,
    /// What an iteration can be. Never empty.
    pub flows: Vec<Flow>,
    /// Who does it when; side by side. Never empty.
    pub scenarios: Vec<Scenario>,
    /// Rows that templates take values from.
    pub data: Vec<Arc<DataSet>>,
    /// Names of the variables that steps extract; their number is the index of [`Extract::variable`].
    pub variables: Vec<String>,
    /// What is done once, before the load, and what came of it.
    pub once: Once,
    /// How connections are kept.
    pub connections: ConnectionPolicy,
    /// How long virtual users keep the cookies that they are given (RFC 6265).
    pub cookies: CookiePolicy,
    /// Bodies that a check or an extraction wants to see are kept up to this many bytes.
    pub body_limit: usize,
    /// Requests may go anywhere: they are made while load is sent.
    pub open_ended: bool,
}

/// One for each of [`Workload::variables`]; `None` where it has none.
pub type Values = Vec<Option<Value>>;

/// What is done once for all users, before the load.
#[derive(Clone, Debug, Default)]
pub struct Once {
    /// Index into [`Workload::flows`]; `None` when there is nothing to do, any more.
    pub flow: Option<u32>,
    /// The values of [`Workload::variables`] that each iteration begins with; empty when there are none.
    pub values: Values,
    /// Takes the values that an iteration ends with, in the run that does it.
    pub gained: Option<Arc<OnceLock<Values>>>,
}

/// How long a virtual user keeps cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookiePolicy {
    /// It takes none.
    Off,
    /// To the end of the iteration, as in k6.
    #[default]
    Iteration,
    /// As long as it is there.
    User,
}

/// How long connections live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionPolicy {
    /// Close after so many requests; `None`: when the server or the end asks for it. 1 is
    /// "keep-alive off" (the request then says `Connection: close`).
    pub requests_max: Option<u32>,
    /// k6's noVUConnectionReuse: close all connections of a virtual user after each iteration.
    pub close_after_iteration: bool,
}

/// Scheme, host and port that requests go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As the file names it; the URL's authority where it has no name.
    pub name: String,
    /// Its URL; path and query are `/`.
    pub url: Url,
    /// How its requests are put for the proxy that forwards them.
    pub forward: Option<Forward>,
}

/// One request and what to make of its response.
#[derive(Clone, Debug)]
pub struct Step {
    /// k6's tag `name`. Unique among steps.
    pub name: Arc<str>,
    /// Index into [`Workload::origins`]: where it goes unless its URL is open.
    pub origin: u32,
    /// Its URL, where that is known only when the request begins.
    pub open_url: Option<OpenUrl>,
    /// Method, as it is sent.
    pub method: Arc<str>,
    /// URL as written, with its templates: k6's tag `url`.
    pub url: Arc<str>,
    /// The bytes, constant or with patch slots.
    pub request: RequestTemplate,
    /// What framing the response has.
    pub expect: Expect,
    /// From the send to the last byte.
    pub timeout: Nanos,
    /// Statuses that make a response an expected one (k6: 200 to 399).
    pub expected: StatusSet,
    /// Judged for each response, in order.
    pub checks: Vec<Check>,
    /// Taken from each response, in order.
    pub extracts: Vec<Extract>,
    /// Redirects to follow at most.
    pub redirects_max: u32,
    /// Pause behind the step.
    pub think: Think,
    /// Own tags, beside the system's.
    pub tags: Vec<(String, String)>,
}

/// A URL that is known only when the request begins. It is absolute, or leads on from somewhere, like a link.
#[derive(Clone, Debug)]
pub struct OpenUrl {
    /// Its text.
    pub template: Template,
    /// The origin that it leads on from; without one the request before it in the iteration, and for the first one the step's origin.
    pub origin: Option<u32>,
}

/// A pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Think {
    /// None.
    #[default]
    None,
    /// Always as long.
    Fixed(Nanos),
    /// Uniformly between the two, both included.
    Between(Nanos, Nanos),
}

/// The steps of an iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Name in the file.
    pub name: String,
    /// Indexes into [`Workload::steps`], in order. Never empty.
    pub steps: Vec<u32>,
}

/// Who does what when.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// k6's tag `scenario`.
    pub name: Arc<str>,
    /// When virtual users begin iterations.
    pub executor: Executor,
    /// From the start of the load.
    pub start: Nanos,
    /// How long running iterations may go on after the executor's end.
    pub graceful_stop: Nanos,
    /// Indexes into [`Workload::flows`] with their weights; each iteration draws one. Never empty,
    /// no weight is zero.
    pub flows: Vec<(u32, u32)>,
    /// Index into [`Workload::flows`] of what each user does once, before its first iteration.
    pub setup: Option<u32>,
    /// Pause behind each iteration.
    pub think: Think,
    /// From the beginning of an iteration to that of the user's next, where that takes no longer itself.
    pub pacing: Think,
    /// Own tags, beside the system's.
    pub tags: Vec<(String, String)>,
}

/// When virtual users begin iterations. Times are from the scenario's own start.
#[derive(Clone, Debug)]
pub enum Executor {
    /// So many loop until the end.
    ConstantVus {
        /// How many.
        vus: u32,
        /// For how long.
        duration: Nanos,
    },
    /// A number that follows straight lines.
    RampingVus {
        /// How many, when.
        stages: VuStages,
        /// When each stage ends.
        stage_ends: Vec<Nanos>,
        /// How long a user that is one too many may go on with its iteration.
        graceful_ramp_down: Nanos,
    },
    /// All share one number of iterations: whoever is free does the next.
    SharedIterations {
        /// How many users.
        vus: u32,
        /// How many, over all users.
        iterations: u64,
        /// No iteration begins after this.
        max_duration: Nanos,
    },
    /// Each does its own.
    PerVuIterations {
        /// How many users.
        vus: u32,
        /// For each.
        iterations: u64,
        /// No iteration begins after this.
        max_duration: Nanos,
    },
    /// Iterations begin by the clock.
    ArrivalRate {
        /// When.
        arrivals: ArrivalPlan,
        /// For how long.
        duration: Nanos,
        /// When each stage ends; one for a constant rate.
        stage_ends: Vec<Nanos>,
        /// Users at the start.
        pre_allocated_vus: u32,
        /// Users at the most, at least `pre_allocated_vus`.
        max_vus: u32,
        /// Arrivals that may wait for a free user, over all workers; 0, as in k6: they are dropped.
        max_backlog: u64,
        /// At most so many arrivals.
        limit: Option<u64>,
    },
}

/// The arrivals of a scenario, over all workers.
#[derive(Clone, Debug)]
pub enum ArrivalPlan {
    /// Always the same.
    Constant {
        /// Arrivals over time.
        rate: Rate,
        /// How they lie in time.
        process: Arrivals,
        /// Seeds a Poisson process.
        seed: u64,
    },
    /// Along straight lines, evenly spaced under the integral.
    Ramping(RateStages),
}

impl Scenario {
    /// A scenario of the first flow, from the start of the load on, with k6's time to stop.
    pub fn new(name: &str, executor: Executor) -> Scenario {
        Scenario {
            name: name.into(),
            executor,
            start: Nanos::ZERO,
            graceful_stop: GRACE,
            flows: vec![(0, 1)],
            setup: None,
            think: Think::None,
            pacing: Think::None,
            tags: Vec::new(),
        }
    }

    /// Its flows, and its setup.
    pub fn all_flows(&self) -> impl Iterator<Item = u32> + '_ {
        self.flows.iter().map(|(flow, _)| *flow).chain(self.setup)
    }
}

impl Step {
    /// The data sets that its request takes values from.
    fn data_sets(&self) -> Vec<u32> {
        let of_url = self.open_url.iter().flat_map(|open| open.template.data_sets());
        of_url.chain(self.request.data_sets()).collect()
    }
}

impl Executor {
    /// k6's name for it.
    pub fn name(&self) -> &'static str {
        match self {
            Executor::ConstantVus { .. } => "constant-vus",
            Executor::RampingVus { .. } => "ramping-vus",
            Executor::SharedIterations { .. } => "shared-iterations",
            Executor::PerVuIterations { .. } => "per-vu-iterations",
            Executor::ArrivalRate { arrivals: ArrivalPlan::Constant { .. }, .. } => "constant-arrival-rate",
            Executor::ArrivalRate { arrivals: ArrivalPlan::Ramping(_), .. } => "ramping-arrival-rate",
        }
    }

    /// How many users it can have at most.
    pub fn max_vus(&self) -> u32 {
        match self {
            Executor::ConstantVus { vus, .. }
            | Executor::SharedIterations { vus, .. }
            | Executor::PerVuIterations { vus, .. } => *vus,
            Executor::RampingVus { stages, .. } => u32::try_from(stages.max()).unwrap_or(u32::MAX),
            Executor::ArrivalRate { max_vus, .. } => *max_vus,
        }
    }

    /// When no iteration begins any more.
    pub fn duration(&self) -> Nanos {
        match self {
            Executor::ConstantVus { duration, .. } | Executor::ArrivalRate { duration, .. } => *duration,
            Executor::RampingVus { stages, .. } => stages.end(),
            Executor::SharedIterations { max_duration, .. }
            | Executor::PerVuIterations { max_duration, .. } => *max_duration,
        }
    }

    /// True when there is a number of iterations to be done.
    pub fn is_counted(&self) -> bool {
        matches!(self, Executor::SharedIterations { .. } | Executor::PerVuIterations { .. })
    }

    /// True when iterations follow a schedule.
    pub fn is_open(&self) -> bool {
        matches!(self, Executor::ArrivalRate { .. })
    }

    /// When each stage ends; empty where there are none.
    pub fn stage_ends(&self) -> &[Nanos] {
        match self {
            Executor::RampingVus { stage_ends, .. } | Executor::ArrivalRate { stage_ends, .. } => stage_ends,
            _ => &[],
        }
    }
}

impl Workload {
    /// Users of all scenarios together, at most.
    pub fn max_vus(&self) -> u64 {
        self.scenarios.iter().map(|s| u64::from(s.executor.max_vus())).sum()
    }

    /// When the last iteration may begin, from the start of the load.
    pub fn duration(&self) -> Nanos {
        let ends = self.scenarios.iter().map(|s| s.start + s.executor.duration());
        ends.max().unwrap_or(Nanos::ZERO)
    }

    /// The data sets that a flow takes rows of, each once, in ascending order.
    pub fn sets_of(&self, flow: u32) -> Vec<u32> {
        let steps = self.flows[flow as usize].steps.iter().map(|step| &self.steps[*step as usize]);
        let mut sets: Vec<u32> = steps.flat_map(Step::data_sets).collect();
        sets.sort_unstable();
        sets.dedup();
        sets
    }

    /// Whether any flow of a scenario, or its setup, takes rows of a data set.
    pub fn takes_rows(&self, scenario: &Scenario, set: u32) -> bool {
        scenario.all_flows().any(|flow| self.sets_of(flow).contains(&set))
    }

    /// True when a response, or a value, may lead on, to wherever it says.
    pub fn follows_redirects(&self) -> bool {
        self.open_ended || self.steps.iter().any(|step| step.redirects_max > 0 || step.open_url.is_some())
    }

    /// True when the iterations of any scenario follow a schedule.
    pub fn is_open(&self) -> bool {
        self.scenarios.iter().any(|s| s.executor.is_open())
    }
}

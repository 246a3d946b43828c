//! Whether the generator itself could be trusted in a run.
//!
//! [`evaluate`] looks at what was read about the generator and its machine, never at whether the
//! target did well: a slow or failing target can have a perfectly valid measurement.

mod arrivals;
mod core_time;
mod done;
mod machine;
mod samples;

use serde::{Deserialize, Serialize};

use crate::stats::counts::ErrorCounts;
use crate::stats::outcome::ErrorKind;
use crate::stats::summary::Summary;
use crate::units::Nanos;
use crate::units::human;

/// From the event that wakes a thread until it runs on a core that is free: 0.2 to 1.6 us on the quiet machine (docs/journal.md).
const WAKE_UP: Nanos = Nanos::from_micros(3);

/// What was read about one worker over the measured window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerReadings {
    /// The core that it was meant to be pinned to.
    pub core: usize,
    /// CPU time in user mode.
    pub user_cpu: Nanos,
    /// CPU time in the kernel.
    pub system_cpu: Nanos,
    /// Time in which it was ready to run and was kept from it: by others on its core, or by a quota.
    pub run_delay: Nanos,
    /// How often it was given its core.
    pub slices: u64,
    /// Page faults that waited for storage.
    pub major_faults: u64,
    /// The core that it was on at the end; none where that is not known.
    pub ended_on: Option<usize>,
    /// Length of the window.
    pub wall: Nanos,
    /// Time in turns of the loop that did something.
    pub busy: Nanos,
    /// Completions that did not fit into the completion queue at once.
    pub cq_overflows: u64,
    /// Receives that found no free buffer.
    pub buffer_starvations: u64,
    /// System calls made to submit or wait.
    pub enters: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Whether pinning it succeeded.
    pub pinned: bool,
    /// How long it waited for room for samples, over the whole run; zero where nobody wanted them.
    pub samples_wait: Nanos,
}

impl WorkerReadings {
    /// CPU time as a share of the window, 0 when that is empty.
    pub fn cpu_share(&self) -> f64 {
        share(self.user_cpu.0.saturating_add(self.system_cpu.0), self.wall.0)
    }

    /// Time in turns that did something as a share of the window, 0 when that is empty.
    pub fn busy_share(&self) -> f64 {
        share(self.busy.0, self.wall.0)
    }

    /// Time in which it was kept from its core as a share of the window, less what a wake-up takes; 0 when that is empty.
    pub fn kept_share(&self) -> f64 {
        let wake_ups = WAKE_UP.0.saturating_mul(self.slices);
        share(self.run_delay.0.saturating_sub(wake_ups), self.wall.0).min(1.0)
    }

    /// How much of its capacity the worker used. One that spins takes all of the CPU whatever it
    /// does, and one that sleeps has no turns that do nothing: each has its own measure. In a busy turn a
    /// worker may have been kept from its core, which is not its own doing.
    fn load(&self, spinning: bool) -> f64 {
        if spinning { self.busy_share().min(self.cpu_share()) } else { self.cpu_share() }
    }
}

/// What was read about the generator and its machine over a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// One entry per worker.
    pub workers: Vec<WorkerReadings>,
    /// Whether the workers spun rather than slept while there was nothing to do.
    pub spinning: bool,
    /// Whether requests, or the iterations of any scenario, followed a schedule.
    pub open_model: bool,
    /// What became of the iterations that a schedule called for; none in plain runs, where requests are the arrivals.
    pub iterations: Option<Arrivals>,
    /// What the user calls what may have to be changed.
    pub keys: Keys,
    /// Share of the workers' cores that the hypervisor gave to others, 0 to 1.
    pub steal_share: f64,
    /// Time in which users' scripts computed, as a share of the workers' time; `None` where there is no script.
    pub script_share: Option<f64>,
    /// What a CPU quota kept from this process.
    pub throttling: Throttling,
    /// How long some of this process's control group waited for memory.
    pub memory_stall: Nanos,
    /// The time that these three span.
    pub wall: Nanos,
    /// Cores that generator and target both may run on.
    pub shared_cores: Vec<usize>,
    /// Longest gap between two turns of a worker that should have followed at once.
    pub stopped_for: Nanos,
    /// What came of the samples, where somebody wanted all of them.
    pub samples: Option<Samples>,
    /// What was to be done to the last, where the load was so many.
    pub owed: Option<Owed>,
    /// Connections that were to stand all the time, and those that did.
    pub connections: Connections,
    /// How long a request could take, where that is the same for all.
    pub timeout: Option<Nanos>,
}

/// A load that is a number: of requests, or of iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// What is counted: "requests", "iterations".
    pub what: &'static str,
    /// So many were to begin.
    pub asked: u64,
    /// So many began.
    pub begun: u64,
    /// Nothing else was to end the run: with fewer it is another run than the one that was asked for.
    pub all: bool,
}

/// Connections over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Connections {
    /// So many were to stand all the time; none where users open them as they need them.
    pub asked: Option<u32>,
    /// Fewest that stood.
    pub least: u32,
    /// Most that stood.
    pub most: u32,
    /// On average over the window.
    pub mean: f64,
}

/// What a CPU quota came to (cgroups(7), `cpu.stat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Its periods.
    pub periods: u64,
    /// Those in which it was used up.
    pub throttled: u64,
    /// How long threads that were ready were kept from running, summed over cores.
    pub time: Nanos,
}

/// What came of the samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Where they went: a path.
    pub place: String,
    /// How many were written.
    pub written: u64,
    /// Why not all of them were.
    pub error: Option<String>,
}

/// What became of the arrivals of a schedule within the measured window. `scheduled = started + dropped + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// They came due.
    pub scheduled: u64,
    /// They began.
    pub started: u64,
    /// Nobody was free for them, and they could not wait.
    pub dropped: u64,
    /// They still waited at the end.
    pub waiting: u64,
}

/// Where the user has said how much load there is to be: a flag, or a key of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// How many connections or users there are.
    pub users: &'static str,
    /// How many arrivals per second.
    pub rate: &'static str,
}

impl Keys {
    /// Those of a plan.
    pub const PLAN: Keys = Keys { users: "maxVUs (or preAllocatedVUs)", rate: "the plan's rate" };
}

impl Default for Keys {
    /// Those of a plain run.
    fn default() -> Keys {
        Keys { users: "-c", rate: "-R" }
    }
}

/// How far a run can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing was found that would put the figures in doubt.
    Valid,
    /// The figures may say as much about the generator as about the target.
    Suspect,
    /// The figures do not describe the load that was asked for.
    Invalid,
}

impl Status {
    /// In capitals, as in the text output.
    pub fn label(self) -> &'static str {
        match self {
            Status::Valid => "VALID",
            Status::Suspect => "SUSPECT",
            Status::Invalid => "INVALID",
        }
    }
}

/// The verdict and what led to it. Valid exactly when there are no reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst of the reasons' statuses.
    pub status: Status,
    /// Sentences that name figure, bound and remedy; those for INVALID come first.
    pub reasons: Vec<String>,
}

/// Judges a run. Never panics and never prints a figure that is not a number, whatever the readings.
pub fn evaluate(readings: &Readings, summary: &Summary) -> Verdict {
    let mut findings = Findings::default();
    accounts(readings, summary, &mut findings);
    done::judge(readings, summary, &mut findings);
    exhaustion(readings, summary, &mut findings);
    if readings.open_model {
        arrivals::judge(readings, summary, &mut findings);
    }
    core_time::judge(readings, &mut findings);
    machine::judge(readings, &mut findings);
    samples::judge(readings, &mut findings);
    findings.verdict()
}

/// Was there anything to measure, and does it add up?
fn accounts(readings: &Readings, summary: &Summary, findings: &mut Findings) {
    if let Err(imbalance) = summary.conserved() {
        findings.invalid(format!(
            "requests were lost or counted twice: {imbalance}; this is a defect of squall, please report it"
        ));
    }
    let counts = &summary.counts;
    // A script may have nothing to send.
    let sends_nothing = readings.script_share.is_some() && counts.started == 0;
    if counts.completed > 0 || sends_nothing {
        return;
    }
    let most = |errors: &ErrorCounts| {
        let (kind, n) = errors.iter().max_by_key(|&(_, n)| n)?;
        Some(format!("({} of them: {})", human::count(n), kind.key()))
    };
    let attempts = human::count(counts.connect_failures);
    let cause = match (most(&counts.errors), most(&counts.connect_errors)) {
        (_, Some(kind)) if counts.connects == 0 => {
            findings.invalid(format!(
                "no connection ever came about: {attempts} attempts failed {kind}, and nothing completed; check that the \
                 target is running, and that this is its address"
            ));
            return;
        }
        (Some(kind), _) => format!(" {kind}; check that the target answers"),
        (None, Some(kind)) => {
            format!(", {attempts} connections failed {kind}; check that the target answers")
        }
        (None, None) => "; let it run for longer".to_owned(),
    };
    findings.invalid(format!(
        "nothing completed: {} requests started, {} failed{cause}",
        human::count(counts.started),
        human::count(counts.failed),
    ));
}

/// Did the generator's host run out of something?
fn exhaustion(readings: &Readings, summary: &Summary, findings: &mut Findings) {
    let counts = &summary.counts;
    let fewer = format!("raise the limit with ulimit -n, or lower {}", readings.keys.users);
    for (kind, what, remedy) in [
        (
            ErrorKind::PortExhausted,
            "local ports",
            "let connections come from several addresses (--source), widen net.ipv4.ip_local_port_range, or use fewer \
             new connections per second",
        ),
        (ErrorKind::FdExhausted, "descriptors", fewer.as_str()),
    ] {
        let times = counts.errors.of(kind) + counts.connect_errors.of(kind);
        if times > 0 {
            findings.invalid(format!(
                "the generator ran out of {what} {} (none is allowed); {remedy}",
                times_over(times)
            ));
        }
    }
}

/// What was found, in the order of the rules.
#[derive(Debug, Default)]
struct Findings(Vec<(Status, String)>);

impl Findings {
    fn invalid(&mut self, reason: String) {
        self.0.push((Status::Invalid, reason));
    }

    fn suspect(&mut self, reason: String) {
        self.0.push((Status::Suspect, reason));
    }

    fn verdict(mut self) -> Verdict {
        // Stable: within a status the rules keep their order.
        self.0.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
        Verdict {
            status: self.0.first().map_or(Status::Valid, |(status, _)| *status),
            reasons: self.0.into_iter().map(|(_, reason)| reason).collect(),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A share in percent, one decimal; what is not a number is nothing.
fn percent(share: f64) -> String {
    let share = if share.is_finite() { share } else { 0.0 };
    format!("{:.1} %", share * 100.0)
}

fn times_over(times: u64) -> String {
    if times == 1 { "once".into() } else { format!("{} times", human::count(times)) }
}

#[cfg(test)]
mod tests;

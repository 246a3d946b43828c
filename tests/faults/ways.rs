//! The ways in which load is sent, side by side against the same server.

use std::sync::atomic::{AtomicU64, Ordering};

use squall::clock;
use squall::units::Nanos;

use crate::common::nginx::Nginx;
use crate::common::process::within;
use crate::common::run::{Done, Running, drivers, start, start_judged};

/// The loop that sends the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    Closed,
    Deep,
    Open,
    Users,
    Check,
    /// Virtual users that begin by a schedule.
    Arrivals,
}

impl Model {
    /// One of each engine and each way of sending.
    pub(crate) const ALL: [Model; 6] =
        [Model::Closed, Model::Deep, Model::Open, Model::Users, Model::Check, Model::Arrivals];

    fn args(self) -> &'static [&'static str] {
        match self {
            Model::Closed => &["-c", "4"],
            Model::Deep => &["-c", "2", "-p", "4"],
            Model::Open => &["-c", "4", "-R", "200"],
            Model::Users => &["--vus", "4"],
            Model::Check => &["-c", "4", "--check", "status==200"],
            Model::Arrivals => &["--vus", "4", "-R", "200"],
        }
    }

    /// Virtual users connect when they need to, and a request that finds no connection has failed.
    pub(crate) fn has_users(self) -> bool {
        matches!(self, Model::Users | Model::Check | Model::Arrivals)
    }

    /// 200 requests a second are due, whatever the target does.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Model::Open | Model::Arrivals)
    }
}

/// A run under way: in which way, and since when.
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) model: Model,
    /// What its requests have in their query.
    mark: String,
    running: Running,
    begun: Nanos,
}

impl Sent {
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// Waits for the end, which must come within `limit` of the start.
    pub(crate) fn ends_within(self, limit: Nanos) -> (String, Model, Done) {
        let done = self.running.finish();
        let took = clock::now() - self.begun;
        assert!(took <= limit, "{}: took {took}\n{}{}", self.name, done.stdout, done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}: {}", self.name, done.stderr);
        (self.name, self.model, done)
    }
}

/// Starts each of `models` under each driver; all exit 0 whatever their verdict. `url` has no query.
pub(crate) fn send(url: &str, models: &[Model], more: &[&str]) -> Vec<Sent> {
    send_by(start, url, models, more)
}

/// As [`send`], for tests whose subject is the verdict: the exit codes follow from it.
pub(crate) fn send_judged(url: &str, models: &[Model], more: &[&str]) -> Vec<Sent> {
    send_by(start_judged, url, models, more)
}

fn send_by(start: fn(&str, &[&str]) -> Running, url: &str, models: &[Model], more: &[&str]) -> Vec<Sent> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut runs = Vec::new();
    for driver in drivers() {
        for model in models {
            let args = [model.args(), &["--driver", driver, "-t", "1"], more].concat();
            let mark = format!("run={}.", NEXT.fetch_add(1, Ordering::Relaxed));
            let running = start(&format!("{url}?{mark}"), &args);
            runs.push(Sent { name: args.join(" "), model: *model, mark, running, begun: clock::now() });
        }
    }
    runs
}

/// Waits until every run has had a response, and a little longer: on a busy host they do not begin together.
pub(crate) fn under_way(runs: &[Sent], nginx: &Nginx) {
    for run in runs {
        let begun = within(Nanos::from_secs(10), || nginx.has_answered(&run.mark));
        assert!(begun, "{} does not begin", run.name);
    }
    clock::sleep(Nanos::from_millis(200));
}

/// The responses in nginx's log, over all runs that were [`send`].
pub(crate) fn logged(nginx: &Nginx, expected: u64) -> u64 {
    nginx.log("?run=", expected).len() as u64
}

/// Waits for all of them; each within `limit` of its start.
pub(crate) fn finish(runs: Vec<Sent>, limit: Nanos) -> Vec<(String, Model, Done)> {
    // Those that wait here for others have long ended: the limit is generous enough for that.
    runs.into_iter().map(|run| run.ends_within(limit)).collect()
}

/// The sum of some counts below `/errors`.
pub(crate) fn errors(done: &Done, kinds: &[&str]) -> u64 {
    kinds.iter().map(|kind| done.count(&format!("/errors/{kind}"))).sum()
}

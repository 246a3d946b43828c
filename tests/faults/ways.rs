//! The ways in which load is sent, side by side against the same server.

use squall::clock;
use squall::units::Nanos;

use crate::common::run::{Done, Running, drivers, start};

/// The loop that sends the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    Closed,
    Deep,
    Open,
    Users,
    Check,
}

impl Model {
    /// One of each engine and each way of sending.
    pub(crate) const ALL: [Model; 5] = [Model::Closed, Model::Deep, Model::Open, Model::Users, Model::Check];
    /// The plain loop.
    pub(crate) const PLAIN: [Model; 3] = [Model::Closed, Model::Deep, Model::Open];

    fn args(self) -> &'static [&'static str] {
        match self {
            Model::Closed => &["-c", "4"],
            Model::Deep => &["-c", "2", "-p", "4"],
            Model::Open => &["-c", "4", "-R", "200"],
            Model::Users => &["--vus", "4"],
            Model::Check => &["-c", "4", "--check", "status==200"],
        }
    }

    /// Virtual users connect when they need to, and a request that finds no connection has failed.
    pub(crate) fn has_users(self) -> bool {
        matches!(self, Model::Users | Model::Check)
    }
}

/// A run under way: in which way, and since when.
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) model: Model,
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

/// Starts each of `models` under each driver.
pub(crate) fn send(url: &str, models: &[Model], more: &[&str]) -> Vec<Sent> {
    let mut runs = Vec::new();
    for driver in drivers() {
        for model in models {
            let args = [model.args(), &["--driver", driver, "-t", "1"], more].concat();
            let begun = clock::now();
            runs.push(Sent { name: args.join(" "), model: *model, running: start(url, &args), begun });
        }
    }
    runs
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

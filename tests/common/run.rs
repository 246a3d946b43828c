//! The real binary under test: started, waited for within a limit, its report taken apart.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use squall::units::Nanos;

use super::process::{Group, within};
use super::rig;
use super::skip::skip;

/// Far more than any run here takes: reaching it means that one hangs.
const LIMIT: Nanos = Nanos::from_secs(20);

/// The binary with these arguments. A shell that runs the tests in the background has them begin with SIGINT ignored, so signals are
/// put to their defaults first.
pub fn squall(args: &[&str]) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(env!("CARGO_BIN_EXE_squall")).args(args);
    command
}

/// The drivers that this host allows; says which is left out and why.
pub fn drivers() -> Vec<&'static str> {
    match rig::uring(rig::config(1)) {
        Ok(_) => vec!["uring", "epoll"],
        Err(reason) => {
            skip(format!("--driver uring: {reason}"));
            vec!["epoll"]
        }
    }
}

/// Held by tests of one binary: those that measure time are alone, those that count may be together.
static CROWD: RwLock<()> = RwLock::new(());

/// Waits until no other test of this binary runs, and keeps it so.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    // A test that failed has nothing to do with the next one.
    CROWD.write().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no test is [`alone`], and lets none be.
pub fn together() -> RwLockReadGuard<'static, ()> {
    CROWD.read().unwrap_or_else(PoisonError::into_inner)
}

/// A run under way.
pub struct Running {
    group: Group,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Null when standard output is no JSON.
    report: Value,
}

/// Starts a run that reports in JSON, and exits 0 whatever its verdict: tests share cores with the
/// server, and other tests. [`start_judged`] is for those that are about the verdict.
pub fn start(url: &str, args: &[&str]) -> Running {
    start_command(squall(&[url, "--format", "json", "--allow-invalid"]).args(args))
}

/// As [`start`] without that, for tests whose subject is the verdict: the exit code follows from it.
pub fn start_judged(url: &str, args: &[&str]) -> Running {
    start_command(squall(&[url, "--format", "json"]).args(args))
}

/// Starts any command line.
pub fn start_command(command: &mut Command) -> Running {
    let mut group = Group::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let child = group.child();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    Running { group, stdout: collect(stdout), stderr: collect(stderr) }
}

/// [`start`], and wait for the end.
pub fn run(url: &str, args: &[&str]) -> Done {
    start(url, args).finish()
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

impl Running {
    pub fn signal(&self, name: &str) {
        self.group.signal(name);
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.group.id()
    }

    /// True once it has ended.
    pub fn ended(&mut self) -> bool {
        self.group.ended()
    }

    /// Waits for the end. Panics when it does not come.
    pub fn finish(self) -> Done {
        self.finish_within(LIMIT)
    }

    /// As [`finish`](Running::finish), for what may take longer beside much else.
    pub fn finish_within(mut self, limit: Nanos) -> Done {
        assert!(within(limit, || self.group.ended()), "squall hangs");
        let code = self.group.child().wait().unwrap().code();
        let (stdout, stderr) = (self.stdout.join().unwrap(), self.stderr.join().unwrap());
        let report = serde_json::from_str(&stdout).unwrap_or(Value::Null);
        Done { code, stdout, stderr, report }
    }
}

impl Done {
    /// Asserts that it ended with this code.
    pub fn exits(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that it ended as its verdict says: with 96 where that is INVALID, else with 0.
    pub fn exits_as_judged(self) -> Done {
        let code = if self.at("/verdict/status") == "invalid" { 96 } else { 0 };
        self.exits(code)
    }

    /// The value at a JSON pointer, such as `/requests/completed`.
    pub fn at(&self, pointer: &str) -> &Value {
        let value = self.report.pointer(pointer);
        value.unwrap_or_else(|| panic!("no {pointer} in {}{}", self.stdout, self.stderr))
    }

    /// The count at a pointer; 0 when it is not there.
    pub fn count(&self, pointer: &str) -> u64 {
        assert!(self.report.is_object(), "no report: {}{}", self.stdout, self.stderr);
        self.report.pointer(pointer).map_or(0, |value| value.as_u64().expect(pointer))
    }

    pub fn number(&self, pointer: &str) -> f64 {
        self.at(pointer).as_f64().expect(pointer)
    }

    pub fn completed(&self) -> u64 {
        self.count("/requests/completed")
    }

    pub fn failed(&self) -> u64 {
        self.count("/requests/failed")
    }

    /// A percentile of `response_time` or `service_time`, in milliseconds.
    pub fn percentile_ms(&self, metric: &str, percent: &str) -> f64 {
        self.number(&format!("/latency/{metric}/percentiles_us/{percent}")) / 1_000.0
    }

    /// Asserts that no request was lost or invented, in any of the ways in which they are counted.
    pub fn balanced(self) -> Done {
        let requests = |key: &str| self.count(&format!("/requests/{key}"));
        let (started, completed, failed) = (requests("started"), requests("completed"), requests("failed"));
        assert_eq!(requests("scheduled"), started + requests("dropped") + requests("backlog_at_end"));
        assert_eq!(started, completed + failed + requests("in_flight_at_end"));
        let sum = |pointer: &str| -> u64 {
            self.at(pointer).as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
        };
        assert_eq!(sum("/status"), completed);
        assert_eq!(sum("/errors"), failed);
        assert_eq!(sum("/connections/errors"), self.count("/connections/failed_attempts"));
        // What was never answered has an age, and no time of a response.
        let ages = requests("unanswered");
        assert_eq!(self.count("/latency/response_time/censored"), ages);
        for (metric, more) in [("response_time", ages), ("service_time", 0), ("first_byte", 0)] {
            assert_eq!(self.count(&format!("/latency/{metric}/count")), completed + more, "{metric}");
        }
        // What came behind the window is in no point of the timeline.
        assert_eq!(self.timeline("requests").iter().sum::<u64>(), requests("completed_in_window"));
        assert!(self.timeline("failed").iter().sum::<u64>() <= failed);
        self
    }

    /// One column of the timeline.
    pub fn timeline(&self, key: &str) -> Vec<u64> {
        let entries = self.at("/timeline").as_array().unwrap();
        entries.iter().map(|entry| entry[key].as_u64().unwrap()).collect()
    }
}

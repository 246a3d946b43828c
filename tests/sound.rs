//! No false alarms: runs that nothing disturbs are VALID. An observer outside of them, who knows nothing of their verdicts, looks at the
//! generator's core, and for arrivals, which need a connection that is free in time, at the target's: where others ran on it, or it was
//! stolen, for more than a hundredth of the time, a run is no evidence and is tried again.
//!
//! A few runs of the closed model by default. `SOUND_RUNS=50 cargo test --release --test sound -- --nocapture` is the long one.

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::process::{Group, find};
use common::run::{Done, alone, squall, start_command};
use common::skip::{or_skip, skip};
use common::target::Target;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use squall::clock;
use squall::units::Nanos;

/// Of the time of a run, what may be lost to others on its core.
const FOREIGN_MOST: f64 = 0.01;

/// What the kernel says of a core, in seconds since it was started.
#[derive(Clone, Copy, Debug)]
struct Core {
    busy_s: f64,
    stolen_s: f64,
}

/// The line of `core` in /proc/stat (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second.
fn look(core: usize) -> Core {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("cpu{core} "))).unwrap();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).map(|field| field.parse().unwrap()).collect();
    let busy: f64 = ticks[..3].iter().chain(&ticks[5..7]).sum();
    Core { busy_s: busy / 100.0, stolen_s: ticks.get(7).copied().unwrap_or(0.0) / 100.0 }
}

/// CPU time of all children that have ended, in seconds.
fn of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
}

/// CPU time of all threads of a process, in seconds (the first field of /proc/PID/task/TID/schedstat, in nanoseconds).
fn of_process(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
    texts.map(|text| text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9).sum()
}

/// Where a run and its target are.
struct Cores<'a> {
    generator: usize,
    target: usize,
    process: &'a Target,
}

/// A run and the share of its core's time that was not its own; with arrivals (`-R`) that of the target's, where that is more.
fn observed(cores: &Cores<'_>, args: &[&str]) -> (Done, f64) {
    let looks =
        || [(look(cores.generator), of_children()), (look(cores.target), of_process(cores.process.pid()))];
    let (before, begun) = (looks(), clock::now());
    let done = start_command(&mut squall(args)).finish();
    let (after, took) = (looks(), (clock::now() - begun).as_secs_f64());
    let watched = if args.contains(&"-R") { 2 } else { 1 };
    let foreign =
        before.iter().zip(&after).take(watched).map(|((before, own_before), (after, own_after))| {
            let own = own_after - own_before;
            (after.busy_s - before.busy_s - own).max(0.0) + (after.stolen_s - before.stolen_s)
        });
    (done, foreign.fold(0.0, f64::max) / took)
}

#[test]
fn runs_that_nothing_disturbs_are_valid() {
    let _alone = alone();
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [first, .., last] = cores[..] else { return skip("there is one core only") };
    let Some(target) = or_skip(Target::start()) else { return };
    let Some(taskset) = or_skip(find("taskset")) else { return };
    let mut moved = Command::new(taskset);
    moved.args(["-a", "-cp", &first.id.to_string(), &target.pid().to_string()]).stdout(Stdio::null());
    assert!(Group::spawn(&mut moved).child().wait().unwrap().success());
    let asked: Option<u32> = std::env::var("SOUND_RUNS").ok().and_then(|runs| runs.parse().ok());
    let runs = asked.unwrap_or(2);
    let (url, core) = (target.url("/load-test"), last.id.to_string());
    let common = [&url, "-d", "2s", "--cores", &core, "--format", "json"];
    let cores = Cores { generator: last.id, target: first.id, process: &target };
    let (probe, _) = observed(&cores, &[&common[..], &["-c", "50"]].concat());
    let half = (probe.number("/throughput/requests_per_s") / 2.0) as u64;
    let rate = half.to_string();
    // Enough connections that one pause of the target, of some milliseconds, does not use them up. The target must have its core,
    // too, for arrivals to find connections.
    let models = [&["-c", "50"][..], &["-c", "1000", "-R", &rate]];
    for model in &models[..if asked.is_some() { 2 } else { 1 }] {
        let (mut evidence, mut alarms) = (0, Vec::new());
        for _ in 0..2 * runs {
            let (done, foreign) = observed(&cores, &[&common[..], *model].concat());
            let status = done.at("/verdict/status").as_str().unwrap().to_owned();
            if foreign > FOREIGN_MOST {
                continue;
            }
            evidence += 1;
            if status != "valid" {
                alarms.push(done.at("/verdict").to_string());
            }
            if evidence == runs {
                break;
            }
        }
        println!(
            "{model:?}: {} false alarms in {evidence} undisturbed runs of {runs}: {alarms:?}",
            alarms.len()
        );
        if evidence < runs {
            skip(format!("others ran on the cores: {evidence} of {runs} runs were undisturbed"));
        }
        assert!(alarms.is_empty(), "{alarms:?}");
        clock::sleep(Nanos::from_millis(100));
    }
}

//! Runs squall's workers through random worlds in virtual time, faults and all, and holds their books against
//! the peers' after each.
//!
//! ```text
//! cargo run --release --example simulate -- --for 60s
//! cargo run --release --example simulate -- --seed 17 --runs 1 --verbose
//! ```
//!
//! Every world follows from one seed: run n has the first seed plus n. What goes wrong is printed with its seed and
//! all that the world is made of, and the exit code is 1.

#[path = "../tests/simulation/harness/mod.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod harness;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use squall::clock;
use squall::driver::sim::PeerBooks;
use squall::units::Nanos;

use harness::World;

/// A run that takes longer than this is one that does not end, in a place where no driver is asked.
const RUN_MAX: Nanos = Nanos::from_secs(120);

/// Random simulated runs of squall's workers.
#[derive(Debug, Parser)]
struct Options {
    /// Seed of the first run (default: from the clock).
    #[arg(long)]
    seed: Option<u64>,
    /// For how long runs are begun.
    #[arg(long = "for", default_value = "10s")]
    span: Nanos,
    /// At most so many runs.
    #[arg(long)]
    runs: Option<u64>,
    /// Only worlds of some ten thousand requests: as tests have them, and more different ones in the same time.
    #[arg(long)]
    shallow: bool,
    /// Go on behind a violation.
    #[arg(long)]
    keep_going: bool,
    /// Print each run's seed, its world, and what came of it.
    #[arg(long)]
    verbose: bool,
}

/// What the runs so far come to.
#[derive(Debug, Default)]
struct Totals {
    runs: u64,
    violations: u64,
    broken: u64,
    peer: PeerBooks,
    virtual_time: Nanos,
}

/// The seed of the run that is on, and when it began, for the watchdog.
static RUNNING: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

fn main() -> ExitCode {
    let options = Options::parse();
    let first = options.seed.unwrap_or_else(|| clock::wall().0 % 1_000_000_000_000);
    println!("seed {first}");
    std::thread::spawn(watch);
    let began = clock::now();
    let mut totals = Totals::default();
    for run in 0..options.runs.unwrap_or(u64::MAX) {
        if clock::now() - began >= options.span && (run > 0 || options.runs.is_none()) {
            break;
        }
        one(first.wrapping_add(run), &options, &mut totals);
        if totals.violations > 0 && !options.keep_going {
            break;
        }
    }
    report(&mut totals, clock::now() - began);
    if totals.violations > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn one(seed: u64, options: &Options, totals: &mut Totals) {
    let world = World::random(seed, !options.shallow);
    if options.verbose {
        println!("seed {seed}: {world}");
    }
    RUNNING.0.store(seed, Ordering::Relaxed);
    RUNNING.1.store(clock::now().0, Ordering::Relaxed);
    let checked = world.check();
    RUNNING.1.store(0, Ordering::Relaxed);
    totals.runs += 1;
    match checked {
        Ok(outcome) => {
            totals.peer.merge(&outcome.peer);
            totals.broken += u64::from(outcome.shares.iter().any(|share| !share.broken.is_empty()));
            totals.virtual_time += outcome
                .shares
                .iter()
                .fold(Nanos::ZERO, |sum, share| sum + (share.seen.ended_at - world.script.start));
            if options.verbose {
                println!("seed {seed}: {}", outcome.brief());
            }
        }
        Err(error) => {
            totals.violations += 1;
            println!("\nVIOLATION with seed {seed}: {error}\n{world}\n");
        }
    }
}

fn report(totals: &mut Totals, took: Nanos) {
    let requests = totals.peer.requests;
    // On a busy host the time on the clock is not what it took.
    let cpu = clock::thread_cpu();
    println!(
        "{} runs, {} of them with a driver that broke; {requests} requests simulated in {:.1} s ({:.1} s of CPU: {:.2} \
         million a second); {:.0} s of virtual time",
        totals.runs,
        totals.broken,
        took.as_secs_f64(),
        cpu.as_secs_f64(),
        requests as f64 / cpu.as_secs_f64().max(1e-9) / 1e6,
        totals.virtual_time.as_secs_f64()
    );
    for (name, figure) in totals.peer.figures() {
        println!("  {name:<18} {figure}");
    }
    println!("{} violations", totals.violations);
}

/// Ends the process when a run does not.
fn watch() {
    loop {
        clock::sleep(Nanos::from_secs(1));
        let began = RUNNING.1.load(Ordering::Relaxed);
        if began > 0 && clock::now() - Nanos(began) > RUN_MAX {
            println!("\nVIOLATION with seed {}: the run does not end", RUNNING.0.load(Ordering::Relaxed));
            std::process::exit(1);
        }
    }
}

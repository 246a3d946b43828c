//! Instruction counts of the recorder's and the pacer's hot functions, by valgrind: the same on every
//! run, so that a gate can stand on them where wall-clock figures are noise.
//!
//! Needs `valgrind` and `cargo install gungraun-runner --version 0.20.0`.

use std::process::{Command, Stdio};

/// Responses, or arrivals, per measured function: a warm recorder, not its first page faults.
const ROUNDS: u64 = 1_000;

mod counted {
    use std::hint::black_box;

    use gungraun::prelude::*;

    use squall::load::{Arrivals, Pacer, Schedule};
    use squall::stats::outcome::Sample;
    use squall::stats::recorder::Recorder;
    use squall::units::{Nanos, Rate};

    use super::ROUNDS;

    #[library_benchmark]
    #[bench::closed(args = (false,), setup = Recorder::new)]
    #[bench::open(args = (true,), setup = Recorder::new)]
    fn record_1000(mut recorder: Recorder) -> Recorder {
        for i in 0..ROUNDS {
            let done = Nanos(50_000 + i * 64);
            black_box(&mut recorder).record(black_box(&Sample {
                scheduled: Nanos(0),
                sent: Nanos(1_000),
                first_byte: done,
                done,
                status: 200,
            }));
        }
        recorder
    }

    fn pacer(arrivals: Arrivals) -> Pacer {
        let rate = Rate { count: 1_000_007, per: Nanos::from_secs(1) };
        let schedule = Schedule { rate, arrivals, seed: 1, end: None, limit: None };
        Pacer::new(&schedule, 0, 1)
    }

    #[library_benchmark]
    #[bench::uniform(args = (Arrivals::Uniform,), setup = pacer)]
    #[bench::poisson(args = (Arrivals::Poisson,), setup = pacer)]
    fn due_1000(mut pacer: Pacer) -> Pacer {
        for _ in 0..ROUNDS {
            black_box(black_box(&mut pacer).due(Nanos::from_secs(60)));
        }
        pacer
    }

    library_benchmark_group!(name = hot, benchmarks = [record_1000, due_1000]);
    gungraun::main!(library_benchmark_groups = hot);

    pub(super) fn run() {
        main();
    }
}

/// Whether this program can be started and greets.
fn works(program: &str) -> bool {
    let mut version = Command::new(program);
    let quiet = version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok()
}

fn main() {
    let runner = option_env!("GUNGRAUN_RUNNER").unwrap_or("gungraun-runner");
    let argument = |wanted: &str| std::env::args().any(|a| a == wanted);
    // The runner starts this program again, under valgrind, for each function.
    if argument("--gungraun-run") {
        counted::run();
    } else if !argument("--bench") {
        println!("skipped: instructions are counted by `cargo bench` only");
    } else if !works("valgrind") {
        println!("skipped: valgrind is not installed");
    } else if !works(runner) {
        println!("skipped: {runner} is not there: cargo install gungraun-runner --version 0.20.0");
    } else {
        counted::run();
    }
}

use std::process::Command;
use std::sync::LazyLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proptest::prelude::*;

use super::*;
use crate::run::config::RawConfig;
use crate::stats::layout::Tags;
use crate::stats::series::{Figures, Requests};
use crate::stats::tally::Tally;
use crate::units::human;

/// In whose environment it stands, that process is the child of a test: with a limit of so many bytes.
const LIMIT: &str = "SQUALL_TEST_ADDRESS_SPACE";

fn config(workers: usize, connections: u32, pipeline: u32) -> RunConfig {
    static ANY: LazyLock<RunConfig> = LazyLock::new(|| {
        let raw = RawConfig { url: "http://127.0.0.1:1/".into(), ..RawConfig::default() };
        RunConfig::validate(raw).unwrap()
    });
    RunConfig { cores: (0..workers).collect(), connections, pipeline, ..ANY.clone() }
}

/// So many steps in a row, in which samples may make `made` series.
fn layout(steps: u32, made: Option<u32>) -> Layout {
    let mut layout = Layout::default();
    layout.add_scenario("main", "constant-vus", Tags::new(), Vec::new());
    for step in 0..steps {
        let tags = [("name".to_owned(), step.to_string())].into();
        layout.add_place(0, step, tags, &["ok"]);
    }
    if let Some(made) = made {
        layout.expect_any_tags();
        layout.bound_series(made);
    }
    layout
}

/// Bytes of what is there as soon as workers have something to say, by the sizes of what it is made of.
fn surely(config: &RunConfig, layout: &Layout) -> u64 {
    // One that each worker fills, and one that it has handed over; those that are merged: the next one, and the totals.
    let snapshots = config.cores.len() as u64 * 2 + 2;
    let figures = (size_of::<Figures>() + size_of::<Requests>()) as u64;
    let series =
        Tally::new(layout).series().filter(|(_, f)| matches!(f, Figures::Requests(_))).count() as u64;
    // Those of a closed loop: service time, whole or split, and first bytes; connect time.
    let tables = if series == 0 { 4 } else { 1 };
    let in_flight = u64::from(config.connections) * u64::from(config.pipeline) * 16;
    snapshots * (tables * TABLE_BYTES + series * figures) + in_flight
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn more_of_anything_needs_more(
        workers in 1usize..64,
        connections in 1u32..100_000,
        pipeline in 1u32..1_024,
        steps in 0u32..20,
        made in 0u32..5_000,
    ) {
        let of = |workers, connections, pipeline, steps, made| {
            let (config, layout) = (config(workers, connections, pipeline), layout(steps, made));
            let estimate = estimate(&config, &layout);
            assert!(estimate >= surely(&config, &layout), "{workers} {connections} {pipeline} {steps}");
            estimate
        };
        let less = of(workers, connections, pipeline, steps, Some(made));
        prop_assert!(of(workers + 1, connections, pipeline, steps, Some(made)) >= less + WORKER);
        // Connections share receive buffers, but each has a state.
        prop_assert!(of(workers, connections + 1, pipeline, steps, Some(made)) >= less + CONNECTION);
        prop_assert!(of(workers, connections, pipeline + 1, steps, Some(made)) > less);
        // Two of requests, one of a check.
        let series = (workers as u64 * SNAPSHOTS_PER_WORKER + SNAPSHOTS_OF_ALL) * SERIES;
        prop_assert_eq!(of(workers, connections, pipeline, steps + 1, Some(made)), less + 3 * series);
        prop_assert_eq!(of(workers, connections, pipeline, steps, Some(made + 1)), less + series);
        // Where no tags are made, there are none to come.
        prop_assert_eq!(of(workers, connections, pipeline, steps, None), less - u64::from(made) * series);
    }
}

#[test]
fn what_can_be_had_is_given_back() {
    let (config, layout) = (config(2, 50, 1), layout(3, None));
    let virtual_memory = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let before = virtual_memory();
    for _ in 0..2_000 {
        ask_for(&config, &layout, true).unwrap();
    }
    // Pages. Had nothing come back, it would be some 2,000 times as much as is needed once; other tests run beside it.
    let grown = virtual_memory().saturating_sub(before) * 4_096;
    assert!(grown < 1_000 * estimate(&config, &layout), "{grown}");
}

#[test]
fn what_no_machine_has_is_an_error_with_a_number() {
    // More than there are addresses for.
    let config = config(1 << 26, 1, 1);
    let layout = layout(0, None);
    let needed = estimate(&config, &layout);
    assert!(needed > 1 << 47);
    let error = ask_for(&config, &layout, false).unwrap_err();
    assert!(matches!(error, RunError::Memory { needed: told } if told == needed), "{error}");
    // Samples come on top.
    let error = ask_for(&config, &layout, true).unwrap_err();
    let more = needed + samples::memory(1 << 26);
    assert!(matches!(error, RunError::Memory { needed: told } if told == more), "{error}");
    let (number, text) = (human::bytes(more), error.to_string());
    assert!(text.contains(&number) && text.contains("ulimit -v"), "{text}");
}

/// Runs this test again in a process that may have little more than it has, where it finds `LIMIT`.
#[test]
fn a_limit_on_addresses_shows_before_the_run() {
    let (config, layout) = (config(4, 100, 1), layout(0, None));
    let needed = estimate(&config, &layout);
    let Ok(room) = std::env::var(LIMIT) else {
        for (room, fits) in [(needed * 2, true), (needed / 2, false)] {
            let (_, module) = module_path!().split_once("::").expect("it is in the crate");
            let name = format!("{module}::a_limit_on_addresses_shows_before_the_run");
            let child = Command::new(std::env::current_exe().unwrap())
                .args([&name, "--exact", "--nocapture", "--test-threads=1"])
                .env(LIMIT, room.to_string())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&child.stdout).into_owned();
            assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
            let expected = if fits { "there is room".to_owned() } else { format!("it needs {needed}") };
            assert!(said.contains(&expected), "{said}");
        }
        return;
    };
    let pages: u64 = std::fs::read_to_string("/proc/self/statm")
        .map(|statm| statm.split_whitespace().next().unwrap().parse().unwrap())
        .unwrap();
    let limit = pages * 4_096 + room.parse::<u64>().unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
    setrlimit(Resource::RLIMIT_AS, limit, hard).unwrap();
    match ask_for(&config, &layout, false) {
        Ok(()) => println!("there is room"),
        Err(RunError::Memory { needed }) => println!("it needs {needed}"),
        Err(other) => panic!("{other}"),
    }
}

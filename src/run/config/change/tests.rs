use super::*;
use crate::run::config::RawConfig;

fn plain(change: fn(&mut RawConfig)) -> RunConfig {
    let mut raw = RawConfig {
        url: "http://127.0.0.1:9/".into(),
        connections: Some(8),
        duration: Some("5s".into()),
        ..RawConfig::default()
    };
    change(&mut raw);
    RunConfig::validate(raw).unwrap()
}

fn planned(scenarios: &str) -> RunConfig {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    std::fs::write(&path, format!("[steps.a]\nurl = \"http://127.0.0.1:9/\"\n{scenarios}")).unwrap();
    RunConfig::validate(RawConfig { url: path.display().to_string(), ..RawConfig::default() }).unwrap()
}

fn rate(text: &str) -> Option<Rate> {
    Some(text.parse().unwrap())
}

/// What is wrong with a change, by the names of its parts.
fn refused(config: &RunConfig, change: &Change) -> Vec<&'static str> {
    match config.changed(change) {
        Err(ConfigError::Refused(problems)) => problems.iter().map(|problem| problem.option).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_run_gets_another_rate() {
    let closed = plain(|_| {});
    let open = closed.changed(&Change { rate: rate("500/s"), ..Change::default() }).unwrap();
    let LoadModel::Open(schedule) = open.load else { panic!("{:?}", open.load) };
    assert_eq!((schedule.rate, schedule.end), (rate("500/s").unwrap(), Some(Nanos::from_secs(5))));
    assert_eq!(open.max_backlog, 100_000);
    // It follows the rate, unless it was asked for.
    let fast = Change { rate: rate("100000/s"), ..Change::default() };
    assert_eq!(open.changed(&fast).unwrap().max_backlog, 1_000_000);
    let asked = plain(|raw| (raw.rate, raw.max_backlog) = (Some("10/s".into()), Some(7)));
    assert_eq!(asked.changed(&fast).unwrap().max_backlog, 7);
    // Poisson arrivals stay what they are.
    let poisson = plain(|raw| (raw.rate, raw.arrivals) = (Some("10/s".into()), Some("poisson".into())));
    let LoadModel::Open(schedule) = poisson.changed(&fast).unwrap().load else { panic!() };
    assert_eq!(schedule.arrivals, Arrivals::Poisson);
}

#[test]
fn a_plain_run_gets_another_length_and_fewer_connections() {
    let open = plain(|raw| raw.rate = Some("10/s".into()));
    let (second, two) = (Some(Nanos::from_secs(1)), Some(Nanos::from_secs(2)));
    let change = Change { duration: two, warmup: second, connections: Some(3), ..Change::default() };
    let changed = open.changed(&change).unwrap();
    assert_eq!((changed.duration, changed.warmup, changed.connections), (two, Nanos::from_secs(1), 3));
    let LoadModel::Open(schedule) = changed.load else { panic!() };
    assert_eq!(schedule.end, two, "arrivals come for as long as is measured");

    let change = Change { connections: Some(9), users: Some(1), duration: Some(Nanos::ZERO), ..change };
    assert_eq!(refused(&open, &change), ["duration", "users", "connections"]);
    assert_eq!(refused(&open, &Change { connections: Some(0), ..Change::default() }), ["connections"]);
}

#[test]
fn a_scenario_gets_other_users() {
    let config = planned("[scenarios.s]\nexecutor = \"constant-vus\"\nvus = 20\nduration = \"4s\"\n");
    let change = Change { users: Some(5), warmup: Some(Nanos::from_secs(1)), ..Change::default() };
    let changed = config.changed(&change).unwrap();
    let Executor::ConstantVus { vus, duration } = changed.workload.as_ref().unwrap().scenarios[0].executor
    else {
        panic!()
    };
    assert_eq!((vus, duration), (5, Nanos::from_secs(5)), "measured for as long as before");
    assert_eq!((changed.duration, changed.connections), (Some(Nanos::from_secs(4)), 5));
    let wrong = Change { users: Some(21), rate: rate("5/s"), connections: Some(2), ..Change::default() };
    assert_eq!(refused(&config, &wrong), ["connections", "rate", "users"]);
}

#[test]
fn a_scenario_gets_another_rate() {
    let config = planned(
        "[scenarios.s]\nexecutor = \"constant-arrival-rate\"\nrate = 20\nduration = \"4s\"\npreAllocatedVUs = 3\n",
    );
    let change = Change { rate: rate("7/s"), duration: Some(Nanos::from_secs(2)), ..Change::default() };
    let changed = config.changed(&change).unwrap();
    let scenario = &changed.workload.as_ref().unwrap().scenarios[0];
    let Executor::ArrivalRate { arrivals: ArrivalPlan::Constant { rate: found, .. }, duration, .. } =
        &scenario.executor
    else {
        panic!()
    };
    assert_eq!((*found, *duration), (rate("7/s").unwrap(), Nanos::from_secs(2)));
    assert_eq!(changed.layout(), config.layout(), "its figures are kept apart as before");
}

#[test]
fn what_is_not_clear_is_refused() {
    let two = "[scenarios.a]\nexecutor = \"constant-vus\"\nvus = 2\nduration = \"4s\"\n\
               [scenarios.b]\nexecutor = \"constant-vus\"\nvus = 2\nduration = \"4s\"\n";
    let config = planned(two);
    assert_eq!(refused(&config, &Change { users: Some(1), ..Change::default() }), ["window"]);
    assert!(config.changed(&Change::default()).is_ok(), "the same again is clear");
    let ramp =
        planned("[scenarios.s]\nexecutor = \"ramping-vus\"\nstages = [{ duration = \"1s\", target = 5 }]\n");
    let change = Change { users: Some(1), duration: Some(Nanos::from_secs(1)), ..Change::default() };
    assert_eq!(refused(&ramp, &change), ["users", "duration"]);
}

use std::io;
use std::net::IpAddr;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::load::Arrivals;
use crate::run::machine::{LocalPorts, UsableCores};
use crate::run::resolve::ResolveError;
use crate::units::Rate;

mod connect;
mod refused;

/// A host of four cores and 1,024 descriptors, on which `local.example` lives.
struct TestHost {
    usable: UsableCores,
    descriptors: u64,
    target_cores: Option<Vec<usize>>,
    ports: LocalPorts,
    variables: Vec<(&'static str, &'static str)>,
}

impl TestHost {
    fn new() -> TestHost {
        TestHost {
            usable: UsableCores { mask: vec![0, 1, 2, 3], quota: None },
            descriptors: 1_024,
            target_cores: None,
            ports: LocalPorts { range: (32_768, 60_999), count: 28_232 },
            variables: Vec::new(),
        }
    }
}

impl Host for TestHost {
    fn usable_cores(&self) -> UsableCores {
        self.usable.clone()
    }

    fn descriptors(&self) -> u64 {
        self.descriptors
    }

    fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        match host {
            "local.example" => Ok(vec![SocketAddr::new("127.0.0.1".parse().unwrap(), port)]),
            "remote.example" => Ok(vec![
                SocketAddr::new("2001:db8::1".parse().unwrap(), port),
                SocketAddr::new("192.0.2.1".parse().unwrap(), port),
            ]),
            _ => Err(ResolveError::Failed { host: host.to_owned(), cause: io::Error::other("no such name") }),
        }
    }

    fn is_local(&self, addr: IpAddr) -> bool {
        addr.is_loopback()
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    }

    fn listener_cores(&self, _: SocketAddr) -> Option<Vec<usize>> {
        self.target_cores.clone()
    }

    fn unix_listener_cores(&self, _: &Path) -> Option<Vec<usize>> {
        self.target_cores.clone()
    }

    /// Loopback's, and 192.0.2.50 to 192.0.2.59.
    fn try_source(&self, source: IpAddr) -> io::Result<()> {
        let own = match source {
            IpAddr::V4(ip) => ip.is_loopback() || matches!(ip.octets(), [192, 0, 2, 50..=59]),
            IpAddr::V6(ip) => ip.is_loopback(),
        };
        if own { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)) }
    }

    fn try_congestion(&self, name: &str) -> io::Result<String> {
        match name {
            "reno" => Ok(name.to_owned()),
            "cubic" => Err(io::Error::from_raw_os_error(libc::EPERM)),
            _ => Err(io::Error::from_raw_os_error(libc::ENOENT)),
        }
    }

    fn local_ports(&self) -> Option<LocalPorts> {
        Some(self.ports)
    }
}

fn remote() -> RawConfig {
    RawConfig { url: "http://remote.example:8080/path?q=1".into(), ..RawConfig::default() }
}

fn local() -> RawConfig {
    RawConfig { url: "http://local.example/".into(), ..RawConfig::default() }
}

fn accept(raw: RawConfig) -> RunConfig {
    validate_on(raw, None, &TestHost::new()).unwrap()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn defaults_are_those_of_the_manual() {
    let config = accept(remote());
    assert_eq!(config.method, "GET");
    assert_eq!(config.connections, 50);
    assert_eq!(config.cores, [0, 1, 2, 3]);
    assert_eq!(config.duration, Some(Nanos::from_secs(10)));
    assert_eq!(config.requests, None);
    assert!(matches!(config.load, LoadModel::Closed));
    assert_eq!(config.pipeline, 1);
    assert_eq!(config.timeout, Nanos::from_secs(10));
    assert_eq!(config.connect_timeout, Nanos::from_secs(5));
    assert_eq!(config.warmup, Nanos::ZERO);
    assert_eq!(config.interval, Nanos::from_secs(1));
    assert_eq!(config.wait, WaitMode::Auto);
    assert_eq!(config.driver, DriverChoice::Auto);
    assert_eq!(config.drain, config.timeout);
    assert_eq!(config.max_backlog, 0);
    assert!(config.headers.is_empty() && config.body.is_empty());
    assert!(!config.shared_host && !config.cores_to_spare && !config.allow_invalid);
    assert_eq!(config.target_cores, None);
    let addresses: Vec<String> = config.addresses.iter().map(SocketAddr::to_string).collect();
    assert_eq!(addresses, ["[2001:db8::1]:8080", "192.0.2.1:8080"]);
}

#[test]
fn given_options_arrive() {
    let config = accept(RawConfig {
        connections: Some(8),
        threads: Some(2),
        duration: some("1m30s"),
        requests: Some(1_000),
        rate: some("2.5k"),
        arrivals: some("poisson"),
        seed: Some(42),
        pipeline: Some(16),
        method: some("PUT"),
        headers: vec!["X-A:  b \t".into(), "x-a: c:d".into()],
        body: some("{}"),
        timeout: some("2s"),
        connect_timeout: some("300ms"),
        warmup: some("5"),
        interval: some("100ms"),
        max_series: Some(0),
        wait: some("spin"),
        max_backlog: Some(7),
        driver: some("epoll"),
        allow_invalid: true,
        ..remote()
    });
    let LoadModel::Open(schedule) = config.load else {
        panic!("-R makes an open model");
    };
    assert_eq!(schedule.rate, Rate::per_sec(2_500));
    assert_eq!(schedule.arrivals, Arrivals::Poisson);
    assert_eq!((schedule.seed, config.seed), (42, 42));
    assert_eq!(schedule.end, Some(Nanos::from_secs(90)));
    assert_eq!(schedule.limit, Some(1_000));
    assert_eq!((config.duration, config.requests), (schedule.end, Some(1_000)));
    assert_eq!((config.connections, &config.cores), (8, &vec![2, 3]));
    assert_eq!((config.pipeline, config.max_backlog), (16, 7));
    assert_eq!((config.method.as_str(), &*config.body), ("PUT", &b"{}"[..]));
    let headers = [("X-A", "b"), ("x-a", "c:d")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(config.headers, headers);
    assert_eq!(config.timeout, Nanos::from_secs(2));
    assert_eq!(config.drain, Nanos::from_secs(2), "no longer than the timeout");
    assert_eq!(config.connect_timeout, Nanos::from_millis(300));
    assert_eq!(config.warmup, Nanos::from_secs(5));
    assert_eq!(config.interval, Nanos::from_millis(100));
    assert_eq!((config.max_series, config.layout().registry().bound()), (0, 0));
    assert_eq!((config.wait, config.driver), (WaitMode::Spin, DriverChoice::Epoll));
    assert!(config.allow_invalid && config.cores_to_spare);
}

#[test]
fn requests_alone_set_no_time_limit() {
    let raw = RawConfig { requests: Some(5), ..remote() };
    assert_eq!(accept(raw).duration, None);
}

#[test]
fn a_body_makes_it_a_post_unless_told_otherwise() {
    let with_body = || RawConfig { body: some(""), ..remote() };
    assert_eq!(accept(with_body()).method, "POST");
    let get = RawConfig { method: some("GET"), ..with_body() };
    assert_eq!(accept(get).method, "GET");
}

#[test]
fn the_backlog_holds_ten_seconds_within_bounds() {
    for (rate, backlog) in [("1", 100_000), ("50k", 500_000), ("100M", 10_000_000)] {
        let raw = RawConfig { rate: some(rate), ..remote() };
        assert_eq!(accept(raw).max_backlog, backlog, "{rate}");
    }
    let none = RawConfig { rate: some("1"), max_backlog: Some(0), ..remote() };
    assert_eq!(accept(none).max_backlog, 0);
}

#[test]
fn workers_follow_cores_target_and_connections() {
    let on = |host: &TestHost, raw: RawConfig| validate_on(raw, None, host).unwrap();
    let host = TestHost::new();
    let config = on(&host, local());
    assert_eq!(config.cores, [2, 3], "half, the last ones");
    assert!(config.shared_host && config.cores_to_spare);

    let pinned = TestHost { target_cores: Some(vec![3]), ..TestHost::new() };
    let config = on(&pinned, local());
    assert_eq!(config.cores, [1, 2], "not the target's");
    assert_eq!(config.target_cores, Some(vec![3]));
    assert_eq!(on(&pinned, remote()).target_cores, None, "not on this host");

    let cores = |text: &str, threads| RawConfig { cores: some(text), threads, ..local() };
    assert_eq!(on(&host, cores("3,0", None)).cores, [3, 0]);
    assert_eq!(on(&host, cores("3,0", Some(1))).cores, [3]);

    let few = |connections| RawConfig { connections: Some(connections), ..remote() };
    assert_eq!(on(&host, few(1)).cores, [3]);
    assert_eq!(on(&host, few(3)).cores, [1, 2, 3]);

    let quota =
        TestHost { usable: UsableCores { mask: (0..64).collect(), quota: Some(1.5) }, ..TestHost::new() };
    assert_eq!(on(&quota, remote()).cores, [62, 63]);
    let many = RawConfig { threads: Some(60), ..remote() };
    assert_eq!(on(&quota, many).connections, 60, "one for each worker");
}

#[test]
fn seeds_differ_when_none_is_given() {
    let seeds: std::collections::BTreeSet<u64> = (0..3).map(|_| accept(remote()).seed).collect();
    assert!(seeds.len() > 1);
    assert!(seeds.iter().all(|seed| *seed <= u64::from(u32::MAX)));
}

#[test]
fn the_real_host_accepts_the_plainest_run() {
    let config = RunConfig::validate(RawConfig {
        url: "http://127.0.0.1:9/".into(),
        connections: Some(1),
        ..RawConfig::default()
    })
    .unwrap();
    assert!(config.shared_host);
    assert_eq!(config.cores.len(), 1);
}

proptest! {
    /// Whatever is typed: no panic, and what is accepted is within its bounds.
    #[test]
    fn accepted_runs_are_within_their_bounds(
        connections in proptest::option::of(0..2_000u64),
        threads in proptest::option::of(0..6u64),
        cores in proptest::option::of("[0-4,-]{0,4}"),
        duration in proptest::option::of("[0-9ms.]{0,4}"),
        requests in proptest::option::of(0..3u64),
        rate in proptest::option::of("[0-9k/ms.]{0,5}"),
        pipeline in proptest::option::of(0..1_100u64),
        timeout in proptest::option::of("[0-9ms.]{0,4}"),
        header in "[ -~\r\n]{0,12}",
        here: bool,
    ) {
        let raw = RawConfig {
            connections, threads, cores, duration, requests, rate, pipeline, timeout,
            headers: vec![header],
            ..if here { local() } else { remote() }
        };
        match validate_on(raw, None, &TestHost::new()) {
            Ok(config) => {
                prop_assert!((1..=960).contains(&config.connections));
                prop_assert!(!config.cores.is_empty());
                prop_assert!(config.cores.len() <= config.connections as usize);
                prop_assert!(config.cores.iter().all(|core| *core < 4));
                prop_assert!((1..=1_024).contains(&config.pipeline));
                prop_assert!(config.duration.is_some() || config.requests.is_some());
                prop_assert!(config.timeout > Nanos::ZERO && config.drain > Nanos::ZERO);
                prop_assert!(config.headers.iter().all(|(_, v)| !v.contains(['\r', '\n'])));
                prop_assert_eq!(config.shared_host, here);
            }
            Err(ConfigError::Refused(problems)) => prop_assert!(!problems.is_empty()),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

#[test]
fn flags_for_users_make_a_workload() {
    let staged = |rate: Option<&str>| RawConfig {
        stages: vec!["1s:5".into(), "2s:0".into()],
        rate: rate.map(str::to_owned),
        ..remote()
    };
    let config = accept(staged(None));
    let workload = config.workload.unwrap();
    assert_eq!(workload.scenarios[0].executor.name(), "ramping-vus");
    assert_eq!((config.connections, config.duration), (5, Some(Nanos::from_secs(3))));
    assert_eq!(config.origin_addresses.len(), 1);
    let workload = accept(staged(Some("60/m"))).workload.unwrap();
    assert_eq!(workload.scenarios[0].executor.name(), "ramping-arrival-rate");
    let checked = RawConfig { checks: vec!["status==200".into()], ..remote() };
    assert_eq!(accept(checked).workload.unwrap().scenarios[0].executor.name(), "constant-vus");
    let shared = RawConfig { vus: Some(2), requests: Some(9), ..remote() };
    assert_eq!(accept(shared).workload.unwrap().scenarios[0].executor.name(), "shared-iterations");
    let named =
        RawConfig { thresholds: vec!["http_req_duration{scenario:default}: p(95)<1".into()], ..remote() };
    let config = accept(named);
    assert!(config.workload.is_some(), "thresholds look at what virtual users do");
    assert_eq!(
        (&*config.thresholds[0].selector, &*config.thresholds[0].expression),
        ("http_req_duration{scenario:default}", "p(95)<1")
    );
}

#[test]
fn flags_for_users_that_do_not_combine_are_refused() {
    for (raw, flag) in [
        (RawConfig { vus: Some(1), pipeline: Some(2), ..remote() }, "-p"),
        (RawConfig { vus: Some(1), connections: Some(2), ..remote() }, "-c"),
        (RawConfig { vus: Some(0), ..remote() }, "--vus"),
        (RawConfig { stages: vec!["1s".into()], ..remote() }, "--stage"),
        (RawConfig { stages: vec!["1s:1".into()], duration: some("1"), ..remote() }, "-d"),
        (RawConfig { stages: vec!["1s:1".into()], requests: Some(1), ..remote() }, "-n"),
        (RawConfig { thresholds: vec!["p99".into()], ..remote() }, "--threshold"),
        (RawConfig { vars: vec!["a=b".into()], ..remote() }, "--var"),
        (RawConfig { vus: Some(2_000), ..remote() }, "--vus"),
    ] {
        match validate_on(raw, None, &TestHost::new()) {
            Err(ConfigError::Refused(problems)) => assert_eq!(problems[0].option, flag, "{problems:?}"),
            other => panic!("{flag}: {other:?}"),
        }
    }
}

#[test]
fn a_plan_stands_in_the_urls_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    std::fs::write(
        &path,
        "vus = 3\nduration = 5\n[steps.a]\nurl = \"http://remote.example:8080/path?q=1\"\n",
    )
    .unwrap();
    let raw = || RawConfig { url: path.display().to_string(), ..RawConfig::default() };
    let config = accept(raw());
    assert_eq!((config.connections, config.duration), (3, Some(Nanos::from_secs(5))));
    let refused = validate_on(RawConfig { connections: Some(3), ..raw() }, None, &TestHost::new());
    assert!(matches!(refused, Err(ConfigError::Refused(problems)) if problems[0].option == "-c"));
    std::fs::write(&path, "vsu = 3").unwrap();
    assert!(matches!(validate_on(raw(), None, &TestHost::new()), Err(ConfigError::Plan(_))));
}

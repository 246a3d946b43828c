use super::*;

/// The options that were refused, and the whole message.
fn refuse(raw: RawConfig) -> (Vec<&'static str>, String) {
    match validate_on(raw, None, &TestHost::new()) {
        Err(error @ ConfigError::Refused(_)) => {
            let message = error.to_string();
            let ConfigError::Refused(problems) = error else { unreachable!() };
            assert!(!problems.is_empty());
            (problems.iter().map(|problem| problem.option).collect(), message)
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Asserts that exactly `option` is refused, with a message that says all of `parts`.
pub(super) fn assert_refused(raw: RawConfig, option: &str, parts: &[&str]) {
    let (options, message) = refuse(raw);
    assert_eq!(options, [option], "{message}");
    assert!(message.starts_with(&format!("{option}: ")), "{message}");
    for part in parts {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

#[test]
fn the_target_is_judged() {
    let url = |url: &str| RawConfig { url: url.into(), ..RawConfig::default() };
    for bad in ["ftp://remote.example/", "remote.example/", "http://", "", "http://a:x/"] {
        assert_eq!(refuse(url(bad)).0, ["URL"], "{bad}");
    }
    match validate_on(url("http://nowhere.invalid/"), None, &TestHost::new()) {
        Err(error @ ConfigError::Resolve(_)) => {
            assert!(error.to_string().contains("`nowhere.invalid`"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    let with = |change: fn(&mut RawConfig)| {
        let mut raw = remote();
        change(&mut raw);
        raw
    };
    assert_refused(with(|raw| raw.connections = Some(0)), "-c", &["at least one"]);
    assert_refused(with(|raw| raw.threads = Some(0)), "-t", &["at least one"]);
    assert_refused(with(|raw| raw.requests = Some(0)), "-n", &["at least one"]);
    assert_refused(with(|raw| raw.pipeline = Some(0)), "-p", &["1 (no pipelining) to 1024"]);
    assert_refused(with(|raw| raw.pipeline = Some(1_025)), "-p", &["1025"]);
    assert_refused(with(|raw| raw.threads = Some(5)), "-t", &["5 workers", "4 cores"]);
    assert_refused(with(|raw| raw.connections = Some(u64::MAX)), "-c", &["more than the 16777216"]);
    let series = with(|raw| raw.max_series = Some(100_001));
    assert_refused(series, "--max-series", &["100001 series are too many", "up to 100000", "all totals"]);
    assert_refused(
        with(|raw| {
            raw.rate = some("1");
            raw.max_backlog = Some(u64::MAX);
        }),
        "--max-backlog",
        &["above 100000000"],
    );
}

#[test]
fn too_few_descriptors_are_told_with_the_remedy() {
    let connections = |n| RawConfig { connections: Some(n), ..remote() };
    assert_eq!(accept(connections(960)).connections, 960);
    let remedy = [
        "961 connections need 1025 descriptors",
        "may open 1024",
        "ulimit -n 1025",
        "LimitNOFILE=1025",
        "at most -c 960",
    ];
    assert_refused(connections(961), "-c", &remedy);
    // Each ring has a table of its own.
    let rings = |n, threads| RawConfig { driver: some("uring"), threads: Some(threads), ..connections(n) };
    assert_eq!(accept(rings(2_048, 2)).connections, 2_048);
    assert_refused(rings(2_049, 2), "-c", &["2049 connections", "at most -c 2048"]);
    assert_refused(RawConfig { driver: some("epoll"), ..connections(961) }, "-c", &["at most -c 960"]);
}

#[test]
fn cores_are_judged() {
    let cores = |text: &str, threads| RawConfig { cores: some(text), threads, ..remote() };
    assert_refused(cores("2,4,9", None), "--cores", &["core 4, 9", "it may use 0, 1, 2, 3"]);
    assert_refused(cores("x", None), "--cores", &["`x`", "`1,3-5`"]);
    assert_refused(cores("", None), "--cores", &["missing"]);
    assert_refused(cores("1,1", None), "--cores", &["named twice"]);
    assert_refused(cores("9", Some(9)), "--cores", &["core 9"]);
    assert_refused(cores("1,2", Some(3)), "-t", &["3 workers", "2 cores"]);
}

#[test]
fn times_and_rates_are_judged() {
    let with = |change: fn(&mut RawConfig)| {
        let mut raw = remote();
        change(&mut raw);
        raw
    };
    assert_refused(
        with(|raw| raw.duration = some("{\"a\":1}")),
        "-d",
        &["`{\"a\":1}` is not a duration", "--body"],
    );
    assert_refused(with(|raw| raw.duration = some("0s")), "-d", &["longer than zero"]);
    assert_refused(with(|raw| raw.timeout = some("0")), "--timeout", &["above zero"]);
    assert_refused(with(|raw| raw.timeout = some("soon")), "--timeout", &["`soon`"]);
    assert_refused(with(|raw| raw.connect_timeout = some("0")), "--connect-timeout", &["above zero"]);
    assert_refused(with(|raw| raw.warmup = some("-1")), "--warmup", &["negative"]);
    assert_refused(with(|raw| raw.interval = some("99ms")), "--interval", &["99ms", "at least 100ms"]);
    assert_refused(with(|raw| raw.interval = some("often")), "--interval", &["often"]);
    assert_refused(with(|raw| raw.rate = some("0")), "-R", &["above zero"]);
    assert_refused(with(|raw| raw.rate = some("fast")), "-R", &["`fast`", "`3000/m`"]);
    assert_refused(
        with(|raw| {
            raw.rate = some("fast");
            raw.max_backlog = Some(1);
            raw.arrivals = some("poisson");
        }),
        "-R",
        &["`fast`"],
    );
    assert_refused(with(|raw| raw.arrivals = some("poisson")), "--arrivals", &["Add -R"]);
    assert_refused(with(|raw| raw.max_backlog = Some(1)), "--max-backlog", &["Add -R"]);
}

#[test]
fn words_are_judged() {
    let with = |change: fn(&mut RawConfig)| {
        let mut raw = remote();
        raw.rate = some("1");
        change(&mut raw);
        raw
    };
    assert_refused(with(|raw| raw.wait = some("nap")), "--wait", &["`nap`", "auto, spin, sleep"]);
    assert_refused(with(|raw| raw.driver = some("kqueue")), "--driver", &["auto, uring, epoll"]);
    assert_refused(with(|raw| raw.arrivals = some("bursty")), "--arrivals", &["uniform, poisson"]);
    for mode in [WaitMode::Auto, WaitMode::Spin, WaitMode::Sleep] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    for driver in [DriverChoice::Auto, DriverChoice::Uring, DriverChoice::Epoll] {
        assert_eq!(driver.to_string().parse(), Ok(driver));
    }
}

#[test]
fn methods_and_headers_are_judged() {
    let method = |text: &str| RawConfig { method: some(text), ..remote() };
    for bad in ["", "GE T", "GET\r\nX: y", "G\u{c9}T"] {
        assert_refused(method(bad), "-m", &["is not a method"]);
    }
    assert_refused(method("CONNECT"), "-m", &["tunnel"]);
    assert_eq!(accept(method("X-CUSTOM")).method, "X-CUSTOM");

    let header = |line: &str| RawConfig { headers: vec![line.into()], ..remote() };
    assert_refused(header("Accept"), "-H", &["`Accept` has no colon"]);
    for bad in [": x", "A B: x", "A : x"] {
        assert_refused(header(bad), "-H", &["is not a header name"]);
    }
    assert_refused(header("A: x\r\nB: y"), "-H", &["`A`", "line break"]);
    assert_refused(header("Transfer-Encoding: gzip"), "-H", &["`gzip` cannot be sent", "give `chunked`"]);
    assert_refused(header("content-length: 5"), "-H", &["`5`", "0 bytes"]);
    let twice = RawConfig { headers: vec!["Host: a".into(), "host: b".into()], ..remote() };
    assert_refused(twice, "-H", &["Host header is given twice"]);
    let exact = RawConfig { body: some("12345"), ..header("Content-Length: 5") };
    assert_eq!(accept(exact).headers.len(), 1);
    assert_eq!(accept(header("X-Empty:")).headers[0].1, "");
}

#[test]
fn bodies_are_judged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("body.bin");
    std::fs::write(&path, [0, 255, 10]).unwrap();
    let file = |path: &std::path::Path| RawConfig { body_file: Some(path.into()), ..remote() };
    assert_eq!(*accept(file(&path)).body, [0, 255, 10]);

    let missing = dir.path().join("missing");
    assert_refused(file(&missing), "--body-file", &["cannot read", "missing", "No such file"]);
    assert_refused(file(dir.path()), "--body-file", &["cannot read"]);
    let both = RawConfig { body: some("x"), ..file(&path) };
    assert_refused(both, "--body", &["give one of them"]);
    let endless = RawConfig { pipeline: Some(1_024), ..file("/dev/zero".as_ref()) };
    assert_refused(endless, "--body-file", &["1,048,576 bytes", "divided by -p"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let (options, message) = refuse(RawConfig {
        connections: Some(0),
        threads: Some(0),
        duration: some("x"),
        rate: some("-1"),
        headers: vec!["a".into(), "b".into()],
        ..RawConfig::default()
    });
    for option in ["URL", "-c", "-t", "-d", "-R", "-H"] {
        assert!(options.contains(&option), "{option}: {message}");
    }
    assert_eq!(options.len(), 7);
    assert!(message.starts_with("7 problems with the options:\n  "), "{message}");
    assert_eq!(message.lines().count(), 8);
}

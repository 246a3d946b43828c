//! Dialing to connect: what is taken, what is refused, how the pairs lie, and what is foreseen of ports.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;

use super::refused::assert_refused;
use super::*;

fn with(connect: RawConnect) -> RawConfig {
    RawConfig { connect, ..remote() }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn resolve(texts: &[&str]) -> RawConfig {
    with(RawConnect { resolve: strings(texts), ..RawConnect::default() })
}

fn sources(texts: &[&str]) -> RawConfig {
    with(RawConnect { sources: strings(texts), ..RawConnect::default() })
}

/// The pairs that connections take turns over, as `source>target`.
fn pairs(config: &RunConfig) -> Vec<String> {
    let endpoints = config.dialing.endpoints(&config.addresses);
    let shown = endpoints.iter().map(|endpoint| {
        let target = endpoint.addr.as_socket().unwrap().ip();
        format!("{}>{target}", endpoint.source.map(|ip| ip.to_string()).unwrap_or_default())
    });
    shown.collect()
}

#[test]
fn a_name_gets_the_addresses_that_were_given() {
    let config = accept(resolve(&["Remote.Example:8080:192.0.2.7, [2001:db8::7],192.0.2.7"]));
    let addresses: Vec<String> = config.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.7:8080", "[2001:db8::7]:8080"]);
    assert_eq!(config.dialing.resolve[0].to_string(), "remote.example:8080:192.0.2.7,2001:db8::7");
    assert_eq!(pairs(&config), [">192.0.2.7", ">2001:db8::7"]);
    let raw = RawConfig { url: "http://[::1]:81/".into(), ..resolve(&["[::1]:81:::2"]) };
    assert_eq!(accept(raw).addresses, ["[::2]:81".parse::<SocketAddr>().unwrap()]);
}

#[test]
fn forms_that_are_none_are_refused_with_an_example() {
    for (text, part) in [
        ("remote.example", "no port"),
        ("remote.example:8080", "no address"),
        ("remote.example:x:192.0.2.1", "1 to 65535"),
        ("remote.example:0:192.0.2.1", "1 to 65535"),
        ("remote.example:8080:", "`` is not an IP address"),
        ("remote.example:8080:local", "`local` is not an IP address"),
        ("remote.example:8080:192.0.2.1,", "not an IP address"),
        (":8080:192.0.2.1", "no host"),
        ("*:8080:192.0.2.1", "name the host"),
        ("[::1:8080:192.0.2.1", "bracket"),
    ] {
        assert_refused(resolve(&[text]), "--resolve", &[part, "for example shop.example:80:10.0.0.7"]);
    }
    let twice = ["remote.example:8080:192.0.2.1", "REMOTE.example:8080:192.0.2.2"];
    assert_refused(resolve(&twice), "--resolve", &["`remote.example:8080` is given twice"]);
}

#[test]
fn an_entry_for_nothing_is_told() {
    for entry in ["remote.exmaple:8080:192.0.2.1", "remote.example:80:192.0.2.1"] {
        assert_refused(
            resolve(&["remote.example:8080:192.0.2.1", entry]),
            "--resolve",
            &[entry, "asks for remote.example:8080"],
        );
    }
}

#[test]
fn sources_are_pairs_with_the_addresses_of_their_family() {
    let config = accept(sources(&["192.0.2.50,192.0.2.51", "::1", "192.0.2.50"]));
    let mut all = pairs(&config);
    all.sort();
    assert_eq!(all, ["192.0.2.50>192.0.2.1", "192.0.2.51>192.0.2.1", "::1>2001:db8::1"]);
    assert_eq!(config.dialing.sources_given, ["192.0.2.50", "192.0.2.51", "::1", "192.0.2.50"]);
    // Of the target's families only those that a source reaches.
    assert_eq!(pairs(&accept(sources(&["192.0.2.50"]))), ["192.0.2.50>192.0.2.1"]);
    let range = accept(sources(&["127.0.1.3/30"]));
    assert_eq!(
        range.dialing.sources,
        ["127.0.1.0", "127.0.1.1", "127.0.1.2", "127.0.1.3"].map(|ip| ip.parse::<IpAddr>().unwrap())
    );
    let one = accept(sources(&["::1/128"]));
    assert_eq!(one.dialing.sources, ["::1".parse::<IpAddr>().unwrap()]);
}

#[test]
fn sources_that_cannot_be_are_refused() {
    for (text, parts) in [
        ("192.0.2.9", ["`192.0.2.9` is not an address of this host", "ip addr add 192.0.2.9/32"]),
        ("2001:db8::9", ["not an address of this host", "ip addr add 2001:db8::9/128"]),
        ("192.0.2.58/29", ["`192.0.2.60` is not an address of this host", "ip addr add 192.0.2.60/32"]),
        ("eth0", ["`eth0`: this is not an IP address", "127.0.1.0/28"]),
        ("", ["not an IP address", "127.0.1.0/28"]),
        ("0.0.0.0", ["cannot come from", "127.0.1.0/28"]),
        ("127.0.0.0/33", ["a number up to 32", "127.0.1.0/28"]),
        ("127.0.0.0/8", ["more than 4096", "/20 is the largest"]),
    ] {
        assert_refused(sources(&[text]), "--source", &parts);
    }
    assert_refused(sources(&["127.0.0.0/20", "127.1.0.1"]), "--source", &["4097 addresses"]);
    let four = ["remote.example:8080:192.0.2.1"];
    let raw = |source| RawConfig {
        connect: RawConnect { resolve: strings(&four), sources: strings(source), ..RawConnect::default() },
        ..remote()
    };
    assert_refused(
        raw(&["::1"]),
        "--source",
        &["`remote.example` has only IPv4 addresses (192.0.2.1)", "(::1)"],
    );
    assert_refused(
        raw(&["192.0.2.50", "::1"]),
        "--source",
        &["`::1` is IPv6", "only IPv4 addresses (192.0.2.1)"],
    );
}

/// How often each of `things` occurs, as the difference between most and least.
fn spread<T: Ord>(things: impl Iterator<Item = T>, kinds: usize) -> usize {
    let mut counts = BTreeMap::new();
    things.for_each(|thing| *counts.entry(thing).or_insert(0) += 1);
    let least = if counts.len() < kinds { 0 } else { *counts.values().min().unwrap() };
    counts.values().max().unwrap_or(&0) - least
}

proptest! {
    #[test]
    fn any_stretch_of_the_pairs_is_even_over_the_targets(targets in 1usize..9, hosts in 1u32..9, from in 0usize..80, len in 1usize..80) {
        let list: Vec<String> = (1..=targets).map(|n| format!("198.51.100.{n}")).collect();
        let entry = format!("remote.example:8080:{}", list.join(","));
        let own: Vec<String> = (1..=hosts).map(|n| format!("127.0.0.{n}")).collect();
        let raw = RawConnect { resolve: vec![entry], sources: own, ..RawConnect::default() };
        let config = accept(with(raw));
        let all = pairs(&config);
        prop_assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), targets * hosts as usize);
        let stretch: Vec<(&str, &str)> = all.iter().cycle().skip(from).take(len).map(|p| p.split_once('>').unwrap()).collect();
        prop_assert!(spread(stretch.iter().map(|(_, target)| target), targets) <= 1);
        // A shift lies between two rounds, so a source may be one ahead at either end.
        prop_assert!(spread(stretch.iter().map(|(source, _)| source), hosts as usize) <= 3);
    }
}

#[test]
fn both_families_are_there_from_the_start() {
    let raw = RawConnect {
        resolve: strings(&["remote.example:8080:192.0.2.1,2001:db8::1"]),
        sources: strings(&["192.0.2.50,192.0.2.51,192.0.2.52,192.0.2.53", "::1"]),
        ..RawConnect::default()
    };
    let all = pairs(&accept(with(raw)));
    assert_eq!(all.iter().position(|pair| pair.contains("::1>")), Some(2), "{all:?}");
}

#[test]
fn a_unix_socket_is_one_that_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let unix = |path: &Path| RawConnect { unix_socket: Some(path.into()), ..RawConnect::default() };
    let config = accept(RawConfig { url: "http://nowhere.invalid/".into(), ..with(unix(&path)) });
    assert!(config.addresses.is_empty() && config.shared_host);
    let endpoints = config.dialing.endpoints(&config.addresses);
    assert_eq!(endpoints[0].addr.as_pathname(), Some(path.as_path()));

    let refused = |path: &Path, parts: &[&str]| assert_refused(with(unix(path)), "--unix-socket", parts);
    refused(&directory.path().join("none"), &["/none`", "is the target running"]);
    refused(directory.path(), &["is not a socket"]);
    refused(Path::new(""), &["empty"]);
    let long = format!("/{}", "x".repeat(107));
    refused(Path::new(&long), &["108 bytes", "at most 107"]);
    for (flag, more) in [
        ("--resolve", RawConnect { resolve: strings(&["remote.example:8080:192.0.2.1"]), ..unix(&path) }),
        ("--source", RawConnect { sources: strings(&["192.0.2.50"]), ..unix(&path) }),
        ("--tcp-congestion", RawConnect { congestion: some("reno"), ..unix(&path) }),
        ("--dns-ttl", RawConnect { dns_ttl: some("5s"), ..unix(&path) }),
        ("--allow-host", RawConnect { allow_hosts: strings(&["a.example"]), ..unix(&path) }),
    ] {
        assert_refused(with(more), flag, &["does not go with --unix-socket"]);
    }
    let proxied = RawConfig { proxy: some("http://127.0.0.1:3128"), ..with(unix(&path)) };
    assert_refused(proxied, "--proxy", &["does not go with --unix-socket"]);
}

#[test]
fn names_are_looked_up_again_where_there_are_any() {
    let ttl = |text: &str| RawConnect { dns_ttl: some(text), ..RawConnect::default() };
    assert_eq!(accept(with(ttl("30s"))).names.ttl(), Nanos::from_secs(30));
    assert!(accept(with(ttl("30s"))).names.asks());
    assert!(!accept(remote()).names.asks() && accept(remote()).names.ttl() == Nanos::MAX);
    assert_eq!(accept(with(ttl("0"))).names.ttl, Some(Nanos::ZERO), "as k6 has it");
    assert_refused(with(ttl("soon")), "--dns-ttl", &["`soon`"]);
    let literal = |connect| RawConfig { url: "http://192.0.2.1/".into(), connect, ..RawConfig::default() };
    assert_refused(literal(ttl("5s")), "--dns-ttl", &["`192.0.2.1` is an address", "leave it out"]);
    let fixed = RawConnect { resolve: strings(&["remote.example:8080:192.0.2.1"]), ..ttl("5s") };
    assert_refused(with(fixed), "--dns-ttl", &["--resolve", "leave it out"]);
    let redirected = RawConfig { max_redirects: Some(2), ..literal(ttl("5s")) };
    assert!(accept(redirected).names.open_ended);
}

#[test]
fn each_origin_has_the_proxy_that_its_scheme_and_host_have() {
    let host = TestHost {
        variables: vec![
            ("http_proxy", "http://me:secret@192.0.2.9:3128"),
            ("https_proxy", "192.0.2.8:3129"),
            ("no_proxy", "remote.example"),
        ],
        ..TestHost::new()
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    let urls = ["http://a.example/1", "https://a.example/2", "http://remote.example/3", "http://127.0.0.1/4"];
    let steps: Vec<String> = urls.iter().map(|url| format!("[[steps]]\nurl = \"{url}\"\n")).collect();
    std::fs::write(&path, steps.concat()).unwrap();
    let raw = |proxy: Option<&str>| RawConfig {
        url: path.display().to_string(),
        tls: RawTls { insecure: true, ..RawTls::default() },
        proxy: proxy.map(str::to_owned),
        ..RawConfig::default()
    };
    let config = validate_on(raw(None), None, &host).unwrap();
    let called: Vec<String> =
        config.origin_addresses.iter().map(|all| all[all.len() - 1].to_string()).collect();
    assert_eq!(called, ["192.0.2.9:3128", "192.0.2.8:3129", "192.0.2.1:80", "127.0.0.1:80"]);
    let tunnels: Vec<bool> = config.routes.to_origins.iter().map(|route| route.tunnel.is_some()).collect();
    assert_eq!(tunnels, [false, true, false, false]);
    let workload = config.workload.unwrap();
    let line = |at: usize| {
        let bytes = workload.steps[at].request.constant().unwrap();
        String::from_utf8_lossy(bytes).lines().next().unwrap().to_owned()
    };
    assert_eq!(line(0), "GET http://a.example/1 HTTP/1.1");
    assert_eq!([1, 2, 3].map(line), [2, 3, 4].map(|n| format!("GET /{n} HTTP/1.1")));
    // One that is given is for all of them, this host too.
    let config = validate_on(raw(Some("192.0.2.7:1")), None, &host).unwrap();
    assert!(config.origin_addresses.iter().all(|all| all[0].to_string() == "192.0.2.7:1"));
}

#[test]
fn hosts_are_allowed_where_redirects_are_followed() {
    let allow = |hosts: &[&str]| RawConnect { allow_hosts: strings(hosts), ..RawConnect::default() };
    let following = |connect| RawConfig { max_redirects: Some(2), ..with(connect) };
    let rules = accept(following(allow(&["CDN.example", "*.b.example"]))).names;
    assert!(rules.open_ended && rules.asks());
    assert!(rules.allowed[0].fits("cdn.example") && rules.allowed[1].fits("a.b.example"));
    assert_refused(with(allow(&["cdn.example"])), "--allow-host", &["--max-redirects", "leave it out"]);
    assert_refused(following(allow(&["*"])), "--allow-host", &["`*`", "*.example"]);
    // What turns up may have its addresses from the flags, and be https.
    let more = RawConnect { resolve: strings(&["cdn.example:443:192.0.2.9"]), ..RawConnect::default() };
    let secure = RawTls { insecure: true, ..RawTls::default() };
    let config = accept(RawConfig { tls: secure, ..following(more) });
    assert!(config.routes.connector.is_some() && config.routes.tls.is_some_and(|choice| choice.insecure));
    let plain = accept(following(RawConnect::default()));
    assert!(plain.routes.connector.is_none() && plain.routes.tls.is_some());
}

#[test]
fn the_congestion_control_is_tried() {
    let congestion = |name| with(RawConnect { congestion: some(name), ..RawConnect::default() });
    let config = accept(congestion("reno"));
    let endpoints = config.dialing.endpoints(&config.addresses);
    assert!(endpoints.iter().all(|endpoint| endpoint.congestion.as_deref() == Some("reno")));
    assert_refused(
        congestion("vegas"),
        "--tcp-congestion",
        &["no congestion control `vegas`", "it has", "reno"],
    );
    assert_refused(congestion("cubic"), "--tcp-congestion", &["`cubic` is not for every process", "reno"]);
}

fn with_ports(raw: RawConfig, count: u32) -> Result<RunConfig, ConfigError> {
    let ports = LocalPorts { range: (40_000, 40_000 + count as u16 - 1), count };
    validate_on(raw, None, &TestHost { ports, descriptors: 1 << 20, ..TestHost::new() })
}

#[test]
fn more_connections_than_ports_are_refused() {
    let raw = |connections, connect| RawConfig { connections: Some(connections), connect, ..remote() };
    let none = RawConnect::default;
    // The name has two addresses.
    assert_eq!(with_ports(raw(20, none()), 10).unwrap().connections, 20);
    let error = with_ports(raw(21, none()), 10).unwrap_err().to_string();
    for part in [
        "-c: 21 connections over 2 pairs",
        "need 11 local ports each",
        "there are 10",
        "40000 to 40009",
        "--source",
        "most 20",
    ] {
        assert!(error.contains(part), "no `{part}` in: {error}");
    }
    let more = RawConnect { sources: strings(&["192.0.2.50,192.0.2.51,::1"]), ..none() };
    assert_eq!(with_ports(raw(30, more.clone()), 10).unwrap().connections, 30);
    assert!(with_ports(raw(31, more), 10).unwrap_err().to_string().contains("Add addresses to --source"));
    let users = RawConfig { vus: Some(21), ..remote() };
    assert!(with_ports(users, 10).unwrap_err().to_string().starts_with("--vus: 21"));
}

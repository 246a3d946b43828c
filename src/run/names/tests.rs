//! The service through its channels, with a scripted name server behind it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::clock;
use crate::run::config::{HostPattern, Override, Proxies, Proxy, RawConfig, RawConnect};
use crate::run::resolve::scripted::{Reply, Server};
use crate::transport::tls::{Connector, MinVersion, Roots, TlsSettings};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(8);

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn anyone() -> Connector {
    let settings = TlsSettings {
        roots: Roots::Anyone,
        identity: None,
        resumption: false,
        min_version: MinVersion::default(),
    };
    Connector::new(&settings).unwrap()
}

/// A run whose target is `planned`, at `address`.
fn setup(server: &Server, planned: &str, address: &str) -> Setup {
    let addr = SocketAddr::new(address.parse().unwrap(), url(planned).port);
    Setup {
        planned: vec![(url(planned), vec![addr])],
        rules: NameRules { open_ended: true, ..NameRules::default() },
        dialing: Dialing::default(),
        routes: Routes {
            to_origins: Vec::new(),
            tls: None,
            connector: Some(anyone()),
            proxies: Proxies::default(),
        },
        sources: server.sources("", "options timeout:1 attempts:1"),
        limit: Nanos::from_secs(5),
    }
}

/// A run against a public target.
fn public(server: &Server) -> Setup {
    setup(server, "http://target.example/", "192.0.2.250")
}

fn ask(names: &Names, origin: u32, to: &str, from: &str) {
    names.ask.try_send(Lookup { origin, url: url(to), from: url(from) }).unwrap();
}

fn found(names: &Names) -> Found {
    names.found.recv_timeout(PATIENCE).unwrap()
}

/// The addresses, with the ports, that a question of one worker leads to.
fn find(setup: Setup, to: &str, from: &str) -> Result<Vec<String>, Unreachable> {
    let (names, handle) = serve(setup, 1).unwrap();
    ask(&names[0], 7, to, from);
    let reply = found(&names[0]);
    assert_eq!(reply.origin, 7);
    drop(names);
    handle.join();
    reply.result.map(|ways| addresses(&ways))
}

fn addresses(ways: &[(crate::driver::Endpoint, crate::transport::Route)]) -> Vec<String> {
    ways.iter().map(|(endpoint, _)| endpoint.addr.as_socket().unwrap().to_string()).collect()
}

fn kind(result: &Result<Vec<String>, Unreachable>) -> ErrorKind {
    result.as_ref().unwrap_err().kind
}

#[test]
fn an_origin_that_turns_up_is_found_with_its_port() {
    let server = Server::new(|_| Reply::Addresses(ips(&["192.0.2.1", "192.0.2.2"])));
    let (names, handle) = serve(public(&server), 1).unwrap();
    ask(&names[0], 3, "http://other.example:8080/", "http://target.example/");
    let reply = found(&names[0]);
    assert_eq!((reply.origin, reply.ttl), (3, Nanos::MAX));
    assert_eq!(
        names[0].forwarding.as_ref().and_then(|forwarding| forwarding.to(&url("http://other.example/"))),
        None
    );
    let ways = reply.result.unwrap();
    assert_eq!(addresses(&ways), ["192.0.2.1:8080", "192.0.2.2:8080"]);
    assert!(ways.iter().all(|(_, route)| route.is_direct()));
    ask(&names[0], 4, "https://other.example/", "http://target.example/");
    let ways = found(&names[0]).result.unwrap();
    assert_eq!(addresses(&ways), ["192.0.2.1:443", "192.0.2.2:443"]);
    assert!(ways.iter().all(|(_, route)| route.tls.is_some() && route.tunnel.is_none()));
    // Once for each family: the name was known the second time.
    assert_eq!(server.asked(), ["other.example", "other.example"]);
    drop(names);
    handle.join();
}

#[test]
fn failures_have_their_kinds() {
    let server = Server::new(|name| match name {
        "none.example" => Reply::Code(3),
        "broken.example" => Reply::Code(2),
        "empty.example" => Reply::Addresses(Vec::new()),
        _ => Reply::Silence,
    });
    for (host, expected, part) in [
        ("none.example", ErrorKind::Dns, "NXDOMAIN"),
        ("broken.example", ErrorKind::Dns, "SERVFAIL"),
        ("empty.example", ErrorKind::Dns, "no address"),
        ("silent.example", ErrorKind::DnsTimeout, "no response within"),
    ] {
        let result = find(public(&server), &format!("http://{host}/"), "http://target.example/");
        assert_eq!(kind(&result), expected, "{host}");
        let cause = result.unwrap_err().cause;
        assert!(cause.contains(host) && cause.contains(part), "{cause}");
    }
}

#[test]
fn a_name_that_hangs_delays_no_other() {
    let server = Server::new(|name| match name {
        "hangs.example" => Reply::Silence,
        _ => Reply::Addresses(ips(&["192.0.2.1"])),
    });
    let mut setup = public(&server);
    setup.sources = server.sources("", "options timeout:30");
    setup.limit = Nanos::from_millis(1_500);
    let (names, _handle) = serve(setup, 1).unwrap();
    let begun = clock::now();
    ask(&names[0], 1, "http://hangs.example/", "http://target.example/");
    for origin in 2..200 {
        ask(&names[0], origin, &format!("http://n{origin}.example/"), "http://target.example/");
    }
    for _ in 2..200 {
        let reply = found(&names[0]);
        assert!(reply.origin != 1 && reply.result.is_ok(), "{reply:?}");
    }
    assert!(clock::now() - begun < Nanos::from_millis(1_500));
    let reply = found(&names[0]);
    assert_eq!((reply.origin, reply.result.unwrap_err().kind), (1, ErrorKind::DnsTimeout));
    assert!(clock::now() - begun < Nanos::from_secs(4));
}

#[test]
fn so_many_are_looked_up_at_a_time_and_no_more() {
    let server = Server::new(|_| Reply::Silence);
    let mut setup = public(&server);
    setup.sources = server.sources("", "options timeout:30");
    setup.limit = Nanos::from_millis(700);
    let (names, _handle) = serve(setup, 1).unwrap();
    for origin in 0..(2 * LOOKUPS_MAX as u32) {
        ask(&names[0], origin, &format!("http://n{origin}.example/"), "http://target.example/");
    }
    clock::sleep(Nanos::from_millis(350));
    let mut asked = server.asked();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), LOOKUPS_MAX);
    for _ in 0..2 * LOOKUPS_MAX {
        assert_eq!(found(&names[0]).result.unwrap_err().kind, ErrorKind::DnsTimeout);
    }
}

#[test]
fn a_name_that_several_ask_for_is_looked_up_once() {
    let server = Server::new(|_| {
        clock::sleep(Nanos::from_millis(100));
        Reply::Addresses(ips(&["192.0.2.1"]))
    });
    let (names, _handle) = serve(public(&server), 4).unwrap();
    for (at, names) in names.iter().enumerate() {
        // Schemes and ports do not matter to a name.
        ask(names, at as u32, &format!("http://same.example:{}/", 80 + at), "http://target.example/");
    }
    for (at, names) in names.iter().enumerate() {
        let reply = found(names);
        assert_eq!(reply.origin, at as u32);
        assert_eq!(addresses(&reply.result.unwrap()), [format!("192.0.2.1:{}", 80 + at)]);
    }
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn so_many_origins_and_no_more() {
    let server = Server::new(|_| Reply::Silence);
    let (names, _handle) = serve(setup(&server, "http://127.0.0.1/", "127.0.0.1"), 2).unwrap();
    let go = |worker: usize, port: usize| {
        ask(&names[worker], port as u32, &format!("http://127.0.0.1:{port}/"), "http://127.0.0.1/");
        found(&names[worker]).result.map(|ways| addresses(&ways))
    };
    for at in 0..ORIGINS_MAX {
        assert!(go(at % 2, 1_000 + at).is_ok());
    }
    let refused = go(0, 999);
    assert_eq!(kind(&refused), ErrorKind::NotAllowed);
    let cause = refused.unwrap_err().cause;
    assert!(cause.contains("127.0.0.1:999") && cause.contains("1,000"), "{cause}");
    // Those that are known, and the plan's own, are not refused.
    assert!(go(1, 1_000).is_ok() && go(0, 80).is_ok());
}

#[test]
fn an_inner_target_leads_to_a_public_address_only_where_that_is_allowed() {
    let server = Server::new(|name| match name {
        "mixed.example" => Reply::Addresses(ips(&["203.0.113.1", "10.0.0.1"])),
        "inner.example" => Reply::Addresses(ips(&["192.168.3.4"])),
        _ => Reply::Addresses(ips(&["203.0.113.1"])),
    });
    let inner = || setup(&server, "http://app.internal/", "10.1.2.3");
    let from = "http://app.internal/";
    let refused = find(inner(), "https://cdn.example/", from);
    assert_eq!(kind(&refused), ErrorKind::NotAllowed);
    let cause = refused.unwrap_err().cause;
    for part in ["app.internal", "cdn.example", "203.0.113.1", "--allow-host cdn.example"] {
        assert!(cause.contains(part), "{cause}");
    }
    assert_eq!(kind(&find(inner(), "http://203.0.113.9/", from)), ErrorKind::NotAllowed);
    assert_eq!(find(inner(), "http://inner.example/", from).unwrap(), ["192.168.3.4:80"]);
    assert_eq!(find(inner(), "http://127.0.0.1:81/", from).unwrap(), ["127.0.0.1:81"]);
    assert_eq!(find(inner(), "http://mixed.example/", from).unwrap(), ["10.0.0.1:80"]);
    let allow = |pattern: &str| {
        let mut setup = inner();
        setup.rules.allowed = vec![pattern.parse::<HostPattern>().unwrap()];
        find(setup, "http://cdn.example/", from)
    };
    assert_eq!(allow("*.example").unwrap(), ["203.0.113.1:80"]);
    assert_eq!(allow("cdn.example").unwrap(), ["203.0.113.1:80"]);
    assert_eq!(kind(&allow("other.example")), ErrorKind::NotAllowed);
    // From public to anywhere.
    assert_eq!(
        find(public(&server), "http://cdn.example/", "http://target.example/").unwrap(),
        ["203.0.113.1:80"]
    );
    assert_eq!(find(public(&server), "http://10.0.0.9/", "http://target.example/").unwrap(), ["10.0.0.9:80"]);
}

#[test]
fn the_rule_holds_from_hop_to_hop_and_not_for_the_plans_own() {
    let server = Server::new(|name| match name {
        "inner.example" => Reply::Addresses(ips(&["10.0.0.1"])),
        _ => Reply::Addresses(ips(&["203.0.113.1"])),
    });
    let mut setup = public(&server);
    setup.rules.ttl = Some(Nanos(1));
    let (names, _handle) = serve(setup, 1).unwrap();
    let go = |to, from| {
        ask(&names[0], 1, to, from);
        found(&names[0]).result.map(|ways| addresses(&ways))
    };
    assert!(go("http://inner.example/", "http://target.example/").is_ok());
    assert_eq!(kind(&go("http://cdn.example/", "http://inner.example/")), ErrorKind::NotAllowed);
    assert!(go("http://target.example/", "http://inner.example/").is_ok());
}

#[test]
fn addresses_are_asked_for_again_after_their_time() {
    let address = Arc::new(Mutex::new(Some("192.0.2.1")));
    let now = Arc::clone(&address);
    let server = Server::new(move |_| match *now.lock().unwrap() {
        Some(address) => Reply::Addresses(ips(&[address])),
        None => Reply::Code(3),
    });
    let mut setup = public(&server);
    let ttl = Nanos::from_millis(300);
    setup.rules = NameRules { ttl: Some(ttl), ..NameRules::default() };
    let (names, _handle) = serve(setup, 2).unwrap();
    let go = |worker: usize| {
        ask(&names[worker], 0, "http://target.example/", "http://target.example/");
        let reply = found(&names[worker]);
        assert!(reply.result.is_err() || reply.ttl <= ttl, "{reply:?}");
        reply.result.map(|ways| addresses(&ways))
    };
    // What the run began with is believed as long.
    assert_eq!(go(0).unwrap(), ["192.0.2.250:80"]);
    clock::sleep(ttl);
    assert_eq!(go(0).unwrap(), ["192.0.2.1:80"]);
    *address.lock().unwrap() = Some("192.0.2.2");
    // All workers see the same for its time.
    assert_eq!(go(1).unwrap(), ["192.0.2.1:80"]);
    clock::sleep(ttl);
    assert_eq!(go(1).unwrap(), ["192.0.2.2:80"]);
    *address.lock().unwrap() = None;
    clock::sleep(ttl);
    assert_eq!(kind(&go(0)), ErrorKind::Dns);
    *address.lock().unwrap() = Some("192.0.2.3");
    assert_eq!(go(0).unwrap(), ["192.0.2.3:80"]);
}

#[test]
fn the_ways_of_the_flags_hold_for_what_turns_up() {
    let server = Server::new(|_| Reply::Addresses(ips(&["192.0.2.1", "2001:db8::1"])));
    let overridden = Override { host: "other.example".into(), port: 81, addresses: ips(&["192.0.2.77"]) };
    let mut setup = public(&server);
    setup.dialing = Dialing {
        resolve: vec![overridden],
        sources: ips(&["127.0.0.1", "127.0.0.2"]),
        sources_given: vec!["127.0.0.1/31".into()],
        congestion: Some("reno".into()),
        ..Dialing::default()
    };
    let (names, _handle) = serve(setup, 1).unwrap();
    let go = |to| {
        ask(&names[0], 1, to, "http://target.example/");
        found(&names[0]).result
    };
    let ways = go("http://other.example:81/").unwrap();
    assert_eq!(addresses(&ways), ["192.0.2.77:81"; 2]);
    let sources: Vec<_> = ways.iter().filter_map(|(endpoint, _)| endpoint.source).collect();
    assert_eq!(sources, ips(&["127.0.0.1", "127.0.0.2"]));
    assert!(ways.iter().all(|(endpoint, _)| endpoint.congestion.as_deref() == Some("reno")));
    // The name's IPv6 address cannot be reached from there.
    assert_eq!(addresses(&go("http://other.example/").unwrap()), ["192.0.2.1:80"; 2]);
    let unreachable = go("http://[2001:db8::7]/").unwrap_err();
    assert_eq!(unreachable.kind, ErrorKind::Connect);
    assert!(unreachable.cause.contains("only IPv6 addresses"), "{}", unreachable.cause);
}

#[test]
fn what_turns_up_goes_through_the_proxy() {
    let server = Server::new(|_| Reply::Code(3));
    let mut setup = setup(&server, "http://target.example/", "10.0.0.5");
    let proxy = Proxy { url: url("http://proxy.example:3128/"), authorization: Some("Basic eA==".into()) };
    setup.routes.proxies = Proxies::everywhere(proxy);
    let (names, _handle) = serve(setup, 1).unwrap();
    let go = |to, from| {
        ask(&names[0], 1, to, from);
        found(&names[0])
    };
    let reply = go("http://other.example:81/", "http://target.example/");
    // Known before the reply is there.
    let forwarding = names[0].forwarding.clone().unwrap();
    let forward = forwarding.to(&url("http://other.example:81/")).unwrap();
    assert_eq!(forward.prefix, "http://other.example:81");
    assert_eq!(forward.authorization.as_deref(), Some("Basic eA=="));
    let ways = reply.result.unwrap();
    assert_eq!(addresses(&ways), ["10.0.0.5:3128"]);
    assert!(ways[0].1.is_direct());
    let reply = go("https://other.example/", "http://target.example/");
    assert_eq!(forwarding.to(&url("https://other.example/")), None);
    let ways = reply.result.unwrap();
    let tunnel = String::from_utf8(ways[0].1.tunnel.as_ref().unwrap().to_vec()).unwrap();
    assert!(tunnel.starts_with("CONNECT other.example:443 ") && ways[0].1.tls.is_some(), "{tunnel}");
    // The proxy alone knows who is where; what is written is judged.
    let reply = go("http://other.example/", "http://127.0.0.1/");
    assert_eq!(reply.result.unwrap_err().kind, ErrorKind::NotAllowed);
    assert!(go("http://localhost/", "http://127.0.0.1/").result.is_ok());
    assert!(server.asked().is_empty());
}

#[test]
fn a_unix_socket_is_where_everything_goes() {
    let server = Server::new(|_| Reply::Silence);
    let mut setup = setup(&server, "http://app/", "127.0.0.1");
    setup.planned[0].1.clear();
    setup.dialing.unix_socket = Some("/run/app.sock".into());
    let (names, _handle) = serve(setup, 1).unwrap();
    ask(&names[0], 1, "https://public.example/", "http://app/");
    let ways = found(&names[0]).result.unwrap();
    assert_eq!(ways.len(), 1);
    assert_eq!(ways[0].0.addr.as_pathname(), Some(std::path::Path::new("/run/app.sock")));
    assert!(ways[0].1.tls.is_some());
}

#[test]
fn it_ends_with_the_last_worker_whatever_hangs() {
    let server = Server::new(|_| Reply::Silence);
    let (mut names, handle) = serve(public(&server), 2).unwrap();
    ask(&names[0], 1, "http://hangs.example/", "http://target.example/");
    clock::sleep(Nanos::from_millis(50));
    names.remove(0);
    ask(&names[0], 1, "http://192.0.2.3/", "http://target.example/");
    assert!(found(&names[0]).result.is_ok());
    let begun = clock::now();
    drop(names);
    handle.join();
    assert!(clock::now() - begun < Nanos::from_secs(1));
}

#[test]
fn it_is_started_where_it_can_be_needed() {
    let config = |change: fn(&mut RawConfig)| {
        let mut raw = RawConfig { url: "http://localhost:1/".into(), ..RawConfig::default() };
        change(&mut raw);
        RunConfig::validate(raw).unwrap()
    };
    assert!(start(&config(|_| ()), 2).unwrap().is_none());
    for needed in [
        config(|raw| raw.max_redirects = Some(3)),
        config(|raw| raw.connect = RawConnect { dns_ttl: Some("5s".into()), ..RawConnect::default() }),
    ] {
        let (names, handle) = start(&needed, 2).unwrap().unwrap();
        assert_eq!(names.len(), 2);
        ask(&names[1], 0, "http://localhost:1/", "http://localhost:1/");
        let reply = found(&names[1]);
        let expected: Vec<String> = needed.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses(&reply.result.unwrap()), expected);
        assert!(reply.ttl == Nanos::MAX || reply.ttl <= Nanos::from_secs(5));
        drop(names);
        handle.join();
    }
}

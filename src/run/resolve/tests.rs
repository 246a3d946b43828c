//! The resolver against a scripted name server, and against the system's own.

use std::net::ToSocketAddrs;

use super::scripted::{Reply, Server};
use super::*;

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn sorted(mut addresses: Vec<SocketAddr>) -> Vec<IpAddr> {
    addresses.sort();
    addresses.into_iter().map(|addr| addr.ip()).collect()
}

fn ask(server: &Server, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    ask_with(server, host, "options timeout:1 attempts:1")
}

fn ask_with(server: &Server, host: &str, options: &str) -> Result<Vec<IpAddr>, ResolveError> {
    resolve_from(server.sources("", options), host, 80, RESOLVE_LIMIT).map(sorted)
}

/// What the system says to a name, at port 80.
#[expect(clippy::disallowed_methods, reason = "it is what the resolver is held against")]
fn getaddrinfo(host: &str) -> Vec<SocketAddr> {
    (host, 80).to_socket_addrs().unwrap().collect()
}

#[test]
fn literals_need_no_resolver() {
    let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
    let none = Sources { hosts: "/nowhere".into(), resolv_conf: "/nowhere".into(), port: 1 };
    let literal = |host, port| resolve_from(none.clone(), host, port, Nanos::ZERO).unwrap();
    assert_eq!(literal("127.0.0.1", 80), [addr("127.0.0.1:80")]);
    assert_eq!(literal("::1", 81), [addr("[::1]:81")]);
    // The forms of inet_aton(3), which getaddrinfo(3) takes too.
    for form in ["127.1", "0x7f.0.0.1", "2130706433"] {
        assert_eq!(literal(form, 80), [addr("127.0.0.1:80")], "{form}");
        assert_eq!(getaddrinfo(form), [addr("127.0.0.1:80")]);
    }
}

#[test]
fn localhost_is_loopback_whether_the_hosts_file_has_it_or_not() {
    let nowhere = Sources { hosts: "/nowhere".into(), resolv_conf: "/nowhere".into(), port: 1 };
    for host in ["localhost", "LOCALHOST", "app.localhost"] {
        let addresses = resolve_from(nowhere.clone(), host, 80, Nanos::ZERO).unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(|addr| addr.ip().is_loopback()), "{host}");
    }
}

#[test]
fn names_of_this_host_are_what_getaddrinfo_says() {
    let text = std::fs::read_to_string("/etc/hosts").unwrap();
    let lines = text.lines().map(|line| line.split('#').next().unwrap());
    let names: Vec<&str> = lines.flat_map(|line| line.split_whitespace().skip(1)).collect();
    assert!(names.contains(&"localhost"), "{text}");
    for host in names {
        let own = resolve(host, 80, RESOLVE_LIMIT).unwrap();
        let mut unique: Vec<SocketAddr> = Vec::new();
        for addr in getaddrinfo(host) {
            if !unique.contains(&addr) {
                unique.push(addr);
            }
        }
        assert_eq!(own, unique, "{host}");
    }
}

#[test]
fn the_hosts_file_comes_first_and_answers_for_both_families() {
    let server = Server::new(|_| Reply::Addresses(ips(&["192.0.2.99", "2001:db8::99"])));
    let hosts = "# comment\n192.0.2.1\tOne.example one # more\n192.0.2.1 one\n192.0.2.2 one\n::5 six\nrubbish six\n\
                 192.0.2.7 under_score\n\u{fffd}\n";
    let find = |host| resolve_from(server.sources(hosts, ""), host, 80, RESOLVE_LIMIT).map(sorted).unwrap();
    assert_eq!(find("one"), ips(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!(find("ONE.example"), ips(&["192.0.2.1"]));
    assert_eq!(find("six"), ips(&["::5"]));
    assert_eq!(find("under_score"), ips(&["192.0.2.7"]));
    assert!(server.asked().is_empty(), "{:?}", server.asked());
    assert_eq!(find("two"), ips(&["192.0.2.99", "2001:db8::99"]));
}

#[test]
fn both_families_and_several_addresses_each_once() {
    let all = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2"];
    let server = Server::new(move |_| Reply::Addresses(ips(&all)));
    let found = ask(&server, "many.example").unwrap();
    assert_eq!(found, ips(&["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]));
    let four = Server::new(|_| Reply::Addresses(ips(&["192.0.2.1"])));
    assert_eq!(ask(&four, "four.example").unwrap(), ips(&["192.0.2.1"]));
    let six = Server::new(|_| Reply::Addresses(ips(&["2001:db8::1"])));
    assert_eq!(ask(&six, "six.example").unwrap(), ips(&["2001:db8::1"]));
}

#[test]
fn the_order_of_one_family_is_the_servers() {
    let server = Server::new(|_| Reply::Addresses(ips(&["192.0.2.9", "192.0.2.1", "192.0.2.5"])));
    let found = resolve_from(server.sources("", ""), "turns.example", 80, RESOLVE_LIMIT).unwrap();
    let found: Vec<IpAddr> = found.into_iter().map(|addr| addr.ip()).collect();
    assert_eq!(found, ips(&["192.0.2.9", "192.0.2.1", "192.0.2.5"]));
}

/// As services of containers are called (`shop_web_1`), and what no browser would call.
#[test]
fn names_with_underscores_are_asked_for_as_they_are() {
    let server = Server::new(|_| Reply::Addresses(ips(&["10.0.0.9"])));
    for host in ["shop_web_1.test", "_shop.test", "shop_.a_b.test", "xn--.test", "a--b.test"] {
        assert_eq!(ask(&server, host).unwrap(), ips(&["10.0.0.9"]), "{host}");
        let asked = server.asked();
        assert!(asked.iter().any(|asked| asked == host), "{host}: {asked:?}");
    }
    let hosts = server.sources("10.0.0.8 shop_web_2", "");
    assert_eq!(resolve_from(hosts, "shop_web_2", 80, RESOLVE_LIMIT).map(sorted).unwrap(), ips(&["10.0.0.8"]));
}

#[test]
fn aliases_are_followed() {
    let server = Server::new(|_| Reply::Alias("real.example".into(), ips(&["192.0.2.3", "2001:db8::3"])));
    assert_eq!(ask(&server, "alias.example").unwrap(), ips(&["192.0.2.3", "2001:db8::3"]));
}

#[test]
fn what_does_not_fit_into_a_datagram_comes_over_tcp() {
    let server = Server::new(|_| Reply::Truncated(ips(&["192.0.2.4", "2001:db8::4"])));
    assert_eq!(ask(&server, "long.example").unwrap(), ips(&["192.0.2.4", "2001:db8::4"]));
}

#[test]
fn errors_name_the_host_and_the_cause() {
    let server = Server::new(|name| match name {
        "none.example" => Reply::Code(3),
        "broken.example" => Reply::Code(2),
        "refused.example" => Reply::Code(5),
        "silent.example" => Reply::Silence,
        _ => Reply::Addresses(Vec::new()),
    });
    for (host, part) in [
        ("none.example", "no such name (NXDOMAIN)"),
        ("broken.example", "SERVFAIL"),
        ("refused.example", "refuse"),
        ("silent.example", "no response within 1s"),
        ("empty.example", "has no address"),
    ] {
        let error = ask(&server, host).unwrap_err();
        let kind = match host {
            "silent.example" => matches!(error, ResolveError::Timeout { .. }),
            "empty.example" => matches!(error, ResolveError::Empty { .. }),
            _ => matches!(error, ResolveError::Failed { .. }),
        };
        let message = error.to_string();
        assert!(kind && message.contains(&format!("`{host}`")), "{message}");
        assert!(message.to_lowercase().contains(&part.to_lowercase()), "{message}");
    }
}

#[test]
fn a_server_that_says_nothing_costs_no_more_than_the_limit() {
    let server = Server::new(|_| Reply::Silence);
    let begun = clock::now();
    let sources = server.sources("", "options timeout:5 attempts:5");
    let error = resolve_from(sources, "slow.example", 80, Nanos::from_millis(300)).unwrap_err();
    assert!(matches!(error, ResolveError::Timeout { limit, .. } if limit == Nanos::from_millis(300)));
    assert!(clock::now() - begun < Nanos::from_secs(2));
}

#[test]
fn a_family_without_an_response_does_not_hide_the_other() {
    let server = Server::new(|_| Reply::Half(ips(&["192.0.2.1"])));
    assert_eq!(ask(&server, "half.example").unwrap(), ips(&["192.0.2.1"]));
}

#[test]
fn nobody_there_is_told() {
    let server = Server::new(|_| Reply::Silence);
    let sources = server.sources("", "options timeout:1 attempts:1");
    drop(server);
    let error = resolve_from(sources, "lost.example", 80, Nanos::from_secs(3)).unwrap_err();
    assert!(error.to_string().contains("`lost.example`"), "{error}");
}

#[test]
fn the_search_list_and_ndots_are_honoured() {
    let known = |name: &str| match name {
        "app.second.example" => Reply::Addresses(ips(&["192.0.2.8"])),
        "a.b" => Reply::Addresses(ips(&["192.0.2.9"])),
        _ => Reply::Code(3),
    };
    let asked = |host, options: &str| {
        let server = Server::new(known);
        let found = ask_with(&server, host, options);
        let mut asked = server.asked();
        asked.dedup();
        (found.ok(), asked)
    };
    let (found, names) = asked("app", "search first.example second.example");
    assert_eq!(found, Some(ips(&["192.0.2.8"])));
    assert_eq!(names, ["app.first.example", "app.second.example"]);
    // A name with as many dots as `ndots` is taken as it is first.
    assert_eq!(asked("a.b", "search first.example").1, ["a.b"]);
    assert_eq!(asked("a.b", "search first.example\noptions ndots:2").1, ["a.b.first.example", "a.b"]);
    assert_eq!(asked("app", "domain second.example").0, Some(ips(&["192.0.2.8"])));
    assert_eq!(asked("app.", "search second.example").1, ["app"]);
}

#[test]
fn attempts_and_servers_are_those_of_resolv_conf() {
    let server = Server::new(|_| Reply::Code(3));
    let with = |text: &str| settings(&server.sources("", text)).unwrap();
    let (config, options) = with(
        "nameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\noptions attempts:3 timeout:7",
    );
    assert_eq!((config.name_servers().len(), options.num_concurrent_reqs), (3, 3));
    // Three attempts of 7 s would outlast the limit.
    assert_eq!((options.attempts, options.timeout), (2, Duration::from_secs(3)));
    let (_, options) = with("options attempts:1 timeout:2");
    assert_eq!((options.attempts, options.timeout), (0, Duration::from_secs(2)));
    let nothing = Sources { hosts: "/nowhere".into(), resolv_conf: "/nowhere".into(), port: 53 };
    let (config, _) = settings(&nothing).unwrap();
    assert_eq!(config.name_servers()[0].ip, IpAddr::from(Ipv4Addr::LOCALHOST));
}

#[test]
fn one_dead_server_does_not_matter() {
    let server = Server::new(|_| Reply::Addresses(ips(&["192.0.2.6"])));
    // Nobody listens on that address at the server's port.
    let sources = server.sources("", "nameserver 127.0.0.9\noptions timeout:3");
    let begun = clock::now();
    assert_eq!(
        resolve_from(sources, "x.example", 80, RESOLVE_LIMIT).map(sorted).unwrap(),
        ips(&["192.0.2.6"])
    );
    assert!(clock::now() - begun < Nanos::from_secs(2));
}

#[test]
fn a_name_reserved_for_that_does_not_resolve() {
    let server = Server::new(|_| Reply::Code(3));
    let message = ask(&server, "squall-test.invalid").unwrap_err().to_string();
    assert!(message.contains("`squall-test.invalid`"), "{message}");
}

//! `--resolve`, `--source` and addresses in rotation: who calls whom, how often, over the whole run and all workers.

use std::collections::BTreeMap;
use std::fs;

use squall::driver::{Endpoint, socket};

use crate::common::run::{Done, drivers, run, squall, start_command};
use crate::common::skip::or_skip;
use crate::server::{self, Visit, tally};

const TWO: [&str; 2] = ["127.0.0.1", "127.0.0.2"];
/// Both engines, two workers where there are two cores.
const ENGINES: [&[&str]; 2] = [&["-c", "12"], &["--vus", "12"]];

fn workers() -> &'static str {
    if squall::run::machine::usable_cores().mask.len() > 1 { "2" } else { "1" }
}

fn visits_of(visits: &[Visit]) -> BTreeMap<String, u64> {
    let pair = |visit: &Visit| format!("{}>{}", visit.peer.unwrap(), visit.local.unwrap());
    tally(visits, pair).into_iter().collect()
}

/// The difference between the most and the fewest.
fn spread<'a>(counts: impl Iterator<Item = &'a u64> + Clone) -> u64 {
    counts.clone().max().unwrap_or(&0) - counts.min().unwrap_or(&0)
}

#[test]
fn connections_take_turns_over_all_addresses_of_a_name() {
    for driver in drivers() {
        for engine in ENGINES {
            let (port, book) = server::tcp(&TWO, 10).unwrap();
            let (url, entry) =
                (format!("http://Shop.invalid:{port}/"), format!("shop.invalid:{port}:127.0.0.1,127.0.0.2"));
            let fixed = ["--driver", driver, "-t", workers(), "--resolve", &entry];
            let done = run(&url, &[&fixed, engine, &["-d", "300ms"]].concat()).exits(0).balanced();
            assert!(done.completed() > 0 && done.failed() == 0);
            let addresses = [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")];
            assert_eq!(done.at("/config/addresses"), &serde_json::json!(addresses));
            assert_eq!(done.at("/config/resolve"), &serde_json::json!([entry]));
            let visits = book.closed();
            let shares: Vec<u64> = tally(&visits, |visit| visit.local).into_iter().map(|(_, n)| n).collect();
            assert_eq!(shares, [6, 6], "{driver} {engine:?}");
            assert!(visits.iter().all(|visit| visit.host == format!("shop.invalid:{port}")), "{visits:?}");

            // And over all connections of a run in which they come and go: each worker may be one ahead.
            let done =
                run(&url, &[&fixed, engine, &["-n", "301", "--no-keepalive"]].concat()).exits(0).balanced();
            assert_eq!(done.count("/connections/established"), 301);
            let shares: Vec<u64> =
                tally(&book.closed(), |visit| visit.local).into_iter().map(|(_, n)| n).collect();
            assert!(shares.len() == 2 && spread(shares.iter()) <= 2, "{driver} {engine:?}: {shares:?}");
        }
    }
}

#[test]
fn few_connections_of_several_workers_do_not_all_take_the_first_addresses() {
    let four = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];
    let (port, book) = server::tcp(&four, 10).unwrap();
    let entry = format!("h.invalid:{port}:{}", four.join(","));
    let url = format!("http://h.invalid:{port}/");
    for engine in [["-c", "4"], ["--vus", "4"]] {
        run(&url, &[&["-t", workers(), "--resolve", &entry, "-d", "200ms"], &engine[..]].concat()).exits(0);
        let shares = tally(&book.closed(), |visit| visit.local);
        assert_eq!(shares.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [1, 1, 1, 1], "{engine:?}");
    }
}

#[test]
fn origins_of_a_plan_are_resolved_apart() {
    let (port, book) = server::tcp(&TWO, 10).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.toml");
    let text = format!(
        "vus = 4\nduration = \"1s\"\n[origins]\na = \"http://a.invalid:{port}\"\nb = \"http://b.invalid:{port}\"\n\
         [steps.one]\norigin = \"a\"\nurl = \"/1\"\n[steps.two]\norigin = \"b\"\nurl = \"/2\"\n"
    );
    fs::write(&plan, text).unwrap();
    let (a, b) = (format!("a.invalid:{port}:127.0.0.1"), format!("b.invalid:{port}:127.0.0.2"));
    for driver in drivers() {
        let args = ["--driver", driver, "--resolve", &a, "--resolve", &b];
        let done = run(plan.to_str().unwrap(), &args).exits(0).balanced();
        assert!(done.completed() > 0 && done.failed() == 0);
        let visits = book.closed();
        assert_eq!(visits.len(), 8, "{driver}");
        for visit in visits {
            let host = if visit.local.unwrap().to_string() == "127.0.0.1" { "a" } else { "b" };
            assert_eq!(visit.host, format!("{host}.invalid:{port}"));
        }
    }
    let done =
        start_command(&mut squall(&["run", plan.to_str().unwrap(), "--resolve", &a, "--resolve", "c:1:::1"]));
    let done = done.finish().exits(2);
    assert!(done.stderr.contains("`c:1:::1` is for nothing in this run"), "{}", done.stderr);
}

#[test]
fn ipv6_addresses_are_called() {
    let Some((port, book)) = or_skip(server::tcp(&["::1"], 10)) else { return };
    let url = format!("http://[::1]:{port}/");
    for driver in drivers() {
        for engine in ENGINES {
            for more in [&[][..], &["--source", "::1"], &["--source", "[::1]"]] {
                let done = run(&url, &[&["--driver", driver, "-d", "100ms"], engine, more].concat())
                    .exits(0)
                    .balanced();
                assert_eq!(done.failed(), 0, "{driver} {engine:?} {more:?}");
                let visits = book.closed();
                assert!(visits.iter().all(|visit| visit.host == format!("[::1]:{port}")));
                assert_eq!(visits_of(&visits), BTreeMap::from([("::1>::1".to_owned(), 12)]));
            }
        }
    }
    let entry = format!("six.invalid:{port}:::1");
    run(&format!("http://six.invalid:{port}/"), &["--resolve", &entry, "-n", "50"]).exits(0);
}

#[test]
fn sources_share_the_connections_with_each_address_of_the_target() {
    for driver in drivers() {
        for engine in ["-c", "--vus"] {
            let (port, book) = server::tcp(&TWO, 10).unwrap();
            let entry = format!("h.invalid:{port}:127.0.0.1,127.0.0.2");
            let url = format!("http://h.invalid:{port}/");
            let fixed = ["--driver", driver, "-t", workers(), "--resolve", &entry, "-d", "300ms"];
            let pool = ["--source", "127.0.1.0/30", "--source", "127.0.2.1,127.0.2.2"];
            let done = run(&url, &[&fixed[..], &pool, &[engine, "24"]].concat()).exits(0).balanced();
            assert!(done.completed() > 0 && done.failed() == 0);
            assert_eq!(
                done.at("/config/sources"),
                &serde_json::json!(["127.0.1.0/30", "127.0.2.1", "127.0.2.2"])
            );
            let pairs = visits_of(&book.closed());
            assert_eq!(pairs.len(), 12, "{driver} {engine}: {pairs:?}");
            assert!(pairs.values().all(|n| *n == 2), "{driver} {engine}: {pairs:?}");
            assert_eq!(pairs["127.0.1.3>127.0.0.2"], 2);

            let churn = ["--no-keepalive", engine, "8"];
            run(&url, &[&fixed[..], &pool, &churn].concat()).exits(0).balanced();
            let pairs = visits_of(&book.closed());
            assert!(pairs.len() == 12 && spread(pairs.values()) <= 2, "{driver} {engine}: {pairs:?}");
        }
    }
}

fn refused(args: &[&str]) -> Done {
    start_command(&mut squall(args)).finish().exits(2)
}

#[test]
fn sources_that_cannot_be_are_told_before_the_load() {
    let foreign = refused(&["http://127.0.0.1:9/", "--source", "192.0.2.1"]);
    for part in ["--source: `192.0.2.1` is not an address of this host", "ip addr add 192.0.2.1/32"] {
        assert!(foreign.stderr.contains(part), "{}", foreign.stderr);
    }
    let six = refused(&["http://127.0.0.1:9/", "--source", "::1"]);
    assert!(six.stderr.contains("only IPv4 addresses"), "{}", six.stderr);
}

#[test]
fn a_congestion_control_is_set_and_reported() {
    let (port, _book) = server::tcp(&["127.0.0.1"], 10).unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    for driver in drivers() {
        for engine in ENGINES {
            // The one that every kernel has and every process may take.
            let args = [&["--driver", driver, "--tcp-congestion", "reno", "-n", "60"], engine].concat();
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!(done.at("/environment/congestion_control"), "reno");
            assert_eq!(done.at("/config/tcp_congestion"), "reno");
        }
    }
    let plain = run(&url, &["-n", "5"]).exits(0);
    let default = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap();
    assert_eq!(plain.at("/environment/congestion_control"), default.trim());

    let none = refused(&[&url, "--tcp-congestion", "nosuch"]);
    let available = fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap();
    let listed = available.split_whitespace().collect::<Vec<_>>().join(", ");
    assert!(none.stderr.contains("`nosuch`") && none.stderr.contains(&listed), "{}", none.stderr);
}

#[test]
fn the_socket_has_the_congestion_control_that_the_endpoint_names() {
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into();
    let endpoint = Endpoint { addr, source: None, congestion: Some("reno".into()) };
    let socket = socket::open(&endpoint).unwrap();
    assert!(socket.tcp_congestion().unwrap().starts_with(b"reno\0"));
}

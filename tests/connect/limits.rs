//! What runs out: local ports, in a network namespace of their own, and descriptors.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};

use crate::common::run::{Done, drivers, squall, start_command};
use crate::common::skip::or_skip;
use crate::server;

/// Runs `test` on a thread with a network of its own, which has loopback and the ports 40000 to 40009 for outgoing connections. What
/// it starts is in there with it.
fn with_ten_ports(test: impl FnOnce() + Send + 'static) {
    let enter = || -> Result<(), String> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("no network namespace: {e}"))?;
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        if !up.map_err(|e| format!("ip: {e}"))?.success() {
            return Err("loopback stays down".into());
        }
        set("ip_local_port_range", "40000 40009")
    };
    or_skip(thread::spawn(move || enter().map(|()| test())).join().unwrap());
}

fn set(name: &str, value: &str) -> Result<(), String> {
    fs::write(format!("/proc/sys/net/ipv4/{name}"), value).map_err(|e| format!("{name}: {e}"))
}

fn json(args: &[&str]) -> Done {
    start_command(squall(args).args(["--format", "json"])).finish()
}

/// The server's port must not be one of the ten.
fn serve(addresses: &[&str]) -> (String, server::Book) {
    set("ip_local_port_range", "30000 30100").unwrap();
    let (port, book) = server::tcp(addresses, 10).unwrap();
    set("ip_local_port_range", "40000 40009").unwrap();
    (format!("http://127.0.0.1:{port}/"), book)
}

#[test]
fn more_connections_than_ports_are_refused_and_exactly_as_many_are_not() {
    with_ten_ports(|| {
        let (url, book) = serve(&["127.0.0.1"]);
        let mut next = 0;
        for driver in drivers() {
            for engine in ["-c", "--vus"] {
                // Each time from another address, whose ports nobody has used yet.
                next += 3;
                let [one, two, three] = [1, 2, 3].map(|n| format!("127.0.1.{}", next + n));
                let fixed = [&url, "--driver", driver, "-d", "200ms", engine];
                let done = json(&[&fixed[..], &["10", "--source", &one, "--allow-invalid"]].concat())
                    .exits(0)
                    .balanced();
                assert_eq!(done.count("/connections/failed_attempts"), 0, "{driver} {engine}");
                assert_eq!(book.closed().len(), 10, "{driver} {engine}");
                let done = json(&[&fixed[..], &["11"]].concat()).exits(2);
                for part in
                    [engine, "11 connections over 1 pair", "there are 10", "40000 to 40009", "--source"]
                {
                    assert!(done.stderr.contains(part), "no `{part}` in {}", done.stderr);
                }
                let pool = ["20", "--source", &two, "--source", &three, "--allow-invalid"];
                let done = json(&[&fixed[..], &pool].concat()).exits(0).balanced();
                assert_eq!(done.count("/connections/failed_attempts"), 0, "{driver} {engine}");
                assert_eq!(book.closed().len(), 20, "{driver} {engine}");
            }
        }
        set("ip_local_reserved_ports", "40000-40004").unwrap();
        let done = json(&[&url, "-c", "6"]).exits(2);
        assert!(done.stderr.contains("there are 5"), "{}", done.stderr);
    });
}

/// Listens, and never answers: a connection that is given up in vain keeps its port for a minute. Not on one of the ten.
fn silent() -> (String, TcpListener) {
    set("ip_local_port_range", "30000 30100").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set("ip_local_port_range", "40000 40009").unwrap();
    (format!("http://{}/", listener.local_addr().unwrap()), listener)
}

#[test]
fn ports_that_run_out_on_the_way_are_named_and_make_the_run_invalid() {
    with_ten_ports(|| {
        for driver in drivers() {
            let (url, _listener) = silent();
            let fixed = ["--driver", driver, "--timeout", "20ms", "--connect-timeout", "1s"];
            let done =
                json(&[&[&url[..], "-c", "2", "-d", "500ms"], &fixed[..]].concat()).exits(96).balanced();
            assert!(done.count("/connections/errors/port_exhausted") > 0, "{driver}: {}", done.stdout);
            assert_eq!(done.at("/verdict/status"), "invalid");
            let reasons = done.at("/verdict/reasons").to_string();
            assert!(reasons.contains("ran out of local ports") && reasons.contains("--source"), "{reasons}");
            // Every port was used, once.
            assert_eq!((done.completed(), done.count("/connections/established")), (0, 10), "{driver}");
            // Now none is left even for the first connection.
            let done = json(&[&[&url[..], "-c", "1", "-n", "5"], &fixed[..]].concat()).exits(1);
            for part in ["cannot connect to", "no local port is free", "--source"] {
                assert!(done.stderr.contains(part), "no `{part}` in {}", done.stderr);
            }
            // From another address there are ten more.
            let more = ["--source", "127.0.0.9", "-c", "1", "-d", "50ms", "--allow-invalid"];
            let done = json(&[&[&url[..]], &fixed[..], &more[..]].concat()).exits(0).balanced();
            assert!(done.count("/connections/established") > 0, "{driver}");
        }
    });
}

#[test]
fn a_connection_for_each_request_needs_no_more_ports_than_are_open_together() {
    with_ten_ports(|| {
        for driver in drivers() {
            for how in [&["--no-keepalive"][..], &["--requests-per-connection", "3"]] {
                let (url, _book) = serve(&["127.0.0.1"]);
                let args = [&[&url[..], "--driver", driver, "-c", "5", "-n", "300", "--allow-invalid"], how]
                    .concat();
                let done = json(&args).exits(0).balanced();
                assert_eq!((done.completed(), done.failed()), (300, 0), "{driver} {how:?}");
                assert_eq!(done.count("/connections/failed_attempts"), 0, "{driver} {how:?}");
            }
        }
    });
}

/// The binary under a hard limit of so many descriptors.
fn limited(descriptors: u32, args: &[&str]) -> Done {
    let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_squall")]).args(args);
    start_command(&mut command).finish()
}

#[test]
fn descriptors_are_counted_before_the_load() {
    let (port, _book) = server::tcp(&["127.0.0.1", "127.0.0.2"], 10).unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    let says = |done: Done, parts: &[&str]| {
        let done = done.exits(2);
        assert_eq!(done.stderr.trim_end().lines().count(), 1, "{}", done.stderr);
        for part in parts {
            assert!(done.stderr.contains(part), "no `{part}` in {}", done.stderr);
        }
    };
    let common = ["264 descriptors", "64 are for squall itself", "may open 263", "264"];
    says(
        limited(263, &[&url, "-c", "200"]),
        &[&["-c: 200 connections need"], &common[..], &["at most -c 199"]].concat(),
    );
    // With what makes users of connections the cause is told once, and of the option that was given.
    says(
        limited(263, &[&url, "-c", "200", "--check", "status==200"]),
        &[&["-c: 200 connections need"], &common[..]].concat(),
    );
    says(
        limited(263, &[&url, "--vus", "200"]),
        &[&["--vus: 200 users with a connection need"], &common[..], &["at most 199 users"]].concat(),
    );

    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.toml");
    let text = |vus: u32| {
        format!(
            "vus = {vus}\niterations = {}\n[origins]\na = \"http://127.0.0.1:{port}\"\nb = \"http://127.0.0.2:{port}\"\n\
             [steps.one]\norigin = \"a\"\nurl = \"/1\"\n[steps.two]\norigin = \"b\"\nurl = \"/2\"\n",
            vus * 2
        )
    };
    fs::write(&plan, text(100)).unwrap();
    let parts = [&["plan: 100 users", "each of 2 origins"], &common[..], &["at most 99 users"]].concat();
    says(limited(263, &[plan.to_str().unwrap()]), &parts);
    // What was said to be enough is.
    let enough = ["--format", "json", "--allow-invalid"];
    let done = limited(264, &[&[plan.to_str().unwrap()], &enough[..]].concat()).exits(0).balanced();
    assert_eq!((done.count("/connections/failed_attempts"), done.failed()), (0, 0));
    let done =
        limited(264, &[&[&url[..], "-c", "200", "-n", "400"], &enough[..]].concat()).exits(0).balanced();
    assert_eq!((done.count("/connections/failed_attempts"), done.completed()), (0, 400));
}

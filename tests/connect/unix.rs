//! `--unix-socket`.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::common::run::{Done, drivers, run, squall, start_command};
use crate::server;

/// A URL whose name does not resolve: nobody may ask.
const URL: &str = "http://app.invalid:8123/x";

fn with<'a>(path: &'a str, driver: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&["--unix-socket", path, "--driver", driver], args].concat()
}

#[test]
fn both_engines_go_to_the_socket_and_keep_the_urls_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let shown = path.to_str().unwrap();
    for driver in drivers() {
        for engine in [&["-c", "8"][..], &["--vus", "8"], &["-c", "4", "-p", "8"]] {
            let book = server::unix(&path, 64, 100);
            let done = run(URL, &with(shown, driver, &[engine, &["-n", "400"]].concat())).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (400, 0), "{driver} {engine:?}");
            assert_eq!(done.count("/connections/failed_attempts"), 0);
            assert_eq!(done.at("/config/unix_socket"), shown);
            assert_eq!(done.at("/config/addresses"), &serde_json::json!([]));
            assert_eq!(done.at("/environment/congestion_control"), &serde_json::Value::Null);
            assert_eq!(done.at("/environment/target_on_this_host"), true);
            let visits = book.closed();
            assert_eq!(visits.iter().map(|visit| visit.requests).sum::<u64>(), 400);
            assert!(visits.iter().all(|visit| visit.host == "app.invalid:8123"), "{visits:?}");
        }
    }
}

#[test]
fn large_bodies_are_dropped_without_a_trace() {
    const BODY: usize = 3 << 20;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    for driver in drivers() {
        for engine in ["-c", "--vus"] {
            let _book = server::unix(&path, 64, BODY);
            let args = with(path.to_str().unwrap(), driver, &[engine, "6", "-n", "60"]);
            let done = run(URL, &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (60, 0), "{driver} {engine}");
            let bytes = 60 * (BODY + "HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n".len()) as u64;
            assert_eq!(done.count("/throughput/received_bytes"), bytes, "{driver} {engine}");
            for worker in done.at("/generator/workers").as_array().unwrap() {
                assert_eq!(
                    worker["buffer_starvations"], 0,
                    "{driver} {engine}: every buffer was full of body"
                );
            }
        }
    }
}

#[test]
fn a_listener_without_room_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    for driver in drivers() {
        for engine in [&["-c", "150"][..], &["--vus", "150", "--no-keepalive"]] {
            let _book = server::unix(&path, 2, 10);
            let args = with(path.to_str().unwrap(), driver, &[engine, &["-n", "900"]].concat());
            let done = run(URL, &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (900, 0), "{driver} {engine:?}");
            assert_eq!(done.count("/connections/failed_attempts"), 0, "{driver} {engine:?}");
        }
    }
}

fn refused(path: &str) -> Done {
    start_command(&mut squall(&[URL, "--unix-socket", path])).finish()
}

#[test]
fn what_is_no_socket_is_told_before_the_load() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("file"), "").unwrap();
    let long = "y".repeat(108);
    for (path, part) in
        [(at("none"), "is the target running"), (at("file"), "is not a socket"), (at(&long), "at most 107")]
    {
        let done = refused(&path).exits(2);
        assert!(
            done.stderr.contains(part) && done.stderr.contains("--unix-socket"),
            "{path}: {}",
            done.stderr
        );
    }
    // Nobody listens any more: that shows only when it is called.
    drop(UnixListener::bind(at("left")).unwrap());
    let done = refused(&at("left")).exits(1);
    assert!(done.stderr.contains("nobody listens") && done.stderr.contains(&at("left")), "{}", done.stderr);
    let done =
        start_command(&mut squall(&["--unix-socket", &at("left"), URL, "--source", "127.0.0.1"])).finish();
    assert!(done.exits(2).stderr.contains("--source: does not go with --unix-socket"));
}

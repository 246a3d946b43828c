//! What runs out: places in an accept queue, descriptors, memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use socket2::{Domain, SockAddr, Socket, Type};
use squall::clock;
use squall::units::Nanos;

use crate::common::process::{find, within};
use crate::common::run::{Done, alone, drivers, squall, start, start_command, start_judged, together};
use crate::common::skip::or_skip;
use crate::peer::{self, Peer};
use crate::ways::{Model, errors, send_judged};

/// Something that listens with the smallest of queues: its kernel answers for two connections, and drops the
/// beginnings of all others until somebody accepts.
struct Queue {
    listener: Socket,
    address: SocketAddr,
}

impl Queue {
    fn new() -> Queue {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        listener.listen(1).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        Queue { listener, address }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Takes its places.
    fn fill(&self) -> [TcpStream; 2] {
        [(); 2].map(|()| TcpStream::connect(self.address).unwrap())
    }
}

#[test]
fn a_full_accept_queue_is_named() {
    let _together = together();
    let queue = Queue::new();
    let _held = queue.fill();
    let args = ["-d", "2s", "--connect-timeout", "1s", "--timeout", "1s"];
    for run in send_judged(&queue.url(), &Model::ALL, &args) {
        let (name, model, done) = run.ends_within(Nanos::from_secs(6));
        if !model.has_users() {
            let done = done.exits(1);
            assert!(done.stderr.contains("no response within 1s"), "{name}: {}", done.stderr);
            continue;
        }
        let done = done.exits_as_judged().balanced();
        assert_eq!(done.completed(), 0, "{name}");
        assert!(
            done.failed() + done.count("/requests/in_flight_at_end") >= 4,
            "{name}: {}",
            done.at("/requests")
        );
        assert_eq!(errors(&done, &["connect_timeout"]), done.failed(), "{name}: {}", done.at("/errors"));
        let attempts = done.count("/connections/failed_attempts");
        assert_eq!(done.count("/connections/errors/connect_timeout"), attempts, "{name}");
        assert_eq!(done.at("/verdict/status"), "invalid", "{name}");
        let reason = done.at("/verdict/reasons/0").as_str().unwrap();
        assert!(
            reason.contains("no connection ever came about") && reason.contains("connect_timeout"),
            "{reason}"
        );
    }
}

#[test]
fn more_connections_than_are_tried_at_a_time_do_not_prolong_the_start() {
    let _together = together();
    let queue = Queue::new();
    let _held = queue.fill();
    for driver in drivers() {
        let begun = clock::now();
        let args = ["-c", "500", "-t", "1", "-d", "1s", "--connect-timeout", "1s", "--driver", driver];
        start(&queue.url(), &args).finish().exits(1);
        let took = clock::now() - begun;
        assert!(took < Nanos::from_secs(3), "{driver}: four rounds, one after the other? {took}");
    }
}

#[test]
fn an_accept_queue_that_fills_up_in_mid_run_is_named() {
    let _together = together();
    let mut tries = Vec::new();
    for driver in drivers() {
        for model in [&["-c", "6"][..], &["-c", "6", "-R", "100"], &["--vus", "6"]] {
            tries.push(thread::spawn(move || fills_up_in_mid_run(driver, model)));
        }
    }
    tries.into_iter().for_each(|one| one.join().unwrap());
}

fn fills_up_in_mid_run(driver: &str, model: &[&str]) {
    let queue = Queue::new();
    // One response for each connection, 20 times, then nobody accepts any more.
    let listener = queue.listener.try_clone().unwrap();
    thread::spawn(move || {
        for _ in 0..20 {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = TcpStream::from(stream);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nonce");
        }
    });
    let limits = ["-d", "4s", "--connect-timeout", "1s", "--timeout", "1s", "-t", "1", "--driver", driver];
    let args = [model, &limits].concat();
    let begun = clock::now();
    let done = start(&queue.url(), &args).finish().exits(0).balanced();
    assert!(clock::now() - begun < Nanos::from_secs(8), "{args:?}");
    assert!((14..=20).contains(&done.completed()), "{args:?}: {}", done.at("/requests"));
    // Those that got a place in the queue (or were told so: the kernel decides when the last packet of the
    // handshake comes) wait for a response, the others for a connection.
    let late = errors(&done, &["timeout", "connect_timeout"]);
    assert!(late > 0 && done.failed() - late <= 10, "{args:?}: {}", done.at("/errors"));
    let attempts = done.count("/connections/failed_attempts");
    assert!(attempts > 0, "{args:?}");
    assert_eq!(done.count("/connections/errors/connect_timeout"), attempts, "{args:?}");
}

/// Sets a limit of a process that runs.
fn limit(pid: u32, which: &str) {
    let status = Command::new("prlimit").args(["--pid", &pid.to_string(), which]).status().unwrap();
    assert!(status.success(), "prlimit {which}");
}

#[test]
fn descriptors_that_run_out_in_mid_run_are_named_and_the_run_recovers() {
    let _alone = alone();
    let Some(_) = or_skip(find("prlimit")) else { return };
    let mut tries = Vec::new();
    for driver in drivers() {
        for model in
            [&["-c", "4"][..], &["-c", "4", "-R", "200"], &["--vus", "4"], &["--vus", "4", "-R", "200"]]
        {
            tries.push(thread::spawn(move || without_descriptors_for_a_while(driver, model)));
        }
    }
    tries.into_iter().for_each(|one| one.join().unwrap());
}

/// Each response ends its connection: new descriptors are needed all the time.
fn once_each(mut peer: Peer) {
    if peer.request() {
        peer.response_and_close();
    }
}

fn without_descriptors_for_a_while(driver: &str, model: &[&str]) {
    let (url, seen) = peer::start(once_each);
    let args = [model, &["-d", "3s", "--timeout", "2s", "-t", "1", "--driver", driver]].concat();
    let running = start_judged(&url, &args);
    assert!(within(Nanos::from_secs(10), || seen.responses() > 20), "{args:?} does not begin");
    limit(running.pid(), "--nofile=3:");
    clock::sleep(Nanos::from_millis(1_000));
    let before = seen.responses();
    limit(running.pid(), "--nofile=1024:");
    let done = running.finish().exits_as_judged().balanced();
    assert_eq!(done.completed(), seen.responses(), "{args:?}");
    if needs_none(&done) {
        assert_eq!(done.count("/connections/failed_attempts"), 0, "{args:?}");
        return;
    }
    assert!(done.completed() > before, "{args:?}: it goes on when there are some again");
    let attempts = done.count("/connections/errors/fd_exhausted");
    assert!(attempts > 0, "{args:?}: {}", done.at("/connections"));
    if model[0] == "--vus" {
        assert_eq!(errors(&done, &["fd_exhausted"]), done.failed(), "{args:?}: {}", done.at("/errors"));
        assert_eq!(attempts, done.failed(), "{args:?}");
    } else {
        assert_eq!(done.failed(), 0, "{args:?}: no request was on them: {}", done.at("/errors"));
    }
    assert_eq!(done.at("/verdict/status"), "invalid", "{args:?}");
    let reasons = done.at("/verdict/reasons").to_string();
    assert!(
        reasons.contains("ran out of descriptors") && reasons.contains("ulimit -n"),
        "{args:?}: {reasons}"
    );
}

/// Sockets that the ring makes in its own table are no descriptors.
fn needs_none(done: &Done) -> bool {
    let features = done.at("/environment/ring_features").as_array().unwrap();
    features.iter().any(|feature| feature == "direct_sockets")
}

#[test]
fn descriptors_that_stay_away_end_in_a_report() {
    let _alone = alone();
    let Some(_) = or_skip(find("prlimit")) else { return };
    for driver in drivers() {
        for model in [&["-c", "4"][..], &["--vus", "4"]] {
            let (url, seen) = peer::start(once_each);
            let args = [model, &["-d", "1s", "-t", "1", "--driver", driver]].concat();
            let mut command = squall(&[&[&url, "--format", "json"], &args[..]].concat());
            let running = start_command(&mut command);
            assert!(within(Nanos::from_secs(10), || seen.responses() > 20));
            limit(running.pid(), "--nofile=3:");
            let done = running.finish().balanced();
            let exhausted = done.count("/connections/errors/fd_exhausted");
            // Without --allow-invalid the exit code says it, too.
            let done = done.exits(if exhausted > 0 { 96 } else { 0 });
            assert_ne!(exhausted > 0, needs_none(&done), "{args:?}");
            assert_eq!(done.completed(), seen.responses(), "{args:?}");
        }
    }
}

#[test]
fn too_little_memory_is_told_before_the_run() {
    let _together = together();
    let Some(_) = or_skip(find("prlimit")) else { return };
    let (url, _) = peer::start(|mut peer| while peer.request() && peer.response() {});
    let url = Arc::<str>::from(url);
    let mut told = 0;
    for driver in drivers() {
        for model in [&["-c", "4", "-t", "1"][..], &["-c", "600", "-t", "2"], &["--vus", "4", "-t", "1"]] {
            for mib in (24..90).step_by(13) {
                let mut command = Command::new("prlimit");
                command.arg(format!("--as={}", mib << 20)).arg("--").arg(env!("CARGO_BIN_EXE_squall"));
                command.args([&url, "-n", "1000", "--driver", driver, "--allow-invalid", "--format", "json"]);
                let done = start_command(command.args(model)).finish();
                let shown = format!("{driver}, {model:?}, {mib} MiB: {:?} {}", done.code, done.stderr);
                if done.stderr.contains("loading shared libraries")
                    || done.code.is_none() && done.stderr.is_empty()
                {
                    continue; // not even the program itself has room
                }
                match done.code {
                    Some(0) => assert_eq!(done.balanced().completed(), 1_000, "{shown}"),
                    Some(1) => {
                        assert!(done.stdout.is_empty() && done.stderr.starts_with("squall: "), "{shown}")
                    }
                    _ => panic!("{shown}"),
                }
                told += usize::from(done_says_memory(&shown));
            }
        }
    }
    assert!(told > 0, "no limit was too small");
}

fn done_says_memory(text: &str) -> bool {
    text.contains("there is no memory for the run") && text.contains("ulimit -v")
}

#[test]
fn memory_that_runs_out_in_mid_run_never_ends_in_a_report_with_gaps() {
    let _alone = alone();
    let Some(_) = or_skip(find("prlimit")) else { return };
    let (url, _) = peer::start(|mut peer| while peer.request() && peer.response() {});
    for driver in drivers() {
        for model in [&["-c", "4"][..], &["-c", "4", "-R", "500"], &["--vus", "4"]] {
            let args = [&[&url, "-d", "1s", "-t", "1", "--driver", driver], model].concat();
            let mut command = squall(&[&args[..], &["--format", "json", "--allow-invalid"]].concat());
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            clock::sleep(Nanos::from_millis(500));
            // As much as it has, and not a byte more.
            limit(child.id(), "--as=1:");
            let ended = within(Nanos::from_secs(6), || child.try_wait().unwrap().is_some());
            if !ended {
                child.kill().unwrap();
            }
            let status = child.wait().unwrap();
            assert!(ended, "{args:?}: hangs");
            let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
            let stdout = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
            match status.code() {
                // What it had sufficed.
                Some(0) => {
                    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
                    let of = |key: &str| report["requests"][key].as_u64().unwrap();
                    assert_eq!(
                        of("started"),
                        of("completed") + of("failed") + of("in_flight_at_end"),
                        "{args:?}"
                    );
                }
                Some(1) => assert!(stderr.starts_with("squall: "), "{args:?}: {stderr}"),
                _ => {
                    assert_eq!(status.signal(), Some(libc::SIGABRT), "{args:?}: {status} {stderr}");
                    assert!(stderr.contains("memory allocation of"), "{args:?}: {stderr}");
                    let whole = serde_json::from_str::<serde_json::Value>(&stdout).is_ok();
                    assert!(!whole, "{args:?}: half a report that looks whole");
                }
            }
        }
    }
}

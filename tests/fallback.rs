//! Where io_uring is refused, squall says which gate is shut and goes on with epoll.

mod common;

use std::process::Command;

use common::plain::{self, Framing};
use common::run::{Done, squall, start_command};
use common::seccomp::with_io_uring_refused;

/// An errno, and what a message about it must name: the gate, and how to open it.
const GATES: [(i32, [&str; 2]); 2] = [
    (libc::EPERM, ["seccomp", "profile"]), // container engines
    (libc::ENOSYS, ["has no io_uring", "Linux"]),
];

fn under_filter(command: &mut Command, errno: i32) -> Done {
    with_io_uring_refused(command, errno);
    start_command(command).finish()
}

/// With this sysctl set, the kernel says EPERM for a reason of its own, which is the one to name.
fn sysctl_is_open() -> bool {
    let value = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    value.map_or(true, |value| value.trim() == "0")
}

fn names_gate(text: &str, errno: i32, parts: [&str; 2]) {
    if errno == libc::EPERM && !sysctl_is_open() {
        assert!(text.contains("io_uring_disabled"), "{text}");
        return;
    }
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn auto_goes_on_with_epoll_and_says_so() {
    let (url, bytes) = plain::start(Framing::Length, 100);
    for (errno, parts) in GATES {
        let args = [&url, "-n", "2000", "-c", "8", "--format", "json", "--allow-invalid"];
        let done = under_filter(&mut squall(&args), errno).exits(0).balanced();
        assert_eq!(done.completed(), 2_000);
        assert_eq!(done.count("/throughput/received_bytes"), 2_000 * bytes);
        assert_eq!(done.at("/environment/driver"), "epoll");
        assert_eq!(done.at("/config/driver"), "auto");
        assert_eq!(done.at("/environment/ring_features").as_array().unwrap().len(), 0);
        let note = done.at("/environment/driver_note").as_str().expect("a note");
        names_gate(note, errno, parts);
        names_gate(&done.stderr, errno, parts);
        assert!(done.stderr.contains("epoll"), "{}", done.stderr);
    }
}

#[test]
fn epoll_that_was_asked_for_needs_no_note() {
    let (url, _) = plain::start(Framing::Length, 100);
    let args = [&url, "-n", "200", "-c", "2", "--format", "json", "--allow-invalid", "--driver", "epoll"];
    let done = under_filter(&mut squall(&args), libc::EPERM).exits(0).balanced();
    assert_eq!(done.completed(), 200);
    assert!(done.at("/environment/driver_note").is_null());
    assert!(!done.stderr.contains("io_uring"), "{}", done.stderr);
}

#[test]
fn uring_that_was_asked_for_is_an_error() {
    let (url, _) = plain::start(Framing::Length, 100);
    for (errno, parts) in GATES {
        let done = under_filter(&mut squall(&[&url, "-n", "10", "--driver", "uring"]), errno).exits(1);
        names_gate(&done.stderr, errno, parts);
        assert!(done.stderr.contains("--driver auto"), "{}", done.stderr);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn the_target_names_the_gate() {
    for (errno, parts) in GATES {
        let mut command = squall(&["target", "--listen", "127.0.0.1:0", "--threads", "1"]);
        let done = under_filter(&mut command, errno).exits(1);
        names_gate(&done.stderr, errno, parts);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        assert_eq!(done.stdout, "");
    }
}

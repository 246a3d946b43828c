//! Where io_uring is refused, squall says which gate is shut and goes on with epoll.

mod common;

use std::process::Command;

use common::plain::{self, Framing};
use common::run::{Done, alone, drivers, squall, start_command, together};
use common::seccomp::{Calls, with_io_uring_refused, with_refused};
use common::skip::{or_skip, skip};
use common::sysctl::{Sysctl, with_sysctl};

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
    let _together = together();
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
    let _together = together();
    let (url, _) = plain::start(Framing::Length, 100);
    let args = [&url, "-n", "200", "-c", "2", "--format", "json", "--allow-invalid", "--driver", "epoll"];
    let done = under_filter(&mut squall(&args), libc::EPERM).exits(0).balanced();
    assert_eq!(done.completed(), 200);
    assert!(done.at("/environment/driver_note").is_null());
    assert!(!done.stderr.contains("io_uring"), "{}", done.stderr);
}

#[test]
fn uring_that_was_asked_for_is_an_error() {
    let _together = together();
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
    let _together = together();
    for (errno, parts) in GATES {
        let mut command = squall(&["target", "--listen", "127.0.0.1:0", "--threads", "1"]);
        // tokio-uring 0.5 leaks its runtime when it gets no ring; the process ends then anyway.
        command.env("LSAN_OPTIONS", "detect_leaks=0");
        let done = under_filter(&mut command, errno).exits(1);
        names_gate(&done.stderr, errno, parts);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        assert_eq!(done.stdout, "");
    }
}

/// Runs under sysctls that this host does not have: with `auto` and with `uring`, as text and code.
fn under_sysctl(sysctl: Sysctl, parts: &[&str], absent: &[&str]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let (url, _) = plain::start(Framing::Length, 100);
    let load = ["-n", "200", "-c", "2", "--format", "json", "--allow-invalid"];
    for (driver, code) in [("auto", 0), ("uring", 1)] {
        let mut command = squall(&[&url, "--driver", driver]);
        with_sysctl(command.args(load), dir.path(), sysctl)?;
        let done = start_command(&mut command).finish().exits(code);
        for part in parts {
            assert!(done.stderr.contains(part), "no `{part}` with {sysctl:?} in: {}", done.stderr);
        }
        for part in absent {
            assert!(!done.stderr.contains(part), "`{part}` with {sysctl:?} in: {}", done.stderr);
        }
        if code == 0 {
            assert_eq!(done.balanced().completed(), 200);
        }
    }
    Ok(())
}

#[test]
fn each_sysctl_value_is_named_with_its_way_out() {
    let _together = together();
    let all = Sysctl { disabled: 2, group: -1, privileged: false };
    let everybody = ["for everybody", "kernel.io_uring_disabled = 2", "sysctl -w kernel.io_uring_disabled=0"];
    let nobody = Sysctl { disabled: 1, ..all };
    let names_one =
        ["kernel.io_uring_disabled = 1", "sysctl -w kernel.io_uring_group=GID", "io_uring_disabled=0"];
    let others = Sysctl { group: 54_321, ..nobody };
    let join_it = ["kernel.io_uring_group = 54321", "CAP_SYS_ADMIN", "in that group", "io_uring_disabled=0"];
    let attempts = [
        under_sysctl(all, &everybody, &["seccomp", "group"]),
        under_sysctl(Sysctl { privileged: true, ..all }, &everybody, &["seccomp", "group"]),
        under_sysctl(nobody, &names_one, &["seccomp", "for everybody"]),
        under_sysctl(others, &join_it, &["seccomp", "for everybody"]),
    ];
    for attempt in attempts {
        or_skip(attempt);
    }
}

/// The number that id(1) prints.
fn id(which: &str) -> u32 {
    let output = Command::new("id").arg(which).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Whom the sysctl lets through is refused by something else, and sent to the right place.
#[test]
fn a_sysctl_that_lets_us_through_is_not_blamed() {
    let _together = together();
    let group = i32::try_from(id("-g")).unwrap();
    let root = id("-u") == 0;
    let excepted = [
        Sysctl { disabled: 0, group: -1, privileged: false },
        Sysctl { disabled: 1, group, privileged: false },
        Sysctl { disabled: 1, group: -1, privileged: true },
    ];
    for sysctl in excepted {
        if sysctl.privileged && !root {
            skip("io_uring_disabled = 1 with CAP_SYS_ADMIN: only root has it");
            continue;
        }
        or_skip(under_sysctl(sysctl, &["seccomp", "profile"], &["io_uring_disabled"]));
    }
}

const SHORT: [&str; 6] = ["-n", "500", "-c", "4", "--format", "json"];

#[test]
fn a_ring_is_halved_while_memory_is_short_and_the_run_says_so() {
    let _together = together();
    if !drivers().contains(&"uring") {
        return;
    }
    let (url, _) = plain::start(Framing::Length, 100);
    for (room, entries) in [(1_023, "512"), (64, "64")] {
        for driver in ["auto", "uring"] {
            let mut command = squall(&[&url, "--allow-invalid", "--driver", driver]);
            with_refused(command.args(SHORT), Calls::SetupAbove(room), libc::ENOMEM);
            let done = start_command(&mut command).finish().exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (500, 0));
            assert_eq!(done.at("/environment/driver"), "uring");
            let note = done.at("/environment/driver_note").as_str().expect("a note");
            for part in ["memory was short", entries, "1024", "RLIMIT_MEMLOCK"] {
                assert!(note.contains(part) && done.stderr.contains(part), "{note} / {}", done.stderr);
            }
        }
    }
}

#[test]
fn without_memory_for_any_ring_epoll_goes_on() {
    let _together = together();
    let (url, _) = plain::start(Framing::Length, 100);
    // For the smallest ring, and for what is registered with one (sparse files, buffers).
    let without = [Calls::SetupAbove(0), Calls::Register(13), Calls::Register(22)];
    for calls in without {
        let mut command = squall(&[&url, "--allow-invalid"]);
        with_refused(command.args(SHORT), calls, libc::ENOMEM);
        let done = start_command(&mut command).finish().exits(0).balanced();
        assert_eq!((done.completed(), done.failed()), (500, 0));
        assert_eq!(done.at("/environment/driver"), "epoll");
        let note = done.at("/environment/driver_note").as_str().expect("a note");
        assert!(note.contains("no memory") && note.contains("RLIMIT_MEMLOCK"), "{note}");
        assert!(!note.contains("Linux"), "the kernel is not to blame: {note}");

        let mut command = squall(&[&url, "--driver", "uring"]);
        with_refused(&mut command, calls, libc::ENOMEM);
        let done = start_command(&mut command).finish().exits(1);
        assert!(done.stderr.contains("RLIMIT_MEMLOCK"), "{}", done.stderr);
    }
}

/// Ends with a report: the driver and the note of a run that may lock so many bytes.
fn with_locked_memory(url: &str, limit: u64) -> (String, String) {
    let mut command = squall(&[url, "--allow-invalid"]);
    let limit = move || {
        const CAP_IPC_LOCK: libc::c_ulong = 14; // with it there is no limit
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: `limit` outlives the call; the rest are numbers. Without privileges there is nothing to drop.
        unsafe {
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK);
            if libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes two system calls.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command.args(SHORT), limit) };
    let done = start_command(&mut command).finish().exits(0).balanced();
    assert_eq!((done.completed(), done.failed()), (500, 0));
    let note = done.at("/environment/driver_note").as_str().unwrap_or_default().to_owned();
    assert!(done.stderr.contains(&note), "{}", done.stderr);
    assert!(note.is_empty() || note.contains("RLIMIT_MEMLOCK"), "{note}");
    (done.at("/environment/driver").as_str().unwrap().to_owned(), note)
}

/// Some kernels count rings as locked memory (6.18 does), others do not (it has changed twice). All go on.
#[test]
fn little_locked_memory_gives_small_rings_or_epoll() {
    if !drivers().contains(&"uring") {
        return;
    }
    // The kernel counts locked memory by user: the rings of the other tests would be counted too.
    let _alone = alone();
    let (url, _) = plain::start(Framing::Length, 100);
    assert_eq!(with_locked_memory(&url, 8 << 20), ("uring".into(), String::new()));
    let (driver, note) = with_locked_memory(&url, 0);
    if driver == "uring" {
        assert_eq!(note, "");
        return skip("this kernel does not count rings as locked memory");
    }
    assert!(note.contains("no memory for a ring"), "{note}");
    // Each has another rest for the buffers, down to none for the largest ring that would fit.
    for kib in [16, 20, 24, 44, 64, 84] {
        let (driver, note) = with_locked_memory(&url, kib << 10);
        assert_eq!(driver, "uring", "with {kib} KiB: {note}");
        assert!(note.contains("memory was short"), "with {kib} KiB: {note}");
    }
}

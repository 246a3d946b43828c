//! Kernels that have only part of what the ring can use, and filters that let only part of it through:
//! squall does without where it can, and otherwise says what is missing and goes on with epoll.
//!
//! This kernel is made to look older by answering in its place; see `common::supervisor`.

mod common;

use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use common::plain::{self, Framing};
use common::run::{Done, drivers, squall, start_command};
use common::seccomp::{Calls, with_refused};
use common::skip::or_skip;
use common::supervisor::{self, Call, Verdict};

const SETUP: Calls = Calls::All(libc::SYS_io_uring_setup);
const ENTER: Calls = Calls::All(libc::SYS_io_uring_enter);

// Flags of io_uring_setup(2).
const CQSIZE: u32 = 1 << 3;
const CLAMP: u32 = 1 << 4;
const SUBMIT_ALL: u32 = 1 << 7;
const COOP_TASKRUN: u32 = 1 << 8;
const TASKRUN_FLAG: u32 = 1 << 9;
const SINGLE_ISSUER: u32 = 1 << 12;
const DEFER_TASKRUN: u32 = 1 << 13;
const NO_SQARRAY: u32 = 1 << 16;

// Opcodes of io_uring_register(2).
const FILES_UPDATE: u32 = 6;
const FILES2: u32 = 13;
const RING_FDS: u32 = 20;
const PBUF_RING: u32 = 22;
const SYNC_CANCEL: u32 = 24;

/// Says so, where there is no ring to take anything from, or nobody to do it.
fn possible(supervised: bool) -> bool {
    if !drivers().contains(&"uring") {
        return false;
    }
    !supervised || or_skip(supervisor::possible()).is_some()
}

fn load(url: &str, args: &[&str]) -> Command {
    let mut command = squall(&[url, "-n", "300", "-c", "4", "--format", "json", "--allow-invalid"]);
    command.args(args);
    command
}

/// All 300 requests were answered, by this driver.
fn went_well(done: Done, driver: &str) -> Done {
    let done = done.exits(0).balanced();
    assert_eq!((done.completed(), done.failed()), (300, 0), "{}", done.stderr);
    assert_eq!(done.at("/environment/driver"), driver, "{}", done.stderr);
    done
}

fn features(done: &Done) -> Vec<&str> {
    let features = done.at("/environment/ring_features").as_array().unwrap();
    features.iter().map(|feature| feature.as_str().unwrap()).collect()
}

/// EINVAL to a ring with any of `flags`, as from a kernel that does not know them.
fn without_flags(call: &Call, flags: u32) -> io::Result<Verdict> {
    let asked = call.word(call.args[1] + 8)?; // io_uring_params: two lengths, then the flags
    Ok(if asked & flags != 0 { Err(libc::EINVAL) } else { Ok(()) })
}

#[test]
fn optional_flags_are_done_without_one_by_one() {
    if !possible(true) {
        return;
    }
    let (url, _) = plain::start(Framing::Length, 100);
    let all = features(&went_well(start_command(&mut load(&url, &["--driver", "uring"])).finish(), "uring"))
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    // A flag, and those that are known only to kernels that know it.
    let flags = [
        (NO_SQARRAY, &["no_sqarray"][..]),
        (DEFER_TASKRUN, &["no_sqarray", "defer_taskrun"]),
        (SINGLE_ISSUER, &["no_sqarray", "defer_taskrun", "single_issuer"]),
        (TASKRUN_FLAG, &["no_sqarray", "defer_taskrun", "single_issuer", "taskrun_flag"]),
        (COOP_TASKRUN, &["no_sqarray", "defer_taskrun", "single_issuer", "taskrun_flag", "coop_taskrun"]),
        (
            SUBMIT_ALL,
            &["no_sqarray", "defer_taskrun", "single_issuer", "taskrun_flag", "coop_taskrun", "submit_all"],
        ),
    ];
    for (flag, lost) in flags {
        for driver in ["auto", "uring"] {
            let command = load(&url, &["--driver", driver]);
            let done = supervisor::run(command, &[SETUP], move |call| without_flags(call, flag));
            let done = went_well(done, "uring");
            let left: Vec<_> = all.iter().filter(|feature| !lost.contains(&feature.as_str())).collect();
            assert_eq!(features(&done), left, "without {lost:?}");
            assert!(done.at("/environment/driver_note").is_null());
        }
    }
}

#[test]
fn flags_that_are_needed_are_named() {
    if !possible(true) {
        return;
    }
    for flag in [CQSIZE, CLAMP] {
        falls_back(
            |command| supervisor::run(command, &[SETUP], move |call| without_flags(call, flag)),
            &["CQSIZE and CLAMP", "Linux 5.6", "Linux 6.0"],
        );
    }
}

/// With `auto` epoll goes on, with a note of these parts; with `uring` it is an error of the same parts.
fn falls_back(run: impl Fn(Command) -> Done, parts: &[&str]) {
    let (url, _) = plain::start(Framing::Length, 100);
    let done = went_well(run(load(&url, &[])), "epoll");
    let note = done.at("/environment/driver_note").as_str().expect("a note");
    let error = run(load(&url, &["--driver", "uring"])).exits(1).stderr;
    assert!(error.contains("--driver auto"), "{error}");
    for part in parts {
        for text in [note, &done.stderr, &error] {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
    }
    for text in [note, &error] {
        assert!(!text.contains("panicked"), "{text}");
    }
}

fn refused(calls: Calls, errno: i32) -> impl Fn(Command) -> Done {
    move |mut command| {
        with_refused(&mut command, calls, errno);
        start_command(&mut command).finish()
    }
}

#[test]
fn registrations_that_are_needed_are_named_and_so_is_who_refuses_them() {
    if !possible(false) {
        return;
    }
    let needed = [
        (FILES2, "sparse fixed files", "Linux 5.19"),
        (PBUF_RING, "buffer rings", "Linux 5.19"),
        (FILES_UPDATE, "updates of fixed files", "Linux 5.5"),
    ];
    for (opcode, what, since) in needed {
        let calls = Calls::Register(opcode);
        falls_back(refused(calls, libc::EINVAL), &[what, since, "Linux 6.0"]);
        falls_back(refused(calls, libc::EPERM), &["seccomp", "io_uring_register", "profile"]);
        falls_back(refused(calls, libc::ENOSYS), &["seccomp", "io_uring_register", "profile"]);
    }
}

#[test]
fn registrations_that_only_help_are_done_without() {
    if !possible(false) {
        return;
    }
    let (url, _) = plain::start(Framing::Length, 100);
    for (opcode, feature) in [(RING_FDS, Some("registered_ring_fd")), (SYNC_CANCEL, None)] {
        for errno in [libc::EINVAL, libc::EPERM] {
            let mut command = load(&url, &["--driver", "uring"]);
            // Without SYNC_CANCEL nobody says when the kernel has let go of our memory: it is left alone,
            // which is no mistake of ours.
            command.env("LSAN_OPTIONS", "detect_leaks=0");
            let done = went_well(refused(Calls::Register(opcode), errno)(command), "uring");
            assert!(feature.is_none_or(|feature| !features(&done).contains(&feature)));
            assert!(done.at("/environment/driver_note").is_null());
        }
    }
}

/// A profile that lets rings be made but not used: every connection would fail.
#[test]
fn a_ring_that_cannot_be_entered_is_no_ring() {
    if !possible(false) {
        return;
    }
    for errno in [libc::EPERM, libc::ENOSYS] {
        falls_back(refused(ENTER, errno), &["seccomp", "io_uring_enter", "profile"]);
    }
}

/// Changes submissions before the kernel reads them.
fn tamper(call: &Call, change: fn(&mut [u8])) -> io::Result<Verdict> {
    const LEN: usize = 64; // of a submission
    for (start, len) in call.submissions()? {
        let mut entries = vec![0; len];
        call.read(start, &mut entries)?;
        for (at, entry) in entries.chunks_exact_mut(LEN).enumerate() {
            let before = entry.to_vec();
            change(entry);
            if before != entry {
                call.write(start + (at * LEN) as u64, entry)?;
            }
        }
    }
    Ok(Ok(()))
}

/// Before Linux 6.0, which refuses flags in `ioprio` that it does not know; so does this kernel.
fn without_multishot(entry: &mut [u8]) {
    const RECV: u8 = 27;
    if entry[0] == RECV && entry[2] & 2 != 0 {
        entry[3] |= 0x80;
    }
}

/// Before Linux 6.7, which has no options of sockets through the ring.
fn without_socket_options(entry: &mut [u8]) {
    const URING_CMD: u8 = 46;
    if entry[0] == URING_CMD {
        entry[8] = 0xff;
    }
}

/// The judge's own mistakes must not pass for the kernel's responses.
fn tampers(command: Command, change: fn(&mut [u8])) -> Done {
    supervisor::run(command, &[ENTER], move |call| tamper(call, change))
}

#[test]
fn without_multishot_receives_epoll_goes_on() {
    if !possible(true) {
        return;
    }
    falls_back(
        |command| tampers(command, without_multishot),
        &["multishot receive", "Linux 6.0", "Invalid argument"],
    );
}

/// 6.0 is the oldest kernel that the driver is for: no DEFER_TASKRUN, no NO_SQARRAY, no options through the ring.
#[test]
fn the_oldest_kernel_is_enough_for_small_and_large_responses() {
    if !possible(true) {
        return;
    }
    for length in [100, 300_000] {
        let (url, bytes) = plain::start(Framing::Length, length);
        let judge = |call: &Call| match call.number {
            libc::SYS_io_uring_setup => without_flags(call, DEFER_TASKRUN | NO_SQARRAY),
            _ => tamper(call, without_socket_options),
        };
        let command = load(&url, &["--driver", "uring", "--requests-per-connection", "20"]);
        let done = went_well(supervisor::run(command, &[SETUP, ENTER], judge), "uring");
        assert_eq!(done.count("/throughput/received_bytes"), 300 * bytes);
        assert!(!features(&done).contains(&"defer_taskrun"));
    }
}

/// A ring that is to be had once says nothing about the next worker's.
#[test]
fn one_worker_without_a_ring_sends_all_to_epoll() {
    if !possible(true) {
        return;
    }
    let (url, _) = plain::start(Framing::Length, 100);
    let run = |driver| {
        let rings = AtomicU32::new(0);
        let command = load(&url, &["-t", "2", "--driver", driver]);
        supervisor::run(command, &[SETUP], move |_| {
            Ok(if rings.fetch_add(1, Ordering::Relaxed) == 0 { Ok(()) } else { Err(libc::ENOMEM) })
        })
    };
    let done = went_well(run("auto"), "epoll");
    assert!(done.stderr.contains("no memory for a ring"), "{}", done.stderr);
    assert!(features(&done).is_empty());
    assert!(run("uring").exits(1).stderr.contains("no memory for a ring"));
}

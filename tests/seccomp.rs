//! The seccomp filter that other tests run squall under does what it says.

mod common;

use std::env;
use std::io;
use std::process::Command;

use common::seccomp::with_io_uring_refused;
use common::skip::skip;

/// Starts this test binary once more to try `io_uring_setup`; the errno that it met, 0 for none.
fn errno_in_child(refused_with: Option<i32>) -> i32 {
    let mut cmd = Command::new(env::current_exe().unwrap());
    cmd.args(["--exact", "child", "--nocapture"]);
    if let Some(errno) = refused_with {
        with_io_uring_refused(&mut cmd, errno);
    }
    let output = cmd.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = text.split_once("errno=").expect("the child says its errno");
    rest.split(';').next().unwrap().parse().unwrap()
}

/// Tries, and says the errno: to the others, which start it, and to nobody otherwise.
#[test]
fn child() {
    // io_uring_params is 120 bytes; zeros ask for a plain ring.
    let mut params = [0u64; 15];
    // SAFETY: the kernel reads and writes at most 120 bytes at `params`.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1u32, params.as_mut_ptr()) };
    let errno = match fd {
        0.. => 0, // the descriptor goes with the process
        _ => io::Error::last_os_error().raw_os_error().unwrap(),
    };
    println!("errno={errno};");
}

#[test]
fn io_uring_setup_is_refused_with_the_given_errno() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        assert_eq!(errno_in_child(Some(errno)), errno);
    }
}

#[test]
fn without_the_filter_the_child_meets_something_else() {
    let errno = errno_in_child(None);
    if errno != 0 {
        return skip(format!("io_uring is not to be had here anyway (errno {errno})"));
    }
    assert_eq!(errno_in_child(Some(libc::EPERM)), libc::EPERM);
}

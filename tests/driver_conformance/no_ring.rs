//! A ring that the kernel no longer takes anything from: the worker hears of it, whatever it was about to do.

use std::thread;

use squall::clock;
use squall::driver::{DriverConfig, PayloadId, Wait};
use squall::units::Nanos;

use super::Outcome;
use super::common::rig::*;
use super::common::seccomp::{Calls, filter, install_with};

/// More than a ring has room for.
const SENDS: u32 = 5_000;

/// Makes every submission of the calling thread fail from now on.
fn refuse_submissions(errno: i32) -> Result<(), String> {
    let calls = [Calls::All(libc::SYS_io_uring_enter)];
    let mut program = filter(&calls, libc::SECCOMP_RET_ERRNO | errno as u32);
    install_with(&mut program, 0).map(drop).map_err(|e| e.to_string())
}

/// Queues more than there is room for, over a ring whose submissions fail so.
fn overfill(build: Build, errno: i32) -> Outcome {
    let peer = serve(|_| thread::park());
    let mut rig = Rig::new(build(DriverConfig { endpoints: vec![endpoint(peer)], ..config(1) })?);
    let conn = id(0, 0);
    rig.connected(conn, 0);
    refuse_submissions(errno)?;
    let begun = clock::now();
    let draft = rig.driver.draft(0);
    draft.extend_from_slice(REQUEST);
    for _ in 0..SENDS {
        rig.driver.send(conn, PayloadId(0), 1, false);
        rig.driver.send(conn, PayloadId::DRAFT, 1, false);
    }
    // The kernel has not seen them; they must not go because another is written.
    rig.driver.draft(0).extend_from_slice(&[b'x'; 1 << 20]);
    for _ in 0..3 {
        let error = rig.driver.wait(Wait::Poll).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno), "{error}");
    }
    rig.driver.close(conn, true);
    drop(rig);
    let took = clock::now() - begun;
    assert!(took < Nanos::from_secs(10), "{took}");
    Ok(())
}

fn on_a_thread_of_its_own(build: Build, errno: i32) -> Outcome {
    thread::spawn(move || overfill(build, errno)).join().unwrap()
}

pub(super) fn submissions_that_fail_end_the_run(build: Build) -> Outcome {
    for errno in [libc::EBADF, libc::ENXIO, libc::EFAULT] {
        on_a_thread_of_its_own(build, errno)?;
    }
    Ok(())
}

pub(super) fn submissions_that_are_put_off_for_ever_end_the_run(build: Build) -> Outcome {
    for errno in [libc::EBUSY, libc::EAGAIN] {
        on_a_thread_of_its_own(build, errno)?;
    }
    Ok(())
}

/// So many completions at once that the kernel has to keep some back, while more is submitted than there is room for.
pub(super) fn nothing_is_lost_when_completions_overflow(build: Build) -> Outcome {
    const SLOTS: u32 = 16;
    const EACH: u32 = 400;
    let peer = serve(|mut stream| response(&mut stream, b"0123456789abcdef", u64::MAX));
    let mut rig = Rig::new(build(DriverConfig { endpoints: vec![endpoint(peer)], ..config(SLOTS) })?);
    for slot in 0..SLOTS {
        rig.connected(id(slot, 0), 0);
    }
    let mut got = vec![0; SLOTS as usize];
    for _ in 0..EACH {
        for slot in 0..SLOTS {
            request(&mut *rig.driver, id(slot, 0), 1);
        }
    }
    let mut left = SLOTS;
    rig.drive("every response", |_, conn, seen| {
        let Seen::Data(bytes) = seen else { panic!("{seen:?}") };
        let got = &mut got[conn.slot as usize];
        *got += bytes.len();
        left -= u32::from(*got == EACH as usize * 16);
        left == 0
    });
    Ok(())
}

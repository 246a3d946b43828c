//! Drafts: sent as they were written, whatever the slot's draft becomes meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};

use squall::driver::{ConnId, Driver, DriverConfig, PayloadId};
use squall::units::Nanos;

use super::Outcome;
use super::common::rig::*;

/// Far beyond both socket buffers.
const LONG: usize = 12 << 20;

/// What a peer has read to the end, which it begins when told to.
struct Reader {
    addr: SocketAddr,
    start: mpsc::Sender<()>,
    bytes: mpsc::Receiver<Vec<u8>>,
}

/// Reads `len` bytes of each connection, then says so with one byte.
fn reader(len: usize) -> Reader {
    let (start, started) = mpsc::channel();
    let (tell, bytes) = mpsc::channel();
    let started = Mutex::new(started);
    let addr = serve(move |mut stream: TcpStream| {
        started.lock().unwrap().recv().unwrap();
        let mut got = Vec::new();
        let _ = (&stream).take(len as u64).read_to_end(&mut got);
        let _ = tell.send(got);
        let _ = stream.write_all(b".");
    });
    Reader { addr, start, bytes }
}

fn rig(build: Build, reader: &Reader, slots: u32) -> Result<Rig, String> {
    Ok(Rig::new(build(DriverConfig { endpoints: vec![endpoint(reader.addr)], ..config(slots) })?))
}

fn write_draft(driver: &mut dyn Driver, slot: u32, bytes: &[u8]) {
    let draft = driver.draft(slot);
    draft.clear();
    draft.extend_from_slice(bytes);
    assert!(driver.drafted(slot) == bytes);
}

fn send_draft(rig: &mut Rig, conn: ConnId, bytes: &[u8], notify: bool) {
    write_draft(&mut *rig.driver, conn.slot, bytes);
    rig.driver.send(conn, PayloadId::DRAFT, bytes.len() as u32, notify);
}

fn quiet_turns(rig: &mut Rig) {
    for _ in 0..3 {
        rig.turn(Nanos::from_millis(10), |_, _, seen| panic!("{seen:?}"));
    }
}

fn until_confirmed(rig: &mut Rig, conn: ConnId) -> u32 {
    let mut sent = 0;
    rig.drive("the peer's word", |_, which, seen| {
        match seen {
            Seen::Sent => sent += 1,
            Seen::Data(bytes) if which == conn => return bytes == b".",
            other => panic!("{other:?}"),
        }
        false
    });
    sent
}

/// A draft that does not report, and for which the socket has no room, goes all the same, and whole; what is sent behind it
/// comes behind it.
pub(super) fn a_silent_draft_goes_though_there_is_no_room(build: Build) -> Outcome {
    let bytes = pattern(LONG);
    let reader = reader(LONG + REQUEST.len());
    let mut rig = rig(build, &reader, 1)?;
    for (generation, notify) in [(0, false), (1, true), (2, false)] {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        send_draft(&mut rig, conn, &bytes, false);
        quiet_turns(&mut rig);
        rig.driver.send(conn, PayloadId(0), REQUEST.len() as u32, notify);
        quiet_turns(&mut rig);
        reader.start.send(()).unwrap();
        assert_eq!(until_confirmed(&mut rig, conn), u32::from(notify));
        let got = reader.bytes.recv().unwrap();
        assert!(got == [&bytes[..], REQUEST].concat(), "{} bytes", got.len());
        // The next one has another draft to write into, or the same.
        write_draft(&mut *rig.driver, 0, b"short");
        rig.driver.close(conn, false);
    }
    Ok(())
}

/// A slot that is used again while the last connection's draft is on its way.
pub(super) fn a_draft_is_not_torn_by_the_next_connection(build: Build) -> Outcome {
    let reader = reader(LONG);
    let mut rig = rig(build, &reader, 1)?;
    for (generation, notify) in (0..6).zip([true, false].into_iter().cycle()) {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        send_draft(&mut rig, conn, &vec![generation as u8; LONG], notify);
        if generation >= 2 {
            quiet_turns(&mut rig);
        }
        rig.driver.close(conn, false);
        write_draft(&mut *rig.driver, 0, b"other");
        reader.start.send(()).unwrap();
        // On a busy machine it takes several turns: what the kernel has begun goes on in them.
        let got = loop {
            rig.turn(Nanos::from_millis(5), |_, which, _| assert_eq!(which, conn, "stale"));
            match reader.bytes.try_recv() {
                Ok(got) => break got,
                Err(mpsc::TryRecvError::Empty) => {}
                Err(e) => panic!("{e}"),
            }
        };
        assert!(got.iter().all(|byte| *byte == generation as u8), "of connection {generation}");
    }
    Ok(())
}

/// Against the contract, a draft is written again while it is sent. What the peer gets is the driver's affair, as long as it
/// is not memory that is gone; this driver's affair is to send what was written first.
pub(super) fn a_draft_that_is_written_again_goes_as_it_was(build: Build) -> Outcome {
    let bytes = pattern(LONG);
    let reader = reader(LONG);
    let mut rig = rig(build, &reader, 1)?;
    for (generation, turns) in [(0, true), (1, false)] {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        send_draft(&mut rig, conn, &bytes, true);
        if turns {
            quiet_turns(&mut rig);
        }
        for round in 0..3 {
            write_draft(&mut *rig.driver, 0, &vec![round; LONG]);
        }
        reader.start.send(()).unwrap();
        assert_eq!(until_confirmed(&mut rig, conn), 1);
        assert!(reader.bytes.recv().unwrap() == bytes[..]);
        rig.driver.close(conn, false);
    }
    Ok(())
}

/// The same, with short ones that do not report, which are queued and not yet submitted.
pub(super) fn a_queued_draft_that_is_written_again_goes_as_it_was(build: Build) -> Outcome {
    const SHORT: usize = 1_000;
    let reader = reader(4 * SHORT);
    let mut rig = rig(build, &reader, 1)?;
    let conn = id(0, 0);
    rig.connected(conn, 0);
    for byte in 0..4 {
        send_draft(&mut rig, conn, &[byte; SHORT], false);
    }
    write_draft(&mut *rig.driver, 0, &[9; 100 * SHORT]);
    reader.start.send(()).unwrap();
    until_confirmed(&mut rig, conn);
    let expected: Vec<u8> = (0..4).flat_map(|byte| [byte; SHORT]).collect();
    assert!(reader.bytes.recv().unwrap() == expected);
    Ok(())
}

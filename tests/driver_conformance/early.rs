//! Responses that come before the request is through, from peers that reset the connection behind them.

use std::io::{Read, Write};
use std::net::SocketAddr;

use squall::clock;
use squall::driver::failure::Failure;
use squall::driver::{ConnId, Driver, DriverConfig, PayloadId, Wait};
use squall::units::Nanos;

use super::common::rig::*;
use super::{Outcome, over_unix};

/// Reads one byte, responds in full, and closes: its kernel resets the connection for what was not read.
fn hasty(response: Vec<u8>) -> SocketAddr {
    serve(move |mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        stream.write_all(&response).unwrap();
    })
}

/// Lets both the response and the reset arrive before the driver looks.
fn let_arrive(driver: &mut dyn Driver) {
    driver.wait(Wait::Poll).unwrap();
    clock::sleep(Nanos::from_millis(20));
}

/// Sends that were under way when the connection broke may say so in either way.
fn is_of_a_broken_connection(failure: Failure) -> bool {
    matches!(failure, Failure::Os(libc::ECONNRESET | libc::EPIPE))
}

/// All bytes up to the connection's failure.
fn until_failed(rig: &mut Rig, conn: ConnId) -> Vec<u8> {
    let mut got = Vec::new();
    rig.drive("the failure", |_, which, seen| {
        assert_eq!(which, conn);
        match seen {
            Seen::Data(bytes) => got.extend(bytes),
            Seen::Sent => {} // a small one may have been in time
            Seen::Failed(failure) => {
                assert!(is_of_a_broken_connection(failure), "{failure:?}");
                return true;
            }
            other => panic!("{other:?}"),
        }
        false
    });
    // It is the last word, and said once; both sending and closing are still in order.
    rig.driver.send(conn, PayloadId(0), 1, true);
    rig.turn(Nanos::from_millis(10), |_, _, seen| panic!("after the failure: {seen:?}"));
    rig.driver.close(conn, false);
    rig.turn(Nanos::from_millis(10), |_, _, seen| panic!("after the close: {seen:?}"));
    got
}

pub(super) fn a_response_counts_though_a_send_fails(build: Build) -> Outcome {
    let response = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n".to_vec();
    let endpoints = vec![endpoint(hasty(response.clone()))];
    let mut rig = Rig::new(build(DriverConfig { endpoints, ..config(1) })?);
    for (generation, notify) in (0..10).zip([false, true].into_iter().cycle()) {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        request(&mut *rig.driver, conn, 2);
        let_arrive(&mut *rig.driver);
        // It fails at once, while the response is still in the socket.
        rig.driver.send(conn, PayloadId(0), 100, notify);
        assert_eq!(until_failed(&mut rig, conn), response, "of connection {generation}");
    }
    Ok(())
}

pub(super) fn a_response_counts_though_a_long_send_breaks(build: Build) -> Outcome {
    const LEN: usize = 16 << 20; // far beyond both socket buffers
    let payloads = vec![pattern(LEN)];
    for len in [60, 100_000] {
        let response = pattern(len).to_vec();
        let endpoints = vec![endpoint(hasty(response.clone()))];
        let mut rig = Rig::new(build(DriverConfig { payloads: payloads.clone(), endpoints, ..config(1) })?);
        for generation in 0..6 {
            let conn = id(0, generation);
            rig.connected(conn, 0);
            rig.driver.send(conn, PayloadId(0), LEN as u32, true);
            if generation.is_multiple_of(2) {
                let_arrive(&mut *rig.driver);
            }
            let got = until_failed(&mut rig, conn);
            // What was in flight to us when the peer closed may be lost to its reset.
            assert!(response.starts_with(&got), "{} bytes of another kind", got.len());
            assert!(len > 60 || got == response, "of connection {generation}: {} bytes", got.len());
        }
    }
    Ok(())
}

pub(super) fn a_failed_send_waits_for_what_is_discarded(build: Build) -> Outcome {
    // So long that it is discarded in the kernel, so short that it lies in the socket when the peer closes.
    let response = pattern(60_000);
    let endpoints = vec![endpoint(hasty(response.to_vec()))];
    let mut rig = Rig::new(build(DriverConfig { endpoints, ..config(1) })?);
    for generation in 0..5 {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        request(&mut *rig.driver, conn, 2);
        let mut total = 0;
        rig.drive("the failure", |driver, _, seen| {
            match seen {
                Seen::Data(bytes) => {
                    let first = total == 0;
                    total += bytes.len() as u64;
                    if first {
                        driver.discard(conn, response.len() as u64 - total);
                        // The reset comes meanwhile, and this fails before anything else is received.
                        clock::sleep(Nanos::from_millis(20));
                        driver.send(conn, PayloadId(0), 100, true);
                    }
                }
                Seen::Discarded(bytes) => total += bytes,
                Seen::Failed(failure) => return is_of_a_broken_connection(failure),
                other => panic!("{other:?}"),
            }
            false
        });
        assert_eq!(total, response.len() as u64, "of connection {generation}");
        rig.driver.close(conn, false);
    }
    Ok(())
}

pub(super) fn a_failed_send_waits_for_a_starved_receive(build: Build) -> Outcome {
    let flood = serve(|mut stream| while stream.write_all(&[b'x'; 1 << 16]).is_ok() {});
    let response = pattern(5_000).to_vec();
    let endpoints = vec![endpoint(flood), endpoint(hasty(response.clone()))];
    let mut rig = Rig::new(build(DriverConfig { endpoints, ..config(2) })?);
    let conn = id(1, 0);
    rig.connected(conn, 1);
    rig.driver.connect(id(0, 0), 0);
    rig.hold = true;
    while rig.driver.counters().buffer_starvations == 0 {
        rig.turn(Nanos::from_millis(10), |_, which, seen| assert_eq!(which.slot, 0, "{seen:?}"));
    }
    request(&mut *rig.driver, conn, 2);
    let_arrive(&mut *rig.driver);
    request(&mut *rig.driver, conn, 2);
    for _ in 0..5 {
        rig.turn(Nanos::from_millis(2), |_, which, seen| assert_eq!(which.slot, 0, "{seen:?}"));
    }
    rig.driver.close(id(0, 0), false);
    rig.let_go();
    let mut got = Vec::new();
    rig.drive("the failure", |_, which, seen| {
        match seen {
            _ if which != conn => {}
            Seen::Data(bytes) => got.extend(bytes),
            Seen::Failed(failure) => return is_of_a_broken_connection(failure),
            other => panic!("{other:?}"),
        }
        false
    });
    assert!(got == response, "{} bytes", got.len());
    Ok(())
}

pub(super) fn a_send_fails_though_receiving_could_go_on(build: Build) -> Outcome {
    let (driver, listener, _dir) = over_unix(build, 1, 8)?;
    let mut rig = Rig::new(driver);
    let conn = id(0, 0);
    rig.connected(conn, 0);
    // The peer does not read any more, as only a Unix socket can tell, but has something to say, and stays.
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"enough").unwrap();
    peer.shutdown(std::net::Shutdown::Read).unwrap();
    rig.driver.send(conn, PayloadId(0), 100, true);
    assert_eq!(until_failed(&mut rig, conn), b"enough");
    Ok(())
}

pub(super) fn a_connection_can_be_closed_between_failure_and_report(build: Build) -> Outcome {
    let endpoints = vec![endpoint(hasty(pattern(60_000).to_vec()))];
    let mut rig = Rig::new(build(DriverConfig { endpoints, ..config(1) })?);
    for generation in 0..10 {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        request(&mut *rig.driver, conn, 2);
        let_arrive(&mut *rig.driver);
        request(&mut *rig.driver, conn, 1);
        let until = rig.driver.now();
        // What was seen of it by now does not matter: nothing of it may reach the next connection.
        rig.driver.wait(Wait::Until { until, want: 1 }).unwrap();
        rig.driver.close(conn, generation.is_multiple_of(2));
        while let Some(completion) = rig.driver.next() {
            assert_eq!(completion.conn, conn);
            if let squall::driver::Event::Data(buffer) = completion.event {
                rig.driver.release(buffer);
            }
        }
    }
    Ok(())
}

//! Every driver keeps the contract of `squall::driver::Driver`: one suite, run over each.

mod common;
#[path = "driver_conformance/drafts.rs"]
mod drafts;
#[path = "driver_conformance/early.rs"]
mod early;
#[path = "driver_conformance/no_ring.rs"]
mod no_ring;
#[path = "driver_conformance/routes.rs"]
mod routes;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;

use common::rig::*;
use common::skip::skip;
use common::yardstick::lateness;
use drafts::*;
use early::*;
use no_ring::*;
use routes::*;
use squall::clock;
use squall::driver::failure::Failure;
use squall::driver::{ConnId, Driver, DriverConfig, Endpoint, PayloadId, Wait};
use squall::units::Nanos;

/// Runs each test in a module per driver. One that this host cannot have is said to be left out.
macro_rules! suite {
    ($($driver:ident: $make:expr),+; $tests:tt) => { $(suite!(@one $driver, $make, $tests);)+ };
    (@one $driver:ident, $make:expr, { $($test:ident),+ $(,)? }) => {
        mod $driver {
            use super::*;
            $(#[test]
            fn $test() {
                if let Err(why) = super::$test($make) {
                    skip(why);
                }
            })+
        }
    };
}

suite!(epoll: epoll_world, uring: uring_world, sim: sim_world; {
    a_refused_connect_frees_the_slot,
    responses_arrive_whole_and_in_order,
    large_responses_arrive_whole,
    discarded_and_delivered_bytes_add_up,
    discards_leave_the_next_response_alone,
    eof_comes_after_the_last_byte,
    a_reset_is_reported_once,
    a_reused_slot_sees_nothing_of_the_last_connection,
    starvation_loses_nothing,
    waits_end_at_their_deadline,
    a_thousand_connections,
    an_endpoint_may_be_added_later,
});

// Behind TLS nothing is discarded, one buffer is lent at a time, so that none can be held back, and a session ticket
// may end a wait before anything has happened.
suite!(tls_on_epoll: tls_epoll_world, tls_on_uring: tls_uring_world; {
    a_refused_connect_frees_the_slot,
    responses_arrive_whole_and_in_order,
    large_responses_arrive_whole,
    discards_leave_the_next_response_alone,
    eof_comes_after_the_last_byte,
    a_reset_is_reported_once,
    a_reused_slot_sees_nothing_of_the_last_connection,
    a_thousand_connections,
});

suite!(epoll_sockets: epoll, uring_sockets: uring; {
    sent_means_that_the_kernel_has_it_all,
    a_flood_does_not_starve_the_others,
    close_sends_what_it_was_asked_to,
    connections_come_from_the_source_address,
    an_endpoint_of_another_kind_may_be_added_later,
    a_response_before_a_reset_is_delivered,
    a_response_counts_though_a_send_fails,
    a_response_counts_though_a_long_send_breaks,
    a_failed_send_waits_for_what_is_discarded,
    a_failed_send_waits_for_a_starved_receive,
    a_send_fails_though_receiving_could_go_on,
    a_silent_draft_goes_though_there_is_no_room,
    a_draft_is_not_torn_by_the_next_connection,
    a_connection_can_be_closed_between_failure_and_report,
    unix_sockets_discard_by_reading,
    a_full_queue_of_a_unix_listener_is_waited_for,
});

suite!(uring_alone: uring; {
    submissions_that_fail_end_the_run,
    submissions_that_are_put_off_for_ever_end_the_run,
    nothing_is_lost_when_completions_overflow,
    a_draft_that_is_written_again_goes_as_it_was,
    a_queued_draft_that_is_written_again_goes_as_it_was,
});

suite!(routes_on_epoll: routed_epoll, routes_on_uring: routed_uring; {
    the_protocol_agreed_on_is_told,
    a_route_may_be_added_later,
    routes_share_their_connectors_sessions,
});

type Outcome = Result<(), String>;

fn rig(world: World, slots: u32, peer: Behaviour) -> Result<Rig, String> {
    Ok(Rig::new(world(config(slots), peer)?))
}

fn a_refused_connect_frees_the_slot(world: World) -> Outcome {
    let mut rig = rig(world, 1, Behaviour::Refuse)?;
    for generation in 0..5 {
        rig.driver.connect(id(0, generation), 0);
        rig.drive("refusal", |_, conn, seen| {
            assert_eq!(conn, id(0, generation));
            assert_eq!(seen, Seen::ConnectFailed(Failure::Os(libc::ECONNREFUSED)));
            true
        });
    }
    Ok(())
}

/// Sends `rounds` sends of `batch` requests each, one after the other, and checks every byte of
/// the responses. With `discard` everything behind the first 16 bytes of a response is discarded.
fn exchange(rig: &mut Rig, response: &[u8], rounds: usize, batch: usize, discard: bool) -> u64 {
    exchange_on(rig, (id(0, 0), 0), response, rounds, batch, discard)
}

/// As [`exchange`], by a connection and to an endpoint of one's own.
fn exchange_on(
    rig: &mut Rig,
    (conn, to): (ConnId, u32),
    response: &[u8],
    rounds: usize,
    batch: usize,
    discard: bool,
) -> u64 {
    const HEAD: usize = 16;
    rig.connected(conn, to);
    let total = response.len() * batch * rounds;
    let (mut at, mut discarded, mut asked_for) = (0, 0, 0);
    request(&mut *rig.driver, conn, batch);
    rig.drive("all responses", |driver, which, seen| {
        assert_eq!(which, conn);
        let before = at;
        match seen {
            Seen::Data(bytes) => {
                for byte in bytes {
                    assert_eq!(byte, response[at % response.len()], "byte {at}");
                    at += 1;
                }
                let responses = at / response.len();
                let (into, rest) = (at % response.len(), response.len() - at % response.len());
                if discard && into >= HEAD && asked_for <= responses {
                    driver.discard(conn, rest as u64);
                    asked_for = responses + 1;
                }
            }
            Seen::Discarded(bytes) => {
                let rest = response.len() - at % response.len();
                assert!(bytes > 0 && bytes as usize <= rest, "{bytes} of {rest}");
                at += bytes as usize;
                discarded += bytes;
            }
            other => panic!("{other:?} at byte {at}"),
        }
        assert!(at <= total, "{at} bytes of {total}");
        let round = response.len() * batch;
        if at / round > before / round && at < total {
            request(driver, conn, batch);
        }
        at == total
    });
    let idle = Nanos::from_millis(20);
    rig.turn(idle, |_, _, seen| panic!("after the last byte: {seen:?}"));
    discarded
}

fn responses_arrive_whole_and_in_order(world: World) -> Outcome {
    let response = pattern(100);
    for batch in [1, 16] {
        let mut rig = rig(world, 1, Behaviour::Respond(response.clone()))?;
        exchange(&mut rig, &response, 200, batch, false);
    }
    Ok(())
}

fn large_responses_arrive_whole(world: World) -> Outcome {
    for len in [65_536, 3 << 20] {
        let response = pattern(len);
        let mut rig = rig(world, 1, Behaviour::Respond(response.clone()))?;
        exchange(&mut rig, &response, 3, 1, false);
    }
    Ok(())
}

fn discarded_and_delivered_bytes_add_up(world: World) -> Outcome {
    for len in [40, 5_000, 65_536, 3 << 20] {
        let response = pattern(len);
        let mut rig = rig(world, 1, Behaviour::Respond(response.clone()))?;
        let discarded = exchange(&mut rig, &response, 5, 1, true);
        if len > 1 << 20 {
            assert!(discarded > len as u64, "only {discarded} bytes were discarded");
        }
    }
    Ok(())
}

fn discards_leave_the_next_response_alone(world: World) -> Outcome {
    for len in [40, 5_000, 100_000] {
        let response = pattern(len);
        let mut rig = rig(world, 1, Behaviour::Respond(response.clone()))?;
        exchange(&mut rig, &response, 20, 5, true);
    }
    Ok(())
}

fn eof_comes_after_the_last_byte(world: World) -> Outcome {
    let response = pattern(50_000);
    let mut rig = rig(world, 1, Behaviour::RespondThenEof(response.clone(), 1))?;
    for generation in 0..5 {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        request(&mut *rig.driver, conn, 1);
        let mut got = Vec::new();
        rig.drive("end of file", |_, which, seen| {
            match seen {
                _ if which != conn => {}
                Seen::Data(bytes) => got.extend(bytes),
                Seen::Eof => return true,
                other => panic!("{other:?}"),
            }
            false
        });
        assert!(got == response[..], "{} bytes", got.len());
        rig.driver.close(conn, false);
    }
    Ok(())
}

fn a_reset_is_reported_once(world: World) -> Outcome {
    let mut rig = rig(world, 1, Behaviour::Reset)?;
    for generation in 0..5 {
        let conn = id(0, generation);
        rig.connected(conn, 0);
        request(&mut *rig.driver, conn, 1);
        let limit = rig.driver.now() + Nanos::from_secs(20);
        let (mut before, mut resets) = (0, 0);
        // One turn more than it takes.
        while before == 0 && rig.driver.now() < limit {
            before = resets;
            rig.turn(Nanos::from_millis(5), |_, which, seen| {
                if which == conn {
                    assert_eq!(seen, Seen::Failed(Failure::Os(libc::ECONNRESET)));
                    resets += 1;
                }
            });
        }
        assert_eq!(resets, 1);
        rig.driver.close(conn, false);
    }
    Ok(())
}

fn a_reused_slot_sees_nothing_of_the_last_connection(world: World) -> Outcome {
    let response = pattern(400_000);
    let mut rig = rig(world, 1, Behaviour::Respond(response.clone()))?;
    let mut conn = id(0, 0);
    let mut at = 0;
    rig.driver.connect(conn, 0);
    rig.drive("30 generations", |driver, which, seen| {
        if which != conn {
            return false; // stale: allowed under the old name only
        }
        match seen {
            Seen::Connected => request(driver, conn, 1),
            Seen::Data(bytes) => {
                assert!(response[at..].starts_with(&bytes), "{which:?} at byte {at}");
                at += bytes.len();
                // In the middle of the response, each time a little further on, more on their way.
                if at > conn.generation as usize * 10_000 {
                    driver.close(conn, conn.generation.is_multiple_of(2));
                    conn.generation += 1;
                    at = 0;
                    driver.connect(conn, 0);
                }
            }
            other => panic!("{which:?}: {other:?}"),
        }
        conn.generation == 30
    });
    Ok(())
}

fn starvation_loses_nothing(world: World) -> Outcome {
    let response = pattern(4 << 20);
    let mut rig = rig(world, 1, Behaviour::Respond(response.clone()))?;
    let conn = id(0, 0);
    rig.connected(conn, 0);
    request(&mut *rig.driver, conn, 1);
    let mut got = Vec::new();
    rig.hold = true;
    let mut progress = rig.driver.now();
    while rig.driver.now() - progress < Nanos::from_millis(100) {
        let before = got.len();
        rig.turn(Nanos::from_millis(10), |_, _, seen| match seen {
            Seen::Data(bytes) => got.extend(bytes),
            other => panic!("{other:?}"),
        });
        if got.len() > before {
            progress = rig.driver.now();
        }
    }
    assert!(rig.driver.counters().buffer_starvations > 0);
    assert!(got.len() < response.len());
    rig.let_go();
    rig.drive("the rest", |_, _, seen| {
        match seen {
            Seen::Data(bytes) => got.extend(bytes),
            other => panic!("{other:?}"),
        }
        got.len() >= response.len()
    });
    assert!(got == response[..]);
    Ok(())
}

fn waits_end_at_their_deadline(world: World) -> Outcome {
    let mut rig = rig(world, 1, Behaviour::Respond(pattern(1)))?;
    rig.connected(id(0, 0), 0);
    for span in [0, 100, 1_300, 20_000].map(Nanos::from_micros) {
        // The best of ten, against the best of ten sleeps at the same time: the host may be busy.
        let (mut late, mut sleepers) = (Nanos::MAX, Nanos::MAX);
        for _ in 0..10 {
            let until = rig.driver.now() + span;
            rig.driver.wait(Wait::Until { until, want: 1 }).unwrap();
            assert!(rig.driver.next().is_none());
            let now = rig.driver.now();
            assert!(now >= until, "woke {} early", until - now);
            late = late.min(now - until);
            sleepers = sleepers.min(lateness(span));
        }
        assert!(late < sleepers + Nanos::from_micros(500), "{late} late after {span}, a sleep {sleepers}");
    }
    Ok(())
}

/// Both ends of 1,000 connections lie in this process.
fn raise_descriptor_limit() -> Outcome {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for both calls.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
        }
    };
    match done && limit.rlim_cur >= 4_000 {
        true => Ok(()),
        false => Err(format!("only {} descriptors", limit.rlim_cur)),
    }
}

fn a_thousand_connections(world: World) -> Outcome {
    const COUNT: u32 = 1_000;
    const ROUNDS: usize = 5;
    raise_descriptor_limit()?;
    let response = pattern(300);
    let mut rig = rig(world, COUNT, Behaviour::Respond(response.clone()))?;
    let mut got = vec![0; COUNT as usize];
    let mut complete = 0;
    for slot in 0..COUNT {
        rig.driver.connect(id(slot, 7), 0);
    }
    rig.drive("5,000 responses", |driver, conn, seen| {
        assert_eq!(conn.generation, 7);
        let got = &mut got[conn.slot as usize];
        match seen {
            Seen::Connected => request(driver, conn, 1),
            Seen::Data(bytes) => {
                let at = *got % response.len();
                assert!(response[at..].starts_with(&bytes));
                *got += bytes.len();
                if *got == ROUNDS * response.len() {
                    complete += 1;
                } else if got.is_multiple_of(response.len()) {
                    request(driver, conn, 1);
                }
            }
            other => panic!("{conn:?}: {other:?}"),
        }
        complete == COUNT
    });
    assert_eq!(rig.driver.counters().cq_overflows, 0);
    Ok(())
}

fn sent_means_that_the_kernel_has_it_all(build: Build) -> Outcome {
    const LEN: usize = 12 << 20; // far beyond both socket buffers
    let payload = pattern(LEN);
    let (start, started) = mpsc::channel::<()>();
    let started = std::sync::Mutex::new(started);
    let expected = payload.clone();
    let addr = serve(move |mut stream| {
        started.lock().unwrap().recv().unwrap();
        let mut got = vec![0; LEN];
        stream.read_exact(&mut got).unwrap();
        stream.write_all(&[(got == expected[..]) as u8]).unwrap();
    });
    let mut rig = Rig::new(build(DriverConfig {
        payloads: vec![payload],
        endpoints: vec![endpoint(addr)],
        ..config(1)
    })?);
    let conn = id(0, 0);
    rig.connected(conn, 0);
    rig.driver.send(conn, PayloadId(0), LEN as u32, true);
    let pause = Nanos::from_millis(30);
    rig.turn(pause, |_, _, seen| panic!("{seen:?} though nobody reads"));
    start.send(()).unwrap();
    let mut sent = 0;
    rig.drive("the peer's word", |_, _, seen| {
        match seen {
            Seen::Sent => sent += 1,
            Seen::Data(bytes) => {
                assert_eq!(bytes, [1], "the bytes arrived changed");
                return true;
            }
            other => panic!("{other:?}"),
        }
        false
    });
    assert_eq!(sent, 1);
    Ok(())
}

fn a_flood_does_not_starve_the_others(build: Build) -> Outcome {
    let flood = serve(|mut stream| while stream.write_all(&[b'x'; 1 << 16]).is_ok() {});
    let polite = serve(|mut stream| {
        let mut request = [0; REQUEST.len()];
        while stream.read_exact(&mut request).is_ok() && stream.write_all(b"ok").is_ok() {}
    });
    let mut rig =
        Rig::new(build(DriverConfig { endpoints: vec![endpoint(flood), endpoint(polite)], ..config(2) })?);
    rig.connected(id(1, 0), 1);
    request(&mut *rig.driver, id(1, 0), 1);
    rig.driver.connect(id(0, 0), 0);
    let (mut responses, mut flooded) = (0, 0);
    rig.drive("200 responses beside a flood", |driver, conn, seen| {
        match (conn.slot, seen) {
            (0, Seen::Connected) => {}
            (0, Seen::Data(bytes)) => flooded += bytes.len(),
            (1, Seen::Data(bytes)) => {
                assert_eq!(bytes, b"ok");
                responses += u32::from(flooded > 1 << 18);
                request(driver, conn, 1);
            }
            other => panic!("{other:?}"),
        }
        responses == 200
    });
    Ok(())
}

fn close_sends_what_it_was_asked_to(build: Build) -> Outcome {
    let (tell, told) = mpsc::channel();
    let addr = serve(move |mut stream| {
        let end = stream.read(&mut [0]).map_err(|e| e.kind());
        tell.send(end).unwrap();
    });
    let mut rig = Rig::new(build(DriverConfig { endpoints: vec![endpoint(addr)], ..config(1) })?);
    for (generation, reset) in [false, true, false].into_iter().enumerate() {
        let conn = id(0, generation as u32);
        rig.connected(conn, 0);
        rig.driver.close(conn, reset);
        rig.driver.wait(Wait::Poll).unwrap();
        let expected = match reset {
            true => Err(ErrorKind::ConnectionReset),
            false => Ok(0),
        };
        let limit = std::time::Duration::from_secs(5);
        assert_eq!(told.recv_timeout(limit).unwrap(), expected);
    }
    Ok(())
}

fn connections_come_from_the_source_address(build: Build) -> Outcome {
    let (tell, told) = mpsc::channel();
    let addr = serve(move |stream| tell.send(stream.peer_addr().unwrap().ip()).unwrap());
    let source = "127.0.0.9".parse().unwrap();
    let mut endpoint = endpoint(addr);
    endpoint.source = Some(source);
    let mut rig = Rig::new(build(DriverConfig { endpoints: vec![endpoint], ..config(1) })?);
    rig.connected(id(0, 0), 0);
    assert_eq!(told.recv().unwrap(), source);
    Ok(())
}

fn a_response_before_a_reset_is_delivered(build: Build) -> Outcome {
    // The peer answers without reading everything and closes: its kernel sends RST.
    let addr = serve(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let mut rig = Rig::new(build(DriverConfig { endpoints: vec![endpoint(addr)], ..config(1) })?);
    let conn = id(0, 0);
    rig.connected(conn, 0);
    request(&mut *rig.driver, conn, 16);
    // Let both the response and the reset arrive before the driver looks.
    rig.driver.wait(Wait::Poll).unwrap();
    clock::sleep(Nanos::from_millis(20));
    let mut got = Vec::new();
    rig.drive("the end", |_, _, seen| {
        match seen {
            Seen::Data(bytes) => got.extend(bytes),
            Seen::Failed(failure) => {
                assert_eq!(failure, Failure::Os(libc::ECONNRESET));
                return true;
            }
            Seen::Eof => return true,
            other => panic!("{other:?}"),
        }
        false
    });
    assert_eq!(got, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    Ok(())
}

/// A driver whose endpoint 0 is a Unix socket, and its listener with room for `backlog` connects.
pub(crate) fn over_unix(
    build: Build,
    slots: u32,
    backlog: i32,
) -> Result<(Box<dyn Driver>, UnixListener, tempfile::TempDir), String> {
    let dir = tempfile::tempdir().unwrap();
    let address = socket2::SockAddr::unix(dir.path().join("peer")).unwrap();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&address).unwrap();
    socket.listen(backlog).unwrap();
    let endpoint = Endpoint { addr: address, source: None, congestion: None };
    let driver = build(DriverConfig { endpoints: vec![endpoint], ..config(slots) })?;
    Ok((driver, UnixListener::from(std::os::fd::OwnedFd::from(socket)), dir))
}

fn unix_sockets_discard_by_reading(build: Build) -> Outcome {
    let (driver, listener, _dir) = over_unix(build, 1, 8)?;
    let response = pattern(1 << 20);
    let sends = response.clone();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; REQUEST.len()];
        while stream.read_exact(&mut request).is_ok() && stream.write_all(&sends).is_ok() {}
    });
    let discarded = exchange(&mut Rig::new(driver), &response, 5, 1, true);
    assert!(discarded > 1 << 20);
    Ok(())
}

fn a_full_queue_of_a_unix_listener_is_waited_for(build: Build) -> Outcome {
    const SLOTS: u32 = 40;
    let (driver, listener, _dir) = over_unix(build, SLOTS, 1)?;
    let mut rig = Rig::new(driver);
    for slot in 0..SLOTS {
        rig.driver.connect(id(slot, 1), 0);
    }
    let mut connected = 0;
    // Nobody accepts yet: a few stand in the queue, the others wait.
    rig.turn(Nanos::from_millis(20), |_, _, seen| {
        assert_eq!(seen, Seen::Connected);
        connected += 1;
    });
    assert!(connected < SLOTS, "the queue has room for all");
    // One of those that wait is given up.
    rig.driver.close(id(SLOTS - 1, 1), false);
    std::thread::spawn(move || {
        let streams: Vec<_> = (1..SLOTS).map(|_| listener.accept().unwrap()).collect();
        std::thread::park();
        drop(streams);
    });
    rig.drive("all the others connect", |_, conn, seen| {
        assert_eq!((seen, conn.slot < SLOTS - 1), (Seen::Connected, true));
        connected += 1;
        connected == SLOTS - 1
    });
    Ok(())
}

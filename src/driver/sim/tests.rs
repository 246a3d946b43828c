//! The simulation holds its own promises: same seed, same run; books that balance; contract
//! breaches noticed.

mod faults;

use proptest::prelude::*;

use super::*;
use crate::driver::failure::Failure;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn config(slots: u32) -> DriverConfig {
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    DriverConfig {
        slots,
        payloads: vec![REQUEST.into()],
        endpoints: vec![Endpoint { addr: addr.into(), source: None, congestion: None }],
        expect_large: true,
    }
}

/// What a client that knows nothing of HTTP can count.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    connected: u64,
    refused: u64,
    bytes: u64,
    eofs: u64,
    resets: u64,
    stale: u64,
    log: u64,
}

/// Keeps one request in flight on each connection for `turns` turns, reconnects after every end,
/// and gives up connections at random.
fn drive(script: SimScript, slots: u32, turns: u32) -> (Seen, PeerBooks, Nanos) {
    let response = script.responses[0].len() as u64;
    let mut dice = Dice::new(99);
    let mut driver = SimDriver::new(config(slots), script);
    let mut seen = Seen::default();
    let mut ids: Vec<ConnId> = (0..slots).map(|slot| id(slot, 0)).collect();
    let mut got = vec![0; slots as usize];
    ids.iter().for_each(|conn| driver.connect(*conn, 0));
    for _ in 0..turns {
        let until = driver.now() + Nanos::from_millis(1);
        driver.wait(Wait::Until { until, want: 1 }).unwrap();
        while let Some(Completion { conn, event }) = driver.next() {
            let at = conn.slot as usize;
            let now = driver.now().0;
            seen.log = (seen.log ^ now ^ u64::from(conn.slot)).wrapping_mul(0x100_0000_01b3);
            let fresh = ids[at] == conn;
            seen.stale += u64::from(!fresh);
            let bytes = match event {
                Event::Data(buffer) => {
                    let len = buffer.len() as u64;
                    driver.release(buffer);
                    len
                }
                Event::Discarded(bytes) => bytes,
                Event::Connected(_) if fresh => {
                    seen.connected += 1;
                    driver.send(conn, PayloadId(0), REQUEST.len() as u32, false);
                    0
                }
                Event::ConnectFailed(_) if fresh => {
                    seen.refused += 1;
                    again(&mut driver, &mut ids[at], &mut got[at]);
                    0
                }
                Event::Eof | Event::Failed(_) if fresh => {
                    seen.eofs += u64::from(event == Event::Eof);
                    seen.resets += u64::from(event == Event::Failed(Failure::Os(libc::ECONNRESET)));
                    driver.close(conn, false);
                    again(&mut driver, &mut ids[at], &mut got[at]);
                    0
                }
                _ => 0,
            };
            if fresh && bytes > 0 {
                seen.bytes += bytes;
                got[at] += bytes;
                if dice.happens(0.01) {
                    driver.close(conn, true);
                    again(&mut driver, &mut ids[at], &mut got[at]);
                } else if got[at].is_multiple_of(response) {
                    driver.send(conn, PayloadId(0), REQUEST.len() as u32, false);
                } else if dice.happens(0.3) {
                    // Perhaps already part of the discard before: then out of turn.
                    let slot = &driver.slots[at];
                    if slot.discard == 0 && driver.handling == Some(conn) {
                        driver.discard(conn, response - got[at] % response);
                    }
                }
            }
        }
    }
    (seen, driver.books(), driver.now())
}

fn again(driver: &mut SimDriver, conn: &mut ConnId, got: &mut u64) {
    conn.generation += 1;
    *got = 0;
    driver.connect(*conn, 0);
}

fn id(slot: u32, generation: u32) -> ConnId {
    ConnId { slot, generation }
}

fn faults() -> impl Strategy<Value = SimFaults> {
    let rare = || prop_oneof![Just(0.0), 0.0..0.2f64];
    (
        (rare(), rare(), rare(), rare(), rare()),
        (rare(), rare(), rare(), rare(), rare()),
        prop::option::of(1..20u64),
    )
        .prop_map(|(a, b, close_after_n)| SimFaults {
            connect_refused: a.0,
            short_sends: a.1,
            reset_before_response: a.2,
            reset_mid_response: a.3,
            eof_mid_response: a.4,
            garbage: b.0,
            late_responses: b.1,
            split_responses: b.2,
            buffer_starvation: b.3,
            stale_completions: b.4,
            connect_slow: 0.0,
            close_after_n,
            ..SimFaults::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn same_seed_same_run_and_the_books_balance(
        seed: u64, faults in faults(), slots in 1..20u32, buffers in 1..32u16, body in 2..20_000usize,
    ) {
        let script = SimScript {
            seed,
            faults,
            buffers,
            responses: vec![vec![b'x'; body]],
            service: Service::Exponential(Nanos::from_micros(300)),
            ..SimScript::default()
        };
        let (seen, books, now) = drive(script.clone(), slots, 300);
        prop_assert_eq!(seen.connected, books.connects);
        prop_assert_eq!(seen.refused, books.refused);
        prop_assert!(seen.bytes <= books.response_bytes);
        prop_assert!(seen.eofs <= books.eofs && seen.resets <= books.resets);
        prop_assert!(books.delivered <= books.responses && books.responses <= books.requests);
        prop_assert!(books.requests * REQUEST.len() as u64 <= books.request_bytes);
        prop_assert_eq!(drive(script, slots, 300), (seen, books, now));
    }
}

#[test]
fn without_faults_every_response_is_delivered_on_time() {
    let mut driver = SimDriver::new(config(1), SimScript::default());
    driver.connect(id(0, 5), 0);
    let far = Nanos::from_secs(9);
    let start = driver.now();
    driver.wait(Wait::Until { until: far, want: 1 }).unwrap();
    assert_eq!(driver.next().unwrap().event, Event::Connected(crate::driver::Alpn::None));
    assert_eq!(driver.now() - start, Nanos::from_micros(50));
    let sent = driver.now();
    driver.send(id(0, 5), PayloadId(0), REQUEST.len() as u32, true);
    driver.wait(Wait::Until { until: far, want: 1 }).unwrap();
    assert_eq!(driver.next().unwrap().event, Event::Sent);
    driver.wait(Wait::Until { until: far, want: 1 }).unwrap();
    let Some(Event::Data(buffer)) = driver.next().map(|c| c.event) else {
        panic!("no response");
    };
    assert_eq!(driver.bytes(&buffer), SimScript::default().responses[0]);
    driver.release(buffer);
    assert_eq!(driver.now() - sent, Nanos::from_micros(100));
    let before = driver.now();
    driver.wait(Wait::Poll).unwrap();
    assert_eq!(driver.now() - before, SimScript::default().turn_cost);
    driver.wait(Wait::Until { until: far, want: 1 }).unwrap();
    assert_eq!((driver.now(), driver.next()), (far, None));
    assert_eq!(driver.books().delivered, 1);
}

fn connected() -> SimDriver {
    let mut driver = SimDriver::new(config(1), SimScript::default());
    driver.connect(id(0, 0), 0);
    let until = Nanos::from_secs(9);
    driver.wait(Wait::Until { until, want: 1 }).unwrap();
    assert!(driver.next().is_some());
    driver
}

#[test]
#[should_panic(expected = "is unfinished")]
fn a_send_behind_an_unfinished_one_is_noticed() {
    let mut driver = connected();
    driver.send(id(0, 0), PayloadId(0), 4, true);
    driver.send(id(0, 0), PayloadId(0), 4, false);
}

#[test]
#[should_panic(expected = "of 18 bytes")]
fn a_send_beyond_its_payload_is_noticed() {
    connected().send(id(0, 0), PayloadId(0), 19, false);
}

#[test]
#[should_panic(expected = "is Open")]
fn connecting_in_a_slot_that_is_taken_is_noticed() {
    connected().connect(id(0, 1), 0);
}

#[test]
#[should_panic(expected = "does not follow")]
fn a_generation_that_does_not_follow_is_noticed() {
    let mut driver = connected();
    driver.close(id(0, 0), false);
    driver.connect(id(0, 0), 0);
}

#[test]
#[should_panic(expected = "released twice")]
fn a_buffer_released_twice_is_noticed() {
    let mut driver = connected();
    driver.release(Buffer::new(3, 1));
}

#[test]
#[should_panic(expected = "waits for ever")]
fn waiting_for_nothing_is_noticed() {
    let until = Nanos::MAX;
    let _ = connected().wait(Wait::Until { until, want: 1 });
}

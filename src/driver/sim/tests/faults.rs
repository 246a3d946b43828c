//! What can go wrong beside the ordinary: each fault alone, as a worker meets it.

use super::*;

const FAR: Nanos = Nanos::from_secs(9);

fn connected(script: SimScript) -> SimDriver {
    let mut driver = SimDriver::new(config(2), script);
    driver.connect(id(0, 0), 0);
    driver.wait(Wait::Until { until: FAR, want: 1 }).unwrap();
    assert_eq!(driver.next().unwrap().event, Event::Connected(crate::driver::Alpn::None));
    driver
}

fn with(faults: SimFaults) -> SimDriver {
    connected(SimScript { faults, ..SimScript::default() })
}

/// What happens until nothing does, buffers given back.
fn events(driver: &mut SimDriver) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let before = events.len();
        driver.wait(Wait::Until { until: driver.clock + Nanos::from_millis(50), want: 1 }).unwrap();
        while let Some(completion) = driver.next() {
            if let Event::Data(Buffer { id, len }) = completion.event {
                driver.release(Buffer { id, len });
            }
            events.push(completion.event);
        }
        if events.len() == before {
            return events;
        }
    }
}

fn send(driver: &mut SimDriver) {
    driver.send(id(0, 0), PayloadId(0), REQUEST.len() as u32, true);
}

fn is_response(event: &Event) -> bool {
    matches!(event, Event::Data(buffer) if buffer.len == 40)
}

#[test]
fn a_stuck_send_never_ends() {
    let mut driver = with(SimFaults { sends_stuck: 1.0, ..SimFaults::default() });
    send(&mut driver);
    assert_eq!(events(&mut driver), []);
    assert_eq!((driver.books().stuck, driver.books().requests), (1, 0));
}

#[test]
fn an_early_response_comes_before_the_send_is_over_if_it_ever_is() {
    let mut ends = [0; 3];
    for seed in 0..60 {
        let faults = SimFaults { early_responses: 1.0, ..SimFaults::default() };
        let mut driver = connected(SimScript { seed, faults, ..SimScript::default() });
        send(&mut driver);
        let events = events(&mut driver);
        assert!(events.iter().any(is_response), "{events:?}");
        let (sent, closed) = (events.contains(&Event::Sent), events.contains(&Event::Eof));
        ends[usize::from(sent) + 2 * usize::from(closed)] += 1;
        // Whether it was read to its end or not, it is answered once.
        assert_eq!((driver.books().early, driver.books().responses), (1, 1));
        assert_eq!(driver.books().requests, u64::from(sent));
    }
    assert!(ends.iter().all(|count| *count > 8), "{ends:?}");
}

#[test]
fn a_failed_send_is_told_behind_the_bytes_before_it_or_in_the_wrong_order() {
    for first in [false, true] {
        let mut answered = 0;
        for seed in 0..40 {
            let faults = SimFaults { send_errors: 1.0, send_error_first: first, ..SimFaults::default() };
            let mut driver = connected(SimScript { seed, faults, ..SimScript::default() });
            send(&mut driver);
            let events = events(&mut driver);
            let failed = events.iter().position(|event| matches!(event, Event::Failed(_))).unwrap();
            match events.iter().position(is_response) {
                Some(response) => assert_eq!(failed < response, first, "{events:?}"),
                None => assert_eq!(events.len(), 1),
            }
            answered += u64::from(events.len() > 1);
        }
        assert!((5..30).contains(&answered), "{answered}");
    }
}

#[test]
fn an_overflown_completion_comes_at_the_next_wait() {
    let mut driver = with(SimFaults { cq_overflows: 1.0, ..SimFaults::default() });
    driver.connect(id(1, 0), 0);
    send(&mut driver);
    driver.wait(Wait::Until { until: FAR, want: 3 }).unwrap();
    let mut all = 0;
    let first = std::iter::from_fn(|| driver.next()).count();
    assert!((1..3).contains(&first));
    while all + first < 3 {
        driver.wait(Wait::Poll).unwrap();
        all += std::iter::from_fn(|| driver.next()).count();
    }
    assert!(driver.counters().cq_overflows > 0);
}

#[test]
fn a_broken_driver_stays_broken() {
    let at = SimScript::default().start + Nanos::from_millis(20);
    let mut driver = connected(SimScript { wait_fails_at: Some(at), ..SimScript::default() });
    assert!(driver.wait(Wait::Poll).is_ok());
    assert!(driver.wait(Wait::Until { until: FAR, want: 1 }).is_err());
    assert_eq!(driver.now(), at);
    assert!(driver.wait(Wait::Poll).is_err());
}

#[test]
fn a_standstill_takes_its_time_in_one_wait() {
    let stall = (Nanos::from_millis(10), Nanos::from_millis(20));
    let faults = SimFaults { stalls: 1.0, ..SimFaults::default() };
    let mut driver = connected(SimScript { faults, stall, ..SimScript::default() });
    for _ in 0..20 {
        let before = driver.now();
        driver.wait(Wait::Poll).unwrap();
        let passed = driver.now() - before;
        assert!(passed >= stall.0 && passed < stall.1 + Nanos::from_millis(1), "{passed}");
    }
}

#[test]
fn an_outage_resets_everything_and_refuses_until_it_is_over() {
    let outage = Outage { from: Nanos::from_millis(10), length: Nanos::from_millis(100) };
    let mut driver = connected(SimScript { outages: vec![outage], ..SimScript::default() });
    let reset = Event::Failed(Failure::Os(libc::ECONNRESET));
    assert_eq!(events(&mut driver), [reset]);
    driver.connect(id(1, 0), 0);
    let refused = Event::ConnectFailed(Failure::Os(libc::ECONNREFUSED));
    assert_eq!(events(&mut driver), [refused]);
    driver.wait(Wait::Until { until: FAR, want: 1 }).unwrap();
    driver.connect(id(1, 1), 0);
    assert_eq!(events(&mut driver), [Event::Connected(crate::driver::Alpn::None)]);
    assert_eq!((driver.books().cut_off, driver.books().resets), (1, 1));
}

#[test]
fn an_endpoint_may_have_faults_of_its_own() {
    let mut two = config(2);
    two.endpoints.push(two.endpoints[0].clone());
    let gone = SimFaults { connect_errors: 1.0, ..SimFaults::default() };
    let mut driver =
        SimDriver::new(two, SimScript { endpoint_faults: vec![(1, gone)], ..SimScript::default() });
    driver.connect(id(0, 0), 0);
    driver.connect(id(1, 0), 1);
    let events = events(&mut driver);
    assert_eq!(events[0], Event::Connected(crate::driver::Alpn::None));
    assert!(matches!(events[1], Event::ConnectFailed(Failure::Os(errno)) if CONNECT_ERRNOS.contains(&errno)));
    assert_eq!(driver.books().connect_errors, 1);
}

#[test]
fn redirects_and_cookies_are_given_and_held_against_what_comes_back() {
    let mut driver = connected(SimScript {
        redirects: vec!["/x".into()],
        redirect_share: 1.0,
        cookie_share: 1.0,
        ..SimScript::default()
    });
    let ask = |cookie: &str, driver: &mut SimDriver| {
        let draft = driver.draft(0);
        *draft = format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: 4\r\n{cookie}\r\n").into_bytes();
        let len = draft.len() as u32;
        driver.send(id(0, 0), PayloadId::DRAFT, len, false);
        driver.wait(Wait::Until { until: FAR, want: 1 }).unwrap();
        let Some(Event::Data(buffer)) = driver.next().map(|completion| completion.event) else { panic!() };
        let text = String::from_utf8_lossy(driver.bytes(&buffer)).into_owned();
        driver.release(buffer);
        text
    };
    let given = ask("", &mut driver);
    assert!(
        given.starts_with("HTTP/1.1 302 Found\r\nSet-Cookie: s=0; Path=/\r\nLocation: /x\r\n"),
        "{given}"
    );
    ask("Cookie: s=0\r\n", &mut driver);
    ask("Cookie: s=0\r\n", &mut driver);
    ask("", &mut driver);
    ask("Cookie: s=77\r\n", &mut driver);
    let books = driver.books();
    let came_back =
        [books.cookies_returned, books.cookies_stale, books.cookies_missing, books.cookies_foreign];
    assert_eq!((books.cookies_given, books.redirects, came_back), (5, 5, [1, 1, 1, 1]));
}

#[test]
#[should_panic(expected = "draft: a send of slot 0 is unfinished")]
fn a_draft_that_is_written_to_before_its_response_is_noticed() {
    let mut driver = connected(SimScript::default());
    driver.draft(0).extend_from_slice(REQUEST);
    driver.send(id(0, 0), PayloadId::DRAFT, REQUEST.len() as u32, false);
    driver.draft(0).clear();
}

#[test]
#[should_panic(expected = "send: not a request")]
fn a_send_of_something_else_is_noticed() {
    let mut driver = connected(SimScript::default());
    driver.draft(0).extend_from_slice(b"nonsense\r\n\r\n");
    driver.send(id(0, 0), PayloadId::DRAFT, 12, false);
}

//! Endpoints and ways to them: there from the beginning, or added while others are in use; TLS beside plain.

use std::io::{Read, Write};

use squall::driver::{Alpn, Completion, ConnId, Driver, DriverConfig, Endpoint, Event, PayloadId, Wait};
use squall::transport::Route;
use squall::units::Nanos;

use super::common::pki::{Pki, serve_tls};
use super::common::rig::*;
use super::{Outcome, exchange_on, over_unix, rig};

pub(super) fn the_protocol_agreed_on_is_told(build: Routed) -> Outcome {
    let pki = Pki::new("authority");
    let tls_server = |protocols: &[&str]| {
        let mut server = pki.local().server();
        server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        serve_tls(server, |_| std::thread::park())
    };
    let plain = serve(|_| std::thread::park());
    let endpoints = [plain, tls_server(&[]), tls_server(&["h2", "http/1.1"])].map(endpoint);
    let tls = tls_route(&connector(&pki, false));
    let routes = vec![Route::default(), tls.clone(), tls];
    let mut driver = build(DriverConfig { endpoints: endpoints.into(), ..config(3) }, routes)?;
    for (slot, expected) in (0..).zip([Alpn::None, Alpn::None, Alpn::Http11]) {
        let limit = driver.now() + Nanos::from_secs(20);
        driver.connect(id(slot, 0), slot);
        let agreed = 'connected: loop {
            assert!(driver.now() < limit, "no connection to endpoint {slot}");
            driver.wait(Wait::Until { until: limit, want: 1 }).unwrap();
            while let Some(Completion { event, .. }) = driver.next() {
                match event {
                    Event::Connected(agreed) => break 'connected agreed,
                    Event::Reached => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(agreed, expected, "of endpoint {slot}");
    }
    Ok(())
}

/// Connects `conn`, sends a request and waits for these bytes, beside whatever else goes on.
fn answered<D: Driver + ?Sized>(rig: &mut Rig<D>, conn: ConnId, to: u32, response: &[u8]) {
    rig.connected(conn, to);
    rig.driver.send(conn, PayloadId(0), REQUEST.len() as u32, false);
    let mut got = Vec::new();
    rig.drive("the response", |_, which, seen| {
        match seen {
            _ if which != conn => {} // stale
            Seen::Data(bytes) => got.extend(bytes),
            other => panic!("{other:?}"),
        }
        got.len() >= response.len()
    });
    assert!(got == response, "{} bytes of {}", got.len(), response.len());
}

pub(super) fn an_endpoint_may_be_added_later(world: World) -> Outcome {
    let bytes = pattern(100);
    let mut rig = rig(world, 3, Behaviour::Respond(bytes.clone()))?;
    answered(&mut rig, id(0, 0), 0, &bytes);
    // This one is under way to an endpoint that must stay where it is.
    rig.driver.connect(id(1, 0), 0);
    let peer = {
        let bytes = bytes.clone();
        serve(move |mut stream| response(&mut stream, &bytes, u64::MAX))
    };
    for expected in 1..=100 {
        assert_eq!(rig.driver.add_endpoint(endpoint(peer)), expected);
    }
    let mut connected = 0;
    rig.driver.connect(id(2, 0), 100);
    rig.drive("both", |_, conn, seen| {
        assert_eq!((seen, conn.slot > 0), (Seen::Connected, true));
        connected += 1;
        connected == 2
    });
    for slot in 0..3 {
        rig.driver.close(id(slot, 0), false);
        let to = [0, 100, 50][slot as usize];
        answered(&mut rig, id(slot, 1), to, &bytes);
    }
    Ok(())
}

pub(super) fn an_endpoint_of_another_kind_may_be_added_later(build: Build) -> Outcome {
    let bytes = pattern(1 << 20);
    let responses = bytes.clone();
    let peer = serve(move |mut stream| response(&mut stream, &responses, u64::MAX));
    let mut rig = Rig::new(build(DriverConfig { endpoints: vec![endpoint(peer)], ..config(1) })?);
    exchange_on(&mut rig, (id(0, 0), 0), &bytes, 2, 1, true);
    rig.driver.close(id(0, 0), false);

    let (_, listener, dir) = over_unix(build, 1, 8)?;
    let addr = socket2::SockAddr::unix(dir.path().join("peer")).unwrap();
    let unix = rig.driver.add_endpoint(Endpoint { addr, source: None, congestion: None });
    let responses = bytes.clone();
    std::thread::spawn(move || response(&mut listener.accept().unwrap().0, &responses, u64::MAX));
    let discarded = exchange_on(&mut rig, (id(0, 1), unix), &bytes, 3, 1, true);
    assert!(discarded > 1 << 20, "only {discarded} bytes");
    rig.driver.close(id(0, 1), false);

    let source = "127.0.0.9".parse().unwrap();
    let told = serve(move |mut stream| {
        let _ = stream.read_exact(&mut [0; REQUEST.len()]);
        let _ = stream.write_all(stream.peer_addr().unwrap().ip().to_string().as_bytes());
    });
    let bound = rig.driver.add_endpoint(Endpoint { source: Some(source), ..endpoint(told) });
    answered(&mut rig, id(0, 2), bound, b"127.0.0.9");
    rig.driver.close(id(0, 2), false);
    // Discarding over TCP is what it was.
    let discarded = exchange_on(&mut rig, (id(0, 3), 0), &bytes, 3, 1, true);
    assert!(discarded > 1 << 20, "only {discarded} bytes");
    Ok(())
}

pub(super) fn a_route_may_be_added_later(build: Routed) -> Outcome {
    let (plain_response, tls_response) = (pattern(300), pattern(400));
    let pki = Pki::new("authority");
    let bytes = plain_response.clone();
    let plain = serve(move |mut stream| response(&mut stream, &bytes, u64::MAX));
    let bytes = tls_response.clone();
    let tls = serve_tls(pki.local().server(), move |mut tls| response(&mut tls, &bytes, u64::MAX));
    let direct = DriverConfig { endpoints: vec![endpoint(plain)], ..config(3) };
    let mut rig = Rig::new(build(direct, vec![Route::default()])?);
    answered(&mut rig, id(0, 0), 0, &plain_response);
    let route = tls_route(&connector(&pki, false));
    assert_eq!(rig.driver.add_route(endpoint(tls), route), 1);
    assert_eq!(rig.driver.add_endpoint(endpoint(plain)), 2);
    answered(&mut rig, id(1, 0), 1, &tls_response);
    answered(&mut rig, id(2, 0), 2, &plain_response);
    // A slot goes from one kind to the other.
    for (generation, to, expected) in [(1, 1, &tls_response), (2, 0, &plain_response), (3, 1, &tls_response)]
    {
        rig.driver.close(id(0, generation - 1), false);
        answered(&mut rig, id(0, generation), to, expected);
    }
    assert_eq!(rig.driver.tls().handshakes, 3);
    Ok(())
}

pub(super) fn routes_share_their_connectors_sessions(build: Routed) -> Outcome {
    let pki = Pki::new("authority");
    let bytes = pattern(10);
    let responses = bytes.clone();
    let tls = serve_tls(pki.local().server(), move |mut tls| response(&mut tls, &responses, u64::MAX));
    let (one, other) = (connector(&pki, true), connector(&pki, true));
    let mut rig = Rig::new(build(config(1), Vec::new())?);
    // The last two name another connector, which has no session yet.
    for (generation, (by, resumed)) in (0..).zip([(&one, 0), (&one, 1), (&other, 1), (&other, 2)]) {
        let to = rig.driver.add_route(endpoint(tls), tls_route(by));
        answered(&mut rig, id(0, generation), to, &bytes);
        assert_eq!(rig.driver.tls().resumed, resumed, "after {} handshakes", generation + 1);
        rig.driver.close(id(0, generation), false);
    }
    Ok(())
}

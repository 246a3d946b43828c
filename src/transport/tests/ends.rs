//! How connections fail, end and are closed, in each stage.

use rcgen::{CertificateParams, DnType, KeyPair};

use super::*;
use crate::driver::failure::Detail;

/// A connection through a tunnel that has asked for it.
fn tunnelling() -> Rig {
    let mut rig = Rig::new(b"payload", vec![route(true, Some(trusting()))]);
    rig.transport.connect(CONN, 0);
    assert_eq!(rig.comes(Event::Connected(Alpn::None)), []);
    assert_eq!(rig.comes(Event::Sent), []);
    rig.told();
    rig
}

/// One whose first flight is on its way.
fn shaking(roots: Roots) -> Rig {
    let mut rig = Rig::new(b"payload", vec![route(false, Some(connector(roots)))]);
    rig.transport.connect(CONN, 0);
    assert_eq!(rig.comes(Event::Connected(Alpn::None)), [REACHED]);
    rig
}

/// That it never stood is told once, and its slot is free.
fn is_over(rig: &mut Rig) {
    assert!(matches!(rig.transport.connections[0].stage, Stage::Closed));
    assert_eq!(rig.told().pop(), Some(Verb::Close(CONN, false)), "its socket is gone");
    rig.wait();
    assert_eq!((rig.see(), rig.told()), (vec![], vec![]));
    let next = ConnId { generation: 2, ..CONN };
    rig.transport.connect(next, 0);
    assert_eq!(rig.told(), [Verb::Connect(next, 0)]);
    assert!(matches!(rig.transport.connections[0].stage, Stage::Reaching));
}

#[test]
fn a_tunnel_that_is_refused_is_the_failure_that_it_is() {
    let refusals: [(&[u8], ProxyFailure); 3] = [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyFailure::Status(407)),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno", ProxyFailure::Status(502)),
        (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", ProxyFailure::NotHttp),
    ];
    for (response, failure) in refusals {
        let mut rig = tunnelling();
        assert_eq!(rig.arrives(response), [connect_failed(Failure::Proxy(failure))]);
        is_over(&mut rig);
    }
    let mut rig = tunnelling();
    assert_eq!(rig.arrives(&STANDS[..10]), []);
    assert_eq!(rig.comes(Event::Eof), [connect_failed(Failure::Proxy(ProxyFailure::Closed))]);
    is_over(&mut rig);
    let mut rig = tunnelling();
    assert_eq!(rig.comes(Event::Failed(Failure::Os(104))), [connect_failed(Failure::Os(104))]);
    is_over(&mut rig);
    // In TLS the client speaks first.
    let mut rig = tunnelling();
    let early = rig.arrives(&[STANDS, b"hello"].concat());
    assert_eq!(early, [connect_failed(Failure::Tls(TlsFailure::Protocol))]);
    is_over(&mut rig);
}

#[test]
fn what_cannot_be_reached_is_told_as_it_is() {
    let mut rig = Rig::new(b"payload", vec![route(true, Some(trusting()))]);
    rig.transport.connect(CONN, 0);
    rig.told();
    assert_eq!(rig.comes(Event::ConnectFailed(Failure::Os(111))), [connect_failed(Failure::Os(111))]);
    assert_eq!(rig.told(), [], "its socket is gone already");
    assert!(matches!(rig.transport.connections[0].stage, Stage::Closed));
}

#[test]
fn a_handshake_that_fails_is_the_failure_that_it_is() {
    let mut rig = shaking(Roots::Anyone);
    let failure = Failure::Tls(TlsFailure::Protocol);
    assert_eq!(rig.arrives(b"HTTP/1.1 400 Bad Request\r\n\r\n"), [connect_failed(failure)]);
    is_over(&mut rig);
    let mut rig = shaking(Roots::Anyone);
    assert_eq!(rig.comes(Event::Eof), [connect_failed(Failure::Tls(TlsFailure::Closed))]);
    is_over(&mut rig);
    let mut rig = shaking(Roots::Anyone);
    assert_eq!(rig.comes(Event::Failed(Failure::Os(104))), [connect_failed(Failure::Os(104))]);
    is_over(&mut rig);
    // A fatal alert (RFC 8446, section 6): handshake_failure.
    let mut rig = shaking(Roots::Anyone);
    let alert = Failure::Tls(TlsFailure::Alert(40));
    assert_eq!(rig.arrives(&[21, 3, 3, 0, 2, 2, 40]), [connect_failed(alert)]);
    is_over(&mut rig);
}

#[test]
fn a_server_that_nobody_vouches_for_is_told_so() {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "somebody else");
    let other = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let mut rig = shaking(Roots::File(other.pem().into_bytes()));
    rig.server_reads();
    assert_eq!(rig.see(), []);
    let flight = rig.server_writes();
    let issuer = Detail::of("is self-signed, and is not trusted here");
    assert_eq!(rig.arrives(&flight), [connect_failed(Failure::Tls(TlsFailure::UnknownIssuer(issuer)))]);
    let told = rig.told();
    assert!(matches!(told[..], [Verb::Send(_, false), Verb::Close(CONN, false)]), "an alert goes first");
    let Verb::Send(alert, _) = &told[0] else { unreachable!() };
    let read = rig.server.read_tls(&mut &alert[..]).map(|_| rig.server.process_new_packets());
    assert!(matches!(read, Ok(Err(rustls::Error::AlertReceived(_)))), "{read:?}");
    assert_eq!(rig.transport.tls().handshakes, 0);
}

#[test]
fn the_end_that_tls_demands_is_an_end_and_any_other_is_none() {
    let mut rig = Rig::open(b"payload");
    let mut wire = rig.says(b"body");
    rig.server.send_close_notify();
    wire.extend(rig.server_writes());
    assert_eq!(rig.arrives(&wire), [data(b"body"), EOF], "first the bytes, then the end");
    assert_eq!(rig.comes(Event::Eof), [], "it is told once");
    let mut rig = Rig::open(b"payload");
    rig.server.send_close_notify();
    let wire = rig.server_writes();
    assert_eq!(rig.arrives(&wire), [EOF]);
    let mut rig = Rig::open(b"payload");
    let wire = rig.says(b"half a bo");
    assert_eq!(rig.arrives(&wire), [data(b"half a bo")]);
    assert_eq!(rig.comes(Event::Eof), [failed(Failure::Truncated)]);
    let mut rig = Rig::open(b"payload");
    assert_eq!(rig.comes(Event::Failed(Failure::Os(104))), [failed(Failure::Os(104))]);
}

#[test]
fn what_decrypts_before_an_error_comes_before_it() {
    let mut rig = Rig::open(b"payload");
    let mut wire = rig.says(b"good");
    let mut damaged = rig.says(b"bad");
    *damaged.last_mut().unwrap() ^= 1;
    wire.extend(damaged);
    let seen = rig.arrives(&wire);
    assert!(matches!(seen[..], [Seen::Data(_), Seen::Event(Event::Failed(Failure::Tls(_)))]), "{seen:?}");
    assert_eq!(seen[0], data(b"good"));
    assert!(matches!(rig.told()[..], [Verb::Send(_, false)]), "the server is told by an alert");
    assert_eq!(rig.comes(Event::Eof), [], "it is told once");
}

#[test]
fn the_server_may_end_with_the_handshake() {
    let mut rig = shaking(Roots::Anyone);
    rig.server_reads();
    assert_eq!(rig.see(), []);
    let mut flight = rig.server_writes();
    // TLS 1.3 lets it speak before the client has finished.
    flight.extend(rig.says(b"early"));
    rig.server.send_close_notify();
    flight.extend(rig.server_writes());
    assert_eq!(rig.arrives(&flight), [connected(Alpn::Http11), data(b"early"), EOF]);
    assert_eq!(rig.comes(Event::Eof), []);
}

#[test]
fn an_open_connection_says_goodbye_unless_it_is_reset() {
    for reset in [false, true] {
        let mut rig = Rig::open(b"payload");
        rig.transport.close(CONN, reset);
        let told = rig.told();
        assert_eq!(told.last(), Some(&Verb::Close(CONN, reset)));
        let Some(Verb::Send(farewell, false)) = told.first() else {
            assert!(reset && told.len() == 1, "{told:?}");
            continue;
        };
        assert!(!reset);
        rig.server.read_tls(&mut &farewell[..]).unwrap();
        assert!(rig.server.process_new_packets().unwrap().peer_has_closed());
    }
    // Not in the middle of something.
    let mut rig = Rig::open(b"payload");
    rig.transport.send(CONN, PayloadId(0), 7, true);
    rig.told();
    rig.transport.close(CONN, false);
    assert_eq!(rig.told(), [Verb::Close(CONN, false)]);
}

#[test]
fn closing_in_any_stage_leaves_nothing_behind() {
    let reaching = || {
        let mut rig = Rig::new(b"payload", vec![route(true, Some(trusting()))]);
        rig.transport.connect(CONN, 0);
        rig
    };
    let midway = || {
        let mut rig = shaking(Roots::Anyone);
        rig.server_reads();
        assert_eq!(rig.see(), []);
        let flight = rig.server_writes();
        assert_eq!(rig.arrives(&flight[..flight.len() / 2]), []);
        rig
    };
    let just_open = || {
        let mut rig = shaking(Roots::Anyone);
        rig.server_reads();
        assert_eq!(rig.see(), []);
        let flight = rig.server_writes();
        assert_eq!(rig.arrives(&flight), [connected(Alpn::Http11)]);
        rig
    };
    let stages: [&dyn Fn() -> Rig; 6] =
        [&reaching, &tunnelling, &|| shaking(Roots::Anyone), &midway, &just_open, &|| Rig::open(b"payload")];
    for (number, stage) in stages.into_iter().enumerate() {
        for reset in [true, false] {
            let mut rig = stage();
            rig.told();
            rig.transport.close(CONN, reset);
            let told = rig.told();
            assert_eq!(told.last(), Some(&Verb::Close(CONN, reset)));
            let speaks = !reset && number >= 4;
            assert_eq!(told.len(), 1 + usize::from(speaks), "stage {number}: {told:?}");
            // What was owed at the end of the turn is owed no more, and what comes late is the worker's to count.
            rig.wait();
            assert_eq!(rig.told(), []);
            assert_eq!(rig.arrives(b"late"), [data(b"late")]);
            let next = ConnId { generation: 2, ..CONN };
            rig.transport.connect(next, 0);
            assert_eq!(rig.comes(Event::Sent), [SENT], "of the connection before");
            assert_eq!(rig.told(), [Verb::Connect(next, 0)]);
            assert!(matches!(rig.transport.connections[0].stage, Stage::Reaching));
        }
    }
}

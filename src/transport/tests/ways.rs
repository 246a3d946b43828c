//! Through what connections go, and what arrives.

use super::*;

fn endpoint() -> Endpoint {
    let addr: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
    Endpoint { addr: addr.into(), source: None, congestion: None }
}

/// Everything that can be asked for and can come on a plain connection passes as it is.
fn passes(rig: &mut Rig, endpoint: u32) {
    rig.transport.connect(CONN, endpoint);
    assert_eq!(rig.told(), [Verb::Connect(CONN, endpoint)]);
    assert_eq!(rig.comes(Event::Connected(Alpn::None)), [connected(Alpn::None)]);
    rig.transport.send(CONN, PayloadId(0), 3, false);
    rig.transport.send(CONN, PayloadId(0), 7, true);
    rig.transport.draft(0).extend_from_slice(b"draft");
    assert_eq!((rig.transport.drafted(0), rig.transport.inner.drafted(0)), (&b"draft"[..], &b"draft"[..]));
    rig.transport.send(CONN, PayloadId::DRAFT, 5, true);
    rig.transport.draft(0).clear();
    rig.transport.discard(CONN, 9);
    let sent = [(b"pay".to_vec(), false), (b"payload".to_vec(), true), (b"draft".to_vec(), true)];
    let sent = sent.map(|(bytes, notify)| Verb::Send(bytes, notify));
    assert_eq!(rig.told(), [&sent[..], &[Verb::Discard(9)]].concat());
    rig.transport.inner.arrives(CONN, b"an");
    rig.transport.inner.comes(CONN, Event::Sent);
    rig.transport.inner.comes(CONN, Event::Discarded(9));
    assert_eq!(rig.arrives(b"swer"), [data(b"an"), SENT, Seen::Event(Event::Discarded(9)), data(b"swer")]);
    assert_eq!(rig.comes(Event::Eof), [EOF]);
    assert_eq!(rig.comes(Event::Failed(Failure::Os(104))), [failed(Failure::Os(104))]);
    rig.transport.close(CONN, true);
    // What is stale is for the worker to count.
    assert_eq!(rig.arrives(b"late"), [data(b"late")]);
    assert_eq!(rig.comes(Event::ConnectFailed(Failure::Os(111))), [connect_failed(Failure::Os(111))]);
    assert_eq!(rig.told(), [Verb::Close(CONN, true)]);
    assert_eq!(rig.transport.tls(), TlsReadings::default());
}

#[test]
fn plain_routes_pass_through_unchanged() {
    let mut rig = Rig::new(b"payload", vec![Route::default(); 2]);
    passes(&mut rig, 1);
    assert!(rig.transport.connections.is_empty(), "where all is plain there is nothing to keep");
    assert_eq!((rig.transport.now(), rig.transport.counters()), (Nanos(7), rig.transport.inner.counters()));
}

#[test]
fn they_do_beside_others_too() {
    let mut rig = Rig::new(b"payload", vec![route(true, Some(trusting())), Route::default()]);
    let other = ConnId { slot: 1, generation: 1 };
    rig.transport.connect(other, 0);
    assert_eq!(rig.told(), [Verb::Connect(other, 0)]);
    passes(&mut rig, 1);
    assert!(matches!(rig.transport.connections[1].stage, Stage::Reaching), "the other one waits");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What comes behind the tunnel's head is the first of the server's, wherever the pieces end.
    #[test]
    fn a_tunnel_is_opened_before_anything_is_said(at in 0..=STANDS.len() + 5) {
        let mut rig = Rig::new(b"payload", vec![route(true, None)]);
        rig.transport.connect(CONN, 0);
        rig.told();
        prop_assert_eq!(rig.comes(Event::Connected(Alpn::None)), []);
        prop_assert_eq!(rig.told(), [Verb::Send(CONNECT.to_vec(), true)]);
        prop_assert_eq!(rig.comes(Event::Sent), [], "the worker has sent nothing");
        let whole = [STANDS, b"first"].concat();
        let mut seen = Vec::new();
        for piece in [&whole[..at], &whole[at..]].into_iter().filter(|piece| !piece.is_empty()) {
            seen.extend(rig.arrives(piece));
        }
        let bytes: Vec<u8> = seen[1..].iter().flat_map(|s| if let Seen::Data(d) = s { d.clone() } else { vec![] }).collect();
        prop_assert_eq!((&seen[0], &bytes[..]), (&connected(Alpn::None), &b"first"[..]));
        // From there on it is what it is at the driver.
        rig.transport.send(CONN, PayloadId(0), 7, true);
        prop_assert_eq!(rig.told(), [Verb::Send(b"payload".to_vec(), true)]);
        prop_assert_eq!(rig.comes(Event::Sent), [SENT]);
        rig.transport.discard(CONN, 5);
        prop_assert_eq!(rig.told(), [Verb::Discard(5)]);
        prop_assert_eq!(rig.comes(Event::Eof), [EOF]);
    }

    /// Through TLS, and perhaps a tunnel, both sides' bytes arrive whole and in order, in whatever pieces they come.
    #[test]
    fn bytes_in_any_pieces_arrive_whole(
        tunnel: bool,
        pieces in prop::collection::vec(prop_oneof![1usize..40, 1usize..4_000, Just(1 << 20)], 1..6),
        sends in prop::collection::vec((1usize..150_000, any::<bool>(), any::<bool>()), 1..4),
        reply in prop_oneof![1usize..100, 1usize..100_000],
    ) {
        let payload: Vec<u8> = (0..150_000).map(|n| (n % 253) as u8).collect();
        let mut rig = Rig::new(&payload, vec![route(tunnel, Some(trusting()))]);
        rig.transport.connect(CONN, 0);
        let mut seen = rig.comes(Event::Connected(Alpn::None));
        if tunnel {
            prop_assert_eq!(&seen, &vec![]);
            prop_assert_eq!(rig.told().pop(), Some(Verb::Send(CONNECT.to_vec(), true)));
            seen = rig.comes(Event::Sent);
            for piece in STANDS.chunks(pieces[0]) {
                seen.extend(rig.arrives(piece));
            }
        }
        prop_assert_eq!(seen, [REACHED]);
        prop_assert_eq!(rig.settle(&pieces), [connected(Alpn::Http11)]);
        let readings = rig.transport.tls();
        prop_assert_eq!((readings.handshakes, readings.resumed, readings.agreed.is_some()), (1, 0, true));
        for (len, notify, draft) in sends {
            rig.read.clear();
            if draft {
                rig.transport.draft(0).clear();
                rig.transport.draft(0).extend(payload[..len].iter().rev());
                rig.transport.send(CONN, PayloadId::DRAFT, len as u32, notify);
            } else {
                rig.transport.send(CONN, PayloadId(0), len as u32, notify);
            }
            let seen = rig.settle(&pieces);
            prop_assert_eq!(seen, if notify { vec![SENT] } else { vec![] }, "acknowledged once, or not at all");
            let expected: Vec<u8> =
                if draft { payload[..len].iter().rev().copied().collect() } else { payload[..len].to_vec() };
            prop_assert!(rig.read == expected, "{} of {len} bytes came", rig.read.len());
            if draft {
                prop_assert!(rig.transport.drafted(0) == expected, "a worker may read its draft again");
            }
            let wire = rig.says(&payload[..reply]);
            // Buffers are numbered, so that there are not so many of them at a time.
            for piece in wire.chunks(pieces[pieces.len() - 1].max(wire.len() / 10_000)) {
                rig.transport.inner.arrives(CONN, piece);
            }
            let seen = rig.see();
            prop_assert!(seen == [data(&payload[..reply])], "{} completions", seen.len());
        }
    }
}

#[test]
fn the_last_flight_shares_the_first_requests_packet() {
    for sends in [true, false] {
        let mut rig = Rig::new(b"payload", vec![route(false, Some(trusting()))]);
        rig.transport.connect(CONN, 0);
        assert_eq!(rig.comes(Event::Connected(Alpn::None)), [REACHED]);
        rig.server_reads();
        assert_eq!(rig.see(), []);
        let flight = rig.server_writes();
        assert_eq!(rig.arrives(&flight), [connected(Alpn::Http11)]);
        assert_eq!(rig.told(), [], "it waits for the end of the turn");
        if sends {
            rig.transport.send(CONN, PayloadId(0), 7, true);
        }
        rig.wait();
        let told = rig.transport.inner.told();
        assert!(matches!(told[..], [Verb::Send(_, true)]), "{} sends", told.len());
        rig.wait();
        assert_eq!(rig.told(), []);
    }
}

#[test]
fn nothing_is_discarded_unread_where_it_is_encrypted() {
    let mut rig = Rig::open(b"payload");
    rig.transport.discard(CONN, 1_000);
    assert_eq!(rig.told(), []);
    let wire = rig.says(&[b'x'; 1_000]);
    assert_eq!(rig.arrives(&wire), [data(&[b'x'; 1_000])]);
}

#[test]
fn endpoints_and_routes_may_come_later() {
    let mut rig = Rig::new(b"payload", vec![Route::default()]);
    rig.transport.connect(CONN, 0);
    assert_eq!(rig.comes(Event::Connected(Alpn::None)), [connected(Alpn::None)]);
    assert_eq!(rig.transport.add_endpoint(endpoint()), 1);
    let secure = [rig.transport.add_route(endpoint(), route(false, Some(trusting()))), {
        rig.transport.add_route(endpoint(), route(true, Some(trusting())))
    }];
    assert_eq!(secure, [2, 3]);
    let other = connector(Roots::Anyone);
    assert_eq!(rig.transport.add_route(endpoint(), route(false, Some(other))), 4);
    assert_eq!(rig.transport.connectors.len(), 2, "one store of sessions for each connector");
    let own = |route: &Route| route.tls.as_ref().map(|(connector, _)| connector.clone()).unwrap();
    assert!(own(&rig.transport.routes[2]).is(&own(&rig.transport.routes[3])));
    assert!(!own(&rig.transport.routes[2]).is(&trusting()), "the worker's own, and not the run's");
    // What is under way is as before, also when the first connection comes that is not plain.
    rig.told();
    let second = ConnId { slot: 1, generation: 1 };
    rig.transport.connect(second, 2);
    assert_eq!(rig.arrives(b"response"), [data(b"response")]);
    rig.transport.send(CONN, PayloadId(0), 7, false);
    rig.transport.discard(CONN, 3);
    let expected = [Verb::Connect(second, 2), Verb::Send(b"payload".to_vec(), false), Verb::Discard(3)];
    assert_eq!(rig.told(), expected);
    assert_eq!(rig.comes(Event::Failed(Failure::Os(104))), [failed(Failure::Os(104))]);
    rig.transport.close(CONN, false);
    assert_eq!(rig.told(), [Verb::Close(CONN, false)]);
    // The one that was added is what its route says.
    rig.transport.inner.comes(second, Event::Connected(Alpn::None));
    assert_eq!(rig.transport.next(), Some(Completion { conn: second, event: Event::Reached }));
}

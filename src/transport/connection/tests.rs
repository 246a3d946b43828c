use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::driver::failure::TlsFailure;
use crate::driver::scripted::{ScriptedDriver, Verb};
use crate::driver::{Alpn, TlsAgreed};
use crate::transport::session::Progress;

const CONN: ConnId = ConnId { slot: 0, generation: 1 };
/// What the session that is no TLS puts before the bytes of each record, and what it says of its own accord.
const RECORD: u8 = b'>';
const OWN: &[u8] = b"own";
const END: &[u8] = b"end";

/// A session whose records are a byte and the plain bytes.
#[derive(Default)]
struct Plain {
    own: VecDeque<&'static [u8]>,
    broken: bool,
}

impl Session for Plain {
    fn receive(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<Progress, TlsFailure> {
        plain.extend_from_slice(wire);
        Ok(Progress::default())
    }
    fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), TlsFailure> {
        if self.broken {
            return Err(TlsFailure::Protocol);
        }
        self.flush(wire);
        wire.push(RECORD);
        wire.extend_from_slice(plain);
        Ok(())
    }
    fn wants_to_send(&self) -> bool {
        !self.own.is_empty()
    }
    fn flush(&mut self, wire: &mut Vec<u8>) {
        self.own.drain(..).for_each(|own| wire.extend_from_slice(own));
    }
    fn close(&mut self) {
        self.own.push_back(END);
    }
    fn agreed(&self) -> Option<(TlsAgreed, bool)> {
        None
    }
    fn alpn(&self) -> Alpn {
        Alpn::None
    }
}

/// An open connection on a driver that writes down what it is told.
struct Rig {
    connection: Connection,
    driver: ScriptedDriver,
    payloads: Vec<Arc<[u8]>>,
}

impl Rig {
    fn new(session: Plain, payload: &[u8]) -> Rig {
        let stage = Stage::Open(Box::new(session));
        let connection = Connection { stage, generation: 1, secure: true, ..Connection::default() };
        let payloads = vec![Arc::from(payload)];
        Rig { connection, driver: ScriptedDriver::new(1, payloads.clone(), 1), payloads }
    }

    fn pump(&mut self) {
        self.connection.pump(CONN, &mut self.driver, &self.payloads);
    }

    fn send(&mut self, payload: PayloadId, len: usize, notify: bool) {
        self.connection.queue(payload, len as u32, notify);
        self.pump();
    }

    /// The kernel has taken what reports; true when the worker is to hear of it.
    fn taken(&mut self) -> bool {
        self.connection.sending = false;
        self.pump();
        self.connection.take_sent()
    }

    /// What went to the driver since it was last asked: bytes, and whether it is to report.
    fn sent(&mut self) -> Vec<(Vec<u8>, bool)> {
        let verbs = self.driver.told().into_iter();
        verbs
            .map(
                |verb| {
                    if let Verb::Send(bytes, notify) = verb { (bytes, notify) } else { panic!("{verb:?}") }
                },
            )
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However long it is: in pieces that are bounded, one at a time, whole and in order; and told once, if at all.
    #[test]
    fn a_send_goes_in_pieces_and_is_acknowledged_once(
        len in prop_oneof![1usize..10_000, 1usize..5 * PIECE, (1usize..4).prop_map(|n| n * PIECE)],
        notify: bool,
        draft: bool,
    ) {
        let payload: Vec<u8> = (0..len + 7).map(|n| (n % 251) as u8).collect();
        let mut rig = Rig::new(Plain::default(), &payload);
        rig.connection.draft = payload.iter().rev().copied().collect();
        let expected = if draft { rig.connection.draft[..len].to_vec() } else { payload[..len].to_vec() };
        rig.send(if draft { PayloadId::DRAFT } else { PayloadId(0) }, len, notify);
        let (mut whole, mut told, mut pieces) = (Vec::new(), 0, 0);
        loop {
            let sent = rig.sent();
            prop_assert!(sent.len() <= 1, "one at a time");
            let Some((bytes, reports)) = sent.into_iter().next() else { break };
            prop_assert!(bytes.len() <= PIECE + 1 && bytes[0] == RECORD);
            whole.extend_from_slice(&bytes[1..]);
            pieces += 1;
            prop_assert!(reports || (!notify && bytes.len() <= QUIET_MAX && whole.len() == len), "unheard of");
            // While it is under way nothing touches its bytes.
            prop_assert!(!rig.connection.take_sent() || !reports);
            if !reports {
                break;
            }
            rig.pump();
            prop_assert_eq!(rig.driver.told(), vec![]);
            told += u32::from(rig.taken());
        }
        prop_assert_eq!(whole, expected);
        prop_assert_eq!(pieces, len.div_ceil(PIECE));
        prop_assert_eq!(told, u32::from(notify));
        prop_assert!(!rig.connection.take_sent(), "once");
    }
}

#[test]
fn what_the_session_says_goes_with_the_next_send_or_alone() {
    let mut rig = Rig::new(Plain { own: [OWN].into(), ..Plain::default() }, b"request");
    rig.send(PayloadId(0), 7, true);
    assert_eq!(rig.sent(), [(b"own>request".to_vec(), true)]);
    assert!(rig.taken());
    rig.connection.stage = Stage::Open(Box::new(Plain { own: [OWN].into(), ..Plain::default() }));
    rig.pump();
    assert_eq!(rig.sent(), [(OWN.to_vec(), true)]);
    assert!(!rig.taken(), "the worker has sent nothing");
    rig.pump();
    assert_eq!(rig.sent(), [], "said once");
}

#[test]
fn behind_a_quiet_send_nothing_is_written_until_something_has_come() {
    let mut rig = Rig::new(Plain::default(), b"request");
    rig.send(PayloadId(0), 7, false);
    assert_eq!(rig.sent(), [(b">request".to_vec(), false)]);
    // The driver may yet read its bytes: neither a key update nor an end may overwrite them.
    if let Stage::Open(session) = &mut rig.connection.stage {
        session.close();
    }
    rig.pump();
    rig.connection.say_last_words(CONN, &mut rig.driver);
    rig.connection.say_farewell(CONN, &mut rig.driver);
    assert_eq!(rig.sent(), []);
    rig.connection.unanswered = false;
    rig.pump();
    assert_eq!(rig.sent(), [(END.to_vec(), true)]);
}

#[test]
fn a_send_of_a_session_that_breaks_is_given_up_and_not_acknowledged() {
    let mut rig = Rig::new(Plain::default(), &[0; 2 * PIECE]);
    rig.send(PayloadId(0), 2 * PIECE, true);
    assert_eq!(rig.sent().len(), 1);
    rig.connection.stage = Stage::Open(Box::new(Plain { broken: true, ..Plain::default() }));
    assert!(!rig.taken(), "half of it was never sent");
    assert_eq!(rig.sent(), []);
    assert!(!rig.connection.sending, "nothing is under way that could report");
    // There is room for another one, of which nothing comes either.
    rig.send(PayloadId(0), 7, true);
    assert!(!rig.taken());
    assert_eq!(rig.sent(), []);
}

#[test]
fn the_end_is_announced_where_nothing_is_under_way() {
    let announced = |prepare: fn(&mut Rig)| {
        let mut rig = Rig::new(Plain::default(), &[0; 2 * PIECE]);
        prepare(&mut rig);
        rig.sent();
        rig.connection.say_farewell(CONN, &mut rig.driver);
        rig.sent()
    };
    assert_eq!(announced(|_| ()), [(END.to_vec(), false)]);
    assert_eq!(announced(|rig| rig.send(PayloadId(0), 9, true)), []);
    assert_eq!(announced(|rig| rig.send(PayloadId(0), 9, false)), []);
    let half_sent = |rig: &mut Rig| {
        rig.send(PayloadId(0), 2 * PIECE, true);
        rig.connection.sending = false;
    };
    assert_eq!(announced(half_sent), []);
    assert_eq!(announced(|rig| rig.connection.ended = true), [], "the peer has gone first");
    assert_eq!(announced(|rig| rig.connection.vacate()), []);
    assert_eq!(announced(|rig| rig.connection.stage = Stage::Shaking(Box::<Plain>::default())), []);
    let answered = |rig: &mut Rig| {
        rig.send(PayloadId(0), 9, true);
        assert!(rig.taken());
    };
    assert_eq!(announced(answered), [(END.to_vec(), false)]);
}

#[test]
fn a_slot_that_is_vacated_remembers_nothing_but_its_draft() {
    let mut rig = Rig::new(Plain::default(), &[0; 2 * PIECE]);
    rig.send(PayloadId(0), 2 * PIECE, true);
    rig.connection.draft = b"drafted".to_vec();
    (rig.connection.unanswered, rig.connection.ended) = (true, true);
    rig.connection.vacate();
    rig.driver.told();
    let route = Route { tunnel: Some(Arc::from(&b"CONNECT"[..])), tls: None };
    rig.connection.connect(2, 5, &route);
    assert!(matches!(rig.connection.stage, Stage::Reaching));
    assert_eq!((rig.connection.generation, rig.connection.endpoint, rig.connection.secure), (2, 5, false));
    rig.connection.stage = Stage::Open(Box::<Plain>::default());
    rig.pump();
    assert_eq!(rig.sent(), [], "nothing of the old one's send");
    assert!(!rig.connection.take_sent() && !rig.connection.ended && !rig.connection.unanswered);
    assert_eq!(rig.connection.draft, b"drafted");
    rig.connection.connect(3, 0, &Route::default());
    assert!(matches!(rig.connection.stage, Stage::Direct));
}

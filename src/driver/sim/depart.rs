//! From the worker to the peer: connects, sends, and what the kernel makes of them.

use super::agenda::{Action, Then};
use super::peer::Desk;
use super::requests::{Asked, Framer};
use super::script::{CONNECT_ERRNOS, NEVER, SimFaults};
use super::{SimDriver, State};
use crate::driver::failure::Failure;
use crate::driver::{Alpn, Completion, ConnId, Event, PayloadId};
use crate::units::Nanos;

/// A send in pieces is over within this.
const SHORT_SEND_WITHIN: Nanos = Nanos::from_millis(1);

/// What befalls a send, and how much of it the kernel takes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    Stuck(u64),
    /// Answered early; the peer then reads the rest, closes, or does neither.
    Early(u64, After),
    Fails(u64, i32, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    ReadsOn,
    Closes,
    ReadsNoMore,
}

/// Where requests end in a payload, as far as it is one or more of them.
pub(super) fn ends_in(payload: &[u8], request_len: Option<u64>) -> Vec<(u64, Asked)> {
    let mut ends = Vec::new();
    // What is no request is noticed when it is sent.
    let _ = Framer::new(request_len).feed(payload, &mut |end, asked| ends.push((end, asked)));
    ends
}

impl SimDriver {
    pub(super) fn faults_of(&self, conn: ConnId) -> SimFaults {
        self.faults[self.slots[conn.slot as usize].endpoint as usize]
    }

    pub(super) fn begin_connect(&mut self, conn: ConnId, endpoint: u32) {
        let faults = self.faults[endpoint as usize];
        let refused = self.dice.happens(faults.connect_refused);
        let slow = self.dice.happens(faults.connect_slow);
        let fails = self.more_dice.happens(faults.connect_errors);
        let drawn = self.more_dice.between(0, CONNECT_ERRNOS.len() as u64) as usize;
        let errno = match (refused, fails) {
            (true, _) => Some(libc::ECONNREFUSED),
            (false, true) => Some(CONNECT_ERRNOS[drawn]),
            (false, false) => None,
        };
        let delay = if slow { NEVER } else { self.script.connect_delay };
        self.plan(self.clock + delay, conn, Action::ConnectOver { errno });
    }

    pub(super) fn connect_over(&mut self, conn: ConnId, errno: Option<i32>, at: Nanos) {
        let since = at - self.script.start;
        let gone = self.script.outages.iter().any(|o| since >= o.from && since < o.from + o.length);
        let errno = errno.or(gone.then_some(libc::ECONNREFUSED));
        let Some(errno) = errno else {
            self.books.connects += 1;
            self.slot(conn).state = State::Open;
            return self.report(conn, Event::Connected(Alpn::None));
        };
        let count = match errno {
            libc::ECONNREFUSED => &mut self.books.refused,
            _ => &mut self.books.connect_errors,
        };
        *count += 1;
        self.slot(conn).state = State::Refused;
        self.report(conn, Event::ConnectFailed(Failure::Os(errno)));
    }

    pub(super) fn begin_send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        self.queue(conn, payload, len as usize);
        let faults = self.faults_of(conn);
        let clock = self.clock;
        let mut at = self.slot(conn).sends_over.max(clock);
        let len = u64::from(len);
        let mut pieces = 1;
        if self.dice.happens(faults.short_sends) {
            pieces = self.dice.between(2, 5);
        }
        let trouble = self.trouble(&faults, len, notify);
        if trouble != Trouble::None {
            return self.send_in_trouble(conn, trouble, at, len, notify);
        }
        let mut left = len;
        loop {
            pieces -= 1;
            let last = pieces == 0 || left == 1;
            let bytes = if last { left } else { self.dice.between(1, left) };
            let notify = notify && last;
            self.plan(at, conn, Action::Depart { bytes, notify, then: Then::Nothing });
            if last {
                break;
            }
            left -= bytes;
            at += Nanos(self.dice.between(0, SHORT_SEND_WITHIN.0 / 4));
        }
        self.slot(conn).sends_over = at;
    }

    /// Tells the peer's end which requests are on their way.
    fn queue(&mut self, conn: ConnId, payload: PayloadId, len: usize) {
        let (bytes, known): (&[u8], &[_]) = match payload {
            PayloadId::DRAFT => (&self.drafts[conn.slot as usize], &[]),
            PayloadId(at) => (&self.config.payloads[at as usize], &self.framed[at as usize]),
        };
        let (cookies, books) = (&self.cookies, &mut self.books);
        let peer = &mut self.slots[conn.slot as usize].peer;
        let read = peer.queue(&bytes[..len], known, |asked| cookies.hold_against(asked, books));
        assert!(read.is_ok(), "send: not a request: {:?}", bytes[..len].escape_ascii().to_string());
    }

    fn trouble(&mut self, faults: &SimFaults, len: u64, notify: bool) -> Trouble {
        let dice = &mut self.more_dice;
        let stuck = dice.happens(faults.sends_stuck) && notify;
        let early = dice.happens(faults.early_responses) && notify && len > 1;
        let fails = dice.happens(faults.send_errors);
        if stuck {
            return Trouble::Stuck(dice.between(0, len));
        }
        if early {
            let after = match dice.between(0, 3) {
                0 => After::ReadsOn,
                1 => After::Closes,
                _ => After::ReadsNoMore,
            };
            return Trouble::Early(dice.between(1, len), after);
        }
        if fails {
            let errno = if dice.happens(0.5) { libc::EPIPE } else { libc::ECONNRESET };
            return Trouble::Fails(dice.between(0, len), errno, dice.happens(0.5));
        }
        Trouble::None
    }

    fn send_in_trouble(&mut self, conn: ConnId, trouble: Trouble, at: Nanos, len: u64, notify: bool) {
        let (taken, then) = match trouble {
            Trouble::None => (len, Then::Nothing),
            Trouble::Stuck(taken) => (taken, Then::Nothing),
            Trouble::Early(taken, after) => (taken, Then::EarlyResponse { close: after == After::Closes }),
            Trouble::Fails(taken, errno, answered) => (taken, Then::Fails { errno, answered }),
        };
        self.plan(at, conn, Action::Depart { bytes: taken, notify: false, then });
        if let Trouble::Early(_, After::ReadsOn) = trouble {
            let at = at + Nanos(self.more_dice.between(0, 2 * SHORT_SEND_WITHIN.0));
            let rest = Action::Depart { bytes: len - taken, notify, then: Then::Nothing };
            self.plan(at, conn, rest);
            self.slot(conn).sends_over = at;
        } else {
            self.books.stuck += u64::from(!matches!(trouble, Trouble::Fails(..)));
        }
    }

    pub(super) fn depart(&mut self, conn: ConnId, bytes: u64, notify: bool, then: Then, at: Nanos) {
        let faults = self.faults_of(conn);
        let slot = &mut self.slots[conn.slot as usize];
        if slot.state != State::Open {
            return;
        }
        if notify {
            self.done.push_back(Completion { conn, event: Event::Sent });
        }
        let mut desk = Desk {
            script: &self.script,
            faults: &faults,
            responses: &self.responses,
            redirects: &self.redirects,
            dice: &mut self.dice,
            more_dice: &mut self.more_dice,
            cookies: &mut self.cookies,
            books: &mut self.books,
            out: &mut self.out,
        };
        slot.peer.receive(bytes, at, &mut desk);
        match then {
            Then::Nothing => {}
            Then::EarlyResponse { close } => {
                slot.peer.response_early(at, &mut desk);
                if close {
                    slot.peer.hang_up(&mut desk);
                }
            }
            Then::Fails { errno, answered } => slot.peer.fail_send(errno, answered, at, &mut desk),
        }
        for (at, delivery) in self.out.drain(..) {
            self.agenda.plan(self.clock, at, conn, Action::Arrive(delivery));
        }
    }
}

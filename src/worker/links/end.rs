//! How connections end, and what becomes of the exchanges on them.

use super::{ExchangeOf, Links, Owner, State};
use crate::http::protocol::Protocol;
use crate::stats::outcome::ErrorKind;
use crate::transport::AddRoute;
use crate::units::Nanos;

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Manner {
    /// With FIN.
    Close,
    /// With RST, so that no port rests in TIME_WAIT: only where nothing is outstanding.
    Reset,
}

/// A connection on which nothing went on for so long stood by: servers close such ones.
const STOOD_BY: Nanos = Nanos::from_millis(1);

/// The end of a connection that comes so soon behind a request has crossed it on the way.
const CROSSED: Nanos = Nanos::from_millis(2);

/// What becomes of what was sent on a connection that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Fails(ErrorKind),
    IsSentAgain,
}

impl<D: AddRoute, O: Owner> Links<D, O> {
    /// The connection broke, or has to be given up. If it has brought no response the next attempt backs off: a server that
    /// accepts and hangs up must not keep us in a loop. If it has not even carried a request, or if what came on it was not asked
    /// for, no request fails with it: it is counted with the attempts that failed, or nothing would tell of it.
    pub(super) fn lose(&mut self, owner: &mut O, slot: u32, kind: ErrorKind, now: Nanos) {
        let link = &mut self.links[slot as usize];
        if !link.answered {
            link.failures = link.failures.saturating_add(1);
        }
        let unasked = kind == ErrorKind::Protocol && !link.has_sent();
        if link.requests == 0 || unasked {
            self.recorder.connect_failed(kind);
        }
        let rest = self.rest_of_lost(owner, slot, kind, now);
        self.end_as(owner, slot, Manner::Close, rest, now);
    }

    /// What becomes of what was sent on a connection that breaks. One that had brought responses, and ends before a byte of the next one,
    /// may have been closed before the request was there (RFC 9112, section 9.3.1; Go's client, and so k6, sends such requests again).
    fn rest_of_lost(&mut self, owner: &mut O, slot: u32, kind: ErrorKind, now: Nanos) -> Rest {
        let link = &mut self.links[slot as usize];
        let Some(id) = link.h1.due().filter(|_| link.answered) else { return Rest::Fails(kind) };
        let (answered_at, exchange) = (link.since, link.h1.exchange(&mut self.store, slot, id));
        let early = exchange.first_byte == Nanos::MAX && matches!(kind, ErrorKind::Closed | ErrorKind::Reset);
        if early && owner.resends(&exchange.ask) {
            return Rest::IsSentAgain;
        }
        let stood_by = exchange.sent - answered_at >= STOOD_BY && now - exchange.sent <= CROSSED;
        Rest::Fails(if early && stood_by { ErrorKind::ClosedIdle } else { kind })
    }

    /// Ends a connection whose last response has come: what was sent behind the request for it was not processed (RFC 9112, section 9.6),
    /// and is sent again on the next connection in this place.
    pub(super) fn end_behind_last(&mut self, owner: &mut O, slot: u32, manner: Manner, now: Nanos) {
        self.end_as(owner, slot, manner, Rest::IsSentAgain, now);
    }

    /// Ends a connection that stands or is under way. What is queued on it goes back, or waits for the next connection in this place.
    fn end_as(&mut self, owner: &mut O, slot: u32, manner: Manner, rest: Rest, now: Nanos) {
        let kind = match rest {
            Rest::Fails(kind) => kind,
            Rest::IsSentAgain => ErrorKind::Closed,
        };
        let link = &mut self.links[slot as usize];
        let useful = link.requests > 0;
        let answered = link.answered;
        let mut lost = std::mem::take(&mut self.lost);
        while let Some(id) = link.h1.due() {
            lost.push(link.h1.finish(&mut self.store, slot, id));
        }
        self.in_flight -= lost.len() as u64;
        self.shut(slot, manner);
        self.rest(slot, now);
        if rest == Rest::IsSentAgain && !lost.is_empty() {
            self.queue_again(slot, &mut lost);
        }
        // The owner may begin others meanwhile, and on this very connection.
        for exchange in lost.drain(..) {
            owner.failed(self, exchange, kind, now);
        }
        self.lost = lost;
        self.fail_queued(owner, slot, kind, useful, now);
        self.reopen(owner, slot, now);
        let goes_on =
            matches!(self.links[slot as usize].state, State::Queued | State::Connecting | State::Open);
        if !(answered && goes_on) {
            self.stands_no_more(slot, now);
        }
    }

    /// Its place does not count as standing any more, if it did.
    pub(super) fn stands_no_more(&mut self, slot: u32, now: Nanos) {
        if std::mem::take(&mut self.links[slot as usize].stands) {
            self.standing.change(false, now);
        }
    }

    /// Queues exchanges that were sent for another time, before those that were not.
    #[cold]
    fn queue_again(&mut self, slot: u32, lost: &mut Vec<ExchangeOf<O>>) {
        let mut behind = Vec::new();
        while let Some(exchange) = self.unqueue(slot) {
            behind.push(exchange);
        }
        for mut exchange in lost.drain(..) {
            exchange.again();
            self.links[slot as usize].h1.queue(&mut self.store, slot, exchange);
        }
        for exchange in behind.into_iter().rev() {
            self.links[slot as usize].h1.queue(&mut self.store, slot, exchange);
        }
    }

    /// What is queued on a connection that has ended: the owner says whether it waits for the next one.
    pub(super) fn fail_queued(
        &mut self,
        owner: &mut O,
        slot: u32,
        kind: ErrorKind,
        useful: bool,
        now: Nanos,
    ) {
        let link = &mut self.links[slot as usize];
        if link.state != State::Closed {
            return; // the owner has begun anew
        }
        let Some(exchange) = link.h1.first_queued(&mut self.store, slot) else { return };
        // What is to be sent again waits for the next connection, and fails with it if that cannot be had.
        if owner.waits_on(exchange, useful) || (useful && exchange.is_again()) {
            return;
        }
        // Youngest first, so that giving them back to the head of a queue keeps their order.
        let mut failed = Vec::new();
        while let Some(exchange) = self.unqueue(slot) {
            if O::TAKES_BACK && !exchange.is_again() {
                owner.take_back(exchange);
            } else {
                failed.push(exchange);
            }
        }
        for exchange in failed.into_iter().rev() {
            // What was sent was lost with the connection that it was sent on.
            let kind = if exchange.is_again() { ErrorKind::Closed } else { kind };
            owner.failed(self, exchange, kind, now);
        }
    }

    /// Closes what is at the driver. Exchanges are the caller's.
    fn shut(&mut self, slot: u32, manner: Manner) {
        let link = &mut self.links[slot as usize];
        match link.state {
            State::Closed => return,
            State::Resting | State::Queued => {
                link.state = State::Closed;
                return;
            }
            State::Connecting | State::Securing => self.connecting -= 1,
            State::Open => self.open -= 1,
        }
        let reset = manner == Manner::Reset && link.state == State::Open;
        self.driver.close(link.id(slot), reset);
        self.origins.get_mut(link.origin).requests += u64::from(link.requests);
        link.retire();
    }

    /// Closes a connection whose place is not needed any more: it is a new one when it is needed again.
    pub(in crate::worker) fn give_up(&mut self, slot: u32) {
        self.abandon(slot, Manner::Close, |_| {});
        self.send_to(slot, self.get(slot).origin);
    }

    /// Closes a connection whose exchanges interest nobody any more; hands them to `cut_off`. It can be opened again at once.
    pub(in crate::worker) fn abandon(
        &mut self,
        slot: u32,
        manner: Manner,
        mut cut_off: impl FnMut(ExchangeOf<O>),
    ) {
        while let Some(exchange) = self.unqueue(slot) {
            cut_off(exchange);
        }
        let link = &mut self.links[slot as usize];
        while let Some(id) = link.h1.due() {
            self.in_flight -= 1;
            cut_off(link.h1.finish(&mut self.store, slot, id));
        }
        self.shut(slot, manner);
        if self.links[slot as usize].stands {
            let now = self.driver.now();
            self.stands_no_more(slot, now);
        }
    }
}

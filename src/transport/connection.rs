//! One slot's way through tunnel and TLS, and what of its sends is under way.

use std::sync::Arc;

use super::Route;
use super::session::Session;
use super::tunnel::Tunnel;
use crate::driver::{ConnId, Driver, PayloadId};

/// Most plain bytes that are encrypted at a time: bounds a connection's memory, whatever it sends.
const PIECE: usize = 64 * 1024;

/// Up to here a send surely fits into an empty socket buffer (see [`Driver::send`]): 4 KiB, and what TLS adds.
const QUIET_MAX: usize = 4096 + 512;

#[derive(Default)]
pub(super) enum Stage {
    #[default]
    Closed,
    /// Connecting.
    Reaching,
    Tunnelling(Box<Tunnel>),
    Shaking(Box<dyn Session>),
    Open(Box<dyn Session>),
    /// The connection is what it is at the driver.
    Direct,
}

/// A send of the worker that is not wholly at the driver.
#[derive(Clone, Copy)]
struct Pending {
    payload: PayloadId,
    from: u32,
    len: u32,
}

#[derive(Default)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    pub(super) generation: u32,
    pub(super) endpoint: u32,
    /// Its endpoint has TLS. Stays so when it is closed: its draft is read then, too.
    pub(super) secure: bool,
    /// The driver has a send under way that reports: its draft must not be touched.
    pub(super) sending: bool,
    /// The last bytes went out without report, and nothing has come since: they may not be wholly in the kernel.
    pub(super) unanswered: bool,
    /// The peer has announced its end.
    pub(super) ended: bool,
    pending: Option<Pending>,
    /// The worker wants to hear of the end of its send.
    notify: bool,
    /// The worker's own plain bytes.
    pub(super) draft: Vec<u8>,
}

impl Connection {
    pub(super) fn connect(&mut self, generation: u32, endpoint: u32, route: &Route) {
        self.generation = generation;
        self.endpoint = endpoint;
        self.secure = route.tls.is_some();
        self.stage = if route.is_direct() { Stage::Direct } else { Stage::Reaching };
    }

    pub(super) fn vacate(&mut self) {
        self.stage = Stage::Closed;
        self.sending = false;
        self.unanswered = false;
        self.ended = false;
        self.pending = None;
        self.notify = false;
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    #[inline]
    pub(super) fn session(&mut self) -> Option<&mut dyn Session> {
        match &mut self.stage {
            Stage::Shaking(session) | Stage::Open(session) => Some(&mut **session),
            _ => None,
        }
    }

    /// The handshake is over.
    pub(super) fn open(&mut self) {
        if let Stage::Shaking(session) = std::mem::take(&mut self.stage) {
            self.stage = Stage::Open(session);
        }
    }

    pub(super) fn queue(&mut self, payload: PayloadId, len: u32, notify: bool) {
        debug_assert!(self.pending.is_none(), "there is an unfinished send");
        self.pending = Some(Pending { payload, from: 0, len });
        self.notify = notify;
    }

    /// True, once, when a send of which the worker wants to hear is wholly in the kernel.
    pub(super) fn take_sent(&mut self) -> bool {
        !self.sending && self.pending.is_none() && std::mem::take(&mut self.notify)
    }

    /// Hands the next piece to the driver, if it is free to take one: first what the session has to say, then what
    /// the worker sends.
    pub(super) fn pump<D: Driver>(&mut self, conn: ConnId, inner: &mut D, payloads: &[Arc<[u8]>]) {
        if self.sending {
            return;
        }
        let wire = inner.draft(conn.slot);
        let quiet = match &mut self.stage {
            Stage::Shaking(session) if session.wants_to_send() => {
                wire.clear();
                session.flush(wire);
                false
            }
            Stage::Open(session) => match self.pending {
                Some(Pending { payload, from, len }) => {
                    let bytes = match payload {
                        PayloadId::DRAFT => &self.draft[..len as usize],
                        PayloadId(at) => &payloads[at as usize][..len as usize],
                    };
                    let rest = &bytes[from as usize..];
                    let piece = &rest[..rest.len().min(PIECE)];
                    wire.clear();
                    if session.send(piece, wire).is_err() {
                        // The session is broken, as was or will be said when its bytes are received.
                        self.pending = None;
                        self.notify = false;
                        return;
                    }
                    let last = piece.len() == rest.len();
                    self.pending =
                        (!last).then_some(Pending { payload, from: from + piece.len() as u32, len });
                    last && !self.notify && wire.len() <= QUIET_MAX
                }
                None if session.wants_to_send() && !self.unanswered => {
                    wire.clear();
                    session.flush(wire);
                    false
                }
                None => return,
            },
            _ => return,
        };
        self.sending = !quiet;
        self.unanswered = quiet;
        let len = wire.len() as u32;
        inner.send(conn, PayloadId::DRAFT, len, !quiet);
    }

    /// Sends the alert of a session that broke, if that needs no waiting.
    pub(super) fn say_last_words<D: Driver>(&mut self, conn: ConnId, inner: &mut D) {
        if self.sending || self.unanswered {
            return;
        }
        if let Some(session) = self.session()
            && session.wants_to_send()
        {
            let wire = inner.draft(conn.slot);
            wire.clear();
            session.flush(wire);
            let len = wire.len() as u32;
            inner.send(conn, PayloadId::DRAFT, len, false);
        }
    }

    /// Announces the end, as RFC 8446, section 6.1, demands. Not in the middle of something, where the end is no
    /// orderly one, and not to a peer that has gone first.
    pub(super) fn say_farewell<D: Driver>(&mut self, conn: ConnId, inner: &mut D) {
        if self.ended || self.sending || self.unanswered || self.pending.is_some() {
            return;
        }
        if let Stage::Open(session) = &mut self.stage {
            session.close();
            self.say_last_words(conn, inner);
        }
    }
}

#[cfg(test)]
mod tests;

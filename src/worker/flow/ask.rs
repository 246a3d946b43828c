//! What a user's request carries on its way.

use std::rc::Rc;

use super::{ExchangeId, Parts, Request, Source};
use crate::driver::PayloadId;
use crate::http::protocol::Entry;
use crate::http::response::Expect;
use crate::plan::response::Needs;
use crate::plan::status::StatusSet;
use crate::units::Nanos;

/// What a user's request carries on its way.
#[derive(Default)]
pub(in crate::worker) struct Ask {
    pub(in crate::worker) terms: Terms,
    /// `None` only where there is no request.
    pub(in crate::worker) expected: Option<Rc<StatusSet>>,
    /// What it waited for, where its connection had to be opened.
    pub(in crate::worker) waits: Option<Box<Waits>>,
    pub(in crate::worker) parts: Option<Box<Parts>>,
}

/// What carrying a request out needs to know.
#[derive(Clone, Copy)]
pub(in crate::worker) struct Terms {
    pub(in crate::worker) user: u32,
    pub(in crate::worker) id: ExchangeId,
    pub(in crate::worker) origin: u32,
    /// Index into the layout's places; behind them one that the flow has made.
    pub(in crate::worker) place: u32,
    /// Entry among the scenario tallies, for bytes.
    pub(in crate::worker) tally: u32,
    /// Bytes sent.
    pub(in crate::worker) len: u32,
    pub(in crate::worker) source: Source,
    /// Stage in which it was meant to start.
    pub(in crate::worker) stage: u16,
    /// It counts: it was meant to start in the window.
    pub(in crate::worker) measured: bool,
    /// The load model named the time at which it was meant to start: that is not merely the time of the send.
    pub(in crate::worker) due: bool,
    /// It may be sent twice.
    pub(in crate::worker) replayable: bool,
    pub(in crate::worker) expect: Expect,
    pub(in crate::worker) keeps: Needs,
    pub(in crate::worker) body_limit: usize,
    pub(in crate::worker) limit: Nanos,
    /// When the kernel had taken the whole request, where that was reported; else MAX.
    pub(in crate::worker) sent_whole: Nanos,
}

/// How long a request waited for its connection.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::worker) struct Waits {
    /// Since when it has wanted it.
    pub(in crate::worker) wanted: Nanos,
    /// Until it had it; and of that, until TCP stood, and for TLS.
    pub(in crate::worker) blocked: Nanos,
    pub(in crate::worker) connecting: Nanos,
    pub(in crate::worker) securing: Nanos,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            user: 0,
            id: ExchangeId(0),
            origin: 0,
            place: 0,
            tally: 0,
            len: 0,
            source: Source::Payload(PayloadId(0), 0),
            stage: 0,
            measured: false,
            due: false,
            replayable: false,
            expect: Expect::Normal,
            keeps: Needs::default(),
            body_limit: 0,
            limit: Nanos::ZERO,
            sent_whole: Nanos::MAX,
        }
    }
}

impl Entry for Ask {
    #[inline]
    fn take(&mut self) -> Ask {
        let Ask { terms, expected, waits, parts } = self;
        Ask { terms: *terms, expected: expected.take(), waits: waits.take(), parts: parts.take() }
    }
}

impl Ask {
    /// Of `request`; who wants it, when and where it counts, is to be filled in.
    #[inline]
    pub(in crate::worker) fn of(request: Request, id: ExchangeId) -> Ask {
        let terms = Terms {
            id,
            origin: request.origin,
            place: request.place,
            due: request.scheduled.is_some(),
            replayable: request.replayable,
            expect: request.expect,
            keeps: request.keeps,
            source: request.source,
            body_limit: request.body_limit,
            limit: request.limit,
            ..Terms::default()
        };
        Ask { terms, expected: Some(request.expected), waits: None, parts: None }
    }
}

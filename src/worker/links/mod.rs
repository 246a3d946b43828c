//! The connections of one worker, for whoever owns them.
//!
//! [`Links`] knows all of a connection's life: its origin's addresses, opening with its limits and back-off, the protocol, the gate
//! for sends, receiving, time limits, the end. What a connection is *for* knows its [`Owner`]: the pool of a plain run
//! or the virtual users. It is told what happened and says what is to be sent; both are compiled together, so that no call
//! on the way of a request is a dynamic one.
//!
//! An [`Exchange`] sits on a connection from the moment it is meant for it, before that connection stands: queued. It is handed back
//! to the owner when it is over (answered, failed), or when its connection ends before it was sent.

mod addresses;
mod dial;
mod end;
mod failure;
mod link;
mod origins;
mod reasons;
mod receive;
mod rotation;
mod standing;
mod transmit;

use std::collections::VecDeque;

use super::batching::Batching;
use super::exchange::Exchange;
use super::names::Names;
use super::samples::Samples;
use super::timers::Timers;
use super::{Window, WorkerConfig};
use crate::driver::failure::Failure;
use crate::driver::{Buffer, Driver, PayloadId};
use crate::http::error::ParseError;
use crate::http::h1::H1;
use crate::http::protocol::{Entry, Protocol};
use crate::http::response::{Event, Response};
use crate::plan::request_template::RenderError;
use crate::stats::outcome::ErrorKind;
use crate::stats::recorder::Recorder;
use crate::transport::AddRoute;
use crate::units::Nanos;

pub(super) use end::Manner;
pub(super) use link::{Link, State};
pub(super) use origins::Origins;
pub use origins::{OriginSpec, OriginUse};
use reasons::Reasons;
pub use reasons::{Cause, Reason};
use rotation::Rotation;
pub use standing::Standing;

/// What connections carry for an owner.
pub(super) type ExchangeOf<O> = Exchange<<O as Owner>::Ask>;
type IdOf<O> = <H1<ExchangeOf<O>> as Protocol<ExchangeOf<O>>>::Id;
type Store<O> = <H1<ExchangeOf<O>> as Protocol<ExchangeOf<O>>>::Store;
pub(super) type Known = <H1<()> as Protocol<()>>::Known;

/// Whose connections they are.
pub(super) trait Owner: Sized {
    /// What an exchange carries for the owner.
    type Ask: Entry;
    /// What a connection does.
    type OfLink: Default;
    /// Longest pause before the next attempt to connect.
    const BACK_OFF_MAX: Nanos;
    /// It may end a connection when it is told of a response.
    const MAY_END_CONNECTIONS: bool;
    /// Queued exchanges of a connection that ends are [taken back](Owner::take_back) rather than failed.
    const TAKES_BACK: bool;

    /// Whether an exchange is sent again where its connection, which had brought responses before, ends before a byte of this one: the
    /// server may have closed it before the request was there.
    fn resends(&self, ask: &Self::Ask) -> bool;

    /// How long an exchange may take, from its send to the last byte of its response.
    fn limit(&self, ask: &Self::Ask) -> Nanos;

    /// Whether the body of its response is looked at, so that it must not be thrown away.
    fn reads_body(&self, ask: &Self::Ask) -> bool;

    /// Reads on in the response that is due, with whatever is to see it.
    ///
    /// # Errors
    /// When the bytes are no response.
    fn feed(
        &mut self,
        h1: &mut H1<ExchangeOf<Self>>,
        known: &mut Known,
        bytes: &[u8],
    ) -> Result<(usize, Event), ParseError>;

    /// The bytes of `count` exchanges, of which `first` gives the first; `slot` is the connection whose draft may be written.
    ///
    /// # Errors
    /// When the request cannot be put together.
    fn bytes<'x, D: Driver>(
        &mut self,
        driver: &mut D,
        origins: &Origins,
        slot: u32,
        first: impl FnOnce() -> Option<&'x mut ExchangeOf<Self>>,
        count: u16,
    ) -> Result<Bytes, RenderError>
    where
        Self: 'x;

    /// An exchange is sent, at `exchange.sent`: counts it.
    fn sent(&mut self, exchange: &mut ExchangeOf<Self>, recorder: &mut Recorder, window: &Window);

    /// The kernel has taken the last byte of what was sent last.
    fn sent_whole(&mut self, ask: &mut Self::Ask, now: Nanos);

    /// Whether it counts the bytes that come for an exchange.
    const COUNTS_BYTES: bool;

    /// So many bytes came and go to an exchange, or to none.
    fn received(&mut self, ask: Option<&Self::Ask>, bytes: u64, recorder: &mut Recorder);

    /// The connection for which an exchange waits has come a step on.
    fn came_on(&mut self, ask: &mut Self::Ask, step: Step, took: Nanos, now: Nanos);

    /// True when the connection is to end after so many requests.
    fn is_used_up(&self, requests: u32) -> bool;

    /// A whole response came; `kept`: its connection goes on.
    fn answered<D: AddRoute>(
        &mut self,
        links: &mut Links<D, Self>,
        slot: u32,
        exchange: ExchangeOf<Self>,
        response: Response,
        kept: bool,
        now: Nanos,
    );

    /// No whole response will come. It was sent, unless its `sent` is [`Nanos::MAX`].
    fn failed<D: AddRoute>(
        &mut self,
        links: &mut Links<D, Self>,
        exchange: ExchangeOf<Self>,
        kind: ErrorKind,
        now: Nanos,
    );

    /// A connection ended with this exchange queued on it. `true`: it stays, for the next connection in that
    /// place; `useful`: the one that ended had carried requests.
    fn waits_on(&mut self, exchange: &ExchangeOf<Self>, useful: bool) -> bool;

    /// An exchange was queued, its connection has ended, and it does not wait for the next: it is as if it had never been given out.
    fn take_back(&mut self, exchange: ExchangeOf<Self>);

    /// A connection stands.
    fn opened<D: AddRoute>(&mut self, links: &mut Links<D, Self>, slot: u32, now: Nanos);

    /// True when a connection that has ended, or could not be had, is to be opened again.
    fn reopens(&self, link: &Link<Self>) -> bool;
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    pub(super) payload: PayloadId,
    pub(super) len: u32,
    /// Let the driver report when the kernel has all of it.
    pub(super) notify: bool,
    /// How long the first exchange may take.
    pub(super) limit: Nanos,
}

/// On the way to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// TCP stands, TLS begins.
    Reached,
    /// The connection stands, TCP being the last step.
    OpenPlain,
    /// The connection stands, TLS being the last step.
    OpenSecure,
}

/// How long the steps of connecting may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Nanos,
    tls: Nanos,
}

/// How opening the connections went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Connections that were tried once.
    pub tried: u32,
    /// Those of them that came about, even if they were lost again.
    pub came_about: u32,
    /// The last failure to connect: its kind, and its cause, if that was not our own time limit.
    pub last_failure: Option<(ErrorKind, Option<Failure>)>,
}

/// Connections, and what is common to them.
pub(super) struct Links<D, O: Owner> {
    pub(super) driver: D,
    pub(super) recorder: Recorder,
    pub(super) samples: Samples,
    pub(super) window: Window,
    pub(super) origins: Origins,
    pub(super) batching: Batching,
    links: Vec<Link<O>>,
    store: Store<O>,
    /// What is known of each origin's responses.
    known: Vec<Known>,
    /// To be opened as soon as the limit on attempts allows.
    to_open: VecDeque<u32>,
    timers: Timers,
    /// Connections with requests to send in this turn.
    dirty: Vec<u32>,
    limits: Limits,
    /// Exchanges that may be open on a connection at a time.
    depth: u16,
    connecting: u32,
    open: u32,
    standing: Standing,
    /// The run was stopped before its time: what is cut off is no failure of the target's.
    pub(super) aborted: bool,
    /// Exchanges sent and neither answered nor failed, over all connections.
    in_flight: u64,
    /// How the first attempts went.
    tried: Tried,
    /// When the last measured response was complete.
    pub(super) last_done: Nanos,
    /// Exchanges of a connection that has just ended.
    lost: Vec<ExchangeOf<O>>,
    reasons: Reasons,
    /// Longest head of a response, in bytes.
    head_most: usize,
}

impl<D: AddRoute, O: Owner> Links<D, O> {
    /// `slots` connections, all closed. `origins` are the plan's; `names` finds others.
    pub(super) fn new(
        mut driver: D,
        config: &WorkerConfig,
        names: Option<Names>,
        recorder: Recorder,
        slots: u32,
        depth: u16,
    ) -> Links<D, O> {
        let now = driver.now();
        let rotation = Rotation::new(config.worker, config.workers);
        Links {
            recorder,
            samples: Samples::default(),
            window: Window::NOT_YET,
            origins: Origins::new(&config.origins, names, rotation, config.dns_ttl, now),
            batching: Batching::new(now),
            links: (0..slots).map(|_| Link::new()).collect(),
            store: H1::<ExchangeOf<O>>::store(slots, depth),
            known: config.origins.iter().map(|_| Known::up_to(config.head_most)).collect(),
            to_open: VecDeque::new(),
            timers: Timers::with_capacity(slots as usize + 1),
            dirty: Vec::with_capacity(slots as usize),
            limits: Limits { connect: config.connect_timeout, tls: config.tls_timeout },
            depth,
            connecting: 0,
            open: 0,
            standing: Standing::default(),
            aborted: false,
            in_flight: 0,
            tried: Tried::default(),
            last_done: Nanos::ZERO,
            lost: Vec::new(),
            reasons: Reasons::default(),
            head_most: config.head_most,
            driver,
        }
    }

    /// How many there are places for.
    pub(super) fn len(&self) -> u32 {
        self.links.len() as u32
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> &Link<O> {
        &self.links[slot as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Link<O> {
        &mut self.links[slot as usize]
    }

    /// How many stand.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// True while attempts are under way.
    pub(super) fn is_connecting(&self) -> bool {
        self.connecting > 0
    }

    #[inline]
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Connections that wait for a response.
    #[inline]
    pub(super) fn busy(&self) -> u64 {
        self.in_flight.div_ceil(u64::from(self.depth))
    }

    /// How the first attempts went.
    pub(super) fn tried(&self) -> Tried {
        self.tried
    }

    #[inline]
    pub(super) fn has_room(&self, slot: u32) -> bool {
        let link = self.get(slot);
        link.is_open() && link.exchanges() < self.depth
    }

    /// True while requests are to be sent in this turn.
    #[inline]
    pub(super) fn has_to_send(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// When something is due by the clock.
    #[inline]
    pub(super) fn next_timer(&self) -> Nanos {
        self.timers.next()
    }

    /// For another window, which knows nothing of the ones before: those that stand were tried, and no back-off is left, since
    /// one of a second would outlast the time that a window gives its first attempts.
    pub(super) fn forget_attempts(&mut self) {
        for (slot, link) in (0..).zip(&mut self.links) {
            link.tried = link.is_open();
            link.failures = 0;
            match link.state {
                State::Closed => link.deadline = Nanos::ZERO,
                State::Resting => {
                    link.state = State::Queued;
                    self.to_open.push_back(slot);
                }
                State::Queued | State::Connecting | State::Securing | State::Open => {}
            }
        }
        self.tried = Tried { tried: self.open, came_about: self.open, last_failure: None };
    }

    /// True when nothing waits to be sent on any connection.
    pub(super) fn nothing_queued(&self) -> bool {
        self.links.iter().all(|link| link.queued() == 0)
    }

    /// Puts an exchange on a connection; it is sent in this turn if that stands, else as soon as it does.
    #[inline(always)]
    pub(super) fn assign(&mut self, slot: u32, exchange: ExchangeOf<O>) {
        let link = &mut self.links[slot as usize];
        link.h1.queue(&mut self.store, slot, exchange);
        if link.is_open() && !link.dirty {
            link.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Takes back the exchange that was queued last on a connection.
    pub(super) fn unqueue(&mut self, slot: u32) -> Option<ExchangeOf<O>> {
        self.links[slot as usize].h1.unqueue(&mut self.store, slot)
    }

    /// What was done with each origin so far.
    pub(super) fn origin_uses(&self) -> Vec<OriginUse> {
        let mut uses = self.origins.uses();
        for link in &self.links {
            // Without any origin nothing was sent.
            if let Some(origin) = uses.get_mut(link.origin as usize) {
                origin.requests += u64::from(link.requests);
            }
        }
        uses
    }

    /// Why connections failed since this was asked last.
    pub(super) fn take_reasons(&mut self) -> Vec<Reason> {
        self.reasons.take()
    }

    /// A connection fails as `kind`, if that is within the window: says why. `came`: what showed it, from which byte on.
    #[cold]
    fn has_reason(
        &mut self,
        slot: u32,
        kind: ErrorKind,
        cause: Cause,
        came: Option<(&Buffer, usize)>,
        now: Nanos,
    ) {
        if self.window.measures(now) {
            let of_requests = self.links[slot as usize].has_sent();
            let came = came.map_or(&[][..], |(buffer, at)| &self.driver.bytes(buffer)[at..]);
            self.reasons.count(kind, cause, of_requests, came);
        }
    }

    /// The window opens: connections are counted over time from here on.
    pub(super) fn begin_standing(&mut self, now: Nanos) {
        self.standing.begin(now);
    }

    /// How many stood, up to now.
    pub(super) fn stood(&self, now: Nanos) -> Standing {
        self.standing.end(now)
    }

    /// Cuts off what was sent and is not over, with its connections, and shows what of it was measured.
    pub(super) fn cut_off_measured(&mut self) -> Vec<ExchangeOf<O>> {
        let (mut cut_off, window) = (Vec::new(), self.window);
        for slot in 0..self.len() {
            // What waits to be sent again was sent.
            if self.get(slot).exchanges() > 0 {
                self.abandon(slot, Manner::Close, |exchange| {
                    if exchange.sent != Nanos::MAX && window.measures(exchange.scheduled) {
                        cut_off.push(exchange);
                    }
                });
            }
        }
        cut_off
    }
}

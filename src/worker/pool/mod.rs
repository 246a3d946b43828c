//! The connections of a plain run: each is a loop of the closed model, or takes the arrivals of the open one, and may be
//! pipelined. All are kept open all the time.

mod source;

use std::collections::VecDeque;

use super::channel::Channel;
use super::exchange::Exchange;
use super::links::{Bytes, Known, Link, Links, Origins, Owner, Step};
use super::names::Names;
use super::{Clocks, LoadOwner, Rest, TakesLoad, Window, Worker, WorkerConfig};
use crate::driver::{Driver, PayloadId};
use crate::http::error::ParseError;
use crate::http::h1::H1;
use crate::http::protocol::{Protocol, Unread};
use crate::http::response::{Event, Response};
use crate::load::LoadModel;
use crate::plan::Plan;
use crate::plan::request_template::RenderError;
use crate::stats::outcome::{ErrorKind, Sample};
use crate::stats::recorder::Recorder;
use crate::stats::samples::Record;
use crate::stats::snapshot::Snapshot;
use crate::transport::AddRoute;
use crate::units::Nanos;

use source::Source;

/// The one payload of a run.
const PAYLOAD: PayloadId = PayloadId(0);

/// One worker's share of a plain run.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Connections of this worker in this window, at least 1.
    pub connections: u32,
    /// Connections that there is room for, as many as the driver has slots: at least those of any window.
    pub places: u32,
    /// The load model of the whole run; the worker takes its share of the arrivals.
    pub load: LoadModel,
    /// Closed model: this worker's share of `-n`.
    pub requests: Option<u64>,
    /// Length of the measured window.
    pub duration: Option<Nanos>,
    /// From a request's send to its last byte.
    pub timeout: Nanos,
    /// Arrivals that may wait on this worker.
    pub max_backlog: u64,
    /// Requests are sent again that met a connection which was just being closed.
    pub resend: bool,
}

/// The connections of a plain run, and where their requests come from.
pub struct Pool {
    plan: Plan,
    notify: bool,
    config: PoolConfig,
    source: Source,
    /// Open connections with room for a request, longest idle first (no micro-bursts on a few). Each stands in it at most
    /// once.
    idle: VecDeque<u32>,
    /// A window is over, and the next one has not come: nothing is opened.
    between_windows: bool,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// It stands in the queue of idle ones.
    in_queue: bool,
    /// This window has no use for it.
    unused: bool,
}

type PoolLinks<D> = Links<D, Pool>;

impl<'a, D: AddRoute> Worker<'a, D, Pool> {
    /// A worker of a plain run that has done nothing yet.
    ///
    /// `driver` has `pool.places` slots and `plan.payload` as its payload 0.
    pub fn plain(
        driver: D,
        plan: Plan,
        config: WorkerConfig,
        pool: PoolConfig,
        names: Option<Names>,
        channel: &'a Channel,
        clocks: Clocks,
    ) -> Worker<'a, D, Pool> {
        let recorder = Recorder::new(pool.load.is_open());
        let mut links = Links::new(driver, &config, names, recorder, pool.places, plan.pipeline);
        for slot in 0..pool.connections {
            links.want(slot, Nanos::ZERO);
        }
        let owner = Pool {
            source: Source::new(&config, &pool),
            between_windows: false,
            idle: VecDeque::with_capacity(pool.connections as usize),
            notify: plan.notify(),
            plan,
            config: pool,
        };
        Worker::of(links, owner, config, channel, clocks)
    }
}

impl Pool {
    /// Puts an open connection with room into the queue of idle ones.
    #[inline]
    fn offer<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, slot: u32) {
        if !std::mem::replace(&mut links.get_mut(slot).own.in_queue, true) {
            self.idle.push_back(slot);
        }
    }

    /// The longest idle connection that has room for one more request.
    #[inline]
    fn take_idle<D: AddRoute>(&mut self, links: &mut PoolLinks<D>) -> Option<u32> {
        while let Some(slot) = self.idle.pop_front() {
            links.get_mut(slot).own.in_queue = false;
            // Since it was queued it may have been closed, and even be open again.
            if links.has_room(slot) {
                return Some(slot);
            }
        }
        None
    }

    /// Gives a request to a connection with room.
    #[inline]
    fn assign<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, slot: u32, scheduled: Nanos) {
        links.assign(slot, Exchange::new(scheduled, ()));
    }

    /// A connection has room again. In the closed model it takes its next request at once.
    #[inline]
    fn refill<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, slot: u32) {
        if let Source::Closed(closed) = &mut self.source
            && closed.take()
        {
            self.assign(links, slot, Nanos::ZERO);
        } else {
            self.offer(links, slot);
        }
    }

    /// A request to a connection that stood by, which may have room for more.
    #[inline]
    fn assign_idle<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, slot: u32, scheduled: Nanos) {
        self.assign(links, slot, scheduled);
        if links.has_room(slot) {
            self.offer(links, slot);
        }
    }

    /// Open model: first the arrivals of the backlog, then those that are due.
    fn admit_arrivals<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, now: Nanos) {
        while let Source::Open(open) = &self.source
            && open.waiting()
            && let Some(slot) = self.take_idle(links)
        {
            let Source::Open(open) = &mut self.source else { return };
            let Some(scheduled) = open.unqueue() else { return };
            self.assign_idle(links, slot, scheduled);
        }
        while let Source::Open(open) = &mut self.source
            && let Some(scheduled) = open.due(now)
        {
            let may_send = open.on() && !open.waiting();
            let idle = if may_send { self.take_idle(links) } else { None };
            let Source::Open(open) = &mut self.source else { return };
            match idle {
                Some(slot) => {
                    if links.window.measures(scheduled) {
                        links.recorder.picked_up(now - scheduled);
                    }
                    self.assign_idle(links, slot, scheduled);
                }
                None => open.queue(scheduled, now, &mut links.recorder, &links.window),
            }
        }
    }

    /// Takes back what was given to any connection and not sent.
    #[cold]
    fn take_back_all<D: AddRoute>(&mut self, links: &mut PoolLinks<D>) {
        for slot in 0..links.len() {
            let mut any = false;
            while let Some(exchange) = links.unqueue(slot) {
                if exchange.is_again() {
                    links.assign(slot, exchange); // it was sent, and so are those before it
                    break;
                }
                self.take_back(exchange);
                any = true;
            }
            if any {
                self.offer(links, slot);
            }
        }
    }
}

/// Hands a measured request's end over.
#[inline(never)]
fn sample<D: AddRoute>(
    links: &mut PoolLinks<D>,
    exchange: &Exchange<()>,
    result: Result<Response, ErrorKind>,
    done: Nanos,
) {
    links.samples.push(Record::Request(exchange.end(result, done)));
}

impl Owner for Pool {
    type Ask = ();
    type OfLink = Place;
    const BACK_OFF_MAX: Nanos = Nanos::MAX;
    const MAY_END_CONNECTIONS: bool = false;
    const TAKES_BACK: bool = true;
    const COUNTS_BYTES: bool = false;

    fn resends(&self, (): &()) -> bool {
        self.config.resend
    }

    #[inline]
    fn limit(&self, (): &()) -> Nanos {
        self.config.timeout
    }

    #[inline]
    fn reads_body(&self, (): &()) -> bool {
        false
    }

    #[inline]
    fn feed(
        &mut self,
        h1: &mut H1<Exchange<()>>,
        known: &mut Known,
        bytes: &[u8],
    ) -> Result<(usize, Event), ParseError> {
        h1.feed(known, bytes, &mut Unread(self.plan.expect))
    }

    #[inline]
    fn bytes<'x, D: Driver>(
        &mut self,
        _: &mut D,
        _: &Origins,
        _: u32,
        _: impl FnOnce() -> Option<&'x mut Exchange<()>>,
        count: u16,
    ) -> Result<Bytes, RenderError> {
        let len = u32::from(count) * self.plan.request_len;
        Ok(Bytes { payload: PAYLOAD, len, notify: self.notify, limit: self.config.timeout })
    }

    #[inline]
    fn sent(&mut self, exchange: &mut Exchange<()>, recorder: &mut Recorder, window: &Window) {
        if let Source::Closed(closed) = &self.source {
            exchange.scheduled = closed.scheduled(exchange.sent, window);
        }
        if window.measures(exchange.scheduled) {
            recorder.started(exchange.scheduled, exchange.sent);
        }
    }

    #[inline]
    fn sent_whole(&mut self, (): &mut (), _: Nanos) {}

    #[inline]
    fn received(&mut self, _: Option<&()>, _: u64, _: &mut Recorder) {}

    #[inline]
    fn came_on(&mut self, (): &mut (), _: Step, _: Nanos, _: Nanos) {}

    #[inline]
    fn is_used_up(&self, _: u32) -> bool {
        false
    }

    #[inline]
    fn answered<D: AddRoute>(
        &mut self,
        links: &mut PoolLinks<D>,
        slot: u32,
        exchange: Exchange<()>,
        response: Response,
        kept: bool,
        now: Nanos,
    ) {
        if links.window.measures(exchange.scheduled) {
            links.recorder.record(&Sample {
                scheduled: exchange.scheduled,
                sent: exchange.sent,
                first_byte: exchange.first_byte,
                done: now,
                status: response.status,
            });
            links.last_done = now;
            if links.samples.are_wanted() {
                sample(links, &exchange, Ok(response), now);
            }
        } else if now >= links.window.open {
            links.recorder.carried_over(now);
        }
        if kept {
            self.refill(links, slot);
        }
    }

    fn failed<D: AddRoute>(
        &mut self,
        links: &mut PoolLinks<D>,
        exchange: Exchange<()>,
        kind: ErrorKind,
        now: Nanos,
    ) {
        if links.window.measures(exchange.scheduled) {
            links.recorder.failed(kind);
            if links.samples.are_wanted() {
                sample(links, &exchange, Err(kind), now);
            }
        }
    }

    fn waits_on(&mut self, _: &Exchange<()>, _: bool) -> bool {
        false // another connection may be free sooner
    }

    fn take_back(&mut self, exchange: Exchange<()>) {
        match &mut self.source {
            Source::Closed(closed) => closed.put_back(),
            Source::Open(open) => open.put_back(exchange.scheduled),
        }
    }

    fn opened<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, slot: u32, _: Nanos) {
        for _ in 0..self.plan.pipeline {
            if !links.has_room(slot) {
                return; // some are to be sent again
            }
            self.refill(links, slot);
        }
    }

    fn reopens(&self, link: &Link<Pool>) -> bool {
        !self.between_windows && !link.own.unused
    }
}

impl TakesLoad for Pool {
    type Load = PoolConfig;
}

impl LoadOwner for Pool {
    fn take_on<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, config: &WorkerConfig, load: PoolConfig) {
        links.recorder = Recorder::new(load.load.is_open());
        self.source = Source::new(config, &load);
        self.config = load;
        self.between_windows = false;
        let now = links.driver.now();
        for slot in 0..links.len() {
            let unused = slot >= self.config.connections;
            links.get_mut(slot).own.unused = unused;
            if unused {
                links.give_up(slot);
            }
        }
        links.forget_attempts();
        for slot in 0..self.config.connections {
            links.want(slot, now);
        }
    }

    fn opens_first(&self) -> Option<u32> {
        Some(self.config.connections)
    }

    fn begin<D: AddRoute>(&mut self, links: &mut PoolLinks<D>) {
        if links.window.start < links.window.open {
            self.source.begin_warm_up(links.window.start);
        }
    }

    fn begin_measuring<D: AddRoute>(&mut self, links: &mut PoolLinks<D>) {
        let open = links.window.open;
        links.window.close = self.config.duration.map_or(Nanos::MAX, |duration| open + duration);
        if !self.source.is_open() {
            // What the warm-up has not sent is to be counted, and against the limit, when it is sent.
            self.take_back_all(links);
        }
        self.source.begin_measuring(open);
    }

    #[inline]
    fn take_due<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, now: Nanos) {
        if self.source.is_open() {
            return self.admit_arrivals(links, now);
        }
        // Connections that stood by: what was put back is for them.
        while let Some(slot) = self.take_idle(links) {
            let Source::Closed(closed) = &mut self.source else { return };
            if !closed.take() {
                // Nothing to send now; it stays at hand for what is put back later.
                self.offer(links, slot);
                return;
            }
            self.assign_idle(links, slot, Nanos::ZERO);
        }
    }

    #[inline]
    fn next_due(&self) -> Nanos {
        self.source.next_arrival()
    }

    #[inline]
    fn is_at_hand(&self) -> bool {
        false
    }

    #[inline]
    fn is_open_model(&self) -> bool {
        self.source.is_open()
    }

    #[inline]
    fn is_over<D: AddRoute>(&self, links: &PoolLinks<D>) -> bool {
        links.in_flight() == 0 && !links.has_to_send() && self.source.exhausted() && links.nothing_queued()
    }

    fn stop<D: AddRoute>(&mut self, links: &mut PoolLinks<D>, _: Nanos, _: Nanos) {
        if self.source.stop() {
            // A send after the window would count as one within it.
            self.take_back_all(links);
        }
        let window = links.window;
        self.source.end(window.close, &mut links.recorder, &window);
    }

    fn was_over_at<D: AddRoute>(&self, links: &PoolLinks<D>, now: Nanos) -> Nanos {
        let done = if links.last_done > links.window.open { links.last_done } else { now };
        // The rate is that of whole gaps: with the one behind the last arrival there are as many as arrivals.
        done.max(links.window.open + self.source.span_of_limit())
    }

    fn is_draining<D: AddRoute>(&self, links: &PoolLinks<D>) -> bool {
        links.in_flight() > 0 || !links.nothing_queued()
    }

    fn is_endless(&self) -> bool {
        self.config.duration.is_none()
    }

    fn gauge<D: AddRoute>(&self, _: &mut PoolLinks<D>) {}

    fn describe(&self, snapshot: &mut Snapshot) {
        snapshot.backlog = self.source.backlog_len();
    }

    fn finish<D: AddRoute>(&mut self, links: &mut PoolLinks<D>) -> Rest {
        self.between_windows = true;
        let cut_off = links.cut_off_measured();
        if !links.aborted {
            let now = links.driver.now();
            for exchange in &cut_off {
                links.recorder.unanswered(now - exchange.scheduled);
                if links.samples.are_wanted() {
                    sample(links, exchange, Err(ErrorKind::Unanswered), now);
                }
            }
        }
        Rest {
            in_flight: if links.aborted { cut_off.len() as u64 } else { 0 },
            backlog: self.source.measured_backlog(&links.window),
            ..Rest::default()
        }
    }
}

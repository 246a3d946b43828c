//! Where requests come from: the loops of the closed model, or the arrivals of the open one with the
//! backlog of those that found no connection.

use std::collections::VecDeque;

use super::PoolConfig;
use crate::load::pacer::Pacer;
use crate::load::{LoadModel, Schedule, share};
use crate::stats::recorder::Recorder;
use crate::units::Nanos;
use crate::worker::{Window, WorkerConfig};

#[derive(Debug)]
pub(super) enum Source {
    /// Each connection sends its next request when the last one was answered.
    Closed(Closed),
    /// Requests arrive by the clock.
    Open(Box<Open>),
}

#[derive(Debug)]
pub(super) struct Closed {
    /// Load is on (warm-up or measuring).
    on: bool,
    /// Measured requests that may still be sent; those of the warm-up are free.
    left: u64,
    measuring: bool,
}

#[derive(Debug)]
pub(super) struct Open {
    schedule: Schedule,
    warmup: Nanos,
    worker: u32,
    workers: u32,
    pacer: Option<Pacer>,
    /// Arrivals that the limit still allows; MAX without one.
    left: u64,
    /// Where the pacer's time begins.
    base: Nanos,
    /// Scheduled times of arrivals that wait for a connection, oldest first.
    backlog: VecDeque<Nanos>,
    max_backlog: u64,
    /// Requests may be sent (warm-up or measuring).
    on: bool,
    /// No arrival is taken any more.
    ended: bool,
}

impl Source {
    pub(super) fn new(config: &WorkerConfig, pool: &PoolConfig) -> Source {
        match &pool.load {
            LoadModel::Closed => Source::Closed(Closed {
                on: false,
                left: pool.requests.unwrap_or(u64::MAX),
                measuring: false,
            }),
            LoadModel::Open(schedule) => Source::Open(Box::new(Open {
                schedule: *schedule,
                warmup: config.warmup,
                worker: config.worker,
                workers: config.workers,
                pacer: None,
                left: u64::MAX,
                base: Nanos::ZERO,
                backlog: VecDeque::new(),
                max_backlog: pool.max_backlog,
                on: false,
                ended: false,
            })),
        }
    }

    /// How long the schedule lasts that ends with a number of arrivals; else zero.
    pub(super) fn span_of_limit(&self) -> Nanos {
        match self {
            Source::Closed(_) => Nanos::ZERO,
            Source::Open(open) => open.schedule.span_of_limit(),
        }
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Source::Open(_))
    }

    /// Load begins at `start`, unmeasured.
    pub(super) fn begin_warm_up(&mut self, start: Nanos) {
        match self {
            Source::Closed(closed) => closed.on = true,
            Source::Open(open) => {
                let schedule = Schedule { end: Some(open.warmup), limit: None, ..open.schedule };
                open.pace(&schedule, start);
            }
        }
    }

    /// The measured load begins at `open`. What the warm-up left in the backlog is still sent.
    pub(super) fn begin_measuring(&mut self, at: Nanos) {
        match self {
            Source::Closed(closed) => {
                closed.on = true;
                closed.measuring = true;
            }
            Source::Open(open) => {
                let schedule = open.schedule;
                open.pace(&schedule, at);
            }
        }
    }

    /// Hands out nothing more. True when it still did.
    pub(super) fn stop(&mut self) -> bool {
        let on = match self {
            Source::Closed(closed) => &mut closed.on,
            Source::Open(open) => &mut open.on,
        };
        std::mem::replace(on, false)
    }

    /// Load ends at `close`: arrivals before it that nobody has noticed yet join the backlog.
    pub(super) fn end(&mut self, close: Nanos, recorder: &mut Recorder, window: &Window) {
        self.stop();
        match self {
            Source::Closed(_) => {}
            Source::Open(open) => {
                while let Some(scheduled) = open.due(Nanos(close.0.saturating_sub(1))) {
                    open.queue(scheduled, close, recorder, window);
                }
                open.ended = true;
            }
        }
    }

    /// When the next arrival is due: MAX in the closed model.
    #[inline]
    pub(super) fn next_arrival(&self) -> Nanos {
        match self {
            Source::Closed(_) => Nanos::MAX,
            Source::Open(open) if open.ended => Nanos::MAX,
            Source::Open(open) => {
                let next = open.pacer.as_ref().and_then(Pacer::next);
                next.map_or(Nanos::MAX, |at| open.base + at)
            }
        }
    }

    /// True when as many requests were handed out as the limit allows. A schedule that has merely come
    /// to its end does not end the window: the rate is measured over all of it.
    pub(super) fn exhausted(&self) -> bool {
        match self {
            Source::Closed(closed) => closed.left == 0,
            Source::Open(open) => open.left == 0 && open.backlog.is_empty(),
        }
    }

    pub(super) fn backlog_len(&self) -> u64 {
        match self {
            Source::Closed(_) => 0,
            Source::Open(open) => open.backlog.len() as u64,
        }
    }

    pub(super) fn measured_backlog(&self, window: &Window) -> u64 {
        match self {
            Source::Closed(_) => 0,
            Source::Open(open) => open.backlog.iter().filter(|at| window.measures(**at)).count() as u64,
        }
    }
}

impl Closed {
    /// Takes one request out of what may still be sent.
    #[inline]
    pub(super) fn take(&mut self) -> bool {
        if !self.on || self.left == 0 {
            return false;
        }
        if self.measuring && self.left != u64::MAX {
            self.left -= 1;
        }
        true
    }

    /// What a request sent at `sent` counts as scheduled. One of the warm-up stays one though the
    /// window opens between its turn's beginning and its send: the limit does not know of it.
    pub(super) fn scheduled(&self, sent: Nanos, window: &Window) -> Nanos {
        if self.measuring { sent } else { sent.min(window.open - Nanos(1)) }
    }

    /// Puts back one that was taken and not sent.
    pub(super) fn put_back(&mut self) {
        if self.measuring && self.left != u64::MAX {
            self.left += 1;
        }
    }
}

impl Open {
    fn pace(&mut self, schedule: &Schedule, base: Nanos) {
        self.on = true;
        self.base = base;
        self.left = schedule.limit.map_or(u64::MAX, |limit| share(limit, self.worker, self.workers));
        self.pacer = Some(Pacer::new(schedule, self.worker, self.workers));
    }

    /// The earliest arrival due by `now` that nobody has taken.
    #[inline]
    pub(super) fn due(&mut self, now: Nanos) -> Option<Nanos> {
        if self.ended || now < self.base {
            return None;
        }
        let base = self.base;
        let at = self.pacer.as_mut()?.due(now - base)?;
        self.left -= 1;
        Some(base + at)
    }

    /// Requests may be sent.
    #[inline]
    pub(super) fn on(&self) -> bool {
        self.on
    }

    /// An arrival in the backlog may be sent.
    #[inline]
    pub(super) fn waiting(&self) -> bool {
        self.on && !self.backlog.is_empty()
    }

    /// Takes the oldest arrival out of the backlog.
    #[inline]
    pub(super) fn unqueue(&mut self) -> Option<Nanos> {
        self.backlog.pop_front()
    }

    /// Puts an arrival back that was taken and not sent: it is the oldest.
    pub(super) fn put_back(&mut self, scheduled: Nanos) {
        self.backlog.push_front(scheduled);
    }

    /// Books a new arrival that found no connection: it waits, or is dropped when too many do.
    pub(super) fn queue(&mut self, scheduled: Nanos, now: Nanos, recorder: &mut Recorder, window: &Window) {
        let measured = window.measures(scheduled);
        if measured {
            recorder.picked_up(now - scheduled);
        }
        if (self.backlog.len() as u64) < self.max_backlog {
            self.backlog.push_back(scheduled);
        } else if measured {
            recorder.dropped();
        }
    }
}

//! The bus: each observer of a run is told what happens on a thread of its own, and nobody waits for it.
//!
//! An observer has a bounded queue. Intervals are put into it while few are waiting, and are lost otherwise: the next one has
//! the totals. All else that is told (phases, notices, the report) is little, and has room behind them.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::RunError;
use crate::clock;
use crate::observer::{Detail, Interval, Observer, Phase};
use crate::report::Report;
use crate::secrets::Redactor;
use crate::stats::layout::Layout;
use crate::units::Nanos;

/// As many events may wait when an interval is put behind them. Eight seconds, unless asked otherwise, for an observer to
/// come back; and the memory of as many snapshots that one may hold back that does not.
const INTERVALS: usize = 8;

/// As many events may wait in all: four phases, the report, the end, and more notices than a run has.
const EVENTS: usize = 64;

/// Intervals that are kept in sight, to be filled anew when nobody looks at them any more. An observer that keeps them for
/// longer costs an allocation for each.
const KEPT: usize = INTERVALS + 2;

/// The observers of a run, or of several runs one after the other.
///
/// Dropped, it lets them go: they are told what is still in their queues, unless the process ends first.
/// [`finish`](Events::finish) waits for that.
#[derive(Debug, Default)]
pub struct Events {
    subscriptions: Vec<Subscription>,
    /// How many intervals there were.
    number: u64,
    /// Intervals that were handed out.
    lent: Vec<Arc<Interval>>,
}

/// How an observer has come through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObserverOutcome {
    /// The observer's.
    pub name: &'static str,
    /// Intervals that it was not told of.
    pub lost: u64,
    /// How it ended.
    pub end: End,
}

/// How an observer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told everything but the lost intervals.
    Told,
    /// It had not come to the end of its queue in the time that it was given.
    Busy,
    /// It stood still for so long that not even notices had room any more; what came then it was not told.
    LeftBehind,
    /// It panicked, with these words.
    Panicked(String),
}

impl Events {
    /// Nobody is told anything.
    pub fn silent() -> Events {
        Events::default()
    }

    /// Starts a thread for each observer.
    ///
    /// # Errors
    /// [`RunError::Observer`] when one cannot be had.
    pub fn start(observers: Vec<Box<dyn Observer>>) -> Result<Events, RunError> {
        let subscriptions: Result<Vec<Subscription>, _> =
            observers.into_iter().map(Subscription::take).collect();
        Ok(Events { subscriptions: subscriptions.map_err(RunError::Observer)?, number: 0, lent: Vec::new() })
    }

    /// The most that an observer wants to know of intervals.
    pub(super) fn detail(&self) -> Detail {
        let told = self.subscriptions.iter().filter(|subscription| subscription.queue.is_some());
        told.map(|subscription| subscription.detail).max().unwrap_or(Detail::Nothing)
    }

    /// Tells of a phase.
    pub(super) fn phase(&mut self, phase: Phase) {
        if phase == Phase::Connect {
            // A run begins; the tables of one before have other series.
            self.lent.clear();
        }
        self.tell(&Event::Phase(phase));
    }

    /// Tells of something that the user should know, without `secrets`.
    pub(super) fn notice(&mut self, secrets: &Redactor, notice: &str) {
        self.tell(&Event::Notice(secrets.text(notice).into()));
    }

    /// Tells what came of it all.
    pub(super) fn report(&mut self, report: &Arc<Report>) {
        self.tell(&Event::Report(Arc::clone(report)));
    }

    /// Tells those that want to know of an interval. `fill` gets an old one, which it must overwrite but for its number.
    pub(super) fn interval(&mut self, layout: &Arc<Layout>, fill: impl FnOnce(&mut Interval)) {
        let free = self.lent.iter_mut().position(|interval| Arc::get_mut(interval).is_some());
        let mut interval = match free {
            Some(free) => self.lent.remove(free),
            None => Arc::new(Interval::empty(Arc::clone(layout))),
        };
        self.number += 1;
        let filled = Arc::get_mut(&mut interval).expect("it is new, or nobody looks at it");
        filled.number = self.number;
        fill(filled);
        for subscription in
            self.subscriptions.iter_mut().filter(|subscription| subscription.detail > Detail::Nothing)
        {
            subscription.offer(&interval);
        }
        if self.lent.len() == KEPT {
            self.lent.remove(0);
        }
        self.lent.push(interval);
        self.part();
    }

    /// Waits until all observers were told everything and are gone, at most for `at_most`. After half of that those that are
    /// still behind are told no more intervals, so that they come to the report.
    ///
    /// Threads of observers that are still busy then go on by themselves, and end with the process.
    pub fn finish(mut self, at_most: Nanos) -> Vec<ObserverOutcome> {
        self.close();
        let began = clock::now();
        let hurry = began + Nanos(at_most.0 / 2);
        self.subscriptions.iter().for_each(|subscription| _ = subscription.is_gone_by(hurry));
        self.subscriptions
            .iter()
            .for_each(|subscription| subscription.shared.hurry.store(true, Ordering::Relaxed));
        let subscriptions = std::mem::take(&mut self.subscriptions);
        subscriptions.into_iter().map(|subscription| subscription.leave(began + at_most)).collect()
    }

    fn tell(&mut self, event: &Event) {
        self.subscriptions.iter_mut().for_each(|subscription| subscription.put(event.clone()));
        self.part();
    }

    /// Tells the others of those who can be told nothing any more since a moment ago.
    fn part(&mut self) {
        while let Some(parted) = self.subscriptions.iter_mut().find_map(Subscription::parted) {
            self.subscriptions
                .iter_mut()
                .for_each(|subscription| subscription.put(Event::Notice(parted.as_str().into())));
        }
    }

    fn close(&mut self) {
        self.tell(&Event::End);
        self.subscriptions.iter_mut().for_each(|subscription| subscription.queue = None);
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.close();
    }
}

/// What an observer is told.
#[derive(Clone, Debug)]
enum Event {
    Phase(Phase),
    Notice(Arc<str>),
    Interval(Arc<Interval>),
    Report(Arc<Report>),
    End,
}

/// An event, and how many intervals were lost between it and the one before.
type Told = (u64, Event);

/// What a subscription and its thread both know.
#[derive(Debug, Default)]
struct Shared {
    /// Time is running out: no more intervals.
    hurry: AtomicBool,
    /// Intervals that were lost.
    lost: AtomicU64,
}

/// The bus's end of one observer.
#[derive(Debug)]
struct Subscription {
    name: &'static str,
    detail: Detail,
    /// None when it is told nothing more.
    queue: Option<Sender<Told>>,
    /// Intervals that were lost since the last event.
    lost: u64,
    shared: Arc<Shared>,
    /// Disconnected when the observer is gone.
    gone: Receiver<Infallible>,
    thread: JoinHandle<()>,
    /// It can be told nothing more; why, and whether the others know.
    parted: Option<(Gone, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    Panicked,
    LeftBehind,
}

impl Subscription {
    fn take(observer: Box<dyn Observer>) -> std::io::Result<Subscription> {
        let (name, detail) = (observer.name(), observer.detail());
        let (queue, events) = bounded(EVENTS);
        let (staying, gone) = bounded(0);
        let shared = Arc::new(Shared::default());
        let known = Arc::clone(&shared);
        let thread = thread::Builder::new().name(format!("squall-{name}")).spawn(move || {
            // Goes last, also when the observer panics: it stands for the thread. What a closure has captured would go after it.
            let _staying: Sender<Infallible> = staying;
            let events = events;
            observe(observer, &events, &known);
        })?;
        Ok(Subscription { name, detail, queue: Some(queue), lost: 0, shared, gone, thread, parted: None })
    }

    /// Puts an interval into the queue, or loses it.
    fn offer(&mut self, interval: &Arc<Interval>) {
        let Some(queue) = &self.queue else { return };
        if queue.len() < INTERVALS {
            self.put(Event::Interval(Arc::clone(interval)));
        } else {
            self.lost += 1;
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts something into the queue that must not be lost. An observer that has left no room for it is beyond help.
    fn put(&mut self, event: Event) {
        let Some(queue) = &self.queue else { return };
        let gone_because = match queue.try_send((self.lost, event)) {
            Ok(()) => {
                self.lost = 0;
                return;
            }
            Err(TrySendError::Full(_)) => Gone::LeftBehind,
            Err(TrySendError::Disconnected(_)) => Gone::Panicked,
        };
        self.queue = None;
        self.parted = Some((gone_because, false));
    }

    /// What the others are to be told of its going, once.
    fn parted(&mut self) -> Option<String> {
        let (gone_because, told) = self.parted.as_mut().filter(|(_, told)| !*told)?;
        *told = true;
        let why = match gone_because {
            Gone::Panicked => "has panicked",
            Gone::LeftBehind => "is too far behind",
        };
        Some(format!("the {} {why}: it is told nothing more, and the run goes on without it", self.name))
    }

    fn is_gone_by(&self, limit: Nanos) -> bool {
        let rest = Duration::from_nanos((limit - clock::now()).0);
        matches!(self.gone.recv_timeout(rest), Err(RecvTimeoutError::Disconnected))
    }

    fn leave(self, limit: Nanos) -> ObserverOutcome {
        let gone = self.is_gone_by(limit);
        let end = match self.parted {
            _ if !gone => End::Busy,
            Some((Gone::LeftBehind, _)) => End::LeftBehind,
            _ => self.thread.join().map_or_else(|panic| End::Panicked(words(&*panic)), |()| End::Told),
        };
        ObserverOutcome { name: self.name, lost: self.shared.lost.load(Ordering::Relaxed), end }
    }
}

/// The life of an observer's thread.
fn observe(mut observer: Box<dyn Observer>, events: &Receiver<Told>, shared: &Shared) {
    let mut lost = 0;
    for (lost_before, event) in events {
        lost += lost_before;
        if matches!(event, Event::Interval(_)) && shared.hurry.load(Ordering::Relaxed) {
            shared.lost.fetch_add(1, Ordering::Relaxed);
            lost += 1;
            continue;
        }
        let tells = matches!(event, Event::Interval(_) | Event::Report(_) | Event::End);
        if tells && lost > 0 {
            observer.on_lost(std::mem::take(&mut lost));
        }
        match event {
            Event::Phase(phase) => observer.on_phase(phase),
            Event::Notice(notice) => observer.on_notice(&notice),
            Event::Interval(interval) => observer.on_interval(&interval),
            Event::Report(report) => observer.on_report(&report),
            Event::End => return,
        }
    }
}

/// What was said in a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}

#[cfg(test)]
mod tests;

//! The other end of `worker::names`: looks up, while load is sent, where origins are.
//!
//! Two threads for all workers, and none in runs that cannot need them. `names` takes questions from the workers' channels; the
//! first question starts `names-dns`, which owns everything else and carries the lookups out side by side, so that a name that
//! hangs delays no other one. Both end when the last worker has dropped its [`Names`]; lookups under way are given up then.

mod reach;
mod service;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Select, Sender, bounded};
use tokio::sync::mpsc;

use self::service::{Asked, Event, Service};
use super::config::{Dialing, NameRules, Routes, RunConfig};
use super::resolve::{self, Sources};
use crate::http::url::Url;
use crate::plan::forward::Forwarding;
use crate::stats::outcome::ErrorKind;
use crate::units::Nanos;
use crate::worker::names::{Found, Lookup, Names, Unreachable};

/// Origins that may turn up in a run at most, over all workers; those of the plan are not counted.
pub(crate) const ORIGINS_MAX: usize = 1_000;
/// Names that are looked up at a time.
const LOOKUPS_MAX: usize = 64;
/// Events on their way to the service: a question waits in its worker's channel when there are more.
const EVENTS_MAX: usize = 64;

/// What the service goes by.
pub(super) struct Setup {
    /// The origins of the plan, or the target, with the addresses that are called for them; none over a Unix socket.
    planned: Vec<(Url, Vec<SocketAddr>)>,
    rules: NameRules,
    dialing: Dialing,
    routes: Routes,
    sources: Sources,
    /// For one name.
    limit: Nanos,
}

impl Setup {
    fn of(config: &RunConfig) -> Setup {
        let planned = match &config.workload {
            Some(workload) => {
                let urls = workload.origins.iter().map(|origin| origin.url.clone());
                urls.zip(config.origin_addresses.iter().cloned()).collect()
            }
            None => vec![(config.target.clone(), config.addresses.clone())],
        };
        Setup {
            planned,
            rules: config.names.clone(),
            dialing: config.dialing.clone(),
            routes: config.routes.clone(),
            sources: Sources::default(),
            limit: resolve::RESOLVE_LIMIT,
        }
    }
}

/// The running service.
#[derive(Debug)]
pub(crate) struct Handle(JoinHandle<()>);

impl Handle {
    /// Waits for its end, which comes when all [`Names`] are dropped.
    pub(crate) fn join(self) {
        // A thread that panicked has said so itself.
        let _ = self.0.join();
    }
}

/// Starts the service for so many workers, if the run can need it: each gets the ends of one pair of channels.
///
/// # Errors
/// When there can be no more threads.
pub(crate) fn start(config: &RunConfig, workers: usize) -> io::Result<Option<(Vec<Names>, Handle)>> {
    if !config.names.asks() {
        return Ok(None);
    }
    serve(Setup::of(config), workers).map(Some)
}

fn serve(setup: Setup, workers: usize) -> io::Result<(Vec<Names>, Handle)> {
    // A worker asks for an origin once at a time, so that neither asking nor replying ever waits.
    let room = ORIGINS_MAX + setup.planned.len();
    let (mut names, mut asked, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let proxies = setup.routes.proxies.clone();
    let forwarding = Some(Forwarding::by(move |origin| proxies.forward(origin)));
    for worker in 0..workers {
        let (ask, questions) = bounded(room);
        let (reply, replies) = bounded(room);
        names.push(Names { ask, found: replies, forwarding: forwarding.clone() });
        asked.push((worker, questions));
        found.push(reply);
    }
    let intake = move || take_in(asked, &found.clone(), || Service::new(setup, found));
    let thread = thread::Builder::new().name("names".into()).spawn(intake)?;
    Ok((names, Handle(thread)))
}

/// The life of the thread `names`: until nobody can ask any more.
fn take_in(
    mut open: Vec<(usize, Receiver<Lookup>)>,
    found: &[Sender<Found>],
    service: impl FnOnce() -> Service,
) {
    let mut service = Some(service);
    let mut running: Option<(mpsc::Sender<Event>, JoinHandle<()>)> = None;
    while !open.is_empty() {
        let mut select = Select::new();
        for (_, questions) in &open {
            select.recv(questions);
        }
        let ready = select.select();
        let at = ready.index();
        let Ok(lookup) = ready.recv(&open[at].1) else {
            open.swap_remove(at);
            continue;
        };
        let (worker, origin) = (open[at].0, lookup.origin);
        if let Some(service) = service.take() {
            running = run(service()).ok();
        }
        let event = Event::Asked(Asked { worker, lookup });
        let heard = running.as_ref().is_some_and(|(events, _)| events.blocking_send(event).is_ok());
        if !heard {
            let cause = "the thread that looks names up could not be started".into();
            let result = Err(Unreachable { kind: ErrorKind::Dns, cause });
            let _ = found[worker].try_send(Found { origin, result, ttl: Nanos::MAX });
        }
    }
    if let Some((events, thread)) = running {
        let _ = events.blocking_send(Event::Over);
        let _ = thread.join();
    }
}

/// Starts the thread `names-dns`.
fn run(service: Service) -> io::Result<(mpsc::Sender<Event>, JoinHandle<()>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (events, heard) = mpsc::channel(EVENTS_MAX);
    let own = events.clone();
    let work = move || runtime.block_on(service.work(own, heard));
    let thread = thread::Builder::new().name("names-dns".into()).spawn(work)?;
    Ok((events, thread))
}

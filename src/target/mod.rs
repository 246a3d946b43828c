//! The bundled server: something fast and well known to aim at.
//!
//! One pinned thread per core, each with its own tokio-uring runtime and its own listener on
//! the shared port (SO_REUSEPORT, `man 7 socket`). It shares no code with the generator's
//! `http`: a mistake there must not find the same mistake here.
//!
//! | route | response |
//! |---|---|
//! | `/load-test` | `{"status":"ok"}` |
//! | `/bytes/N`, `/chunked/N` | N bytes, up to 1 GiB, by length or in chunks |
//! | `/delay/MS` | after MS milliseconds, fractions allowed; never early |
//! | `/status/CODE` | that status, 200 to 999 |
//! | `/echo` | the request's body and Content-Type |
//! | `/close` | a response, then the end of the connection |
//! | `/healthz`, `/metrics` | state; no faults are injected here |
//!
//! ```no_run
//! use squall::target::{TargetConfig, start};
//!
//! let target = start(TargetConfig {
//!     listen: "127.0.0.1:0".parse()?,
//!     cores: vec![0],
//!     latency: Some("exp:5ms".parse()?),
//!     error_rate: 0.01,
//!     stall: None,
//!     seed: 1,
//! })?;
//! println!("http://{}/load-test", target.local_addr());
//! target.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::{self, PipeReader, PipeWriter};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::clock;
use crate::units::Nanos;

mod body;
mod connection;
mod core;
mod error;
mod inject;
mod metrics;
mod respond;
mod route;
mod scan;
mod serve;
mod timer;

pub use error::TargetError;
pub use inject::{InjectError, Latency, Stall};

use metrics::ThreadStats;

/// The length of the accept queue; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 65_535;
/// How often [`Target::wait`] looks at its flag.
const WAIT_STEP: Nanos = Nanos::from_millis(20);

/// What to serve, and which faults to inject.
#[derive(Clone, Debug)]
pub struct TargetConfig {
    /// Where to listen. Port 0 takes a free one: ask [`Target::local_addr`].
    pub listen: SocketAddr,
    /// One thread per entry, pinned to that core. Not empty.
    pub cores: Vec<usize>,
    /// Latency added to each request, except on `/healthz` and `/metrics`.
    pub latency: Option<Latency>,
    /// The share of requests, 0 to 1, that is answered with 500; same exceptions.
    pub error_rate: f64,
    /// A periodic stall of the whole server.
    pub stall: Option<Stall>,
    /// Seed of the faults: the same one gives each thread the same faults again.
    pub seed: u64,
}

/// A running server. Dropping it stops it, too, but does not wait for it.
#[derive(Debug)]
pub struct Target {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    /// Closing it is the signal to stop.
    stop_pipe: PipeWriter,
    threads: Vec<(usize, JoinHandle<()>)>,
}

/// Binds, starts every thread, and returns when all of them serve.
///
/// # Errors
/// See [`TargetError`]; each message names the remedy. When one thread cannot start, the
/// others are stopped before this returns.
pub fn start(config: TargetConfig) -> Result<Target, TargetError> {
    if config.cores.is_empty() {
        return Err(TargetError::NoCores);
    }
    if !(0.0..=1.0).contains(&config.error_rate) {
        return Err(TargetError::ErrorRate(config.error_rate));
    }
    let listeners = listen(config.listen, config.cores.len())
        .map_err(|source| TargetError::from_listen(config.listen, source))?;
    let resources = |source| TargetError::Resources { source };
    let addr = listeners[0].local_addr().map_err(resources)?;
    let (pipe, stop_pipe) = io::pipe().map_err(resources)?;
    let mut target = Target { addr, stop: Arc::default(), stop_pipe, threads: Vec::new() };
    match target.start_threads(&config, listeners, &pipe) {
        Ok(()) => Ok(target),
        Err(error) => {
            // The first error is the one to tell.
            let _ = target.stop();
            Err(error)
        }
    }
}

impl Target {
    /// The address that every thread listens on, with the port that the kernel chose if port 0
    /// was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops accepting, ends idle connections, lets requests in flight finish for at most 5 s,
    /// and joins every thread.
    ///
    /// # Errors
    /// [`TargetError::Crashed`] when a thread had panicked.
    pub fn stop(self) -> Result<(), TargetError> {
        self.stop.store(true, Relaxed);
        drop(self.stop_pipe);
        let mut outcome = Ok(());
        for (core, thread) in self.threads {
            if thread.join().is_err() {
                outcome = Err(TargetError::Crashed { core });
            }
        }
        outcome
    }

    /// Serves until `stop` is set or a thread ends, looking every 20 ms; then as
    /// [`stop`](Target::stop).
    ///
    /// # Errors
    /// As [`stop`](Target::stop).
    pub fn wait(self, stop: &AtomicBool) -> Result<(), TargetError> {
        while !stop.load(Relaxed) && !self.threads.iter().any(|(_, thread)| thread.is_finished()) {
            clock::sleep(WAIT_STEP);
        }
        self.stop()
    }

    fn start_threads(
        &mut self,
        config: &TargetConfig,
        listeners: Vec<TcpListener>,
        pipe: &PipeReader,
    ) -> Result<(), TargetError> {
        let resources = |source| TargetError::Resources { source };
        let stats: Arc<[ThreadStats]> = config.cores.iter().map(|_| ThreadStats::default()).collect();
        let epoch = clock::now();
        let (ready, states) = crossbeam_channel::bounded(config.cores.len());
        for (index, (&core, listener)) in config.cores.iter().zip(listeners).enumerate() {
            let setup = serve::Setup {
                index,
                core,
                listener,
                latency: config.latency,
                error_rate: config.error_rate,
                stall: config.stall,
                seed: config.seed,
                epoch,
                stats: stats.clone(),
                stop: self.stop.clone(),
                stop_pipe: pipe.try_clone().map_err(resources)?,
            };
            let ready = ready.clone();
            let thread = std::thread::Builder::new()
                .name(format!("target-{core}"))
                .spawn(move || serve::run(setup, &ready))
                .map_err(resources)?;
            self.threads.push((core, thread));
        }
        drop(ready);
        for (core, _) in &self.threads {
            // A thread that ends without a word has panicked.
            states.recv().unwrap_or(Err(TargetError::Crashed { core: *core }))?;
        }
        Ok(())
    }
}

/// `count` listeners on one address.
///
/// The first one is bound without SO_REUSEPORT, so that an address in use is found out even
/// when the other server shares its port; it is opened for sharing afterwards.
fn listen(addr: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = socket(addr)?;
    first.bind(&SockAddr::from(addr))?;
    first.set_reuse_port(count > 1)?;
    let bound: TcpListener = first.try_clone()?.into();
    let addr = bound.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        let next = socket(addr)?;
        next.set_reuse_port(true)?;
        next.bind(&SockAddr::from(addr))?;
        sockets.push(next);
    }
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}

/// A socket with the options that accepted connections inherit from it.
fn socket(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    // A client that vanished without a word must not hold its connection for ever.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    Ok(socket)
}

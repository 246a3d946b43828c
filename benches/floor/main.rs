//! The bare floor: an io_uring client that neither parses nor records.
//!
//! It is the yardstick for the whole program: whatever squall costs above it is squall's own doing,
//! the rest is the kernel's. Answers are counted by their bytes, whose number is learnt from one
//! response before the run, so the target has to answer every request alike.
//!
//! ```text
//! cargo bench --bench floor -- closed --addr 127.0.0.1:8080 --connections 50 --duration 5 --core 1
//! cargo bench --bench floor -- paced  --addr 127.0.0.1:8080 --rate 20000 --wait spin --core 1
//! ```
//!
//! prints one line of JSON. Without arguments it checks itself against a server of its own.

mod closed;
mod paced;
mod ring;
mod selfcheck;
mod tokio_client;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use clap::{Parser, Subcommand};
use squall::units::Nanos;

use crate::closed::{Closed, Want};
use crate::paced::{Paced, Wait};
use crate::ring::{Ring, Sizes};

#[derive(Parser)]
#[command(about = "A raw io_uring client that neither parses nor records")]
struct Args {
    /// Passed by `cargo bench`; means nothing here
    #[arg(long, hide = true, global = true)]
    bench: bool,
    /// Passed by `cargo test`; means nothing here
    #[arg(long, hide = true, global = true)]
    test: bool,
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Subcommand)]
enum Mode {
    /// Every connection sends again as soon as its responses are in
    Closed {
        #[command(flatten)]
        common: Common,
        /// Requests per send
        #[arg(long, default_value_t = 1)]
        pipeline: u32,
        /// How many completions a sleep waits for
        #[arg(long, value_enum, default_value = "half")]
        want: Want,
        /// With `--want one`: this many instead
        #[arg(long)]
        want_fixed: Option<u32>,
        /// With `--want patient`: microseconds until one completion will do
        #[arg(long, default_value_t = 50)]
        patience_us: u32,
        /// Also measure response times (one clock reading per turn)
        #[arg(long)]
        latency: bool,
    },
    /// The closed loop on tokio-uring, for comparison
    Tokio {
        #[command(flatten)]
        common: Common,
        /// Set the ring up with COOP_TASKRUN
        #[arg(long)]
        coop: bool,
    },
    /// Uniform arrivals at a rate
    Paced {
        #[command(flatten)]
        common: Common,
        /// Arrivals per second
        #[arg(long)]
        rate: u32,
        /// How the gap to the next arrival is passed
        #[arg(long, value_enum, default_value = "spin")]
        wait: Wait,
    },
}

#[derive(clap::Args)]
struct Common {
    /// The target
    #[arg(long)]
    addr: SocketAddr,
    /// Path of the request
    #[arg(long, default_value = "/")]
    path: String,
    /// Connections
    #[arg(long, default_value_t = 50)]
    connections: u32,
    /// Seconds
    #[arg(long, default_value_t = 5.0)]
    duration: f64,
    /// Core to pin to
    #[arg(long)]
    core: Option<usize>,
    #[command(flatten)]
    sizes: Sizes,
}

/// What the target answers.
#[derive(Clone, Copy)]
struct Response {
    /// Length of head and body together.
    bytes: u32,
}

/// What a run measured.
struct Outcome {
    requests: u64,
    span: Nanos,
    cpu: Nanos,
    enters: u64,
    response_time: Vec<u32>,
    start_lag: Vec<u32>,
    unanswered: u64,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    match args.mode {
        None => selfcheck::run(),
        Some(mode) => {
            let (name, outcome) = measure(&mode)?;
            println!("{}", json(name, outcome));
            Ok(())
        }
    }
}

fn measure(mode: &Mode) -> io::Result<(&'static str, Outcome)> {
    match mode {
        Mode::Closed { common, pipeline, want, want_fixed, patience_us, latency } => {
            let (mut ring, response) = prepare(common, *pipeline)?;
            let closed = Closed {
                connections: common.connections,
                pipeline: *pipeline,
                duration: Nanos((common.duration * 1e9) as u64),
                want: *want,
                fixed: *want_fixed,
                patience_us: *patience_us,
                latency: *latency,
            };
            Ok(("closed", closed::run(&mut ring, &closed, response)?))
        }
        Mode::Tokio { common, coop } => {
            let (request, response) = pin_and_learn(common)?;
            let duration = Nanos((common.duration * 1e9) as u64);
            let connections = common.connections;
            let outcome = tokio_client::run(common.addr, request, response, connections, duration, *coop);
            Ok(("tokio", outcome?))
        }
        Mode::Paced { common, rate, wait } => {
            let (mut ring, response) = prepare(common, 1)?;
            let paced = Paced {
                connections: common.connections,
                rate: *rate,
                duration: Nanos((common.duration * 1e9) as u64),
                wait: *wait,
            };
            Ok(("paced", paced::run(&mut ring, &paced, response)?))
        }
    }
}

fn pin_and_learn(common: &Common) -> io::Result<(Vec<u8>, Response)> {
    if let Some(core) = common.core
        && !core_affinity::set_for_current(core_affinity::CoreId { id: core })
    {
        return Err(io::Error::other(format!("cannot pin to core {core}")));
    }
    // The default slack of 50 us would be added to every timeout. SAFETY: sets one number.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    raise_nofile();
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", common.path, common.addr);
    let response = learn(common.addr, request.as_bytes())?;
    Ok((request.into_bytes(), response))
}

fn prepare(common: &Common, pipeline: u32) -> io::Result<(Ring, Response)> {
    let (request, response) = pin_and_learn(common)?;
    let sockets = (0..common.connections)
        .map(|_| {
            let socket = TcpStream::connect(common.addr)?;
            socket.set_nodelay(true)?;
            Ok(socket)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let request = request.repeat(pipeline as usize);
    Ok((Ring::new(common.sizes, sockets, request)?, response))
}

/// Sends one request and measures its response. The only bytes of HTTP that the floor looks at.
fn learn(addr: SocketAddr, request: &[u8]) -> io::Result<Response> {
    let mut socket = TcpStream::connect(addr)?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    socket.write_all(request)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0u8; 65_536]);
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = text[..head]
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<u32>().ok())
                .ok_or_else(|| io::Error::other("the target must answer with Content-Length"))?;
            return Ok(Response { bytes: head as u32 + 4 + length });
        }
        match socket.read(&mut chunk)? {
            0 => return Err(io::Error::other("the target closed before it answered")),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

fn raise_nofile() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit; raising the soft limit to the hard one is always allowed.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

fn max_rss_bytes() -> u64 {
    // SAFETY: rusage is plain numbers, for which zero is valid; getrusage fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    usage.ru_maxrss as u64 * 1024
}

fn json(mode: &str, outcome: Outcome) -> serde_json::Value {
    let (requests, seconds) = (outcome.requests, outcome.span.as_secs_f64());
    let response = percentiles(outcome.response_time);
    let lag = percentiles(outcome.start_lag);
    serde_json::json!({
        "mode": mode,
        "requests": requests,
        "unanswered": outcome.unanswered,
        "duration_s": seconds,
        "requests_per_s": requests as f64 / seconds,
        "cpu_us_per_request": outcome.cpu.0 as f64 / 1e3 / requests.max(1) as f64,
        "requests_per_enter": requests as f64 / outcome.enters.max(1) as f64,
        "p50_us": response.map(|p| p.0),
        "p99_us": response.map(|p| p.1),
        "start_lag_p50_us": lag.map(|p| p.0),
        "start_lag_p99_us": lag.map(|p| p.1),
        "max_rss_bytes": max_rss_bytes(),
    })
}

/// Exact p50 and p99 in microseconds; none when nothing was recorded.
fn percentiles(mut values: Vec<u32>) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let at = |share: f64| {
        let rank = (values.len() as f64 * share).ceil().max(1.0) as usize;
        f64::from(values[rank - 1]) / 1e3
    };
    Some((at(0.50), at(0.99)))
}

//! Closed model: every connection sends again as soon as all its responses are in.

use std::io;

use clap::ValueEnum;
use squall::clock;
use squall::units::Nanos;

use crate::ring::Ring;
use crate::{Outcome, Response};

/// How many completions a sleeping enter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Want {
    /// One.
    One,
    /// As many as half of the connections.
    Half,
    /// Grows while turns come back full, shrinks when they do not.
    Adaptive,
    /// As many as half of the connections, but after a while one will do.
    Patient,
    /// Never sleep.
    Spin,
}

/// What a closed run needs to know.
pub(crate) struct Closed {
    pub(crate) connections: u32,
    pub(crate) pipeline: u32,
    pub(crate) duration: Nanos,
    pub(crate) want: Want,
    pub(crate) fixed: Option<u32>,
    pub(crate) patience_us: u32,
    pub(crate) latency: bool,
}

/// Drives the ring for `closed.duration` and counts the responses.
pub(crate) fn run(ring: &mut Ring, closed: &Closed, response: Response) -> io::Result<Outcome> {
    let batch = response.bytes * closed.pipeline;
    let mut missing = vec![batch; closed.connections as usize];
    let mut sent = vec![Nanos::ZERO; closed.connections as usize];
    let mut times = Vec::with_capacity(if closed.latency { 8_000_000 } else { 0 });
    for conn in 0..closed.connections {
        ring.send(conn)?;
    }
    let (start, cpu, enters) = (clock::now(), clock::thread_cpu(), ring.enters);
    sent.fill(start);
    let end = start + closed.duration;
    let (mut batches, mut want) = (0u64, closed.fixed.unwrap_or(1));
    let half = (closed.connections / 2).clamp(1, ring.want_max);
    let most = (half / 2).max(1);
    let mut now = start;
    while now < end {
        match closed.want {
            Want::Spin => ring.poll()?,
            Want::Half => ring.wait(half)?,
            Want::Patient => ring.wait_patiently(closed.fixed.unwrap_or(half), closed.patience_us)?,
            Want::One | Want::Adaptive => ring.wait(want)?,
        }
        now = clock::now();
        let mut turn = 0;
        while let Some(received) = ring.next()? {
            turn += 1;
            let left = &mut missing[received.conn as usize];
            if *left > received.bytes {
                *left -= received.bytes;
                continue;
            }
            *left = batch;
            batches += 1;
            if closed.latency && times.len() < times.capacity() {
                times.push((now - sent[received.conn as usize]).0 as u32);
                sent[received.conn as usize] = now;
            }
            ring.send(received.conn)?;
        }
        if closed.want == Want::Adaptive {
            want = if turn > want { (want + 1).min(most) } else { (want - want / 4).max(1) };
        }
    }
    Ok(Outcome {
        requests: batches * u64::from(closed.pipeline),
        span: now - start,
        cpu: clock::thread_cpu() - cpu,
        enters: ring.enters - enters,
        response_time: times,
        start_lag: Vec::new(),
        unanswered: 0,
    })
}

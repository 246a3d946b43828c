//! Open model: uniform arrivals at a rate; times count from the schedule.

use std::collections::VecDeque;
use std::io;

use clap::ValueEnum;
use squall::clock;
use squall::units::Nanos;

use crate::ring::Ring;
use crate::{Outcome, Response};

/// How the gap to the next arrival is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// Poll the ring without ever sleeping.
    Spin,
    /// Sleep in the kernel with a timeout.
    Sleep,
}

/// What a paced run needs to know.
pub(crate) struct Paced {
    pub(crate) connections: u32,
    pub(crate) rate: u32,
    pub(crate) duration: Nanos,
    pub(crate) wait: Wait,
}

/// How long responses may take after the last arrival.
const DRAIN: Nanos = Nanos::from_millis(500);

/// Drives the ring through the schedule. One request is in flight per connection; an arrival that
/// finds none idle waits in the schedule itself.
pub(crate) fn run(ring: &mut Ring, paced: &Paced, response: Response) -> io::Result<Outcome> {
    let total = (paced.duration.0 as u128 * u128::from(paced.rate) / 1_000_000_000) as u64;
    let at = |arrival: u64| (u128::from(arrival) * 1_000_000_000 / u128::from(paced.rate)) as u64;
    let mut idle: VecDeque<u32> = (0..paced.connections).collect();
    let mut missing = vec![response.bytes; paced.connections as usize];
    let mut scheduled = vec![Nanos::ZERO; paced.connections as usize];
    let mut response_time = populated(total as usize);
    let mut start_lag = populated(total as usize);
    ring.poll()?;
    let (start, cpu, enters) = (clock::now(), clock::thread_cpu(), ring.enters);
    let end = start + paced.duration + DRAIN;
    let (mut arrival, mut due, mut answered, mut now) = (0u64, start, 0u64, start);
    while answered < total && now < end {
        // One reading of the clock dates both what completed in the last wait and what is due.
        while arrival < total && due <= now {
            let Some(conn) = idle.pop_front() else { break };
            scheduled[conn as usize] = due;
            start_lag.push(clamp(now - due));
            ring.send(conn)?;
            arrival += 1;
            due = start + Nanos(at(arrival));
        }
        match paced.wait {
            Wait::Spin => ring.poll()?,
            Wait::Sleep if arrival < total && !idle.is_empty() => {
                ring.wait_for(1, due - clock::now())?;
            }
            Wait::Sleep => ring.wait_for(1, DRAIN)?,
        }
        now = clock::now();
        while let Some(received) = ring.next()? {
            let left = &mut missing[received.conn as usize];
            if *left > received.bytes {
                *left -= received.bytes;
                continue;
            }
            *left = response.bytes;
            answered += 1;
            response_time.push(clamp(now - scheduled[received.conn as usize]));
            idle.push_back(received.conn);
        }
    }
    Ok(Outcome {
        requests: answered,
        span: now - start,
        cpu: clock::thread_cpu() - cpu,
        enters: ring.enters - enters,
        response_time,
        start_lag,
        unanswered: total - answered,
    })
}

fn clamp(span: Nanos) -> u32 {
    u32::try_from(span.0).unwrap_or(u32::MAX)
}

/// An empty vector whose pages are already there: no page fault falls into the measured window.
fn populated(capacity: usize) -> Vec<u32> {
    let mut values = vec![1u32; capacity];
    values.clear();
    values
}

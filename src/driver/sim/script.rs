//! What the simulated peer does, and what goes wrong.

use super::random::Dice;
use crate::units::Nanos;

/// Later than any timeout that a test may set: an hour.
pub const NEVER: Nanos = Nanos::from_secs(3600);

/// How long the peer takes from the last byte of a request to its response.
///
/// Requests of one connection are served side by side, but answered in order (RFC 9112, section
/// 9.3.2): a slow one delays those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Always this long.
    Constant(Nanos),
    /// Evenly between the two.
    Uniform(Nanos, Nanos),
    /// Exponential with this mean.
    Exponential(Nanos),
    /// `base`, but the last `length` of every `every` the peer stands still. `base` must be less
    /// than `every - length`.
    Stall {
        /// Without the stall.
        base: Nanos,
        /// From one stall to the next.
        every: Nanos,
        /// How long one lasts.
        length: Nanos,
    },
}

impl Service {
    /// When a request that is complete `at` (since the start of the simulation) is answered.
    pub(super) fn answered(self, at: Nanos, dice: &mut Dice) -> Nanos {
        match self {
            Service::Constant(delay) => at + delay,
            Service::Uniform(low, high) => at + Nanos(dice.between(low.0, high.0)),
            Service::Exponential(mean) => at + dice.exponential(mean),
            Service::Stall { base, every, length } => {
                let period = at.0 / every.0 * every.0;
                let (stall, over) = (Nanos(period) + every - length, Nanos(period) + every);
                if at >= stall {
                    over + base
                } else if at + base > stall {
                    at + base + length
                } else {
                    at + base
                }
            }
        }
    }
}

/// What goes wrong: probabilities from 0 (the default) to 1.
///
/// At most one of the faults that spoil a response happens to a request, and at most one of those that spoil a send to
/// a send; they are tried in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SimFaults {
    /// Per connect: ECONNREFUSED after the connect delay.
    pub connect_refused: f64,
    /// Per connect: takes an hour ([`NEVER`]).
    pub connect_slow: f64,
    /// Per connect: fails after the connect delay with one of [`CONNECT_ERRNOS`].
    pub connect_errors: f64,
    /// Per send: the kernel takes it in pieces, over up to a millisecond.
    pub short_sends: f64,
    /// Per send that reports: the kernel takes part of it, perhaps nothing, and never the rest.
    pub sends_stuck: f64,
    /// Per send that reports: a whole response comes when the peer has only part of the request. The peer then reads
    /// on, or reads no more, or closes: a third each.
    pub early_responses: f64,
    /// Per send: it fails with EPIPE or ECONNRESET after part of it, perhaps nothing. Half of the time the peer has
    /// sent a whole response before.
    pub send_errors: f64,
    /// A send that fails is reported before the bytes that came before the failure: what [`Event::Failed`] does not
    /// allow, and io_uring did.
    ///
    /// [`Event::Failed`]: crate::driver::Event::Failed
    pub send_error_first: bool,
    /// Per request: ECONNRESET instead of the response.
    pub reset_before_response: f64,
    /// Per request: part of the response, then ECONNRESET.
    pub reset_mid_response: f64,
    /// Per request: part of the response, then end of file.
    pub eof_mid_response: f64,
    /// Per request: bytes that are not HTTP instead of the response.
    pub garbage: f64,
    /// Per request: the response takes an hour ([`NEVER`]), and so do those behind it.
    pub late_responses: f64,
    /// Per request: the connection breaks with one of [`STREAM_ERRNOS`] instead of the response.
    pub stream_errors: f64,
    /// Per request: the response arrives in several pieces, cut anywhere, over up to a millisecond.
    pub split_responses: f64,
    /// Per receive: no buffer is free; it succeeds at a later wait.
    pub buffer_starvation: f64,
    /// Per close: something with the closed generation completes up to a millisecond later.
    pub stale_completions: f64,
    /// Per wait: the completion queue is too small, and some of what completed comes at the next wait.
    pub cq_overflows: f64,
    /// Per wait: the worker stands still for a time within [`SimScript::stall`], before what happens meanwhile is in the
    /// completion queue or behind it.
    pub stalls: f64,
    /// End of file after this many whole responses on a connection; requests behind them are lost.
    pub close_after_n: Option<u64>,
}

/// What [`SimFaults::connect_errors`] draws from.
pub const CONNECT_ERRNOS: [i32; 6] =
    [libc::EADDRNOTAVAIL, libc::EMFILE, libc::ETIMEDOUT, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::EPERM];

/// What [`SimFaults::stream_errors`] draws from.
pub const STREAM_ERRNOS: [i32; 4] = [libc::ETIMEDOUT, libc::EPIPE, libc::ECONNABORTED, libc::EIO];

/// A time in which the peer is gone: at its beginning every connection is reset, and none can be had until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Since [`SimScript::start`].
    pub from: Nanos,
    /// How long it lasts.
    pub length: Nanos,
}

/// A whole simulation: everything that happens follows from this and from what the worker does.
#[derive(Clone, Debug)]
pub struct SimScript {
    /// Of all dice.
    pub seed: u64,
    /// What the clock reads at first.
    pub start: Nanos,
    /// From `connect` to `Connected` or `ConnectFailed`.
    pub connect_delay: Nanos,
    /// How long the peer takes.
    pub service: Service,
    /// Answers; each request draws one. Must be neither empty nor hold an empty one.
    pub responses: Vec<Vec<u8>>,
    /// Location fields; a share of [`redirect_share`](SimScript::redirect_share) of the requests is answered 302 with one
    /// of them.
    pub redirects: Vec<String>,
    /// From 0 to 1. No effect without [`redirects`](SimScript::redirects).
    pub redirect_share: f64,
    /// Share of the responses that give a cookie, from 0 to 1. Only requests that say whose they are (`X-User: NUMBER`)
    /// are given any; what they send back is held against what they were given: see [`PeerBooks`](super::PeerBooks).
    pub cookie_share: f64,
    /// Length of one request, for requests that are not HTTP/1.1; the default is to read where they end off their bytes.
    /// A send may hold several.
    pub request_len: Option<u32>,
    /// What goes wrong.
    pub faults: SimFaults,
    /// What goes wrong at single endpoints instead, by their index. What concerns waits is taken from `faults` alone.
    pub endpoint_faults: Vec<(u32, SimFaults)>,
    /// When the peer is gone altogether.
    pub outages: Vec<Outage>,
    /// From when on every wait fails: the driver is broken.
    pub wait_fails_at: Option<Nanos>,
    /// Shortest and longest standstill of [`SimFaults::stalls`].
    pub stall: (Nanos, Nanos),
    /// What every `wait` adds to the clock: the worker's own work.
    pub turn_cost: Nanos,
    /// How many receive buffers there are.
    pub buffers: u16,
    /// Length of a receive buffer in bytes.
    pub buffer_len: u32,
}

impl Default for SimScript {
    /// A faultless peer that answers 200 with two bytes after 100 µs.
    fn default() -> SimScript {
        SimScript {
            seed: 1,
            start: Nanos::from_secs(1),
            connect_delay: Nanos::from_micros(50),
            service: Service::Constant(Nanos::from_micros(100)),
            responses: vec![b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()],
            redirects: Vec::new(),
            redirect_share: 0.0,
            cookie_share: 0.0,
            request_len: None,
            faults: SimFaults::default(),
            endpoint_faults: Vec::new(),
            outages: Vec::new(),
            wait_fails_at: None,
            stall: (Nanos::from_millis(10), Nanos::from_secs(2)),
            turn_cost: Nanos(500),
            buffers: 256,
            buffer_len: 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_holds_everything_up_until_it_is_over() {
        let ms = Nanos::from_millis;
        let service = Service::Stall { base: ms(1), every: ms(5_000), length: ms(1_000) };
        let answered = |at| service.answered(at, &mut Dice::new(1));
        assert_eq!(answered(ms(10)), ms(11));
        assert_eq!(answered(ms(3_999)), ms(4_000));
        assert_eq!(answered(Nanos(3_999_500_000)), Nanos(5_000_500_000));
        assert_eq!(answered(ms(4_200)), ms(5_001));
        assert_eq!(answered(ms(5_000)), ms(5_001));
    }

    #[test]
    fn delays_keep_their_bounds_and_mean() {
        let mut dice = Dice::new(7);
        let mut sum = 0;
        for _ in 0..20_000 {
            let uniform = Service::Uniform(Nanos(10), Nanos(20)).answered(Nanos(5), &mut dice);
            assert!((15..25).contains(&uniform.0));
            let mean = Nanos::from_micros(100);
            sum += Service::Exponential(mean).answered(Nanos::ZERO, &mut dice).0;
        }
        let mean = sum as f64 / 20_000.0;
        assert!((97_000.0..103_000.0).contains(&mean), "{mean}");
    }
}

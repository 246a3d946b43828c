//! The kernel: descriptors and bytes, nothing of HTTP, load or statistics.
//!
//! A [`Driver`] serves one worker. It owns the sockets of up to `slots` connections, the receive
//! buffers, and the immutable payloads that sends point at. Its clock is part of it, so that
//! the simulated one (`sim`, with the feature `simulation`) can run a whole worker in virtual time.
//!
//! One turn of a worker: `wait`, then `next` until `None` (releasing each buffer), then verbs
//! for what is to be started; the verbs only queue, the next `wait` submits them all at once.

pub mod epoll;
pub mod failure;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(any(test, feature = "simulation"))]
pub mod sim;
pub mod socket;
pub mod token;
pub mod uring;

use std::io;

use failure::Failure;

use crate::units::Nanos;

/// Names one connection: a slot, and which of the slot's successive connections.
///
/// Completions of a connection that was closed may still arrive ("stale"); they carry the old
/// generation. The worker, which owns the truth, compares; drivers merely pass it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnId {
    /// Index below the driver's `slots`.
    pub slot: u32,
    /// Grows by one with each connection that the slot has held; 24 bits are significant.
    pub generation: u32,
}

/// Index into the payload table that the driver was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadId(pub u32);

impl PayloadId {
    /// The bytes that were written into the connection's own [`draft`](Driver::draft).
    pub const DRAFT: PayloadId = PayloadId(u32::MAX);
}

/// A receive buffer lent by the driver; give it back with [`Driver::release`]. Only drivers make them, and there is one for
/// each buffer that is lent: it can be neither copied nor kept when it is given back.
#[derive(Debug, PartialEq, Eq)]
pub struct Buffer {
    id: u16,
    len: u32,
}

impl Buffer {
    /// No driver has so many of its own.
    const OUTSIDE: u16 = u16::MAX;

    /// `len` bytes in buffer `id` of a driver.
    #[inline]
    fn new(id: u16, len: u32) -> Buffer {
        debug_assert!(id != Buffer::OUTSIDE);
        Buffer { id, len }
    }

    /// `len` bytes in the one buffer that a driver around another one has.
    #[inline]
    pub(crate) fn outside(len: u32) -> Buffer {
        Buffer { id: Buffer::OUTSIDE, len }
    }

    /// Made by [`outside`](Buffer::outside).
    #[inline]
    pub(crate) fn is_outside(&self) -> bool {
        self.id == Buffer::OUTSIDE
    }

    /// How many bytes of it are filled.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "no driver lends an empty one")]
    pub fn len(&self) -> usize {
        self.len as usize
    }
}

/// What TLS agreed to speak on a connection (RFC 7301, ALPN).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpn {
    /// There is no TLS, or the server chose nothing.
    #[default]
    None,
    /// `http/1.1`.
    Http11,
    /// `h2`.
    H2,
    /// Anything else.
    Other,
}

impl Alpn {
    /// By the protocol's name in the registry; `None` where nothing was chosen.
    pub fn named(name: Option<&[u8]>) -> Alpn {
        match name {
            None => Alpn::None,
            Some(b"http/1.1") => Alpn::Http11,
            Some(b"h2") => Alpn::H2,
            Some(_) => Alpn::Other,
        }
    }
}

/// Something happened to a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    /// To which connection (perhaps a stale one).
    pub conn: ConnId,
    /// What.
    pub event: Event,
}

/// What happened to a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer is reached, and TLS begins: `Connected` or `ConnectFailed` follows. Only where there is TLS.
    Reached,
    /// The connection stands and speaks this; receiving is armed. Sends may be queued from now on.
    Connected(Alpn),
    /// Connecting failed. The slot's socket is already gone.
    ConnectFailed(Failure),
    /// Bytes arrived.
    Data(Buffer),
    /// This many bytes arrived and were thrown away, as [`Driver::discard`] asked.
    Discarded(u64),
    /// The last send that asked for it (see [`Driver::send`]) is wholly in the kernel.
    Sent,
    /// The peer closed its side (end of file). Neither this nor `Failed` comes twice, nor one after the other.
    Eof,
    /// Sending or receiving failed (reset, broken pipe, broken TLS, …). Close the connection.
    ///
    /// Comes after all bytes that had arrived when the connection broke, as `Data` or `Discarded`: a peer may respond
    /// before it has the whole request, and then reset the connection for the rest (RFC 9112, section 9.6).
    Failed(Failure),
}

/// How [`Driver::wait`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Submit, reap what is there, return at once. Never sleeps.
    Poll,
    /// Submit, then sleep until `want` completions are there or the driver's clock reads `until`.
    Until {
        /// Point on the driver's clock.
        until: Nanos,
        /// At least 1. Must not exceed what can still arrive: the driver does not check.
        want: u32,
    },
}

/// Readings about the driver itself, for the verdict. All are totals since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverCounters {
    /// Completions that did not fit into the completion queue at once.
    pub cq_overflows: u64,
    /// Receives that found no free buffer.
    pub buffer_starvations: u64,
    /// System calls made to submit or wait.
    pub enters: u64,
}

/// What the TLS handshakes of a driver came to. All are totals since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsReadings {
    /// Handshakes that succeeded, resumed ones included.
    pub handshakes: u64,
    /// Those that resumed an earlier session (RFC 8446, section 2.2).
    pub resumed: u64,
    /// What the first one agreed on.
    pub agreed: Option<TlsAgreed>,
}

impl TlsReadings {
    /// What came behind an earlier reading.
    pub fn since(&self, earlier: &TlsReadings) -> TlsReadings {
        TlsReadings {
            handshakes: self.handshakes - earlier.handshakes,
            resumed: self.resumed - earlier.resumed,
            agreed: self.agreed,
        }
    }
}

/// What a TLS handshake agreed on, by the names of the registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsAgreed {
    /// Version, such as `TLSv1_3`.
    pub version: &'static str,
    /// Cipher suite, such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
    /// Key exchange, such as `X25519`.
    pub group: &'static str,
}

/// Appends, and returns the index.
fn append<T>(list: &mut Vec<T>, item: T) -> u32 {
    list.push(item);
    list.len() as u32 - 1
}

/// Where a connection goes, and how its socket is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The peer.
    pub addr: socket2::SockAddr,
    /// Local address to bind to first (port 0), with IP_BIND_ADDRESS_NO_PORT.
    pub source: Option<std::net::IpAddr>,
    /// TCP_CONGESTION, when asked for.
    pub congestion: Option<String>,
}

impl Endpoint {
    fn is_unix(&self) -> bool {
        self.addr.domain() == socket2::Domain::UNIX
    }
}

/// What a driver is built from.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// How many connections can be open at a time, 1 to 2^24.
    pub slots: u32,
    /// The bytes that sends point at. They live as long as the driver.
    pub payloads: Vec<std::sync::Arc<[u8]>>,
    /// Addresses; `connect` names one by index. [`Driver::add_endpoint`] adds more.
    pub endpoints: Vec<Endpoint>,
    /// True when bodies are not read, so that large ones may be dropped in the kernel.
    pub expect_large: bool,
}

/// Lets the calling thread's timers fire on time: the default slack is 50 us (prctl(2), PR_SET_TIMERSLACK).
pub fn tighten_timers() {
    // 1 ns is the smallest slack (0 would mean the default). Where a filter refuses it, timers are later.
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// The verbs. All but `wait` only queue work and never block; errors of queued work come back as
/// completions.
pub trait Driver {
    /// The driver's clock: CLOCK_MONOTONIC, or virtual time.
    fn now(&mut self) -> Nanos;

    /// Adds an address to those that [`connect`](Driver::connect) can name, and returns its index: one more than the
    /// last. May be called at any time; what is under way to other endpoints stays under way.
    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32;

    /// Opens a connection to `endpoint` in `conn.slot`, which must be free (never used, closed, or
    /// its connect failed). Completes with `Connected` or `ConnectFailed`.
    fn connect(&mut self, conn: ConnId, endpoint: u32);

    /// Queues `payload[..len]`. `len` is at least 1 and at most the payload's length.
    ///
    /// With `notify` false no completion comes unless the send fails: only for sends that surely
    /// fit into an empty socket buffer (RFC-less rule of thumb: 4 KiB); where one does not, it goes as there is
    /// room. With `notify` true `Sent` arrives when the kernel has taken every byte. There must be no unfinished send
    /// on `conn`. On one that has ended or broken, nothing comes of it.
    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool);

    /// The slot's own bytes, for requests that are made anew each time: [`PayloadId::DRAFT`] sends them.
    /// To be written only while no send of them is unfinished: before the first one, after `Sent`, or, for one
    /// that does not report, after the response. Otherwise what is sent may be wrong, and these may be other bytes than
    /// before; memory that the kernel reads is never handed out.
    fn draft(&mut self, slot: u32) -> &mut Vec<u8>;

    /// What was last written into the slot's [`draft`](Driver::draft). May be read at any time.
    fn drafted(&self, slot: u32) -> &[u8];

    /// Says that the next `bytes` bytes of `conn` interest nobody. Some of them may still arrive as
    /// `Data`; the rest arrive as `Discarded` counts; the sum is exactly `bytes`, then `Data` goes on.
    /// Called while handling a `Data` completion of `conn`, at most once per response.
    fn discard(&mut self, conn: ConnId, bytes: u64);

    /// Closes the connection and frees its slot for the next generation. With `reset` the peer gets
    /// RST rather than FIN (SO_LINGER {1, 0}): no TIME_WAIT remains.
    fn close(&mut self, conn: ConnId, reset: bool);

    /// Submits everything queued and waits.
    ///
    /// # Errors
    /// Only when the driver itself is broken (never for a single connection): the run cannot go on.
    fn wait(&mut self, wait: Wait) -> io::Result<()>;

    /// The next completion, if there is one.
    fn next(&mut self) -> Option<Completion>;

    /// The bytes in a lent buffer.
    fn bytes(&self, buffer: &Buffer) -> &[u8];

    /// Gives a buffer back.
    fn release(&mut self, buffer: Buffer);

    /// Readings about the driver itself.
    fn counters(&self) -> DriverCounters;

    /// What TLS handshakes came to; nothing where there is no TLS.
    fn tls(&self) -> TlsReadings {
        TlsReadings::default()
    }
}

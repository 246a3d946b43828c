//! One connection: read, response everything that is whole, write once.
//!
//! ```text
//!        ┌──────────── bytes ────────────┐
//!        v                               │
//!   response what is whole ──> write once, read on
//!        │                               │
//!        │ close, refusal                │ end of input
//!        v                               v
//!   write, half-close, linger          done
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::rc::Rc;

use tokio_uring::buf::BoundedBuf;

use super::body::BodyReader;
use super::core::{Core, Peer};
use super::respond::{Tail, chunks, piece};
use super::route::Route;
use super::scan::{Framing, HEAD_MAX, Refusal, Request, Scan};
use crate::clock;
use crate::units::Nanos;

/// The first size of the read buffer. Small, because there may be 10,000 of them.
const INPUT_MIN: usize = 2 * 1024;
/// The read buffer doubles up to this when reads fill it (pipelined requests, large bodies).
const INPUT_MAX: usize = 64 * 1024;
const _: () = assert!(INPUT_MAX > HEAD_MAX);
/// Answers are written when they come to this much, even if more requests are at hand.
const OUT_MAX: usize = 32 * 1024;
/// Chunks are made up to about this much at once.
const CHUNKS_AT_ONCE: u64 = 64 * 1024;
/// A write buffer above this size is given back once it is written.
const OUT_KEPT: usize = 128 * 1024;
/// How long, and for how many bytes, a closed connection is read to its end.
const LINGER: Nanos = Nanos::from_millis(500);
const LINGER_BYTES: usize = 1 << 20;

/// The state of one connection's task.
pub(super) struct Connection {
    core: Rc<Core>,
    peer: Rc<Peer>,
    input: Vec<u8>,
    /// How much of `input` is consumed.
    at: usize,
    /// The last read filled the buffer: a larger one would save reads.
    filled: bool,
    out: Vec<u8>,
    /// When the last read came back.
    read_at: Nanos,
    /// Requests read and not yet answered into the kernel.
    unanswered: u64,
    /// Responses that end in `out`.
    answered: u64,
    closing: bool,
}

impl Connection {
    pub(super) fn new(core: Rc<Core>, peer: Rc<Peer>) -> Connection {
        core.stats().opened();
        Connection {
            core,
            peer,
            input: Vec::with_capacity(INPUT_MIN),
            at: 0,
            filled: false,
            out: Vec::new(),
            read_at: clock::now(),
            unanswered: 0,
            answered: 0,
            closing: false,
        }
    }

    /// Serves until the peer leaves, a response says close, or the server stops.
    pub(super) async fn run(mut self) {
        // An error means that the peer is gone: there is nobody to tell.
        let _ = self.serve().await;
    }

    async fn serve(&mut self) -> io::Result<()> {
        loop {
            self.response_whole().await?;
            if self.closing || self.core.stopping() && self.at == self.input.len() {
                self.flush().await?;
                return self.linger().await;
            }
            self.peer.idle.set(self.at == self.input.len());
            let read = self.exchange().await;
            self.peer.idle.set(false);
            if read? == 0 {
                return Ok(());
            }
        }
    }

    /// Answers every whole request in the input, into `out` as far as it goes.
    async fn response_whole(&mut self) -> io::Result<()> {
        while !self.closing && self.at < self.input.len() {
            match self.core.scan(&self.input[self.at..]) {
                Scan::Partial => return Ok(()),
                Scan::Refused(refusal) => {
                    self.begin();
                    self.refuse(refusal);
                }
                Scan::Whole(request) if self.is_slow(&request) => {
                    self.begin();
                    self.response_slowly(&request).await?;
                }
                Scan::Whole(request) => {
                    self.begin();
                    self.at += request.head_len;
                    if let Some(tail) = self.response(&request, &[], &[]) {
                        self.stream(tail).await?;
                    }
                }
            }
            self.answered += 1;
            if self.out.len() >= OUT_MAX {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Whether the request has a body, waits, or may meet a fault.
    fn is_slow(&self, request: &Request) -> bool {
        request.framing != Framing::None
            || request.route.takes_faults() && self.core.has_faults()
            || matches!(request.route, Route::Delay(_) | Route::Echo)
    }

    fn begin(&mut self) {
        self.unanswered += 1;
        self.core.stats().begun();
    }

    /// As [`is_slow`](Self::is_slow) says: body first, then waiting, then the response.
    async fn response_slowly(&mut self, request: &Request) -> io::Result<()> {
        let (from, to) = request.content_type;
        let content_type = self.input[self.at + from..self.at + to].to_vec();
        self.at += request.head_len;
        let body = match self.read_body(request).await? {
            Ok(body) => body,
            Err(refusal) => {
                self.refuse(refusal);
                return Ok(());
            }
        };
        if request.route.takes_faults() {
            let injected = self.core.draw_latency();
            let asked = match request.route {
                Route::Delay(span) => span,
                _ => Nanos::ZERO,
            };
            self.pause(injected + asked).await?;
            if self.core.draw_error() {
                self.closing |= !request.keep_alive;
                let keep = !self.closing;
                let core = &self.core;
                let answered = core.responder().injected(&mut self.out, request, keep);
                core.stats().status(answered.status);
                return Ok(());
            }
        }
        match self.response(request, &body, &content_type) {
            Some(tail) => self.stream(tail).await,
            None => Ok(()),
        }
    }

    fn response(&mut self, request: &Request, body: &[u8], content_type: &[u8]) -> Option<Tail> {
        let unframed = request.http_10 && matches!(request.route, Route::Chunked(_));
        self.closing = !request.keep_alive || request.route == Route::Close || unframed;
        let core = &self.core;
        let answered =
            core.responder()
                .response(&mut self.out, request, !self.closing, body, content_type, || core.metrics());
        core.stats().status(answered.status);
        answered.tail
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.core.responder().refuse(&mut self.out, refusal);
        self.core.stats().status(refusal.status);
        self.closing = true;
    }

    /// Reads the body of `request` off the input and the socket; keeps it for `/echo` only.
    async fn read_body(&mut self, request: &Request) -> io::Result<Result<Vec<u8>, Refusal>> {
        let mut reader = BodyReader::new(request.framing, request.route == Route::Echo);
        if request.expects_continue && self.at == self.input.len() {
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        loop {
            match reader.feed(&self.input[self.at..]) {
                Ok(taken) => self.at += taken,
                Err(refusal) => return Ok(Err(refusal)),
            }
            if reader.done() {
                return Ok(Ok(reader.into_kept()));
            }
            if self.exchange().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn pause(&mut self, span: Nanos) -> io::Result<()> {
        if span == Nanos::ZERO {
            return Ok(());
        }
        let deadline = clock::now() + span;
        // Earlier responses must not wait for this one.
        self.flush().await?;
        self.core.timer().sleep_until(deadline).await;
        self.core.tick(clock::now());
        Ok(())
    }

    /// Streams the rest of a body with bounded memory.
    async fn stream(&mut self, mut tail: Tail) -> io::Result<()> {
        loop {
            // The response itself is not in `answered` yet, so that only earlier ones count.
            self.flush().await?;
            match tail {
                Tail::Plain { from, to } if from < to => {
                    let piece = piece(from, to);
                    self.peer.stream.write_all(piece).await.0?;
                    let from = from + piece.len() as u64;
                    tail = Tail::Plain { from, to };
                }
                Tail::Plain { .. } => return Ok(()),
                Tail::Chunks { from, to, size } => {
                    match chunks(&mut self.out, from, to, size, CHUNKS_AT_ONCE) {
                        Some(rest) => tail = rest,
                        None => return Ok(()),
                    }
                }
            }
        }
    }

    /// Writes `out`, and books the responses in it as handed over.
    async fn flush(&mut self) -> io::Result<()> {
        if self.answered > 0 {
            let elapsed = clock::now() - self.read_at;
            self.core.stats().answered(self.answered, elapsed);
            self.unanswered -= self.answered;
            self.answered = 0;
        }
        if !self.out.is_empty() {
            let (result, mut out) = self.peer.stream.write_all(std::mem::take(&mut self.out)).await;
            result?;
            if out.capacity() <= OUT_KEPT {
                out.clear();
                self.out = out;
            }
        }
        Ok(())
    }

    /// Writes `out`, then reads more input. Returns the bytes read; 0 is the end of the input.
    ///
    /// One after the other on purpose: submitting both at once saves a turn of the loop, but the
    /// read then mostly comes too early and pays for a poll. Measured against wrk that cost a
    /// tenth more CPU at 50 connections and won nothing at 256.
    async fn exchange(&mut self) -> io::Result<usize> {
        self.flush().await?;
        self.make_room();
        let held = self.input.len();
        let room = std::mem::take(&mut self.input).slice(held..);
        let (result, slice) = self.peer.stream.read(room).await;
        self.input = slice.into_inner();
        self.filled = self.input.len() == self.input.capacity();
        self.read_at = clock::now();
        self.core.tick(self.read_at);
        result
    }

    /// Drops consumed input and sees to it that there is room to read into.
    fn make_room(&mut self) {
        if self.at == self.input.len() {
            self.input.clear();
        } else if self.at > 0 {
            self.input.drain(..self.at);
        }
        self.at = 0;
        let capacity = self.input.capacity();
        let was_full = self.read_filled(capacity);
        if was_full {
            let wanted = (capacity * 2).clamp(INPUT_MIN, INPUT_MAX);
            self.input.reserve(wanted.saturating_sub(self.input.len()).max(1));
        }
    }

    /// Whether what is left leaves less than half of the buffer free.
    fn read_filled(&self, capacity: usize) -> bool {
        self.input.len() >= capacity / 2
    }

    /// Ends the connection so that the last response arrives: closing with unread input would
    /// make the kernel send a reset that may overtake it (RFC 9112 section 9.6).
    async fn linger(&mut self) -> io::Result<()> {
        let peer = self.peer.clone();
        peer.stream.shutdown(Shutdown::Write)?;
        let deadline = clock::now() + LINGER;
        let mut buffer = std::mem::take(&mut self.input);
        let mut read = 0;
        while read < LINGER_BYTES {
            let reading = peer.stream.read(buffer);
            let (result, returned) = self.or_cut_off(&peer, deadline, reading).await;
            match result? {
                0 => break,
                n => read += n,
            }
            buffer = returned;
        }
        Ok(())
    }

    /// Waits for `reading`; at `deadline` the socket is shut down, which completes it.
    async fn or_cut_off<R>(&self, peer: &Peer, deadline: Nanos, reading: impl Future<Output = R>) -> R {
        let mut reading = pin!(reading);
        let mut alarm = pin!(self.core.timer().sleep_until(deadline));
        let mut armed = true;
        poll_fn(|context| {
            if armed && alarm.as_mut().poll(context).is_ready() {
                armed = false;
                let _ = peer.stream.shutdown(Shutdown::Both);
            }
            reading.as_mut().poll(context)
        })
        .await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.core.stats().closed(self.unanswered);
    }
}

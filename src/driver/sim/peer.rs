//! The other end of one simulated connection, and the books of all of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::books::PeerBooks;
use super::cookies::Cookies;
use super::random::Dice;
use super::requests::{Asked, Framer, NotHttp};
use super::script::{NEVER, STREAM_ERRNOS, SimFaults, SimScript};
use crate::units::Nanos;

/// Part of a shared run of bytes. Never empty.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Arc<[u8]>,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        self.to - self.from
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }
}

/// What arrives at the worker's end.
#[derive(Debug)]
pub(super) enum Delivery {
    Bytes {
        chunk: Chunk,
        last: Last,
    },
    Eof,
    Reset,
    /// The connection breaks with this errno.
    Broken(i32),
    /// A send fails with this errno; `first`: it is told before what has arrived.
    SendFailed {
        errno: i32,
        first: bool,
    },
}

/// What is complete with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Nothing,
    /// With a cookie, if it gives one.
    Response(Option<u32>),
    Garbage,
}

/// How one request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Response,
    ResetBefore,
    ResetMid,
    EofMid,
    Garbage,
    Late,
    StreamError,
}

/// A request that the worker has begun to send.
#[derive(Debug)]
struct Coming {
    /// Where it ends, in bytes since the connection began.
    end: u64,
    asked: Asked,
}

/// State of the peer's end.
#[derive(Debug, Default)]
pub(super) struct Peer {
    framer: Framer,
    /// Bytes that the worker has given to sends, and how many of them have come.
    queued: u64,
    received: u64,
    coming: VecDeque<Coming>,
    /// Where the last whole request ended.
    ended: u64,
    /// The request that is coming was answered already.
    early: bool,
    responses: u64,
    /// When the last delivery is due: responses keep their order.
    last: Nanos,
    /// It has closed or reset the connection, or is going to.
    over: bool,
}

/// What answering takes beside the connection's own state.
pub(super) struct Desk<'a> {
    pub(super) script: &'a SimScript,
    pub(super) faults: &'a SimFaults,
    pub(super) responses: &'a [Arc<[u8]>],
    pub(super) redirects: &'a [Arc<[u8]>],
    pub(super) dice: &'a mut Dice,
    /// For what was added later: so that a seed goes on to mean what it did.
    pub(super) more_dice: &'a mut Dice,
    pub(super) cookies: &'a mut Cookies,
    pub(super) books: &'a mut PeerBooks,
    pub(super) out: &'a mut Vec<(Nanos, Delivery)>,
}

impl Peer {
    /// `request_len`: the length of each request, where they are not HTTP.
    pub(super) fn new(request_len: Option<u64>) -> Peer {
        Peer { framer: Framer::new(request_len), ..Peer::default() }
    }

    /// The worker has given `bytes` to a send: requests end in them. `known`: where, if they begin with one.
    pub(super) fn queue(
        &mut self,
        bytes: &[u8],
        known: &[(u64, Asked)],
        mut note: impl FnMut(&Asked),
    ) -> Result<(), NotHttp> {
        let base = self.queued;
        self.queued += bytes.len() as u64;
        let mut read = 0;
        if self.framer.is_idle() {
            for (end, asked) in known.iter().take_while(|(end, _)| *end <= bytes.len() as u64) {
                note(asked);
                self.coming.push_back(Coming { end: base + end, asked: *asked });
                read = *end;
            }
        }
        let coming = &mut self.coming;
        self.framer.feed(&bytes[read as usize..], &mut |end, asked| {
            note(&asked);
            coming.push_back(Coming { end: base + read + end, asked });
        })
    }

    /// `bytes` more of what was queued arrived `at`. Puts what follows from it into `desk.out`, in order.
    pub(super) fn receive(&mut self, bytes: u64, at: Nanos, desk: &mut Desk<'_>) {
        if self.over {
            return;
        }
        self.received += bytes;
        desk.books.request_bytes += bytes;
        while let Some(request) = self.coming.pop_front_if(|request| request.end <= self.received) {
            self.ended = request.end;
            desk.books.requests += 1;
            if !std::mem::take(&mut self.early) && !self.over {
                self.response(&request.asked, at, desk);
            }
        }
    }

    /// Answers the request that is coming, whole though it is not. False when nothing of one has come, or that was
    /// answered already.
    pub(super) fn response_early(&mut self, at: Nanos, desk: &mut Desk<'_>) -> bool {
        let Some(request) = self.coming.front() else { return false };
        if self.over || self.early || self.received == self.ended {
            return false;
        }
        let asked = request.asked;
        self.early = true;
        desk.books.early += 1;
        let (whole, cookie) = self.served(&asked, at, desk);
        self.deliver(whole, Last::Response(cookie), desk);
        self.responses += 1;
        true
    }

    /// A send fails, perhaps behind a response.
    pub(super) fn fail_send(&mut self, errno: i32, answered: bool, at: Nanos, desk: &mut Desk<'_>) {
        if self.over {
            return;
        }
        self.last = self.last.max(at);
        let from = desk.out.len();
        if answered {
            self.response_early(at, desk);
        }
        let first = desk.faults.send_error_first;
        let failed = Delivery::SendFailed { errno, first };
        match desk.out.get(from) {
            Some((when, _)) if first => desk.out.insert(from, (*when, failed)),
            _ => desk.out.push((self.last, failed)),
        }
        self.over = true;
    }

    /// Ends it now. False when it had ended already.
    pub(super) fn cut_off(&mut self) -> bool {
        !std::mem::replace(&mut self.over, true)
    }

    /// Closes it behind what was answered.
    pub(super) fn hang_up(&mut self, desk: &mut Desk<'_>) {
        if !self.over {
            self.end(Delivery::Eof, desk);
        }
    }

    /// What the peer says to a request that came `at`, when it is due: `self.last`.
    fn served(&mut self, asked: &Asked, at: Nanos, desk: &mut Desk<'_>) -> (Chunk, Option<u32>) {
        let since = at - desk.script.start;
        let served = desk.script.service.answered(since, desk.dice) + desk.script.start;
        self.last = self.last.max(served);
        let drawn = desk.dice.between(0, desk.responses.len() as u64) as usize;
        let mut bytes = Arc::clone(&desk.responses[drawn]);
        if desk.more_dice.happens(desk.script.redirect_share) && !desk.redirects.is_empty() {
            desk.books.redirects += 1;
            let drawn = desk.more_dice.between(0, desk.redirects.len() as u64) as usize;
            bytes = Arc::clone(&desk.redirects[drawn]);
        }
        let gives = desk.more_dice.happens(desk.script.cookie_share);
        let cookie = if gives { desk.cookies.give(asked) } else { None };
        if let Some(cookie) = cookie {
            bytes = with_cookie(&bytes, cookie);
        }
        (Chunk { from: 0, to: bytes.len(), bytes }, cookie)
    }

    fn response(&mut self, asked: &Asked, at: Nanos, desk: &mut Desk<'_>) {
        let (whole, cookie) = self.served(asked, at, desk);
        let last = Last::Response(cookie);
        let fate = fate(desk);
        match fate {
            Fate::Late => {
                desk.books.late += 1;
                self.last += NEVER;
                self.deliver(whole, last, desk);
            }
            Fate::Response => self.deliver(whole, last, desk),
            Fate::ResetBefore => self.end(Delivery::Reset, desk),
            Fate::ResetMid => {
                self.deliver_part(whole, desk);
                self.end(Delivery::Reset, desk);
            }
            Fate::EofMid => {
                self.deliver_part(whole, desk);
                self.end(Delivery::Eof, desk);
            }
            Fate::Garbage => {
                let garbage = garbage(desk.dice);
                self.deliver(garbage, Last::Garbage, desk);
            }
            Fate::StreamError => {
                let drawn = desk.more_dice.between(0, STREAM_ERRNOS.len() as u64) as usize;
                self.end(Delivery::Broken(STREAM_ERRNOS[drawn]), desk);
            }
        }
        self.responses += u64::from(matches!(fate, Fate::Response | Fate::Late));
        if !self.over && desk.faults.close_after_n.is_some_and(|n| self.responses >= n) {
            self.end(Delivery::Eof, desk);
        }
    }

    fn deliver_part(&mut self, whole: Chunk, desk: &mut Desk<'_>) {
        let to = desk.dice.between(1, whole.len() as u64) as usize;
        if to < whole.len() {
            self.deliver(Chunk { to, ..whole }, Last::Nothing, desk);
        }
    }

    fn deliver(&mut self, whole: Chunk, last: Last, desk: &mut Desk<'_>) {
        let mut from = whole.from;
        if desk.dice.happens(desk.faults.split_responses) {
            let mut cuts: Vec<usize> = (0..desk.dice.between(1, 5))
                .map(|_| desk.dice.between(whole.from as u64 + 1, whole.to as u64) as usize)
                .filter(|cut| *cut < whole.to)
                .collect();
            cuts.sort_unstable();
            cuts.dedup();
            for to in cuts {
                let chunk = Chunk { from, to, ..whole.clone() };
                let last = Last::Nothing;
                desk.out.push((self.last, Delivery::Bytes { chunk, last }));
                self.last += Nanos(desk.dice.between(0, 250_000));
                from = to;
            }
        }
        let chunk = Chunk { from, ..whole };
        desk.out.push((self.last, Delivery::Bytes { chunk, last }));
    }

    fn end(&mut self, how: Delivery, desk: &mut Desk<'_>) {
        self.over = true;
        desk.out.push((self.last, how));
    }
}

fn fate(desk: &mut Desk<'_>) -> Fate {
    let faults = desk.faults;
    let fates = [
        (Fate::ResetBefore, faults.reset_before_response),
        (Fate::ResetMid, faults.reset_mid_response),
        (Fate::EofMid, faults.eof_mid_response),
        (Fate::Garbage, faults.garbage),
        (Fate::Late, faults.late_responses),
    ];
    let mut fate = Fate::Response;
    for (spoilt, probability) in fates {
        if desk.dice.happens(probability) && fate == Fate::Response {
            fate = spoilt;
        }
    }
    if desk.more_dice.happens(faults.stream_errors) && fate == Fate::Response {
        fate = Fate::StreamError;
    }
    fate
}

/// A response with one more field, behind the status line of its final head: what an interim one gives may be ignored
/// (RFC 6265, section 3).
fn with_cookie(response: &[u8], cookie: u32) -> Arc<[u8]> {
    let mut head = 0;
    while response[head..].starts_with(b"HTTP/1.1 1") {
        let end = response[head..].windows(4).position(|four| four == b"\r\n\r\n");
        head = end.map_or(response.len(), |end| head + end + 4);
    }
    let line = response[head..].iter().position(|b| *b == b'\n');
    let at = line.map_or(response.len(), |line| head + line + 1);
    let field = format!("Set-Cookie: s={cookie}; Path=/\r\n");
    [&response[..at], field.as_bytes(), &response[at..]].concat().into()
}

/// Bytes that begin no status line, whatever follows.
fn garbage(dice: &mut Dice) -> Chunk {
    let len = dice.between(1, 64) as usize;
    let bytes: Arc<[u8]> =
        std::iter::once(0x16).chain(std::iter::repeat_with(|| dice.word() as u8)).take(len).collect();
    Chunk { bytes, from: 0, to: len }
}

//! The other end of one simulated connection, and the books of all of them.

use std::sync::Arc;

use super::random::Dice;
use super::script::{NEVER, SimScript};
use crate::units::Nanos;

/// What the peer did, to hold against what the worker counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerBooks {
    /// Connections that came to stand.
    pub connects: u64,
    /// Connects refused.
    pub refused: u64,
    /// Requests received to their last byte.
    pub requests: u64,
    /// Bytes received.
    pub request_bytes: u64,
    /// Answers whose last byte arrived on a connection that was still open.
    pub answers: u64,
    /// Bytes of answers, whole or not, and of garbage, that arrived on connections still open.
    pub answer_bytes: u64,
    /// Answers whose last byte was handed to the worker by `next` before it closed the connection.
    pub delivered: u64,
    /// Connections that the peer reset.
    pub resets: u64,
    /// Connections that the peer closed.
    pub eofs: u64,
    /// Answers replaced by garbage that arrived.
    pub garbage: u64,
    /// Answers that were put off for an hour.
    pub late: u64,
    /// Connections that the worker closed, standing or not.
    pub closed_by_worker: u64,
    /// Completions made up for closed generations.
    pub stale: u64,
}

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
    Bytes { chunk: Chunk, last: Last },
    Eof,
    Reset,
}

/// What is complete with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Nothing,
    Answer,
    Garbage,
}

/// How one request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answer,
    ResetBefore,
    ResetMid,
    EofMid,
    Garbage,
    Late,
}

/// State of the peer's end.
#[derive(Debug, Default)]
pub(super) struct Peer {
    received: u64,
    answers: u64,
    /// When the last delivery is due: answers keep their order.
    last: Nanos,
    /// It has closed or reset the connection, or is going to.
    over: bool,
}

/// What answering takes beside the connection's own state.
pub(super) struct Desk<'a> {
    pub(super) script: &'a SimScript,
    pub(super) responses: &'a [Arc<[u8]>],
    pub(super) request_len: u64,
    pub(super) dice: &'a mut Dice,
    pub(super) books: &'a mut PeerBooks,
    pub(super) out: &'a mut Vec<(Nanos, Delivery)>,
}

impl Peer {
    /// `bytes` more of the worker's requests arrived `at`. Puts what follows from it into
    /// `desk.out`, in order.
    pub(super) fn receive(&mut self, bytes: u64, at: Nanos, desk: &mut Desk<'_>) {
        if self.over {
            return;
        }
        let before = self.received / desk.request_len;
        self.received += bytes;
        desk.books.request_bytes += bytes;
        for _ in before..self.received / desk.request_len {
            desk.books.requests += 1;
            if !self.over {
                self.answer(at, desk);
            }
        }
    }

    fn answer(&mut self, at: Nanos, desk: &mut Desk<'_>) {
        let since = at - desk.script.start;
        let served = desk.script.service.answered(since, desk.dice) + desk.script.start;
        let body = &desk.responses[desk.dice.between(0, desk.responses.len() as u64) as usize];
        let whole = Chunk { bytes: Arc::clone(body), from: 0, to: body.len() };
        let fate = fate(desk);
        self.last = self.last.max(served);
        match fate {
            Fate::Late => {
                desk.books.late += 1;
                self.last += NEVER;
                self.deliver(whole, Last::Answer, desk);
            }
            Fate::Answer => self.deliver(whole, Last::Answer, desk),
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
        }
        self.answers += u64::from(matches!(fate, Fate::Answer | Fate::Late));
        if !self.over && desk.script.faults.close_after_n == Some(self.answers) {
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
        if desk.dice.happens(desk.script.faults.split_answers) {
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
    let faults = &desk.script.faults;
    let fates = [
        (Fate::ResetBefore, faults.reset_before_answer),
        (Fate::ResetMid, faults.reset_mid_answer),
        (Fate::EofMid, faults.eof_mid_answer),
        (Fate::Garbage, faults.garbage),
        (Fate::Late, faults.late_answers),
    ];
    let mut fate = Fate::Answer;
    for (spoilt, probability) in fates {
        if desk.dice.happens(probability) && fate == Fate::Answer {
            fate = spoilt;
        }
    }
    fate
}

/// Bytes that begin no status line, whatever follows.
fn garbage(dice: &mut Dice) -> Chunk {
    let len = dice.between(1, 64) as usize;
    let bytes: Arc<[u8]> =
        std::iter::once(0x16).chain(std::iter::repeat_with(|| dice.word() as u8)).take(len).collect();
    Chunk { bytes, from: 0, to: len }
}

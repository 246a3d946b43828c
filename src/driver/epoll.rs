//! The epoll driver: the same verbs for hosts where io_uring is not allowed.
//!
//! Edge-triggered, one `epoll_ctl` in a connection's life. A turn sends what is queued, takes one
//! batch of events and reads what they announce, all inside [`wait`](Driver::wait): the clock
//! reading that the worker takes afterwards is never earlier than a byte it hands out.
//!
//! An edge comes once, so a connection that could not be read to its end stays on a list: `ready`
//! when its share of the turn was used up, `starved` when no buffer was free. No connection owns a
//! buffer; an idle one costs one slot of about 50 bytes and what the kernel keeps.

mod connecting;
mod poller;
mod pool;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use socket2::Socket;

use self::poller::Poller;
use self::pool::{BUFFER_LEN, Pool};
use super::failure::Failure;
use super::{
    Buffer, Completion, ConnId, Driver, DriverConfig, DriverCounters, Endpoint, Event, PayloadId, Wait,
    append,
};
use crate::clock;
use crate::units::Nanos;

/// Reads of one connection per turn, so that one that floods does not starve the others.
const READS_PER_CONNECTION: u32 = 4;
/// Reads of all connections per turn: bounds how old the first byte handed out can be.
const READS_PER_TURN: u32 = 256;
/// Sends of one connection per turn; only a peer that drains as fast as we send needs more.
const SENDS_PER_CONNECTION: u32 = 4;
/// First read of a connection whose last body was discarded: the head, and little to copy.
const HEAD_READ: usize = 4096;
/// As much as one discarding read asks for.
const DISCARD_READ: u64 = 1 << 20;
/// The same of a Unix socket.
const SINK_LEN: usize = 4 * BUFFER_LEN;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Connecting,
    Open,
    /// End of file or an error was reported; only `close` makes sense now.
    Dead,
}

/// A send that the kernel has not wholly taken.
#[derive(Clone, Copy, Debug)]
struct Outgoing {
    payload: PayloadId,
    sent: u32,
    len: u32,
    notify: bool,
}

#[derive(Debug)]
struct Slot {
    socket: Option<Socket>,
    generation: u32,
    state: State,
    /// It stands on one of the lists `ready` and `starved`.
    listed: bool,
    /// It has been counted as starved since it was last read.
    starving: bool,
    /// The kernel announced end of file or an error; no other edge will.
    ending: bool,
    /// A Unix socket has no MSG_TRUNC that discards: read and forget instead.
    copies: bool,
    /// The last body was discarded, so the next one probably is.
    large: bool,
    /// errno of a failed send, reported after the bytes that arrived before it.
    broken: i32,
    /// Bytes in completions that the worker has not taken yet.
    queued: u32,
    /// Bytes that nobody wants, still in the kernel or to come.
    discard: u64,
    outgoing: Option<Outgoing>,
}

impl Slot {
    fn free(generation: u32) -> Slot {
        Slot {
            socket: None,
            generation,
            state: State::Free,
            listed: false,
            starving: false,
            ending: false,
            copies: false,
            large: false,
            broken: 0,
            queued: 0,
            discard: 0,
            outgoing: None,
        }
    }
}

/// What is left after a connection was read.
enum Rest {
    /// Nothing: an edge will tell when there is more.
    Nothing,
    /// Perhaps more; the connection has had its share.
    More,
    /// Something, but no buffer is free.
    Starved,
}

/// One worker's sockets behind one epoll instance.
pub struct EpollDriver {
    poller: Poller,
    pool: Pool,
    payloads: Vec<Arc<[u8]>>,
    endpoints: Vec<Endpoint>,
    drafts: Vec<Vec<u8>>,
    slots: Vec<Slot>,
    done: VecDeque<Completion>,
    outbox: Vec<ConnId>,
    /// Sends behind an unfinished one of their connection, in order. Nearly always empty.
    behind: VecDeque<(ConnId, Outgoing)>,
    ready: VecDeque<ConnId>,
    starved: Vec<ConnId>,
    /// Connections to Unix sockets whose listener had no room, and to which endpoint.
    turned_away: VecDeque<(ConnId, u32)>,
    /// Where unwanted bytes of Unix sockets go; empty until there is an endpoint of that kind.
    sink: Vec<u8>,
    counters: DriverCounters,
}

impl EpollDriver {
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM when there is no epoll instance to be had.
    pub fn new(config: DriverConfig) -> io::Result<EpollDriver> {
        let buffers = config.slots.saturating_mul(4).clamp(16, 256) as u16;
        let copies = config.endpoints.iter().any(Endpoint::is_unix);
        Ok(EpollDriver {
            poller: Poller::new()?,
            pool: Pool::new(buffers),
            payloads: config.payloads,
            endpoints: config.endpoints,
            drafts: vec![Vec::new(); config.slots as usize],
            slots: (0..config.slots).map(|_| Slot::free(0)).collect(),
            done: VecDeque::new(),
            outbox: Vec::new(),
            behind: VecDeque::new(),
            ready: VecDeque::new(),
            starved: Vec::new(),
            turned_away: VecDeque::new(),
            sink: vec![0; if copies { SINK_LEN } else { 0 }],
            counters: DriverCounters::default(),
        })
    }

    fn live(&self, conn: ConnId) -> bool {
        let slot = &self.slots[conn.slot as usize];
        slot.generation == conn.generation && slot.state != State::Free
    }

    fn slot(&mut self, conn: ConnId) -> &mut Slot {
        &mut self.slots[conn.slot as usize]
    }

    fn report(&mut self, conn: ConnId, event: Event) {
        self.done.push_back(Completion { conn, event });
    }

    /// Drops the socket, which also ends its events, and forgets what was queued on it.
    fn vacate(&mut self, conn: ConnId) {
        if self.slot(conn).outgoing.is_some() {
            self.behind.retain(|(other, _)| *other != conn);
        }
        // What is still on a list carries the old generation and is skipped there.
        *self.slot(conn) = Slot::free(conn.generation);
    }

    fn take_events(&mut self) {
        for at in 0..self.poller.len() {
            let (readiness, mark) = self.poller.event(at);
            let conn = unmark(mark);
            if self.live(conn) {
                self.take_event(conn, readiness);
            }
        }
    }

    fn take_event(&mut self, conn: ConnId, readiness: u32) {
        if self.slot(conn).state == State::Connecting {
            if readiness & (poller::OUT | poller::ENDING) == 0 {
                return;
            }
            self.connected(conn);
        } else if readiness & poller::OUT != 0 && self.slot(conn).outgoing.is_some() {
            self.transmit(conn);
        }
        if readiness & (poller::IN | poller::ENDING) != 0 {
            self.slot(conn).ending |= readiness & poller::ENDING != 0;
            self.list_as_ready(conn);
        }
    }

    fn list_as_ready(&mut self, conn: ConnId) {
        let slot = self.slot(conn);
        if slot.state == State::Open && !slot.listed {
            slot.listed = true;
            self.ready.push_back(conn);
        }
    }

    fn send_queued(&mut self) {
        let mut outbox = std::mem::take(&mut self.outbox);
        for conn in outbox.drain(..) {
            if self.live(conn) {
                self.transmit(conn);
            }
        }
        outbox.append(&mut self.outbox);
        self.outbox = outbox;
    }

    /// Sends what the socket takes; the rest goes when it is writable again.
    fn transmit(&mut self, conn: ConnId) {
        for _ in 0..SENDS_PER_CONNECTION {
            let slot = &mut self.slots[conn.slot as usize];
            let (Some(out), Some(socket)) = (&mut slot.outgoing, &slot.socket) else {
                return;
            };
            let bytes: &[u8] = match out.payload {
                PayloadId::DRAFT => &self.drafts[conn.slot as usize],
                PayloadId(at) => &self.payloads[at as usize],
            };
            let bytes = &bytes[out.sent as usize..out.len as usize];
            self.counters.enters += 1;
            match socket.send_with_flags(bytes, libc::MSG_NOSIGNAL) {
                Ok(sent) => out.sent += sent as u32,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => {
                    slot.outgoing = None;
                    slot.broken = errno(&e);
                    // A response may have come before the connection broke: read it first.
                    slot.ending = true;
                    return self.list_as_ready(conn);
                }
            }
            if out.sent == out.len {
                let notify = out.notify;
                slot.outgoing = None;
                if notify {
                    self.report(conn, Event::Sent);
                }
                self.start_next_send(conn);
            }
        }
        if self.slot(conn).outgoing.is_some() {
            self.outbox.push(conn);
        }
    }

    fn start_next_send(&mut self, conn: ConnId) {
        if self.behind.is_empty() {
            return;
        }
        if let Some(at) = self.behind.iter().position(|(other, _)| *other == conn) {
            self.slot(conn).outgoing = self.behind.remove(at).map(|(_, out)| out);
        }
    }

    /// Reads the listed connections in turn, each its share.
    fn read_ready(&mut self) {
        let mut budget = READS_PER_TURN;
        for _ in 0..self.ready.len() {
            if budget == 0 {
                break;
            }
            let Some(conn) = self.ready.pop_front() else {
                break;
            };
            if !self.live(conn) {
                continue;
            }
            self.slot(conn).listed = false;
            match self.read(conn, &mut budget) {
                Rest::Nothing => {}
                Rest::More => self.list_as_ready(conn),
                Rest::Starved => self.starve(conn),
            }
        }
    }

    fn starve(&mut self, conn: ConnId) {
        let slot = self.slot(conn);
        slot.listed = true;
        if !std::mem::replace(&mut slot.starving, true) {
            self.counters.buffer_starvations += 1;
        }
        self.starved.push(conn);
    }

    fn read(&mut self, conn: ConnId, budget: &mut u32) -> Rest {
        let large = self.slot(conn).large;
        for _ in 0..READS_PER_CONNECTION.min(*budget) {
            *budget -= 1;
            let (asked, got) = if self.slot(conn).discard > 0 {
                self.read_to_discard(conn)
            } else if large && self.slot(conn).queued > 0 {
                // What follows is probably a body that the worker is about to discard.
                return Rest::More;
            } else {
                match self.read_to_lend(conn) {
                    Some(read) => read,
                    None => return Rest::Starved,
                }
            };
            let slot = self.slot(conn);
            slot.starving = false;
            match got {
                // A stream that gave less than asked is drained (epoll(7), Q9); what comes later
                // raises a new edge, but an end that was announced before does not.
                Ok(len) if len > 0 => {
                    if len < asked && !slot.ending {
                        return Rest::Nothing;
                    }
                }
                Ok(_) => return self.end(conn, Event::Eof),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if slot.broken == 0 {
                        return Rest::Nothing;
                    }
                    return self.end(conn, Event::Eof);
                }
                Err(e) => return self.end(conn, Event::Failed(Failure::Os(errno(&e)))),
            }
        }
        Rest::More
    }

    fn end(&mut self, conn: ConnId, event: Event) -> Rest {
        let slot = self.slot(conn);
        slot.state = State::Dead;
        slot.outgoing = None;
        let event = match slot.broken {
            0 => event,
            errno => Event::Failed(Failure::Os(errno)),
        };
        self.behind.retain(|(other, _)| *other != conn);
        self.report(conn, event);
        Rest::Nothing
    }

    /// One read into a pool buffer: how much was asked for, and what came. None without a buffer.
    fn read_to_lend(&mut self, conn: ConnId) -> Option<(usize, io::Result<usize>)> {
        let slot = &mut self.slots[conn.slot as usize];
        let Some(mut socket) = slot.socket.as_ref() else {
            return Some((0, Err(ErrorKind::WouldBlock.into())));
        };
        let asked = if slot.large { HEAD_READ } else { BUFFER_LEN };
        let filled = self.pool.lend(|room| socket.read(&mut room[..asked]))?;
        let got = filled.map(|lent| {
            let Some(buffer) = lent else { return 0 };
            let len = buffer.len;
            slot.queued += len;
            slot.large = false; // until the worker discards again
            let event = Event::Data(buffer);
            self.done.push_back(Completion { conn, event });
            len as usize
        });
        Some((asked, got))
    }

    /// One read that throws away: how much was asked for, and what came.
    fn read_to_discard(&mut self, conn: ConnId) -> (usize, io::Result<usize>) {
        let slot = &mut self.slots[conn.slot as usize];
        let Some(mut socket) = slot.socket.as_ref() else {
            return (0, Err(ErrorKind::WouldBlock.into()));
        };
        let asked = slot.discard.min(DISCARD_READ) as usize;
        let (asked, got) = if slot.copies {
            let room = asked.min(self.sink.len());
            (room, socket.read(&mut self.sink[..room]))
        } else {
            (asked, discard_in_kernel(socket, asked))
        };
        if let Ok(len) = got
            && len > 0
        {
            slot.discard -= len as u64;
            self.report(conn, Event::Discarded(len as u64));
        }
        (asked, got)
    }
}

impl Driver for EpollDriver {
    #[inline]
    fn now(&mut self) -> Nanos {
        clock::now()
    }

    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32 {
        if endpoint.is_unix() {
            self.sink.resize(SINK_LEN, 0);
        }
        append(&mut self.endpoints, endpoint)
    }

    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        debug_assert!(self.slot(conn).state == State::Free, "slot is not free");
        *self.slot(conn) = Slot::free(conn.generation);
        if let Err(e) = self.open(conn, endpoint) {
            self.report(conn, Event::ConnectFailed(Failure::Os(errno(&e))));
        }
    }

    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        // The completion that says so is on its way to the worker.
        if !self.live(conn) || self.slot(conn).state == State::Dead {
            return;
        }
        let out = Outgoing { payload, sent: 0, len, notify };
        let slot = self.slot(conn);
        match slot.outgoing {
            None => {
                slot.outgoing = Some(out);
                self.outbox.push(conn);
            }
            Some(unfinished) => {
                debug_assert!(!unfinished.notify, "a send is unfinished");
                self.behind.push_back((conn, out));
            }
        }
    }

    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        &mut self.drafts[slot as usize]
    }

    fn drafted(&self, slot: u32) -> &[u8] {
        &self.drafts[slot as usize]
    }

    fn discard(&mut self, conn: ConnId, bytes: u64) {
        if !self.live(conn) || bytes == 0 {
            return;
        }
        let slot = self.slot(conn);
        slot.discard = bytes.saturating_sub(u64::from(slot.queued));
        slot.large = true;
    }

    fn close(&mut self, conn: ConnId, reset: bool) {
        if !self.live(conn) {
            return;
        }
        if let Some(socket) = &self.slot(conn).socket
            && reset
        {
            // It fails for no open socket; then the peer gets FIN, which is no worse.
            let _ = socket.set_linger(Some(std::time::Duration::ZERO));
        }
        self.vacate(conn);
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        if !self.pool.is_empty() {
            self.ready.extend(self.starved.drain(..));
        }
        self.retry_refused();
        self.send_queued();
        loop {
            let busy = !self.done.is_empty() || !self.ready.is_empty() || !self.outbox.is_empty();
            let timeout = match wait {
                Wait::Until { until, .. } if !busy => self.patience(until - clock::now()),
                _ => Nanos::ZERO,
            };
            self.counters.enters += 1;
            match self.poller.wait(timeout) {
                Ok(()) => {}
                // A signal: the worker looks whether it is to stop.
                Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
                Err(e) => return Err(e),
            }
            self.take_events();
            self.read_ready();
            // Events may bring no completion, such as room for the rest of a send.
            let over = match wait {
                Wait::Poll => true,
                Wait::Until { until, .. } => !self.done.is_empty() || clock::now() >= until,
            };
            if over {
                return Ok(());
            }
            self.retry_refused();
            self.send_queued();
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Completion> {
        let completion = self.done.pop_front()?;
        if let Event::Data(buffer) = &completion.event {
            let slot = &mut self.slots[completion.conn.slot as usize];
            if slot.generation == completion.conn.generation {
                slot.queued = slot.queued.saturating_sub(buffer.len);
            }
        }
        Some(completion)
    }

    #[inline]
    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.pool.bytes(buffer)
    }

    #[inline]
    fn release(&mut self, buffer: Buffer) {
        self.pool.release(buffer);
    }

    fn counters(&self) -> DriverCounters {
        self.counters
    }
}

fn mark(conn: ConnId) -> u64 {
    u64::from(conn.generation) << 32 | u64::from(conn.slot)
}

fn unmark(mark: u64) -> ConnId {
    ConnId { slot: mark as u32, generation: (mark >> 32) as u32 }
}

fn errno(e: &io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}

/// Drops up to `len` received bytes without copying them: MSG_TRUNC on TCP, tcp(7).
fn discard_in_kernel(socket: &Socket, len: usize) -> io::Result<usize> {
    // SAFETY: with MSG_TRUNC, TCP writes nothing; were it to, the null page answers EFAULT.
    let got = unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), len, libc::MSG_TRUNC) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Slot>() <= 64, "{} bytes", size_of::<Slot>());
    }
}

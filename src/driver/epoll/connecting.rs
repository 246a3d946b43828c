//! Connections on their way: begun, turned away, come about.

use std::io;

use socket2::Socket;

use super::super::failure::Failure;
use super::super::{Alpn, ConnId, Event, socket};
use super::{EpollDriver, State, errno, mark};
use crate::units::Nanos;

/// A listener with a full queue is asked again after so long.
const RETRY_EVERY: Nanos = Nanos::from_millis(1);

impl EpollDriver {
    pub(super) fn open(&mut self, conn: ConnId, endpoint: u32) -> io::Result<()> {
        let to = &self.endpoints[endpoint as usize];
        let unix = to.is_unix();
        let socket = socket::open(to)?;
        match socket.connect(&to.addr) {
            // A Unix socket whose listener has a full queue, where TCP would send its SYN again (connect(2)).
            Err(e) if unix && e.raw_os_error() == Some(libc::EAGAIN) => {
                self.turned_away.push_back((conn, endpoint));
            }
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => return Err(e),
            // Watched only from here on: epoll calls a socket that never connected hung up. When
            // it stands already, the first wait reports it as writable.
            _ => self.poller.add(&socket, mark(conn))?,
        }
        let slot = self.slot(conn);
        slot.socket = Some(socket);
        slot.copies = unix;
        slot.state = State::Connecting;
        Ok(())
    }

    /// Tries the listeners again that had no room.
    pub(super) fn retry_refused(&mut self) {
        for _ in 0..self.turned_away.len() {
            let Some((conn, endpoint)) = self.turned_away.pop_front() else { return };
            if !self.live(conn) {
                continue; // it took too long, and was closed
            }
            let slot = &self.slots[conn.slot as usize];
            let Some(socket) = &slot.socket else { continue };
            match socket.connect(&self.endpoints[endpoint as usize].addr) {
                Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => {
                    self.turned_away.push_back((conn, endpoint));
                }
                tried => {
                    if let Err(e) = tried.and_then(|()| self.poller.add(socket, mark(conn))) {
                        self.vacate(conn);
                        self.report(conn, Event::ConnectFailed(Failure::Os(errno(&e))));
                    }
                }
            }
        }
    }

    /// How long to wait at most when `left` is what the worker allows.
    pub(super) fn patience(&self, left: Nanos) -> Nanos {
        if self.turned_away.is_empty() { left } else { left.min(RETRY_EVERY) }
    }

    pub(super) fn connected(&mut self, conn: ConnId) {
        let socket = self.slot(conn).socket.as_ref();
        let error = socket.map_or(Ok(None), Socket::take_error);
        if let Some(e) = error.unwrap_or_else(Some) {
            self.vacate(conn);
            return self.report(conn, Event::ConnectFailed(Failure::Os(errno(&e))));
        }
        self.slot(conn).state = State::Open;
        self.report(conn, Event::Connected(Alpn::None));
    }
}

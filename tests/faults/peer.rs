//! Servers that misbehave as told, and count.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use socket2::Socket;

use crate::common::rig::serve;

/// A whole response.
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0123456789abcdef";

/// What a server has seen and done.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Connections that were accepted.
    pub(crate) connections: AtomicU64,
    /// Heads of requests that were read to their end.
    pub(crate) requests: AtomicU64,
    /// Responses that were written to their end.
    pub(crate) responses: AtomicU64,
    /// Connections at whose end the client's end of file, or its reset, was read.
    pub(crate) ends: AtomicU64,
}

impl Seen {
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn responses(&self) -> u64 {
        self.responses.load(Ordering::SeqCst)
    }

    pub(crate) fn ends(&self) -> u64 {
        self.ends.load(Ordering::SeqCst)
    }
}

/// One accepted connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// Its number, from 0.
    pub(crate) number: u64,
    seen: Arc<Seen>,
}

impl Peer {
    /// Reads one head; false at the connection's end.
    pub(crate) fn request(&mut self) -> bool {
        let mut last = [0; 4];
        while last != *b"\r\n\r\n" {
            last.rotate_left(1);
            if self.stream.read_exact(&mut last[3..]).is_err() {
                self.seen.ends.fetch_add(1, Ordering::SeqCst);
                return false;
            }
        }
        self.seen.requests.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// Writes; false when the client has gone.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Writes a whole response; false when the client has gone. Counted before it leaves, so that no client can have
    /// counted it earlier.
    pub(crate) fn response(&mut self) -> bool {
        self.seen.responses.fetch_add(1, Ordering::SeqCst);
        self.write(RESPONSE)
    }

    /// Writes a response that ends with the connection, and waits until the client has closed its side.
    pub(crate) fn response_and_close(&mut self) {
        self.seen.responses.fetch_add(1, Ordering::SeqCst);
        if self.write(b"HTTP/1.0 200 OK\r\n\r\nonce") {
            let _ = self.stream.shutdown(Shutdown::Write);
            self.linger();
        }
    }

    /// Closes with RST instead of FIN.
    pub(crate) fn reset(self) {
        // It fails for no open socket.
        let _ = Socket::from(self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Reads and forgets until the client closes.
    pub(crate) fn linger(&mut self) {
        let mut room = [0; 4096];
        while matches!(self.stream.read(&mut room), Ok(1..)) {}
        self.seen.ends.fetch_add(1, Ordering::SeqCst);
    }
}

/// Serves each connection by `peer` on a thread of its own; returns the URL and what is seen.
pub(crate) fn start(peer: impl Fn(Peer) + Send + Sync + 'static) -> (String, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    let addr = serve(move |stream| {
        let number = counted.connections.fetch_add(1, Ordering::SeqCst);
        peer(Peer { stream, number, seen: Arc::clone(&counted) });
    });
    (format!("http://{addr}/"), seen)
}

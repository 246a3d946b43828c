//! A server of a few lines of std, for responses that no real one gives on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::rig::serve;

/// How the end of a response is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.1 with a length, and the connection stays.
    Length,
    /// HTTP/1.0 without a length: the connection's end is the body's.
    Close,
}

/// Answers every request, which must have no body, with a body of `length` bytes. Returns the URL and how
/// many bytes one response has.
pub fn start(framing: Framing, length: usize) -> (String, u64) {
    let head = match framing {
        Framing::Length => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
        Framing::Close => "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n".into(),
    };
    let mut response = head.into_bytes();
    response.resize(response.len() + length, b'x');
    let bytes = response.len() as u64;
    let addr = serve(move |mut stream| {
        while request(&mut stream) {
            // A client that has gone away is none of our business.
            if stream.write_all(&response).is_err() {
                return;
            }
            if framing == Framing::Close {
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read(&mut [0; 64]); // until the client closes, so that none gets a reset
                return;
            }
        }
    });
    (format!("http://{addr}/"), bytes)
}

/// Reads one head, byte by byte; false at the connection's end.
fn request(stream: &mut TcpStream) -> bool {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        if stream.read_exact(&mut last[3..]).is_err() {
            return false;
        }
    }
    true
}

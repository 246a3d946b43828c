//! The check that runs under `cargo test`: both modes against a server in this process.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use clap::Parser;

use crate::{Args, measure};

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Runs both modes for a fraction of a second and checks what must hold of their counts.
///
/// # Errors
/// When a mode fails, or its counts cannot be right. A host without io_uring is not an error.
pub(crate) fn run() -> io::Result<()> {
    if let Err(e) = io_uring::IoUring::new(1) {
        println!("floor: skipped: io_uring is not available: {e}");
        return Ok(());
    }
    let addr = serve()?;
    let closed = check(&format!("closed --addr {addr} --connections 4 --duration 0.2"))?;
    ensure(closed.requests > 0, "closed: no response")?;
    let piped = format!("closed --addr {addr} --connections 2 --duration 0.2 --pipeline 8 --latency");
    let piped = check(&piped)?;
    ensure(piped.requests > 0, "pipelined: no response")?;
    ensure(piped.requests.is_multiple_of(8), "pipelined: a batch was split")?;
    ensure(piped.response_time.len() as u64 * 8 == piped.requests, "pipelined: times are missing")?;
    for wait in ["spin", "sleep"] {
        let paced =
            check(&format!("paced --addr {addr} --connections 4 --duration 0.2 --rate 500 --wait {wait}"))?;
        ensure(paced.requests + paced.unanswered == 100, "paced: arrivals were lost")?;
        ensure(paced.unanswered == 0, "paced: responses are missing")?;
        ensure(paced.start_lag.len() == 100, "paced: lags are missing")?;
    }
    println!("floor: ok");
    Ok(())
}

fn check(line: &str) -> io::Result<crate::Outcome> {
    let words = std::iter::once("floor").chain(line.split(' '));
    let mode = Args::parse_from(words).mode.expect("the line names a mode");
    Ok(measure(&mode)?.1)
}

fn ensure(holds: bool, otherwise: &str) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other(otherwise)) }
}

fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || response(socket));
        }
    });
    Ok(addr)
}

/// Answers each blank line, whatever stood before it. Ends with the connection.
fn response(mut socket: TcpStream) -> io::Result<()> {
    let (mut chunk, mut tail) = ([0u8; 4096], Vec::new());
    loop {
        let n = socket.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        tail.extend_from_slice(&chunk[..n]);
        let mut whole = 0;
        while let Some(at) = tail.windows(4).position(|w| w == b"\r\n\r\n") {
            tail.drain(..at + 4);
            whole += 1;
        }
        socket.write_all(&RESPONSE.repeat(whole))?;
    }
}

//! How connections end: with FIN, which the server reads as the end of file, never with RST.

use crate::common::run::{drivers, run};
use crate::server;

#[test]
fn the_server_reads_an_end_of_file_from_every_connection() {
    for driver in drivers() {
        for (how, body, args) in [
            ("kept", 300_000, &["-c", "12", "-n", "600"][..]),
            ("over a time", 100, &["-c", "12", "-d", "300ms"]),
            ("open model", 100, &["-c", "12", "-d", "300ms", "-R", "500"]),
            ("pipelined", 100, &["-c", "4", "-p", "8", "-n", "600"]),
            ("users over a time", 300_000, &["--vus", "12", "-d", "300ms"]),
            ("a connection each", 300_000, &["--no-keepalive", "-c", "6", "-n", "60"]),
            ("some each", 100, &["--requests-per-connection", "5", "-c", "6", "-n", "60"]),
        ] {
            let (port, book) = server::tcp(&["127.0.0.1"], body).unwrap();
            let url = format!("http://127.0.0.1:{port}/");
            let done = run(&url, &[&["--driver", driver], args].concat()).exits(0).balanced();
            let visits = book.closed();
            let left: Vec<_> = visits.iter().filter(|visit| visit.end != Some(Ok(()))).collect();
            // Where the end of the run cut requests off, their answers may still have been on the way.
            assert!(
                left.len() as u64 <= done.count("/requests/in_flight_at_end"),
                "{driver}, {how}: {left:?}"
            );
            let asked: u64 = visits.iter().map(|visit| visit.requests).sum();
            assert!(asked >= done.completed() && done.completed() > 0, "{driver}, {how}");
        }
    }
}

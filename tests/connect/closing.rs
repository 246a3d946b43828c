//! How connections end: with FIN, which the server reads as the end of file; with RST only where squall ends them on its own
//! account, and then after a whole response.

use std::fs;
use std::io::ErrorKind;

use crate::common::run::{drivers, run};
use crate::server::{self, Visit};

const RESET: Option<Result<(), ErrorKind>> = Some(Err(ErrorKind::ConnectionReset));

#[test]
fn the_server_reads_an_end_of_file_from_every_connection_that_is_kept() {
    for driver in drivers() {
        for (how, body, args) in [
            ("kept", 300_000, &["-c", "12", "-n", "600"][..]),
            ("over a time", 100, &["-c", "12", "-d", "300ms"]),
            ("open model", 100, &["-c", "12", "-d", "300ms", "-R", "500"]),
            ("pipelined", 100, &["-c", "4", "-p", "8", "-n", "600"]),
            ("users over a time", 300_000, &["--vus", "12", "-d", "300ms"]),
        ] {
            let (port, book) = server::tcp(&["127.0.0.1"], body).unwrap();
            let url = format!("http://127.0.0.1:{port}/");
            let done = run(&url, &[&["--driver", driver], args].concat()).exits(0).balanced();
            let visits = book.closed();
            let left: Vec<_> = visits.iter().filter(|visit| visit.end != Some(Ok(()))).collect();
            // Where the end of the run cut requests off, their responses may still have been on the way.
            assert!(
                left.len() as u64 <= done.count("/requests/in_flight_at_end"),
                "{driver}, {how}: {left:?}"
            );
            let asked: u64 = visits.iter().map(|visit| visit.requests).sum();
            assert!(asked >= done.completed() && done.completed() > 0, "{driver}, {how}");
        }
    }
}

/// Every connection has either had all of its `max` responses, and was reset, or fewer, and was not.
fn assert_reset_when_used_up(visits: &[Visit], max: u64, context: &str) {
    assert!(visits.iter().any(|visit| visit.requests == max), "{context}: none was used up");
    for visit in visits {
        let wanted = if visit.requests == max { RESET } else { Some(Ok(())) };
        assert_eq!(visit.end, wanted, "{context}: {visit:?}");
    }
}

#[test]
fn what_is_used_up_is_reset_after_its_last_response() {
    for driver in drivers() {
        for body in [100, 300_000] {
            let (port, book) = server::tcp(&["127.0.0.1"], body).unwrap();
            let url = format!("http://127.0.0.1:{port}/");
            let args = ["--driver", driver, "--requests-per-connection", "5", "-c", "6", "-n", "63"];
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (63, 0), "{driver}, {body}");
            assert_reset_when_used_up(&book.closed(), 5, &format!("{driver}, {body}"));

            let args = ["--driver", driver, "--no-keepalive", "-c", "6", "-n", "63"];
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (63, 0), "{driver}, {body}");
            assert_reset_when_used_up(&book.closed(), 1, &format!("{driver}, {body}, one each"));

            let directory = tempfile::tempdir().unwrap();
            let plan = directory.path().join("plan.toml");
            let text = format!(
                "vus = 4\niterations = 20\nnoVUConnectionReuse = true\n[origins]\nsite = \"http://127.0.0.1:{port}\"\n\
                 [steps.one]\nurl = \"/1\"\n[steps.two]\nurl = \"/2\"\n"
            );
            fs::write(&plan, text).unwrap();
            let done = run(plan.to_str().unwrap(), &["--driver", driver]).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (40, 0), "{driver}, {body}");
            assert_reset_when_used_up(&book.closed(), 2, &format!("{driver}, {body}, plan"));
        }
    }
}

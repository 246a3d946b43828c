//! Servers that break TLS in the ways that real ones do.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::common::pki::{Pki, close, head, serve_tls};
use super::common::rig::serve;
use super::common::run::{drivers, run};
use squall::clock;
use squall::units::Nanos;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_body_that_ends_with_the_connection_is_whole_only_with_close_notify() {
    let pki = Pki::new("authority");
    let roots = pki.roots();
    for orderly in [true, false] {
        let addr = serve_tls(pki.local().server(), move |mut tls| {
            if head(&mut tls).is_some() && tls.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").is_ok() {
                if orderly {
                    close(tls);
                } else {
                    let _ = tls.flush();
                    let _ = tls.sock.shutdown(std::net::Shutdown::Write);
                    let _ = tls.sock.read(&mut [0; 256]);
                }
            }
        });
        for driver in drivers() {
            for engine in [&["-n", "20", "-c", "2"][..], &["-n", "20", "--vus", "2"]] {
                let args = [engine, &["--cacert", &roots, "--driver", driver]].concat();
                let done = run(&format!("https://{addr}/"), &args).balanced();
                let whole = if orderly { done.completed() } else { done.count("/errors/closed") };
                assert_eq!(whole, 20, "{driver} {engine:?} {orderly}: {}", done.stdout);
            }
        }
    }
}

#[test]
fn a_body_with_a_length_needs_no_close_notify() {
    let pki = Pki::new("authority");
    let addr = serve_tls(pki.local().server(), |mut tls| {
        if head(&mut tls).is_some() && tls.write_all(OK).is_ok() {
            let _ = tls.flush();
            let _ = tls.sock.shutdown(std::net::Shutdown::Both);
        }
    });
    for driver in drivers() {
        let args = ["-n", "20", "-c", "2", "--no-keepalive", "-k", "--driver", driver];
        let done = run(&format!("https://{addr}/"), &args).exits(0).balanced();
        assert_eq!((done.completed(), done.failed()), (20, 0), "{driver}: {}", done.stdout);
    }
}

#[test]
fn a_handshake_that_never_ends_has_a_limit_of_its_own() {
    let addr = serve(|mut stream| {
        let mut sink = [0; 1024];
        while stream.read(&mut sink).is_ok_and(|n| n > 0) {}
    });
    let url = format!("https://{addr}/");
    for driver in drivers() {
        let args = ["-c", "2", "-k", "--tls-timeout", "200ms", "--connect-timeout", "9s", "--driver", driver];
        let begun = clock::now();
        let plain = run(&url, &[&args[..], &["-d", "1s"]].concat()).exits(1);
        assert!(plain.stderr.contains("within 200ms"), "{}", plain.stderr);
        assert!(clock::now() - begun < Nanos::from_secs(3));
        let args = ["--vus", "2", "-k", "--tls-timeout", "200ms", "-d", "1s", "--driver", driver];
        let users = run(&url, &args).balanced();
        assert!(users.failed() >= 2, "{}", users.stdout);
        assert_eq!(users.count("/errors/tls_timeout"), users.failed(), "{}", users.stdout);
        assert_eq!(users.count("/connections/errors/tls_timeout"), users.failed());
    }
}

#[test]
fn what_is_not_tls_is_called_so() {
    for (bytes, part) in [
        (&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], "not TLS"),
        (&[0x15, 3, 3, 0, 2, 2, 40], "alert 40 (handshake_failure)"),
        (&[0x15, 3, 3, 0, 2, 2, 112], "serves no such host name"),
        (&[0x16, 3, 3, 0xff, 0xff, 0], "not TLS"),
        (&[], "closed the connection during the TLS handshake"),
    ] {
        let addr = serve(move |mut stream| {
            let mut hello = [0; 16];
            if stream.read_exact(&mut hello).is_ok() {
                let _ = stream.write_all(bytes);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {}
            }
        });
        for driver in drivers() {
            let done =
                run(&format!("https://{addr}/"), &["-n", "5", "-c", "1", "-k", "--driver", driver]).exits(1);
            assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
        }
    }
}

#[test]
fn garbage_in_the_middle_fails_the_request_that_waits_and_no_other() {
    let pki = Pki::new("authority");
    let addr = serve_tls(pki.local().server(), |mut tls| {
        for _ in 0..9 {
            if head(&mut tls).is_none() || tls.write_all(OK).is_err() {
                return;
            }
        }
        if head(&mut tls).is_some() {
            let _ = tls.flush();
            let _ = tls.sock.write_all(&[0x17, 3, 3, 0, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
            let _ = tls.sock.write_all(&[0; 40]);
            while tls.sock.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {}
        }
    });
    for driver in drivers() {
        for engine in [&["-n", "100", "-c", "2"][..], &["-n", "100", "--vus", "2"]] {
            let args = [engine, &["-k", "--driver", driver]].concat();
            let done = run(&format!("https://{addr}/"), &args).balanced();
            assert_eq!(done.completed() + done.failed(), 100, "{}", done.stdout);
            assert_eq!(done.count("/errors/tls"), done.failed(), "{}", done.stdout);
            // Every tenth on each of two connections, the last of which may not come to its tenth.
            assert!((9..=10).contains(&done.failed()), "{}", done.stdout);
        }
    }
}

#[test]
fn large_requests_are_cut_into_records_and_arrive_whole() {
    let pki = Pki::new("authority");
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    let body = squall_body();
    let sum = checksum(&body);
    let length = body.len();
    let addr = serve_tls(pki.local().server(), move |mut tls| {
        let mut bytes = vec![0; length];
        while head(&mut tls).is_some() {
            if tls.read_exact(&mut bytes).is_err() {
                return;
            }
            if checksum(&bytes) == sum {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            if tls.write_all(OK).is_err() {
                return;
            }
        }
    });
    let file = pki.path("body");
    std::fs::write(&file, &body).unwrap();
    let file = file.display().to_string();
    for driver in drivers() {
        for engine in [&["-c", "3"][..], &["--vus", "3"]] {
            seen.store(0, Ordering::Relaxed);
            let args = [engine, &["-n", "12", "-k", "--body-file", &file, "--driver", driver]].concat();
            let done = run(&format!("https://{addr}/"), &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (12, 0), "{}", done.stdout);
            assert_eq!(seen.load(Ordering::Relaxed), 12, "{driver} {engine:?}");
        }
    }
}

fn squall_body() -> Vec<u8> {
    (0..1_000_003u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect()
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

#[test]
fn key_updates_and_tickets_in_between_are_no_responses() {
    let pki = Pki::new("authority");
    let addr = serve_tls(pki.local().server(), |mut tls| {
        while head(&mut tls).is_some() {
            // RFC 8446, section 4.6.3: the client must answer with one of its own before its next data.
            if tls.conn.refresh_traffic_keys().is_err() || tls.write_all(OK).is_err() {
                return;
            }
        }
    });
    for driver in drivers() {
        let args = ["-n", "200", "-c", "2", "-k", "--driver", driver];
        let done = run(&format!("https://{addr}/"), &args).exits(0).balanced();
        assert_eq!((done.completed(), done.failed()), (200, 0), "{}", done.stdout);
    }
}

#[test]
fn bytes_that_nobody_asked_for_are_a_protocol_error() {
    let pki = Pki::new("authority");
    let addr = serve_tls(pki.local().server(), |mut tls| {
        if tls.write_all(OK).is_ok() {
            let _ = tls.flush();
            let _ = tls.sock.read(&mut [0; 1024]);
        }
    });
    for driver in drivers() {
        let args = ["-d", "300ms", "-c", "2", "-k", "--driver", driver];
        let done = run(&format!("https://{addr}/"), &args).balanced();
        assert_eq!(
            // On a busy host a request may meet the end of a connection that stood by for a while.
            ["protocol", "closed", "closed_idle"]
                .map(|kind| done.count(&format!("/errors/{kind}")))
                .iter()
                .sum::<u64>(),
            done.failed(),
            "{}",
            done.stdout
        );
    }
}

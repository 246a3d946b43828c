//! Hours in small: half of what the target holds, over plain HTTP and TLS, with churn, resets, slow and broken responses mixed in.
//! Memory and descriptors stay flat, and the books balance to the last request.
//!
//! Ten seconds with each driver by default. `SOAK_SECONDS=900 SOAK_RATE=30000 SOAK_DRIVER=uring cargo test --release --test
//! soak -- --nocapture` is the long one, whose bounds are tighter, since what is slow to fill (histograms, buffers) is full
//! by then.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use common::nginx_tls::NginxTls;
use common::rig::serve;
use common::run::{Done, Running, drivers, squall, start_command};
use common::skip::or_skip;
use socket2::Socket;
use squall::clock;
use squall::units::Nanos;

/// What one look at the process shows.
#[derive(Clone, Copy, Debug)]
struct Look {
    resident_kib: u64,
    descriptors: u64,
}

fn look(pid: u32) -> Option<Look> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident_kib = line.split_whitespace().next()?.parse().ok()?;
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some(Look { resident_kib, descriptors })
}

/// A server with every vice: by turns it answers, drips, resets in the middle, closes early, sends nonsense, and is silent.
fn vicious() -> String {
    let turn = AtomicU64::new(0);
    let addr = serve(move |mut stream| {
        let mut piece = [0; 2048];
        while stream.read(&mut piece).is_ok_and(|n| n > 0) {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            match misbehave(&mut stream, turn) {
                Some(true) => {}
                Some(false) => return,
                None => {
                    let _ = Socket::from(stream).set_linger(Some(std::time::Duration::ZERO));
                    return;
                }
            }
        }
    });
    format!("http://{addr}/")
}

/// Answers request number `turn`. True to go on with the connection, false to close it, `None` to reset it.
fn misbehave(stream: &mut TcpStream, turn: u64) -> Option<bool> {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let mut say = |bytes: &[u8]| stream.write_all(bytes).is_ok();
    match turn % 20 {
        0 => {
            say(&HEAD[..20]);
            None
        }
        1 => {
            say(HEAD);
            say(&[b'x'; 500]);
            None
        }
        2 => {
            let _ = say(HEAD) && say(&[b'x'; 999]);
            Some(false)
        }
        3 => {
            say(b"SSH-2.0-OpenSSH\r\n\r\n");
            Some(false)
        }
        4 => {
            let whole = say(HEAD)
                && (0..10).all(|_| {
                    clock::sleep(Nanos::from_millis(20));
                    say(&[b'x'; 100])
                });
            Some(whole)
        }
        5 => {
            clock::sleep(Nanos::from_millis(700)); // longer than the time-out
            let _ = stream.shutdown(Shutdown::Both);
            Some(false)
        }
        6 => {
            say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nup to the end");
            Some(false)
        }
        7 => Some(say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")),
        _ => Some(say(HEAD) && say(&[b'x'; 1000])),
    }
}

fn plan(nginx: &NginxTls, nasty: &str, seconds: u64, rate: u64) -> String {
    let (plain, secure) = (nginx.port("plain"), nginx.port("good"));
    let rates = [("kept", rate / 2), ("secure", rate / 4), ("nasty", 200)];
    let scenarios: Vec<String> = rates
        .iter()
        .map(|(name, rate)| {
            format!(
                "[scenarios.{name}]\nexecutor = \"constant-arrival-rate\"\nrate = {rate}\nduration = \"{seconds}s\"\n\
                 preAllocatedVUs = 100\nflow = \"{name}\"\ngracefulStop = \"2s\"\n"
            )
        })
        .collect();
    format!(
        "[origins]\nplain = \"http://127.0.0.1:{plain}\"\nsecure = \"https://127.0.0.1:{secure}\"\nnasty = \"{}\"\n\
         {}\
         [flows]\nkept = [\"kept\", \"large\"]\nsecure = [\"secure\"]\nnasty = [\"nasty\"]\n\
         [steps.kept]\norigin = \"plain\"\nurl = \"/\"\nchecks = [\"status==200\"]\n\
         [steps.large]\norigin = \"plain\"\nurl = \"/churn\"\nchecks = [\"status==200\"]\n\
         [steps.secure]\norigin = \"secure\"\nurl = \"/churn\"\nchecks = [\"body contains 'ok'\"]\n\
         [steps.nasty]\norigin = \"nasty\"\nurl = \"/\"\ntimeout = \"500ms\"\n",
        nasty.trim_end_matches('/'),
        scenarios.concat(),
    )
}

/// Looks twice a second until the run is over.
fn watch(running: &mut Running) -> Vec<Look> {
    let pid = running.pid();
    let mut looks = Vec::new();
    while !running.ended() {
        looks.extend(look(pid));
        clock::sleep(Nanos::from_millis(500));
    }
    looks
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Asserts that the last third looks as the second one did.
fn is_flat(name: &str, looks: &[Look], share: f64) {
    // The drain and the report are not the run.
    let looks = &looks[..looks.len() - 2];
    let third = looks.len() / 3;
    let (middle, last) = (&looks[third..2 * third], &looks[2 * third..]);
    let resident = |looks: &[Look]| median(looks.iter().map(|look| look.resident_kib).collect());
    let descriptors = |looks: &[Look]| median(looks.iter().map(|look| look.descriptors).collect());
    let (was, is) = (resident(middle), resident(last));
    let (had, has) = (descriptors(middle), descriptors(last));
    eprintln!(
        "{name}: resident {was} KiB, then {is} KiB; descriptors {had}, then {has}; {} looks",
        looks.len()
    );
    assert!(is as f64 <= was as f64 * (1.0 + share), "{name}: resident memory grew from {was} to {is} KiB");
    assert!(has <= had + 2, "{name}: descriptors grew from {had} to {has}");
}

fn tell(name: &str, done: &Done) {
    let keys = ["/requests", "/errors", "/connections", "/throughput", "/verdict"];
    eprintln!("{name}: {}", keys.map(|key| done.at(key).to_string()).join("\n  "));
}

#[test]
fn memory_and_descriptors_stay_flat_and_the_books_balance() {
    let seconds: u64 = std::env::var("SOAK_SECONDS").map_or(10, |text| text.parse().expect("seconds"));
    // Arrivals of the plan per second: about half of what this machine's nginx and both runs hold together.
    let rate: u64 = std::env::var("SOAK_RATE").map_or(2_000, |text| text.parse().expect("a rate"));
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let nasty = vicious();
    let file = nginx.pki.path("plan.toml");
    fs::write(&file, plan(&nginx, &nasty, seconds, rate)).unwrap();
    let (file, length) = (file.display().to_string(), format!("{seconds}s"));
    let (roots, url) = (nginx.pki.roots(), format!("http://127.0.0.1:{}/churn", nginx.port("plain")));
    let half = (rate / 2).to_string();
    let only = std::env::var("SOAK_DRIVER").ok();
    for driver in drivers().into_iter().filter(|driver| only.as_deref().is_none_or(|only| only == *driver)) {
        let json = ["--format", "json", "--allow-invalid", "--driver", driver, "-t", "1"];
        let arrivals = [&["run", &url, "-R", &half, "-c", "50", "-d", &length][..], &json].concat();
        let users = [&["run", &file, "--cacert", &roots][..], &json].concat();
        let mut runs = [("plain", arrivals), ("plan", users)]
            .map(|(name, args)| (format!("{driver}, {name}"), start_command(&mut squall(&args))));
        let looks: Vec<Vec<Look>> = std::thread::scope(|scope| {
            let threads: Vec<_> = runs.iter_mut().map(|(_, run)| scope.spawn(|| watch(run))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // A short run is still filling its histograms.
        let share = if seconds >= 600 { 0.05 } else { 0.25 };
        for ((name, run), looks) in runs.into_iter().zip(looks) {
            let done = run.finish();
            tell(&name, &done);
            let done = done.exits(0).balanced();
            is_flat(&name, &looks, share);
            assert!(done.completed() > 0 && done.count("/connections/reconnects") > 0, "{name}");
            if name.ends_with("plan") {
                for kind in ["reset", "closed", "protocol", "timeout"] {
                    assert!(done.count(&format!("/errors/{kind}")) > 0, "{name}: no {kind}");
                }
            }
        }
    }
}

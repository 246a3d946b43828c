//! Every raw response of the corpus, and the oversized ones, through the real binary: on both drivers,
//! plain and through TLS, pipelined and not, by the plain engine and by virtual users. Each has the outcome that the parser's
//! corpus names for it, no request is lost or sent twice, and memory stays bounded.
//!
//! Responses whose requests must all end alike are served by one run, so that the run's totals say how each
//! of them ended.

mod common;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::parallel::judge_all;
use common::pki::{Over, Pki, Tls, serve_tls};
use common::responses::{Case, corpus, oversized};
use common::rig;
use common::run::{Done, drivers, run, squall, start_command};
use serde_json::{Value, json};
use squall::http::response::Expect;

/// A run of the debug build takes about 20 MB, half of it code.
const RSS_MAX: u64 = 64 << 20;

/// With users there are tables for each step, too.
const USERS_RSS_MAX: u64 = 128 << 20;

/// As many as a run of failures may be without long back-offs of its connections, each of which has eight.
const BATCH: usize = 8 * CONNECTIONS;

const CONNECTIONS: usize = 4;

/// How one request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Status(u16),
    /// The connection ended first.
    Closed,
    /// It was no HTTP.
    Protocol,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Status(status) => status.fmt(f),
            End::Closed => f.write_str("closed"),
            End::Protocol => f.write_str("protocol"),
        }
    }
}

/// What is in the notation of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reply {
    end: End,
    keeps: bool,
}

fn replies(case: &Case) -> Vec<Reply> {
    let reply = |text: &String| match text.split_once(' ').expect("two words") {
        ("error", "Truncated") => Reply { end: End::Closed, keeps: false },
        ("error", _) => Reply { end: End::Protocol, keeps: false },
        (status, rest) => {
            let end = End::Status(status.parse().expect("a status"));
            Reply { end, keeps: rest.starts_with("keep ") }
        }
    };
    case.outcomes.iter().map(reply).collect()
}

/// Whether the server goes on with the connection: nothing in the response ends it.
fn goes_on(case: &Case) -> bool {
    replies(case).iter().all(|reply| reply.keeps)
}

/// How `requests` in flight on one connection end when each is answered with the case, as long as the
/// connection lasts.
fn ends(case: &Case, requests: usize) -> Vec<End> {
    let replies = replies(case);
    let mut ends = Vec::new();
    while ends.len() < requests {
        for reply in &replies {
            ends.push(reply.end);
            if !reply.keeps {
                // What was in flight behind it is sent again, and meets the same on the next connection; or has lost its own by
                // the same error.
                if !matches!(reply.end, End::Status(_)) {
                    ends.resize(requests.max(ends.len()), reply.end);
                }
                break;
            }
        }
    }
    ends.truncate(requests);
    ends
}

/// Answers requests with cases: `/` with the next one, `/3` with the third behind the first.
struct Script {
    cases: Vec<Case>,
    next: AtomicUsize,
}

impl Script {
    fn new(cases: Vec<Case>) -> Arc<Script> {
        Arc::new(Script { cases, next: AtomicUsize::new(0) })
    }

    /// So many responses were begun.
    fn given(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    fn case(&self, target: &str) -> &Case {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let index = target[1..].parse().unwrap_or(next);
        // More requests than there are cases are found by their number.
        &self.cases[index % self.cases.len()]
    }

    /// A connection, of whatever kind, up to its end; `finish` ends the server's side of it.
    fn serve<S: Read + Write>(&self, mut stream: S, finish: impl FnOnce(&mut S)) {
        let mut requests = Requests::default();
        while let Some(target) = requests.next(&mut stream) {
            let case = self.case(&target);
            // Who has seen enough hangs up: that is what is tested.
            if stream.write_all(&case.raw).and_then(|()| stream.flush()).is_err() {
                return;
            }
            if !goes_on(case) {
                finish(&mut stream);
                // Closing before the client would reset what it has not read yet.
                let mut rest = [0; 4096];
                while stream.read(&mut rest).is_ok_and(|n| n > 0) {}
                return;
            }
        }
    }

    fn listen(self: &Arc<Self>, over: Over) -> String {
        let script = Arc::clone(self);
        over.url(match over {
            Over::Tcp => rig::serve(move |stream| {
                script.serve(stream, |stream: &mut TcpStream| {
                    let _ = stream.shutdown(Shutdown::Write);
                });
            }),
            Over::Tls => serve_tls(Pki::new("authority").local().server(), move |tls| {
                script.serve(tls, |tls: &mut Tls| {
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                    let _ = tls.sock.shutdown(Shutdown::Write);
                });
            }),
        })
    }
}

/// The requests of a connection; none has a body.
#[derive(Default)]
struct Requests(Vec<u8>);

impl Requests {
    /// The next one's target.
    fn next(&mut self, stream: &mut impl Read) -> Option<String> {
        loop {
            if let Some(end) = self.0.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.0.drain(..end + 4).collect();
                let line = String::from_utf8(head).expect("squall's own");
                return line.split(' ').nth(1).map(str::to_owned);
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(n) if n > 0 => self.0.extend_from_slice(&piece[..n]),
                _ => return None,
            }
        }
    }
}

/// Cases whose requests all end alike.
struct Group {
    cases: Vec<Case>,
    ends: Vec<End>,
    driver: &'static str,
    over: Over,
    /// In flight on a connection.
    pipeline: usize,
}

impl Group {
    /// Requests of each case.
    fn requests(&self) -> usize {
        self.ends.len()
    }

    /// Runs it; says what is wrong, if anything.
    fn run(&self) -> Result<(), String> {
        let script = Script::new(self.cases.clone());
        let count = self.cases.len() * self.requests();
        let (count, pipeline) = (count.to_string(), self.pipeline.to_string());
        let connections = CONNECTIONS.min(self.cases.len()).to_string();
        let mut args =
            vec!["-c", &connections, "-t", "1", "-n", &count, "-p", &pipeline, "--driver", self.driver];
        if self.cases[0].expect == Expect::Head {
            args.extend(["-m", "HEAD"]);
        }
        args.extend(self.over.flags());
        let done = run(&script.listen(self.over), &args).exits(0).balanced();
        let wanted = tally(self.cases.iter().flat_map(|_| self.ends.iter().copied()));
        if ended(&done) != wanted {
            return Err(format!("{:?} instead of {wanted:?}", ended(&done)));
        }
        let rss = done.count("/generator/max_rss_bytes");
        if rss == 0 || rss > RSS_MAX {
            return Err(format!("{rss} bytes resident"));
        }
        if self.requests() == 1 && !self.reconnected(&done) {
            return Err(format!("{} reconnects", done.count("/connections/reconnects")));
        }
        // Several responses for one request are more than were asked for.
        let one_each = self.cases.iter().all(|case| !goes_on(case) || case.outcomes.len() == 1);
        // What stood behind an announced end is sent again, and meets the same case.
        let again = done.count("/requests/resent") > 0;
        let given = if again { done.completed() as usize } else { self.cases.len() };
        if one_each && script.given() != given {
            return Err(format!("{} responses for {} cases", script.given(), self.cases.len()));
        }
        Ok(())
    }

    /// Whether a connection was given up behind each response that ends it or brings more than was asked
    /// for, and behind no other. Behind the last ones there may be none to follow.
    fn reconnected(&self, done: &Done) -> bool {
        let lost = self.cases.iter().filter(|case| !goes_on(case) || case.outcomes.len() > 1).count() as u64;
        (lost.saturating_sub(CONNECTIONS as u64)..=lost).contains(&done.count("/connections/reconnects"))
    }

    /// What is wrong, with the case that it is about.
    fn judge(&self) -> Vec<String> {
        let Err(all) = self.run() else { return Vec::new() };
        let how = format!("{}, {:?}, -p {}", self.driver, self.over, self.pipeline);
        let place = |case: &Case| format!("{} ({how})", case.name);
        let alone = |case: &Case| Group { cases: vec![case.clone()], ends: self.ends.clone(), ..*self };
        let single: Vec<String> = (self.cases.iter())
            .filter_map(|case| Some(format!("{}: {}", place(case), alone(case).run().err()?)))
            .collect();
        if single.is_empty() {
            let names: Vec<String> = self.cases.iter().map(place).collect();
            return vec![format!("only together: {all}: {}", names.join(", "))];
        }
        single
    }
}

fn tally(ends: impl Iterator<Item = End>) -> BTreeMap<String, u64> {
    let mut tally = BTreeMap::new();
    ends.for_each(|end| *tally.entry(end.to_string()).or_default() += 1);
    tally
}

/// How the requests of a run ended.
fn ended(done: &Done) -> BTreeMap<String, u64> {
    let counts = |pointer: &str| done.at(pointer).as_object().unwrap().clone();
    let all = counts("/status").into_iter().chain(counts("/errors"));
    all.map(|(key, count)| (key, count.as_u64().unwrap())).filter(|(_, count)| *count > 0).collect()
}

fn all_cases() -> Vec<Case> {
    let mut cases = corpus();
    cases.extend(oversized());
    cases
}

/// Every driver, plain and through TLS.
fn ways() -> Vec<(&'static str, Over)> {
    drivers().into_iter().flat_map(|driver| Over::BOTH.map(|over| (driver, over))).collect()
}

fn groups(pipeline: usize) -> Vec<Group> {
    let mut alike: BTreeMap<_, Vec<Case>> = BTreeMap::new();
    for case in all_cases() {
        // Where a request has the case for itself, the next one is answered with the next case.
        let alone = pipeline == 1 || goes_on(&case) && case.outcomes.len() == 1;
        let ends = ends(&case, if alone { 1 } else { pipeline });
        // Those with several responses for a request would answer each other's.
        let own = if goes_on(&case) && case.outcomes.len() > 1 { case.name.clone() } else { String::new() };
        alike.entry((case.expect == Expect::Head, ends, own)).or_default().push(case);
    }
    let mut groups = Vec::new();
    for (driver, over) in ways() {
        for ((_, ends, _), cases) in &alike {
            // A connection that has brought a response is opened again at once.
            let many = if matches!(ends[0], End::Status(_)) { 64 } else { BATCH };
            let batches = cases.chunks(many);
            groups.extend(batches.map(|cases| Group {
                cases: cases.to_vec(),
                ends: ends.clone(),
                driver,
                over,
                pipeline,
            }));
        }
    }
    groups
}

#[test]
fn each_response_ends_as_the_corpus_has_it() {
    judge_all(&groups(1), Group::judge);
}

#[test]
fn each_response_ends_as_the_corpus_has_it_with_others_in_flight_behind_it() {
    judge_all(&groups(4), Group::judge);
}

/// The first response's payload.
fn payload(case: &Case) -> Vec<u8> {
    let text = case.outcomes[0].split_once('"').and_then(|(_, rest)| rest.strip_suffix('"'));
    let mut bytes = text.unwrap_or_default().bytes();
    let mut payload = Vec::new();
    while let Some(byte) = bytes.next() {
        payload.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'x') => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                quoted => quoted.unwrap(),
            },
            plain => plain,
        });
    }
    payload
}

/// One step for each case. The checks are called after the case; with `look` they look into its body.
fn plan(cases: &[Case], url: &str, look: bool) -> Value {
    let step = |(i, case): (usize, &Case)| {
        let mut checks = json!({});
        match ends(case, 1)[0] {
            End::Status(status) => {
                let payload = payload(case);
                checks[format!("{} status", case.name)] = format!("status == {status}").into();
                checks[format!("{} size", case.name)] = format!("size == {}B", payload.len()).into();
                let plain = |b: &u8| b.is_ascii_graphic() && *b != b'"';
                if look && !payload.is_empty() && payload.iter().all(plain) {
                    let text = String::from_utf8(payload).unwrap();
                    checks[format!("{} body", case.name)] = format!("body == \"{text}\"").into();
                }
            }
            // Without a whole response no check passes.
            _ => checks[format!("{} fails", case.name)] = "status in 100-999".into(),
        }
        let method = if case.expect == Expect::Head { "HEAD" } else { "GET" };
        let mut step = json!({ "name": case.name, "url": format!("{url}{i}"), "method": method });
        step["timeout"] = "10s".into();
        step["checks"] = checks;
        if case.name.ends_with("to-another-origin") {
            // It would be followed, to a host that there is not: here the response itself is judged.
            step["maxRedirects"] = 0.into();
        }
        step
    };
    let steps: Vec<Value> = cases.iter().enumerate().map(step).collect();
    json!({ "vus": 2, "iterations": 2, "steps": steps })
}

/// Those that fail between those that do not, so that no back-off becomes long.
fn alternating() -> Vec<Case> {
    let (fine, failing): (Vec<Case>, Vec<Case>) =
        all_cases().into_iter().partition(|case| matches!(ends(case, 1)[0], End::Status(_)));
    let (mut fine, mut failing) = (fine.into_iter(), failing.into_iter());
    let mut cases = Vec::new();
    loop {
        let before = cases.len();
        cases.extend(failing.next().into_iter().chain(fine.next()));
        if cases.len() == before {
            return cases;
        }
    }
}

/// Runs the cases as the steps of one plan; says what is wrong.
fn users(cases: &[Case], driver: &str, over: Over, look: bool) -> Vec<String> {
    const ITERATIONS: u64 = 2;
    let script = Script::new(cases.to_vec());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.json");
    std::fs::write(&path, plan(cases, &script.listen(over), look).to_string()).unwrap();
    let path = path.to_str().unwrap();
    let args = ["run", path, "--format", "json", "-q", "--allow-invalid", "--driver", driver];
    let args = [&args[..], over.flags()].concat();
    let done = start_command(&mut squall(&args)).finish().exits(0).balanced();

    let mut wrong = Vec::new();
    let expected: BTreeMap<&str, End> = cases.iter().map(|case| (&*case.name, ends(case, 1)[0])).collect();
    let steps = done.at("/steps").as_array().unwrap();
    assert_eq!(steps.len(), cases.len());
    for step in steps {
        let name = step["name"].as_str().unwrap();
        let fails = !matches!(expected[name], End::Status(_));
        let wanted = if fails { (0, ITERATIONS) } else { (ITERATIONS, 0) };
        let found = (step["requests"].as_u64().unwrap(), step["failed"].as_u64().unwrap());
        if found != wanted {
            wrong.push(format!("{name}: {found:?} instead of {wanted:?}"));
        }
    }
    for check in done.at("/checks").as_array().unwrap() {
        let name = check["name"].as_str().unwrap();
        let wanted = if name.ends_with(" fails") { (0, ITERATIONS) } else { (ITERATIONS, 0) };
        let found = (check["passes"].as_u64().unwrap(), check["fails"].as_u64().unwrap());
        if found != wanted {
            wrong.push(format!("check {name}: {found:?} instead of {wanted:?}"));
        }
    }
    let wanted = tally(expected.values().flat_map(|end| [*end; ITERATIONS as usize]));
    if ended(&done) != wanted {
        wrong.push(format!("{:?} instead of {wanted:?}", ended(&done)));
    }
    // One whose connection had been of use before, and ended without a byte, is sent again.
    if script.given() as u64 != ITERATIONS * cases.len() as u64 + done.count("/requests/resent") {
        wrong.push(format!("{} requests came", script.given()));
    }
    let rss = done.count("/generator/max_rss_bytes");
    if rss == 0 || rss > USERS_RSS_MAX {
        wrong.push(format!("{rss} bytes resident"));
    }
    wrong.iter().map(|what| format!("{driver}, {over:?}, look {look}: {what}")).collect()
}

/// So many steps in a plan: the tables of each take 2 MB.
const STEPS: usize = 32;

fn all_users(look: bool) {
    let cases = alternating();
    // Those that look see what the others count, too: through TLS they are enough.
    let ways = ways().into_iter().filter(|(_, over)| look || *over == Over::Tcp);
    let jobs: Vec<_> = ways.flat_map(|way| cases.chunks(STEPS).map(move |cases| (cases, way))).collect();
    judge_all(&jobs, |(cases, (driver, over))| users(cases, driver, *over, look));
}

#[test]
fn each_response_ends_a_users_request_as_the_corpus_has_it() {
    all_users(false);
}

#[test]
fn users_that_look_into_bodies_see_what_the_corpus_has() {
    all_users(true);
}

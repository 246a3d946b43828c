//! Every sample as an object in JSON, one a line (NDJSON): `docs/samples.md` has the keys.
//!
//! A line is put together from pieces that are made once for each place, check and scenario, and from numbers: there is
//! one for each request, and one thread writes those of all workers.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::secrets::Redactor;
use crate::stats::layout::{Layout, Tags};
use crate::stats::registry::{CHECKS, Key};
use crate::stats::samples::{
    Added, Block, IterationEnd, IterationFate, Judgement, Legend, Record, RequestEnd, Sink,
};
use crate::units::Nanos;

/// So much is gathered before it is written: few system calls, and it stays in the cache.
const CHUNK: usize = 256 * 1024;

/// Longer than the part of any line that is made anew.
const LINE: usize = 1024;

const SECOND: u64 = 1_000_000_000;

/// Tags that are keys of their own.
const OWN_KEYS: [&str; 5] = ["scenario", "name", "method", "url", "check"];

/// Writes samples to `W`.
#[derive(Debug)]
pub struct Ndjson<W> {
    out: W,
    place: String,
    lines: Lines,
}

impl<W: Write> Ndjson<W> {
    /// To `out`, which is called `place` where people are told of it.
    pub fn new(out: W, place: String) -> Ndjson<W> {
        Ndjson { out, place, lines: Lines::default() }
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.out.write_all(&self.lines.text)?;
        self.lines.text.clear();
        Ok(())
    }
}

impl<W: Write + Send> Sink for Ndjson<W> {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn begin(&mut self, legend: &Legend) -> io::Result<()> {
        self.lines = Lines::new(legend);
        // Whatever has to be done before the first byte is done now, also where none will come.
        self.out.flush()
    }

    fn take(&mut self, block: &Block) -> io::Result<()> {
        self.lines.learn(block);
        for record in &block.records {
            self.lines.add(record, block);
            if self.lines.text.len() >= CHUNK {
                self.write_out()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.out.flush()
    }
}

/// Lines that are still to be written, and what they are made of.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    /// Beginnings of lines, up to the first key that differs from sample to sample.
    requests: Vec<Vec<u8>>,
    /// The same of places that workers have made, by worker and number.
    made: HashMap<(u32, u32), Vec<u8>>,
    /// The same of metrics of a flow's own, and whether they are checks, likewise.
    added: HashMap<(u32, u32), (Vec<u8>, bool)>,
    checks: Vec<Vec<u8>>,
    iterations: Vec<Vec<u8>>,
    /// A run of scenarios: with stages and expected statuses.
    staged: bool,
    epoch: Nanos,
    /// A second since the Unix epoch, and the text of it: that of most lines.
    second: u64,
    second_text: String,
    secrets: Arc<Redactor>,
}

impl Lines {
    fn new(legend: &Legend) -> Lines {
        let layout: &Layout = &legend.layout;
        let plain = [("method", legend.method.as_str()), ("url", legend.url.as_str())];
        let staged = !layout.scenarios.is_empty();
        let places = layout.places.iter();
        let secrets = &*legend.secrets;
        let of = |kind, tags| beginning(kind, keys(tags), tags, secrets);
        let requests = match staged {
            false => vec![beginning("request", plain.into_iter(), &Tags::new(), secrets)],
            true => places.map(|place| of("request", &place.tags)).collect(),
        };
        let checks = layout.checks.iter().map(|check| of("check", &check.tags));
        let scenarios = layout.scenarios.iter();
        Lines {
            text: Vec::with_capacity(CHUNK + LINE),
            requests,
            made: HashMap::new(),
            added: HashMap::new(),
            checks: checks.collect(),
            iterations: scenarios.map(|key| of("iteration", &key.tags)).collect(),
            staged,
            epoch: legend.epoch,
            second: u64::MAX,
            second_text: String::new(),
            secrets: Arc::clone(&legend.secrets),
        }
    }

    /// What the numbers of places stand for that come with a block.
    fn learn(&mut self, block: &Block) {
        for place in &block.places {
            let tags = place.tags.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            let tags: Tags = tags.collect();
            let beginning = beginning("request", keys(&tags), &tags, &self.secrets);
            self.made.insert((block.worker, place.number), beginning);
        }
        for series in &block.series {
            let is_check = series.key.metric() == CHECKS;
            let beginning = of_series(&series.key, is_check, &self.secrets);
            self.added.insert((block.worker, series.number), (beginning, is_check));
        }
    }

    #[inline]
    fn add(&mut self, record: &Record, block: &Block) {
        let open = block.open;
        match record {
            Record::Request(end) => self.request(end, block.worker, open),
            Record::Check(judgement) => self.check(judgement, open),
            Record::Iteration(end) => self.iteration(end, open),
            Record::Value(added) => self.added(added, block.worker, open),
        }
        self.text.extend_from_slice(b"}\n");
    }

    fn request(&mut self, end: &RequestEnd, worker: u32, open: Nanos) {
        let of_plan = self.requests.get(end.place as usize);
        let beginning = of_plan.or_else(|| self.made.get(&(worker, end.place)));
        self.text.extend_from_slice(beginning.map_or(b"{\"type\":\"request\"", Vec::as_slice));
        self.when(end.done, open);
        if self.staged {
            self.stage(end.stage);
            self.text.extend_from_slice(if end.expected {
                b",\"expected\":true"
            } else {
                b",\"expected\":false"
            });
        }
        match end.result {
            Ok(status) => {
                self.key(b",\"status\":", u64::from(status));
                self.text.extend_from_slice(b",\"error\":null");
            }
            Err(kind) => {
                self.text.extend_from_slice(b",\"status\":null,\"error\":\"");
                self.text.extend_from_slice(kind.key().as_bytes());
                self.text.push(b'"');
            }
        }
        let sent = (end.sent != Nanos::MAX).then_some(end.sent);
        self.micros(b",\"response_time_us\":", Some(end.done - end.scheduled));
        self.micros(b",\"service_time_us\":", sent.map(|sent| end.done - sent));
        self.micros(b",\"start_lag_us\":", sent.map(|sent| sent - end.scheduled));
        let first_byte = sent.filter(|_| end.first_byte != Nanos::MAX);
        self.micros(b",\"first_byte_us\":", first_byte.map(|sent| end.first_byte - sent));
        self.key(b",\"body_bytes\":", end.body_bytes);
        if end.blocked > Nanos::ZERO {
            self.micros(b",\"blocked_us\":", Some(end.blocked));
            self.micros(b",\"connecting_us\":", Some(end.connecting));
            self.micros(b",\"tls_handshake_us\":", Some(end.securing));
        }
    }

    fn check(&mut self, judgement: &Judgement, open: Nanos) {
        self.text.extend_from_slice(&self.checks[judgement.check as usize]);
        self.when(judgement.at, open);
        self.stage(judgement.stage);
        self.passed(judgement.passed);
    }

    fn passed(&mut self, passed: bool) {
        self.text.extend_from_slice(if passed { b",\"passed\":true" } else { b",\"passed\":false" });
    }

    fn added(&mut self, added: &Added, worker: u32, open: Nanos) {
        let known = self.added.get(&(worker, added.series));
        let (beginning, is_check) =
            known.map_or((b"{\"type\":\"value\"".as_slice(), false), |(b, c)| (b, *c));
        self.text.extend_from_slice(beginning);
        self.when(added.at, open);
        if is_check {
            self.passed(added.value != 0.0);
        } else {
            self.text.extend_from_slice(b",\"value\":");
            self.text.extend_from_slice(ryu_js::Buffer::new().format(added.value).as_bytes());
        }
    }

    fn iteration(&mut self, end: &IterationEnd, open: Nanos) {
        self.text.extend_from_slice(&self.iterations[end.scenario as usize]);
        self.when(end.at, open);
        self.stage(end.stage);
        let (outcome, count): (&[u8], u64) = match end.fate {
            IterationFate::Completed => (b",\"outcome\":\"completed\"", 1),
            IterationFate::Broken => (b",\"outcome\":\"broken\"", 1),
            IterationFate::Interrupted => (b",\"outcome\":\"interrupted\"", 1),
            IterationFate::Dropped(count) => (b",\"outcome\":\"dropped\"", count),
        };
        self.text.extend_from_slice(outcome);
        self.key(b",\"count\":", count);
        let begun = !matches!(end.fate, IterationFate::Dropped(_));
        self.micros(b",\"duration_us\":", begun.then_some(end.took));
    }

    /// When it happened: since measuring began, and on the wall clock.
    fn when(&mut self, at: Nanos, open: Nanos) {
        let since = (at - open).0;
        self.key(b",\"t_s\":", since / SECOND);
        fraction::<6>(&mut self.text, since % SECOND / 1_000);
        let wall = (self.epoch + at).0;
        if wall / SECOND != self.second {
            self.second = wall / SECOND;
            let time = UNIX_EPOCH + Duration::from_secs(self.second);
            self.second_text = humantime::format_rfc3339_seconds(time).to_string();
            self.second_text.pop(); // the Z comes behind the fraction
        }
        self.text.extend_from_slice(b",\"time\":\"");
        self.text.extend_from_slice(self.second_text.as_bytes());
        fraction::<6>(&mut self.text, wall % SECOND / 1_000);
        self.text.extend_from_slice(b"Z\"");
    }

    fn stage(&mut self, stage: u16) {
        self.key(b",\"stage\":", u64::from(stage));
    }

    /// A key and a whole number.
    fn key(&mut self, key: &[u8], number: u64) {
        self.text.extend_from_slice(key);
        self.text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A key and a span in microseconds, exact; `null` for none.
    fn micros(&mut self, key: &[u8], span: Option<Nanos>) {
        match span {
            Some(Nanos(ns)) => {
                self.key(key, ns / 1_000);
                fraction::<3>(&mut self.text, ns % 1_000);
            }
            None => {
                self.text.extend_from_slice(key);
                self.text.extend_from_slice(b"null");
            }
        }
    }
}

/// A point and `N` decimals, of which `number` has at most so many.
fn fraction<const N: usize>(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text.push(b'.');
    text.extend_from_slice(&digits);
}

/// The beginning of values of a metric of a flow's own.
fn of_series(key: &Key, is_check: bool, secrets: &Redactor) -> Vec<u8> {
    let tags: Tags = key.tags().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if is_check {
        return beginning("check", keys(&tags), &tags, secrets);
    }
    let own = [("metric", key.metric()), ("kind", key.kind().name())];
    beginning("value", own.into_iter().chain(keys(&tags)), &tags, secrets)
}

/// The tags that are keys of their own.
fn keys(tags: &Tags) -> impl Iterator<Item = (&'static str, &str)> {
    OWN_KEYS.into_iter().filter_map(|key| tags.get(key).map(|value| (key, value.as_str())))
}

/// The beginning of each line of a kind: what is the same in all of them.
fn beginning<'a>(
    kind: &str,
    keys: impl Iterator<Item = (&'static str, &'a str)>,
    tags: &Tags,
    secrets: &Redactor,
) -> Vec<u8> {
    let mut text = format!("{{\"type\":\"{kind}\"");
    for (key, value) in keys {
        text.push_str(&format!(",\"{key}\":{}", serde_json::Value::from(secrets.text(value))));
    }
    let own: serde_json::Map<String, serde_json::Value> = tags
        .iter()
        .filter(|(name, _)| !OWN_KEYS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), secrets.text(value).into()))
        .collect();
    if !own.is_empty() {
        text.push_str(&format!(",\"tags\":{}", serde_json::Value::from(own)));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests;

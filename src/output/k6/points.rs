//! Every sample as k6 writes it while a test runs: `--out json` and `--out csv`.
//!
//! [`Outs`] has the files of a whole test; each of its parts (setup, load, teardown) has a sink of its own that writes to them.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::form::{OutFile, TagList};
use super::json::hidden;
use super::make::Declared;
use super::model::Contains;
use super::out::OutSpec;
use crate::script::errors;
use crate::secrets::Redactor;
use crate::stats::layout::{Tags, UNJUDGED};
use crate::stats::metrics::{self, Kind};
use crate::stats::outcome::ErrorKind;
use crate::stats::samples::{
    Added, Block, IterationEnd, IterationFate, Judgement, Legend, Record, RequestEnd, ScenarioEdge, Sink,
};
use crate::threshold;
use crate::units::Nanos;

/// k6 looks at users once a second; edges of intervals that come sooner are passed over.
const USERS_EVERY: Nanos = Nanos::from_millis(900);

/// Which part of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// `setup`.
    Setup,
    /// The scenarios.
    Load,
    /// `teardown`.
    Teardown,
}

/// What is known of the samples before the first one.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The script's own metrics.
    pub declared: Vec<Declared>,
    /// Metric with tags, as written, and expression of each threshold.
    pub thresholds: Vec<(String, String)>,
    /// Tags that all samples of the test have.
    pub tags: Tags,
    /// System tags that samples are not to have (k6's `systemTags` names those that they have).
    pub left_out: Vec<String>,
}

/// The files that points of a whole test go to.
#[derive(Clone)]
pub struct Outs(Arc<Mutex<Files>>);

struct Files {
    told: Told,
    files: Vec<OutFile>,
    place: String,
    /// Metrics that were told of.
    known: HashSet<String>,
}

/// The ends of lines with the same tags, one for each file.
type Tails = Arc<[Vec<u8>]>;

impl Outs {
    /// Into these.
    pub fn new(told: Told, outs: Vec<(OutSpec, Box<dyn Write + Send>)>) -> Outs {
        let place = outs.iter().map(|(spec, _)| spec.place()).collect::<Vec<_>>().join(", ");
        let file = |(spec, out)| OutFile::new(&spec, out, &told.left_out);
        let files = outs.into_iter().map(file).collect();
        Outs(Arc::new(Mutex::new(Files { told, files, place, known: HashSet::new() })))
    }

    /// The sink of a part of the test.
    pub fn sink(&self, stretch: Stretch) -> Box<dyn Sink> {
        Box::new(PointSink {
            outs: self.clone(),
            stretch,
            legend: None,
            places: HashMap::new(),
            series: HashMap::new(),
            requests: HashMap::new(),
            fixed: HashMap::new(),
            users: HashMap::new(),
            users_told: Nanos::ZERO,
        })
    }

    /// All parts are over.
    ///
    /// # Errors
    /// When the last of it cannot be written.
    pub fn finish(&self) -> io::Result<()> {
        let files = std::mem::take(&mut self.files().files);
        files.into_iter().try_for_each(OutFile::finish)
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn tails(&self, tags: &TagList) -> Tails {
        self.files.iter().map(|file| file.tail(tags)).collect()
    }

    fn point(
        &mut self,
        (metric, kind): (&str, Kind),
        at: Nanos,
        value: f64,
        tails: &Tails,
        secrets: &Redactor,
    ) -> io::Result<()> {
        if !self.known.contains(metric) {
            self.known.insert(metric.to_owned());
            let data = hidden(self.told.metric(metric, kind), secrets);
            self.files.iter_mut().for_each(|file| file.metric(metric, &data));
        }
        let mut each = self.files.iter_mut().zip(tails.iter());
        each.try_for_each(|(file, tail)| file.point(metric, at, value, tail))
    }
}

impl Told {
    /// What k6 tells of a metric before its first point.
    fn metric(&self, name: &str, kind: Kind) -> Json {
        const EXPECTED: &str = "http_req_duration{expected_response:true}";
        let is_time = self.declared.iter().any(|own| own.name == name && own.is_time);
        let contains = if is_time { Contains::Time } else { Contains::of(name) };
        let plain = self.thresholds.iter().filter(|(selector, _)| selector == name);
        let of_this = |selector: &&str| selector.split('{').next() == Some(name) && *selector != name;
        let mut selectors: Vec<&str> = Vec::new();
        for selector in self.thresholds.iter().map(|(selector, _)| selector.as_str()).chain([EXPECTED]) {
            if of_this(&selector) && !selectors.contains(&selector) {
                selectors.push(selector);
            }
        }
        let submetric = |selector: &&str| {
            let (_, tags) = threshold::split_selector(selector).ok()?;
            let suffix = selector.split_once('{')?.1.strip_suffix('}')?;
            Some(json!({ "name": selector, "suffix": suffix, "tags": tags.into_iter().collect::<Tags>() }))
        };
        let submetrics: Vec<Json> = selectors.iter().filter_map(submetric).collect();
        json!({
            "name": name,
            "type": kind.name(),
            "contains": contains.name(),
            "thresholds": plain.map(|(_, source)| source.as_str()).collect::<Vec<_>>(),
            "submetrics": if submetrics.is_empty() { Json::Null } else { submetrics.into() },
        })
    }
}

/// The points of one part of a test.
struct PointSink {
    outs: Outs,
    stretch: Stretch,
    /// There from the beginning on.
    legend: Option<Legend>,
    /// Tags of places that workers have made, by worker and number.
    places: HashMap<(u32, u32), TagList>,
    /// Metrics that flows have added to, likewise.
    series: HashMap<(u32, u32), (String, Kind, Tails)>,
    /// Of requests, by worker, place and how they ended; and whether anybody judges them.
    requests: HashMap<RequestKey, (Tails, bool)>,
    /// Of all else.
    fixed: HashMap<TagList, Tails>,
    /// Users at work, and those that there are, by worker and scenario.
    users: HashMap<(u32, u32), (u64, u64)>,
    /// When points of them were last written, or when measuring began.
    users_told: Nanos,
}

/// What the tags of a request's points follow from.
type RequestKey = (u32, u32, Result<u16, ErrorKind>, bool);

impl Sink for PointSink {
    fn place(&self) -> String {
        self.outs.files().place.clone()
    }

    fn begin(&mut self, legend: &Legend) -> io::Result<()> {
        self.legend = Some(legend.clone());
        self.outs.files().files.iter_mut().try_for_each(OutFile::begin)
    }

    fn take(&mut self, block: &Block) -> io::Result<()> {
        let outs = self.outs.clone();
        let mut files = outs.files();
        // Nothing comes before the beginning.
        let Some(legend) = self.legend.clone() else { return Ok(()) };
        let mut points = Points { sink: self, files: &mut files, legend: &legend, worker: block.worker };
        points.learn(block);
        points.sink.users_told = points.sink.users_told.max(block.open);
        block.records.iter().try_for_each(|record| points.record(record))?;
        block.edges.iter().try_for_each(|edge| points.edge(edge))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outs.files().files.iter_mut().try_for_each(OutFile::flush)
    }
}

/// What one block's points are made with.
struct Points<'a> {
    sink: &'a mut PointSink,
    files: &'a mut Files,
    legend: &'a Legend,
    worker: u32,
}

impl Points<'_> {
    fn learn(&mut self, block: &Block) {
        for place in &block.places {
            let tags = place.tags.iter().map(|(name, value)| (&**name, &**value));
            let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            self.sink.places.insert((self.worker, place.number), tags);
            self.sink
                .requests
                .retain(|(worker, number, ..), _| (*worker, *number) != (self.worker, place.number));
        }
        for series in &block.series {
            let tags = series.key.tags().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let tails = self.tails(tags.collect());
            let known = (series.key.metric().to_owned(), series.key.kind(), tails);
            self.sink.series.insert((self.worker, series.number), known);
        }
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Request(end) => self.request(end),
            Record::Check(judgement) => self.check(judgement),
            Record::Iteration(end) => self.iteration(end),
            Record::Value(added) => self.value(added),
        }
    }

    /// Points of k6's own metrics at one time, all with the same tags.
    fn points(&mut self, at: Nanos, tails: &Tails, values: &[(&'static str, f64)]) -> io::Result<()> {
        let at = self.legend.epoch + at;
        values.iter().try_for_each(|(metric, value)| {
            let kind = metrics::named(metric).map_or(Kind::Trend, |metric| metric.kind);
            self.files.point((metric, kind), at, *value, tails, &self.legend.secrets)
        })
    }

    /// The ends of lines with these tags, and those that all samples have.
    fn tails(&self, tags: TagList) -> Tails {
        let told = &self.files.told;
        let secrets = &self.legend.secrets;
        let mut all: Tags = told.tags.clone();
        all.extend(tags);
        all.retain(|name, _| !told.left_out.contains(name));
        let shown = all.into_iter().map(|(name, value)| {
            let value = secrets.named(&name, &value).into_owned();
            (name, value)
        });
        self.files.tails(&shown.collect())
    }

    /// The same, remembered.
    fn fixed(&mut self, tags: TagList) -> Tails {
        if let Some(known) = self.sink.fixed.get(&tags) {
            return Arc::clone(known);
        }
        let tails = self.tails(tags.clone());
        self.sink.fixed.insert(tags, Arc::clone(&tails));
        tails
    }

    fn request(&mut self, end: &RequestEnd) -> io::Result<()> {
        let key = (self.worker, end.place, end.result, end.expected);
        let (tails, judged) = match self.sink.requests.get(&key) {
            Some((tails, judged)) => (Arc::clone(tails), *judged),
            None => {
                let tags = self.tags_of_request(end);
                let judged = tags.iter().any(|(name, _)| name == UNJUDGED.0);
                let tails = self.tails(tags);
                self.sink.requests.insert(key, (Arc::clone(&tails), judged));
                (tails, judged)
            }
        };
        let ms = |span: Nanos| span.0 as f64 / 1e6;
        // One that was never sent took no time.
        let sent = end.sent.min(end.done);
        let first_byte = end.first_byte.min(end.done);
        let values = [
            ("http_reqs", 1.0),
            ("http_req_duration", ms(end.done - sent)),
            ("http_req_blocked", ms(end.blocked)),
            ("http_req_connecting", ms(end.connecting)),
            ("http_req_tls_handshaking", ms(end.securing)),
            ("http_req_sending", ms(end.sending)),
            ("http_req_waiting", ms((first_byte - sent) - end.sending)),
            ("http_req_receiving", ms(end.done - first_byte)),
            // The last one, which those have not that nobody judges.
            ("http_req_failed", if end.expected { 0.0 } else { 1.0 }),
        ];
        let told = if judged { &values[..] } else { &values[..values.len() - 1] };
        self.points(end.done, &tails, told)
    }

    fn tags_of_request(&self, end: &RequestEnd) -> TagList {
        let layout = &self.legend.layout;
        let made = || self.sink.places.get(&(self.worker, end.place)).cloned().unwrap_or_default();
        let of_plan = layout.places.get(end.place as usize);
        let mut tags = of_plan.map_or_else(made, |place| owned(&place.tags));
        let given = tags.len();
        tags.retain(|(name, value)| (name.as_str(), value.as_str()) != UNJUDGED);
        let judged = tags.len() == given;
        let mut add = |name: &str, value: String| tags.push((name.to_owned(), value));
        if judged {
            add("expected_response", end.expected.to_string());
        }
        add("status", end.result.unwrap_or(0).to_string());
        let code = match end.result {
            Ok(status) => {
                add("proto", "HTTP/1.1".into());
                errors::code_of_status(status)
            }
            Err(kind) => {
                add("error", errors::text(kind).into());
                Some(errors::code(kind))
            }
        };
        if let Some(code) = code {
            add("error_code", code.to_string());
        }
        tags
    }

    fn check(&mut self, judgement: &Judgement) -> io::Result<()> {
        let tags = owned(&self.legend.layout.checks[judgement.check as usize].tags);
        let tails = self.fixed(tags);
        self.points(judgement.at, &tails, &[("checks", f64::from(u8::from(judgement.passed)))])
    }

    fn value(&mut self, added: &Added) -> io::Result<()> {
        // A series is told of before its first value.
        let Some((metric, kind, tails)) = self.sink.series.get(&(self.worker, added.series)).cloned() else {
            return Ok(());
        };
        // k6 has rates as 0 and 1.
        let value = if kind == Kind::Rate { f64::from(u8::from(added.value != 0.0)) } else { added.value };
        self.files.point((&metric, kind), self.legend.epoch + added.at, value, &tails, &self.legend.secrets)
    }

    /// Those that were cut off are no samples, as in k6, and `setup` and `teardown` are none.
    fn iteration(&mut self, end: &IterationEnd) -> io::Result<()> {
        if self.sink.stretch != Stretch::Load {
            return Ok(());
        }
        let mut tags = self.tags_of_scenario(end.scenario);
        match end.fate {
            IterationFate::Completed | IterationFate::Broken => {
                tags.push(("group".into(), String::new()));
                let tails = self.fixed(tags);
                let took = end.took.0 as f64 / 1e6;
                self.points(end.at, &tails, &[("iteration_duration", took), ("iterations", 1.0)])
            }
            IterationFate::Dropped(count) => {
                let tails = self.fixed(tags);
                self.points(end.at, &tails, &[("dropped_iterations", count as f64)])
            }
            IterationFate::Interrupted => Ok(()),
        }
    }

    fn edge(&mut self, edge: &ScenarioEdge) -> io::Result<()> {
        let (mut tags, group) = match self.sink.stretch {
            Stretch::Load => (self.tags_of_scenario(edge.scenario), ""),
            Stretch::Setup => (TagList::new(), "::setup"),
            Stretch::Teardown => (TagList::new(), "::teardown"),
        };
        tags.push(("group".into(), group.into()));
        if edge.sent_bytes + edge.received_bytes > 0 {
            let tails = self.fixed(tags);
            let bytes =
                [("data_sent", edge.sent_bytes as f64), ("data_received", edge.received_bytes as f64)];
            self.points(edge.at, &tails, &bytes)?;
        }
        if self.sink.stretch != Stretch::Load {
            return Ok(());
        }
        self.sink.users.insert((self.worker, edge.scenario), (edge.vus, edge.vus_max));
        // The first worker speaks for all, once it has told of its last scenario.
        let is_last = edge.scenario as usize + 1 == self.legend.layout.scenarios.len();
        if self.worker > 0 || !is_last || edge.at < self.sink.users_told + USERS_EVERY {
            return Ok(());
        }
        self.sink.users_told = edge.at;
        let add = |sum: (u64, u64), users: &(u64, u64)| (sum.0 + users.0, sum.1 + users.1);
        let (vus, vus_max) = self.sink.users.values().fold((0, 0), add);
        let tails = self.fixed(TagList::new());
        self.points(edge.at, &tails, &[("vus", vus as f64), ("vus_max", vus_max as f64)])
    }

    fn tags_of_scenario(&self, scenario: u32) -> TagList {
        owned(&self.legend.layout.scenarios[scenario as usize].tags)
    }
}

fn owned(tags: &Tags) -> TagList {
    tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests;

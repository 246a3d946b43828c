//! Which series there are: found by metric and tags, made by their first sample, bounded in number.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::stats::selectors::{Selector, Selectors};

/// Series that samples may make, beside those that are known before the run, unless asked otherwise.
pub const SERIES_MAX: u32 = 2_000;

/// The metric of requests, with all of their times.
pub const REQUESTS: &str = "http_req";
/// The metric of checks.
pub const CHECKS: &str = "checks";

/// The tag of series that take what is beyond the bound.
pub(super) const OTHER: (&str, &str) = ("other", "true");
/// What is still told apart there of requests, since totals need it. Both are squall's own, with few values.
const KEPT: [&str; 2] = ["expected_response", "stage"];
/// The metric of those whose own would be one too many.
const OTHER_METRIC: &str = "other";

/// Of keys and texts. They are the user's own or the target's, and bounded in number: no protection against chosen ones is needed.
pub(super) type State = foldhash::fast::FixedState;

/// What the figures of a series are, and so what can be asked of them. The order is that of the wire's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Requests with all of their times: k6's `http_req*` metrics in one.
    Requests,
    /// A sum: `count`, `rate`.
    Counter,
    /// The last value: `value`.
    Gauge,
    /// A share: `rate`.
    Rate,
    /// A distribution: `avg`, `min`, `max`, `med`, `p(N)`.
    Trend,
}

impl Kind {
    /// Its name, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Requests => "requests",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Rate => "rate",
            Kind::Trend => "trend",
        }
    }
}

/// Number of a series in its registry; the same for as long as the registry lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// What a series is found by. Cheap to clone.
#[derive(Clone)]
pub struct Key(Arc<KeyParts>);

#[derive(Debug, PartialEq, Eq)]
struct KeyParts {
    metric: Arc<str>,
    kind: Kind,
    /// Sorted by name; each name once.
    tags: Box<[(Arc<str>, Arc<str>)]>,
    role: Role,
}

/// What a series is for. The order is that of the wire's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// To hold samples that no other one holds.
    #[default]
    Plain,
    /// For a threshold: its samples are in another series as well, so it is in no total.
    Watch,
    /// For samples whose own series would have been one too many.
    Other,
}

impl Key {
    /// The metric's name.
    pub fn metric(&self) -> &str {
        &self.0.metric
    }

    /// What its figures are.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Name and value of each tag, sorted by name.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.tags.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of a tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let at = self.0.tags.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0.tags[at].1)
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Its samples are in another series as well: it is in no total.
    pub fn is_watch(&self) -> bool {
        self.0.role == Role::Watch
    }

    fn hash(&self) -> u64 {
        hash(self.metric(), self.kind(), self.role(), self.tags())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().name(), self.metric())?;
        f.debug_map().entries(self.tags()).finish()
    }
}

/// What a key is to be of; tags sorted by name, each once.
#[derive(Clone, Copy, Debug)]
pub struct KeyRef<'a> {
    /// The metric's name.
    pub metric: &'a str,
    /// What its figures are.
    pub kind: Kind,
    /// Sorted by name, each name once.
    pub tags: &'a [(&'a str, &'a str)],
    /// What it is for.
    pub role: Role,
}

impl KeyRef<'_> {
    fn hash(&self) -> u64 {
        hash(self.metric, self.kind, self.role, self.tags.iter().copied())
    }

    fn is(&self, key: &Key) -> bool {
        let KeyParts { metric, kind, tags, role } = &*key.0;
        **metric == *self.metric
            && *kind == self.kind
            && *role == self.role
            && tags.len() == self.tags.len()
            && tags.iter().zip(self.tags).all(|((name, value), tag)| (&**name, &**value) == *tag)
    }
}

fn hash<'a>(metric: &str, kind: Kind, role: Role, tags: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut hasher = State::default().build_hasher();
    (metric, kind, role).hash(&mut hasher);
    tags.for_each(|tag| tag.hash(&mut hasher));
    hasher.finish()
}

/// Adds to `kept` what of `tags` stays in any case.
fn keep_own<'t>(kind: Kind, tags: &[(&'t str, &'t str)], kept: &mut Vec<(&'t str, &'t str)>) {
    for tag in tags.iter().filter(|(name, _)| kind == Kind::Requests && KEPT.contains(name)) {
        if !kept.contains(tag) {
            kept.push(*tag);
        }
    }
}

/// A metric that exists already with figures of another kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a metric `{metric}` already, a {}: a {} needs another name", known.name(), wanted.name())]
pub struct KindConflict {
    /// Its name.
    pub metric: String,
    /// What it is.
    pub known: Kind,
    /// What it was to be.
    pub wanted: Kind,
}

/// The series of one worker, of several, or of a plan. Clones share the keys.
#[derive(Clone, Default)]
pub struct Registry {
    keys: Vec<Key>,
    /// Numbers by key.
    table: HashTable<u32>,
    /// Each text once, however many series have it.
    texts: HashSet<Arc<str>, State>,
    /// What each metric's figures are.
    kinds: HashMap<Arc<str>, Kind, State>,
    /// Series that samples have made.
    made: u32,
    /// Most of them.
    max: Option<u32>,
    /// What is asked for by tags, and so told apart among all others too.
    selectors: Arc<Selectors>,
}

impl Registry {
    /// One without series, in which samples may make `max`.
    pub fn new(max: u32) -> Registry {
        Registry { max: Some(max), ..Registry::default() }
    }

    /// Most series that samples may make.
    pub fn bound(&self) -> u32 {
        self.max.unwrap_or(SERIES_MAX)
    }

    pub(super) fn set_bound(&mut self, max: u32) {
        self.max = Some(max);
    }

    /// What is asked for by tags.
    pub(super) fn selectors(&self) -> &Selectors {
        &self.selectors
    }

    /// From here on samples of a metric that have these tags are told apart from all others, also where they have no series of their own.
    pub(super) fn select(&mut self, metric: &str, tags: Vec<(String, String)>) {
        Arc::make_mut(&mut self.selectors).add(metric, tags);
    }

    pub(super) fn set_selectors(&mut self, selectors: Vec<Selector>) {
        self.selectors = Arc::new(Selectors::of(selectors));
    }

    /// Series that samples have made.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    pub(super) fn set_made(&mut self, made: u32) {
        self.made = made;
    }

    /// By number.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The number of a series that there is.
    pub fn find(&self, key: KeyRef<'_>) -> Option<SeriesId> {
        self.table.find(key.hash(), |number| key.is(&self.keys[*number as usize])).map(|n| SeriesId(*n))
    }

    /// Appends one that is known before the run: it does not count for the bound. Also where there is one of this key already: those of a
    /// plan stand in the plan's order.
    pub fn append(&mut self, key: KeyRef<'_>) -> SeriesId {
        let metric = self.text(key.metric);
        let tags = key.tags.iter().map(|(name, value)| (self.text(name), self.text(value))).collect();
        let parts = KeyParts { metric, kind: key.kind, tags, role: key.role };
        self.push(Key(Arc::new(parts)))
    }

    /// The same, or the one that there is.
    pub fn reserve(&mut self, key: KeyRef<'_>) -> SeriesId {
        match self.find(key) {
            Some(known) => known,
            None => self.append(key),
        }
    }

    /// The series of a sample: made where there is none yet; where it would be one too many, that of all others of its metric.
    ///
    /// # Errors
    /// When the metric has figures of another kind.
    pub fn series(&mut self, key: KeyRef<'_>) -> Result<SeriesId, KindConflict> {
        if let Some(known) = self.find(key) {
            return Ok(known);
        }
        if let Some(known) = self.kinds.get(key.metric).filter(|known| **known != key.kind) {
            return Err(KindConflict { metric: key.metric.into(), known: *known, wanted: key.kind });
        }
        if self.made < self.bound() {
            self.made += 1;
            return Ok(self.append(key));
        }
        // A metric that is new at the bound has none of its own: names can be as many as tags.
        let known = [REQUESTS, CHECKS].contains(&key.metric)
            || self.kinds.contains_key(key.metric)
            || self.selectors.ask_of(key.metric);
        Ok(self.other(if known { key } else { KeyRef { metric: OTHER_METRIC, ..key } }))
    }

    /// The number here of another registry's series, made where need be.
    pub(super) fn adopt(&mut self, key: &Key) -> SeriesId {
        let known = self.table.find(key.hash(), |number| self.keys[*number as usize] == *key);
        if let Some(known) = known {
            return SeriesId(*known);
        }
        let counts = key.role() == Role::Plain;
        if !counts || self.made < self.bound() {
            self.made += u32::from(counts);
            return self.push(key.clone());
        }
        let tags: Vec<(&str, &str)> = key.tags().collect();
        self.other(KeyRef { metric: key.metric(), kind: key.kind(), tags: &tags, role: key.role() })
    }

    /// The series of all others of a metric: of those of them that are asked for by the same tags. So each threshold finds all of its
    /// samples by their tags, and a sample is in one series, whatever room there was for it in a worker and in what is merged.
    pub(super) fn other(&mut self, key: KeyRef<'_>) -> SeriesId {
        let mut tags = self.selectors.kept(key.metric, key.tags, &[]);
        keep_own(key.kind, key.tags, &mut tags);
        if tags.iter().all(|(name, _)| *name != OTHER.0) {
            tags.push(OTHER);
        }
        tags.sort_unstable();
        self.reserve(KeyRef { tags: &tags, role: Role::Other, ..key })
    }

    /// Whether it is the beginning of another one: the same keys, not merely equal ones.
    pub(super) fn begins(&self, other: &Registry) -> bool {
        let same = |(own, other): (&Key, &Key)| Arc::ptr_eq(&own.0, &other.0);
        self.keys.len() <= other.keys.len() && self.keys.iter().zip(&other.keys).all(same)
    }

    /// The watch for samples that meet a condition, `tag` among the key's tags; `None` where nobody asks for them. It is one for all
    /// that are asked for by the same tags, so that there are few, however many sets of tags there are.
    pub(super) fn watch(&mut self, key: KeyRef<'_>, tag: (&str, &str)) -> Option<SeriesId> {
        let mut tags = self.selectors.kept_with(key.metric, key.tags, tag)?;
        keep_own(key.kind, key.tags, &mut tags);
        tags.sort_unstable();
        Some(self.reserve(KeyRef { tags: &tags, role: Role::Watch, ..key }))
    }

    /// Takes over what `other`, of which this one is the beginning, has beyond it.
    pub(super) fn follow(&mut self, other: &Registry) {
        for key in &other.keys[self.keys.len().min(other.keys.len())..] {
            self.push(key.clone());
        }
        (self.made, self.max) = (other.made, other.max);
        self.selectors = Arc::clone(&other.selectors);
    }

    fn push(&mut self, key: Key) -> SeriesId {
        let number = self.keys.len() as u32;
        self.kinds.entry(Arc::clone(&key.0.metric)).or_insert(key.kind());
        let Registry { table, keys, .. } = self;
        table.insert_unique(key.hash(), number, |number| keys[*number as usize].hash());
        keys.push(key);
        SeriesId(number)
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

/// Equal when they have the same series in the same order.
impl PartialEq for Registry {
    fn eq(&self, other: &Registry) -> bool {
        self.keys == other.keys
    }
}

impl Eq for Registry {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'a>(metric: &'a str, tags: &'a [(&'a str, &'a str)]) -> KeyRef<'a> {
        KeyRef { metric, kind: Kind::Counter, tags, role: Role::Plain }
    }

    #[test]
    fn a_series_is_made_once_and_found_again() {
        let mut registry = Registry::new(10);
        let known = registry.reserve(key("a", &[("x", "1")]));
        assert_eq!(registry.series(key("a", &[("x", "1")])), Ok(known));
        let other = registry.series(key("a", &[("x", "2")])).unwrap();
        assert_ne!(other, known);
        assert_eq!(registry.find(key("a", &[("x", "2")])), Some(other));
        assert_eq!(registry.find(key("a", &[("x", "3")])), None);
        assert_eq!(registry.keys()[1].tag("x"), Some("2"));
    }

    #[test]
    fn what_is_beyond_the_bound_goes_into_others() {
        let mut registry = Registry::new(3);
        registry.reserve(key("known", &[]));
        for n in 0..100_000u32 {
            let text = n.to_string();
            registry.series(key("a", &[("url", &text)])).unwrap();
        }
        // One that was reserved, three that were made, one for all others.
        assert_eq!(registry.keys().len(), 5);
        assert!(registry.keys()[4].role() == Role::Other && registry.keys()[4].metric() == "a");
        for n in 0..1_000u32 {
            registry.series(key(&format!("metric {n}"), &[])).unwrap();
        }
        assert_eq!(registry.keys().len(), 6);
        assert_eq!(registry.keys()[5].metric(), OTHER_METRIC);
        assert!(registry.texts.len() < 20, "texts of series that there are not are not kept");
        // What is known goes where it belongs.
        assert_eq!(registry.series(key("a", &[("url", "1")])), Ok(SeriesId(2)));
    }

    #[test]
    fn a_metric_has_one_kind() {
        let mut registry = Registry::new(10);
        registry.series(key("a", &[])).unwrap();
        let conflict = registry.series(KeyRef { kind: Kind::Trend, ..key("a", &[("x", "1")]) }).unwrap_err();
        assert_eq!(
            conflict.to_string(),
            "there is a metric `a` already, a counter: a trend needs another name"
        );
    }
}

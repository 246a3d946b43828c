//! Places of requests that are made while load is sent: from tags, once for each set of them.
//!
//! A request carries the number of its place. Those of the [`Layout`] come first, and nothing here is touched for them; those that a flow
//! makes follow. What one of these has is its tags, and the numbers of its series once samples have made them: text is looked
//! up for a place and a stage once, not for a request.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::stats::layout::{Condition, Layout, OWN_TAGS, REQUESTS, UNJUDGED, series_at};
use crate::stats::registry::{KeyRef, Kind, OTHER, Role, SeriesId, State};
use crate::stats::tally::Tally;

/// No series yet.
const NONE: u32 = u32::MAX;

/// Name and value of each tag of a place, sorted by name. Cheap to clone.
pub type PlaceTags = Arc<[(Box<str>, Box<str>)]>;

/// The places that one worker has made.
#[derive(Debug, Default)]
pub struct Places {
    made: Vec<Made>,
    /// Indexes by tags.
    table: HashTable<u32>,
    /// Those that are no place of all others.
    own: u32,
}

#[derive(Debug)]
struct Made {
    tags: PlaceTags,
    /// For all others that are asked for by these tags.
    other: bool,
    /// Conditions that thresholds may ask of its samples.
    conditions: Box<[Condition]>,
    /// As [`series_at`] finds them, behind 0.
    series: Vec<u32>,
    watches: Vec<(Condition, Vec<u32>)>,
}

/// A place that was asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number, behind those of the layout.
    pub number: u32,
    /// Its tags, when it was made for this.
    pub new: Option<PlaceTags>,
}

/// Where a sample of a place that was made goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Its series.
    pub series: SeriesId,
    /// The watch of its condition, where a threshold asks for it.
    pub watch: Option<SeriesId>,
}

impl Places {
    /// The place with these tags, sorted by name, each name once; made where there is none yet. [`OWN_TAGS`] among them are passed over, but for
    /// [`UNJUDGED`]: they are those of each sample. Beyond `room` places it is the one of all others that are asked for by the same tags, so that
    /// memory is bounded.
    pub fn find(&mut self, layout: &Layout, tally: &Tally, tags: &[(&str, &str)], room: u32) -> Found {
        debug_assert!(tags.is_sorted_by(|a, b| a.0 < b.0), "tags are sorted by name, each name once");
        let first = layout.places.len() as u32;
        if let Some(known) = self.known(tags, false) {
            return Found { number: first + known, new: None };
        }
        let tags: Vec<(&str, &str)> = tags.iter().copied().filter(is_given).collect();
        if self.own < room {
            self.own += 1;
            return self.make(layout, tally, &tags, false);
        }
        let mut kept = tally.registry().selectors().kept(REQUESTS, &tags, &OWN_TAGS);
        if tags.contains(&UNJUDGED) && !kept.contains(&UNJUDGED) {
            kept.push(UNJUDGED);
            kept.sort_unstable();
        }
        match self.known(&kept, true) {
            Some(known) => Found { number: first + known, new: None },
            None => self.make(layout, tally, &kept, true),
        }
    }

    /// Where a sample goes. `None` for a number that is not of a place made here.
    pub fn targets(
        &mut self,
        layout: &Layout,
        tally: &mut Tally,
        number: u32,
        sample: (u32, bool, Condition),
    ) -> Option<Targets> {
        let made = self.made.get_mut(number.checked_sub(layout.places.len() as u32)? as usize)?;
        let (stage, expected, condition) = sample;
        let at = series_at(0, stage, expected);
        let series = match made.series.get(at) {
            Some(known) if *known != NONE => SeriesId(*known),
            _ => {
                let id = made.new_series(tally, stage, expected);
                put(&mut made.series, at, id.0);
                id
            }
        };
        let watch = match made.conditions.contains(&condition) {
            true => made.watch(tally, sample),
            false => None,
        };
        Some(Targets { series, watch })
    }

    fn known(&self, tags: &[(&str, &str)], other: bool) -> Option<u32> {
        let given = || tags.iter().copied().filter(is_given);
        let is = |index: &u32| {
            let made = &self.made[*index as usize];
            made.other == other && texts(&made.tags).eq(given())
        };
        self.table.find(hash(given(), other), is).copied()
    }

    fn make(&mut self, layout: &Layout, tally: &Tally, tags: &[(&str, &str)], other: bool) -> Found {
        let selectors = tally.registry().selectors();
        let asked = |condition: &&Condition| {
            let (name, value) = condition.tag();
            selectors.may_ask(REQUESTS, tags, &OWN_TAGS, (name, &value))
        };
        let conditions = layout.conditions.iter().filter(asked).copied().collect();
        let tags: PlaceTags = tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let index = self.made.len() as u32;
        let Places { made, table, .. } = self;
        table.insert_unique(hash(texts(&tags), other), index, |index| {
            let made = &made[*index as usize];
            hash(texts(&made.tags), made.other)
        });
        let new = if other { with_other(&tags) } else { Arc::clone(&tags) };
        made.push(Made { tags, other, conditions, series: Vec::new(), watches: Vec::new() });
        Found { number: layout.places.len() as u32 + index, new: Some(new) }
    }
}

impl Made {
    fn new_series(&self, tally: &mut Tally, stage: u32, expected: bool) -> SeriesId {
        let stage = stage.to_string();
        let tags = self.sample_tags(&stage, expected, None);
        let key = KeyRef { metric: REQUESTS, kind: Kind::Requests, tags: &tags, role: Role::Plain };
        if self.other {
            return tally.other_of(key);
        }
        // No metric of another kind can have this name.
        tally.series_of(key).unwrap_or_else(|_| tally.other_of(key))
    }

    fn watch(&mut self, tally: &mut Tally, sample: (u32, bool, Condition)) -> Option<SeriesId> {
        let (stage, expected, condition) = sample;
        let at = series_at(0, stage, expected);
        let known = self.watches.iter().position(|(of, _)| *of == condition);
        let index = known.unwrap_or_else(|| {
            self.watches.push((condition, Vec::new()));
            self.watches.len() - 1
        });
        if let Some(id) = self.watches[index].1.get(at).filter(|id| **id != NONE) {
            return Some(SeriesId(*id));
        }
        let (stage, (name, value)) = (stage.to_string(), condition.tag());
        let tag = (name, value.as_str());
        let tags = self.sample_tags(&stage, expected, Some(tag));
        let key = KeyRef { metric: REQUESTS, kind: Kind::Requests, tags: &tags, role: Role::Watch };
        let id = tally.watch_of(key, tag)?;
        put(&mut self.watches[index].1, at, id.0);
        Some(id)
    }

    /// Its tags and those of a sample, sorted by name.
    fn sample_tags<'a>(
        &'a self,
        stage: &'a str,
        expected: bool,
        condition: Option<(&'a str, &'a str)>,
    ) -> Vec<(&'a str, &'a str)> {
        let expected = if expected { "true" } else { "false" };
        let judged = texts(&self.tags).all(|tag| tag != UNJUDGED).then_some(("expected_response", expected));
        let own = judged.into_iter().chain([("stage", stage)]);
        let mut tags: Vec<(&str, &str)> = texts(&self.tags).chain(own).chain(condition).collect();
        tags.sort_unstable();
        tags
    }
}

fn put(numbers: &mut Vec<u32>, at: usize, number: u32) {
    if numbers.len() <= at {
        numbers.resize(at + 1, NONE);
    }
    numbers[at] = number;
}

/// As they are shown where they stand for others too.
fn with_other(tags: &PlaceTags) -> PlaceTags {
    let mut tags: Vec<_> = texts(tags).filter(|(name, _)| *name != OTHER.0).chain([OTHER]).collect();
    tags.sort_unstable();
    tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn is_given(tag: &(&str, &str)) -> bool {
    *tag == UNJUDGED || !OWN_TAGS.contains(&tag.0)
}

fn texts(tags: &PlaceTags) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|(name, value)| (&**name, &**value))
}

fn hash<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>, other: bool) -> u64 {
    let mut hasher = State::default().build_hasher();
    other.hash(&mut hasher);
    tags.for_each(|tag| tag.hash(&mut hasher));
    std::hash::Hasher::finish(&hasher)
}

#[cfg(test)]
mod tests;

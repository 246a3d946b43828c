//! Where a script's figures go: places of requests and series of its own metrics, found by their tags.

use std::rc::Rc;

use hashbrown::HashMap;

use super::super::Moves;
use crate::script::console::{Console, Level};
use crate::script::core::Given;
use crate::script::http::address::Address;
use crate::script::http::ask::Ask;
use crate::script::tags::Tags;
use crate::stats::layout::UNJUDGED;
use crate::stats::registry::{KindConflict, SeriesId};

/// Most that are remembered: beyond it all are looked up anew.
const KNOWN_MAX: usize = 4_096;
/// Of each kind, those that a user finds without a text.
const KNOWN_OF_USER: usize = 8;

/// What one user has found before: by what it shares with itself, of which only the places in memory are compared.
#[derive(Default)]
pub(super) struct Known {
    places: Vec<KnownPlace>,
    series: Vec<KnownSeries>,
}

struct KnownPlace {
    tags: Tags,
    method: Rc<str>,
    to: Rc<Address>,
    /// Somebody judges its status.
    is_judged: bool,
    place: u32,
}

struct KnownSeries {
    tags: Tags,
    metric: Rc<str>,
    /// At most one.
    own: Vec<(Rc<str>, Rc<str>)>,
    series: SeriesId,
}

impl Known {
    /// Of a request without a name or tags of its own.
    fn place(&self, ask: &Ask) -> Option<u32> {
        let is_it = |known: &&KnownPlace| {
            Rc::ptr_eq(&known.to, &ask.to)
                && Rc::ptr_eq(&known.tags, &ask.tags)
                && Rc::ptr_eq(&known.method, &ask.method)
                && known.is_judged == ask.expected.is_some()
        };
        self.places.iter().find(is_it).map(|known| known.place)
    }

    fn keep_place(&mut self, ask: &Ask, place: u32) {
        let (tags, method, to) = (Rc::clone(&ask.tags), Rc::clone(&ask.method), Rc::clone(&ask.to));
        keep(&mut self.places, KnownPlace { tags, method, to, is_judged: ask.expected.is_some(), place });
    }

    fn series(&self, given: &Given) -> Option<SeriesId> {
        let is_it = |known: &&KnownSeries| {
            Rc::ptr_eq(&known.metric, &given.metric)
                && Rc::ptr_eq(&known.tags, &given.tags)
                && known.own.len() == given.own.len()
                && known
                    .own
                    .iter()
                    .zip(&given.own)
                    .all(|(a, b)| Rc::ptr_eq(&a.0, &b.0) && Rc::ptr_eq(&a.1, &b.1))
        };
        self.series.iter().find(is_it).map(|known| known.series)
    }

    fn keep_series(&mut self, given: Given, series: SeriesId) {
        let Given { metric, tags, own, .. } = given;
        if own.len() <= 1 {
            keep(&mut self.series, KnownSeries { tags, metric, own, series });
        }
    }
}

/// One more, for which the oldest makes way.
fn keep<T>(known: &mut Vec<T>, new: T) {
    if known.len() >= KNOWN_OF_USER {
        known.remove(0);
    }
    known.push(new);
}

/// What was found before, by all of its tags as one text.
#[derive(Default)]
pub(super) struct Places {
    places: HashMap<Box<str>, u32>,
    series: HashMap<Box<str>, SeriesId>,
    text: String,
}

/// What stands between parts of the text: in none of them.
const END: char = '\u{2}';

fn join<'a>(text: &mut String, parts: impl IntoIterator<Item = &'a str>) {
    for part in parts {
        text.push_str(part);
        text.push(END);
    }
}

impl Places {
    /// The place of a request.
    pub(super) fn of(&mut self, known: &mut Known, ask: &Ask, moves: &mut Moves<'_>) -> u32 {
        if ask.name.is_some() || !ask.own.is_empty() {
            return self.find(ask, moves);
        }
        if let Some(place) = known.place(ask) {
            return place;
        }
        let place = self.find(ask, moves);
        known.keep_place(ask, place);
        place
    }

    fn find(&mut self, ask: &Ask, moves: &mut Moves<'_>) -> u32 {
        let text = &mut self.text;
        text.clear();
        let name = ask.name.as_deref().unwrap_or(&ask.to.tag);
        let unjudged = if ask.expected.is_none() { UNJUDGED.1 } else { "" };
        join(text, [ask.tags.text(), &ask.method, name, unjudged]);
        for (tag, value) in &ask.own {
            join(text, [tag.as_str(), value.as_str()]);
        }
        if let Some(place) = self.places.get(text.as_str()) {
            return *place;
        }
        let own = ask.own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // A request's name stands for its URL, whose values can be without number.
        let standing = [("method", &*ask.method), ("name", name), ("url", name)];
        let unjudged = ask.expected.is_none().then_some(UNJUDGED);
        let tags = ask.tags.with(standing).with(own).with(unjudged);
        let list: Vec<(&str, &str)> = tags.list().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let place = moves.place(&list);
        if self.places.len() >= KNOWN_MAX {
            self.places.clear();
        }
        self.places.insert(self.text.as_str().into(), place);
        place
    }

    /// Books a figure.
    pub(super) fn book(&mut self, known: &mut Known, given: Given, moves: &mut Moves<'_>, console: &Console) {
        let value = given.value;
        if let Some(series) = known.series(&given) {
            return moves.add(series, value);
        }
        match self.series(&given, moves) {
            Ok(series) => {
                moves.add(series, value);
                known.keep_series(given, series);
            }
            Err(conflict) => console.about(Level::Warn, &conflict.to_string()),
        }
    }

    fn series(&mut self, given: &Given, moves: &mut Moves<'_>) -> Result<SeriesId, KindConflict> {
        let text = &mut self.text;
        text.clear();
        join(text, [given.tags.text(), &given.metric]);
        for (tag, value) in &given.own {
            join(text, [&**tag, &**value]);
        }
        if let Some(known) = self.series.get(text.as_str()) {
            return Ok(*known);
        }
        let own = given.own.iter().map(|(name, value)| (&**name, &**value));
        let tags = given.tags.with(own);
        let list: Vec<(&str, &str)> = tags.list().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let series = moves.series(&given.metric, given.kind, &list)?;
        if self.series.len() >= KNOWN_MAX {
            self.series.clear();
        }
        self.series.insert(self.text.as_str().into(), series);
        Ok(series)
    }
}

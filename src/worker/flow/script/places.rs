//! Where a script's figures go: places of requests and series of its own metrics, found by their tags.

use hashbrown::HashMap;

use super::super::Moves;
use crate::script::console::{Console, Level};
use crate::script::core::Given;
use crate::script::http::ask::Ask;
use crate::stats::layout::UNJUDGED;
use crate::stats::registry::SeriesId;

/// Most that are remembered: beyond it all are looked up anew.
const KNOWN_MAX: usize = 4_096;

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
    pub(super) fn of(&mut self, ask: &Ask, moves: &mut Moves<'_>) -> u32 {
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
    pub(super) fn book(&mut self, given: &Given, moves: &mut Moves<'_>, console: &Console) {
        let text = &mut self.text;
        text.clear();
        join(text, [given.tags.text(), &given.metric]);
        for (tag, value) in &given.own {
            join(text, [&**tag, &**value]);
        }
        let known = self.series.get(text.as_str()).copied();
        let series = match known {
            Some(series) => series,
            None => {
                let own = given.own.iter().map(|(name, value)| (&**name, &**value));
                let tags = given.tags.with(own);
                let list: Vec<(&str, &str)> =
                    tags.list().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                let series = match moves.series(&given.metric, given.kind, &list) {
                    Ok(series) => series,
                    Err(conflict) => return console.about(Level::Warn, &conflict.to_string()),
                };
                if self.series.len() >= KNOWN_MAX {
                    self.series.clear();
                }
                self.series.insert(self.text.as_str().into(), series);
                series
            }
        };
        moves.add(series, given.value);
    }
}

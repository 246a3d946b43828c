//! What a recording is made of, read as leniently as browsers, proxies and their converters write it: only what is no JSON, or
//! has no list of entries, is no recording.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

#[derive(serde::Deserialize)]
pub(super) struct File {
    pub(super) log: Log,
}

#[derive(serde::Deserialize)]
pub(super) struct Log {
    pub(super) entries: Vec<Maybe<Entry>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Entry {
    pub(super) started_date_time: Field,
    /// Milliseconds.
    pub(super) time: Field,
    pub(super) request: Maybe<Request>,
    pub(super) response: Maybe<Response>,
    /// Chrome's.
    #[serde(rename = "_resourceType")]
    pub(super) resource_type: Field,
    /// Chrome's.
    #[serde(rename = "_webSocketMessages")]
    pub(super) messages: Field,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    pub(super) method: Field,
    pub(super) url: Field,
    pub(super) headers: List<Pair>,
    pub(super) cookies: List<Pair>,
    pub(super) query_string: List<Pair>,
    pub(super) post_data: Maybe<PostData>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PostData {
    pub(super) mime_type: Field,
    pub(super) text: Field,
    pub(super) params: List<Param>,
    pub(super) encoding: Field,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Param {
    pub(super) name: Field,
    pub(super) value: Field,
    pub(super) file_name: Field,
    pub(super) content_type: Field,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Pair {
    pub(super) name: Field,
    pub(super) value: Field,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Response {
    /// Some write 0 or -1 for none.
    pub(super) status: Field,
    pub(super) headers: List<Pair>,
    pub(super) content: Maybe<Content>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Content {
    pub(super) mime_type: Field,
}

/// A value that should be a text or a number.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Field {
    #[default]
    Missing,
    Null,
    Text(String),
    Number(f64),
    Other,
}

impl Field {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Field::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Also one that is written as a text.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Field::Number(number) => Some(*number),
            Field::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// What it is, where it is no text.
    pub(super) fn instead_of_text(&self) -> &'static str {
        match self {
            Field::Missing => "has no value",
            Field::Null => "has null for its value",
            Field::Text(_) => "has a text",
            Field::Number(_) => "has a number for its value, where texts belong",
            Field::Other => "has a value that is no text",
        }
    }
}

/// An object; none where something else stands.
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Maybe<T> {
        Maybe(None)
    }
}

/// The objects of a list; empty where something else stands, which is told apart from nothing.
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) is_none: bool,
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List { items: Vec::new(), is_none: false }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Field, D::Error> {
        from.deserialize_any(Any(PhantomData::<Field>))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Maybe<T>, D::Error> {
        from.deserialize_any(Any(PhantomData::<Maybe<T>>))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<List<T>, D::Error> {
        from.deserialize_any(Any(PhantomData::<List<T>>))
    }
}

/// What becomes of each kind of value; whatever is not wanted is read over.
trait Lenient<'de>: Default {
    fn null() -> Self {
        Self::default()
    }
    fn text(_: &str) -> Self {
        Self::default()
    }
    fn number(_: f64) -> Self {
        Self::default()
    }
    fn truth() -> Self {
        Self::default()
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::truth())
    }
    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::truth())
    }
}

impl Lenient<'_> for Field {
    fn null() -> Field {
        Field::Null
    }
    fn text(text: &str) -> Field {
        Field::Text(text.to_owned())
    }
    fn number(number: f64) -> Field {
        Field::Number(number)
    }
    fn truth() -> Field {
        Field::Other
    }
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for Maybe<T> {
    fn object<A: MapAccess<'de>>(object: A) -> Result<Maybe<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|value| Maybe(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for List<T> {
    fn text(_: &str) -> List<T> {
        List::truth()
    }
    fn number(_: f64) -> List<T> {
        List::truth()
    }
    fn truth() -> List<T> {
        List { items: Vec::new(), is_none: true }
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<List<T>, A::Error> {
        let mut found = Vec::new();
        while let Some(Maybe(value)) = list.next_element()? {
            found.extend(value);
        }
        Ok(List { items: found, is_none: false })
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::truth())
    }
    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::number(number as f64))
    }
    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::number(number as f64))
    }
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::number(number))
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::null())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

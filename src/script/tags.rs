//! The tags that a user's samples have at the moment.

use std::rc::Rc;

/// Tags sorted by name, each name once, and the same as one text that tells sets apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TagSet {
    list: Vec<(String, String)>,
    text: String,
}

/// What stands between names and values in [`TagSet::text`]: in no tag that k6 would accept.
const END: char = '\u{1}';

impl TagSet {
    /// Of these; of two with one name the later one stands.
    pub fn of(tags: impl IntoIterator<Item = (String, String)>) -> TagSet {
        let mut list: Vec<(String, String)> = Vec::new();
        for (name, value) in tags {
            put(&mut list, &name, &value);
        }
        TagSet { text: text(&list), list }
    }

    /// These and others over them.
    pub fn with<'a>(&self, more: impl IntoIterator<Item = (&'a str, &'a str)>) -> TagSet {
        let mut list = self.list.clone();
        for (name, value) in more {
            put(&mut list, name, value);
        }
        TagSet { text: text(&list), list }
    }

    /// Without one.
    pub fn without(&self, name: &str) -> TagSet {
        let list: Vec<_> = self.list.iter().filter(|(known, _)| known != name).cloned().collect();
        TagSet { text: text(&list), list }
    }

    /// The value of a tag.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.list.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.list[at].1)
    }

    /// Name and value, sorted by name.
    pub fn list(&self) -> &[(String, String)] {
        &self.list
    }

    /// The same as one text: equal where the tags are.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn put(list: &mut Vec<(String, String)>, name: &str, value: &str) {
    match list.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
        Ok(at) => value.clone_into(&mut list[at].1),
        Err(at) => list.insert(at, (name.to_owned(), value.to_owned())),
    }
}

fn text(list: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in list {
        text.extend([name.as_str(), value.as_str()].into_iter().flat_map(|part| part.chars().chain([END])));
    }
    text
}

/// Tags as a user has them: shared with the samples that were taken under them.
pub type Tags = Rc<TagSet>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_one_stands_and_equal_sets_have_equal_texts() {
        let one = TagSet::of([("b".into(), "2".into()), ("a".into(), "1".into()), ("b".into(), "3".into())]);
        assert_eq!(one.list(), [("a".into(), "1".into()), ("b".into(), "3".into())]);
        let other = TagSet::default().with([("a", "1"), ("b", "3")]);
        assert_eq!((one.text(), one.get("b")), (other.text(), Some("3")));
        assert_ne!(one.without("b").text(), one.text());
    }
}

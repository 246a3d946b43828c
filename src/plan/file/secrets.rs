//! The secrets of a plan: values of headers, variables, forms and credentials whose names say so, and what they refer to.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use super::compile::Surroundings;
use super::tree::{Kind, Node};
use crate::secrets::{Redactor, is_secret_header, is_secret_name};

/// `{{ NAME }}` or `{{ env.NAME }}`, with or without filters.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{\s*(?P<env>env\.)?(?P<name>[A-Za-z0-9_-]+)[^}]*\}\}").expect("the pattern is a constant")
});

/// Of a body in a file that much is looked at.
const FILE_MAX: u64 = 256 * 1024;

/// What the keys of a table are.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    /// The plan's own words, and names that it gives to its parts.
    Plan,
    /// Names of headers, variables, fields: those of secrets say so.
    Names,
    /// What stands below is a secret, whatever its name.
    Secret,
}

/// Makes them known to `known`.
pub(super) fn learn(tree: &Node, around: &Surroundings<'_>, known: &mut Redactor) {
    Walk { tree, around, known }.walk("", tree, Keys::Plan);
}

struct Walk<'a> {
    tree: &'a Node,
    around: &'a Surroundings<'a>,
    known: &'a mut Redactor,
}

impl Walk<'_> {
    fn walk(&mut self, key: &str, node: &Node, keys: Keys) {
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| self.walk(key, item, keys)),
            Kind::Table(entries) => {
                for (key, node) in entries {
                    self.walk(key, node, below(keys, key));
                }
                self.part(node, keys);
            }
            Kind::Scalar(Value::String(text)) => self.value(key, text, keys),
            Kind::Number(number, text) if keys == Keys::Secret => {
                self.value(key, text, keys);
                self.value(key, &number.to_string(), keys);
            }
            Kind::Number(..) | Kind::Scalar(_) => {}
        }
    }

    /// A part of a multipart form says its name beside its value.
    fn part(&mut self, node: &Node, keys: Keys) {
        let text = |key| match &node.get(key)?.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        };
        if let (Keys::Names, Some(name), Some(value)) = (keys, text("name"), text("value"))
            && is_secret_name(name)
        {
            self.value(name, value, Keys::Secret);
        }
    }

    /// What stands at the beginning of a body that a file has.
    fn body_file(&mut self, path: &str) {
        let mut bytes = Vec::new();
        let file = File::open(self.around.base_dir.join(path));
        // One that cannot be read is refused by whoever reads all of it.
        if file.and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes)).is_ok() {
            self.known.learn(&String::from_utf8_lossy(&bytes));
        }
    }

    fn value(&mut self, key: &str, text: &str, keys: Keys) {
        match (keys, key) {
            (Keys::Plan, "bodyFile") => self.body_file(text),
            // How they are kept, in a word.
            (Keys::Plan, "cookies") => return,
            _ => {}
        }
        let is_secret = keys == Keys::Secret;
        for reference in REFERENCE.captures_iter(text) {
            if (is_secret || is_secret_name(&reference["name"]))
                && let Some(value) = self.referred(&reference)
            {
                self.known.learn_value(&value);
            }
        }
        let filled = REFERENCE.replace_all(text, |reference: &Captures<'_>| {
            self.referred(reference).unwrap_or_else(|| reference[0].to_owned())
        });
        match filled {
            // It is not the same in all requests.
            Cow::Owned(filled) if filled.contains("{{") => {}
            // Its template is broken: an error will quote it.
            Cow::Borrowed(text) if is_secret && text.contains("{{") => {
                text.split("{{")
                    .flat_map(|part| part.split("}}"))
                    .for_each(|part| self.known.learn_value(part));
            }
            filled if is_secret_header(key) || is_secret_name(key) => self.known.learn_named(key, &filled),
            filled if is_secret => self.known.learn_value(&filled),
            filled => self.known.learn(&filled),
        }
    }

    /// What a reference stands for, where that is the same in all requests.
    fn referred(&self, reference: &Captures<'_>) -> Option<String> {
        let name = &reference["name"];
        if reference.name("env").is_some() {
            return self.around.env.get(name).cloned();
        }
        let own = || match &self.tree.get("variables")?.get(name)?.kind {
            Kind::Scalar(Value::String(text)) => Some(text.clone()),
            Kind::Scalar(value) => Some(value.to_string()),
            _ => None,
        };
        self.around.variables.get(name).cloned().or_else(own)
    }
}

/// What stands under a key.
fn below(keys: Keys, key: &str) -> Keys {
    match (keys, key) {
        (Keys::Plan, "headers" | "variables" | "json" | "multipart") => Keys::Names,
        (Keys::Plan, "auth") => Keys::Secret,
        (Keys::Secret, "username") => Keys::Names,
        (Keys::Names, _) if is_secret_header(key) || is_secret_name(key) => Keys::Secret,
        (keys, _) => keys,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::super::tree::{Format, Source};
    use super::*;

    #[test]
    fn the_secrets_of_a_plan_are_known() {
        let text = r#"
            cookies = true
            [variables]
            tok = "planted-1"
            password = "planted-2"
            host = "public-1"
            [steps.session]
            url = "http://h/{{ host }}?token=planted-3&a={{ env.PUBLIC }}&b={{ env.API_KEY }}"
            headers = { Authorization = "Bearer {{ tok }}", X-Api-Key = ["planted-4"], Accept = "public-2", Cookie = "a=planted-5; b={{ env.B }}" }
            json = { user = "public-3", password = "planted-6", credentials = { pin = 123456, word = "planted-13" }, count = 777777 }
            auth.basic = { username = "public-4", password = "{{ env.PW }}" }
            extract.token = { json = "$.public-5" }
            [steps.login]
            url = "http://h/"
            multipart = [{ name = "password", value = "planted-7" }, { name = "a", value = "public-6" }]
            auth.bearer = "planted-8"
        "#;
        let env =
            [("PW", "planted-9"), ("B", "planted-10"), ("API_KEY", "planted-11"), ("PUBLIC", "public-7")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let around = Surroundings {
            env: env.into(),
            variables: BTreeMap::from([("password".into(), "planted-12".into())]),
            base_dir: Path::new("."),
            seed: 1,
            seed_wins: false,
        };
        let tree = Source { path: "p", text }.parse(Format::Toml).unwrap();
        let mut known = Redactor::default();
        learn(&tree, &around, &mut known);
        for n in (1..=11).chain([13]) {
            assert_eq!(known.text(&format!("see planted-{n}.")), "see ***.", "{n}");
        }
        assert_eq!(known.text("see 123456 and 777777."), "see *** and 777777.");
        for n in 1..=7 {
            assert_eq!(known.text(&format!("see public-{n}.")), format!("see public-{n}."));
        }
        assert_eq!(known.text("session token"), "session token");
    }
}

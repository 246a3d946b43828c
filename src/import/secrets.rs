//! Finds what must not stand in a file that people share, and puts a variable of the environment there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::recorded::{decoded, encode};
use crate::secrets::{is_secret_header, is_secret_name, is_secret_parameter};

/// The variables that a plan needs.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// (name without a number, value) -> name.
    known: BTreeMap<(String, String), String>,
    /// Name and what it stands for, in the order in which they were met.
    pub(super) variables: Vec<(String, String)>,
}

impl Secrets {
    /// The variable for a value: one for each, however often it is met.
    fn variable(&mut self, base: &str, value: &str, what: impl FnOnce() -> String) -> String {
        let base = variable_name(base);
        let count = self.known.keys().filter(|(known, _)| *known == base).count();
        let key = (base.clone(), value.to_owned());
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let taken = |name: &str| self.variables.iter().any(|(known, _)| known == name);
        let mut name = if count == 0 { base } else { format!("{base}_{}", count + 1) };
        while taken(&name) {
            name.push('_');
        }
        self.known.insert(key, name.clone());
        self.variables.push((name.clone(), what()));
        name
    }

    /// A header's value as a template.
    pub(super) fn header(&mut self, name: &str, value: &str, step: &str) -> String {
        if name.eq_ignore_ascii_case("referer") {
            return self.url(value, step);
        }
        if value.is_empty() || !is_secret_header(name) {
            return escape(value);
        }
        let variable = self.variable(name, value, || format!("`{name}` of `{step}`"));
        format!("{{{{ env.{variable} }}}}")
    }

    /// A URL, or its path and query, as a template.
    pub(super) fn url(&mut self, url: &str, step: &str) -> String {
        match url.split_once('?') {
            Some((path, query)) => format!("{}?{}", escape(path), self.pairs(query, step)),
            None => escape(url),
        }
    }

    /// `a=b&c=d` as a template: a query, or a form. Only whole values are replaced; where it cannot be told where one ends, none.
    pub(super) fn pairs(&mut self, pairs: &str, step: &str) -> String {
        let Some(split) = split_pairs(pairs) else { return escape(pairs) };
        let mut out = Vec::new();
        for pair in split {
            out.push(match pair.split_once('=') {
                Some((name, value)) if !value.is_empty() && is_simple(name) && is_secret_parameter(name) => {
                    format!("{}={}", escape(name), self.encoded(name, value, step))
                }
                _ => escape(pair),
            });
        }
        out.join("&")
    }

    /// A percent-encoded value. Where encoding it anew gives the same, the variable holds it decoded.
    fn encoded(&mut self, name: &str, value: &str, step: &str) -> String {
        match String::from_utf8(decoded(value)) {
            Ok(plain) if encode(plain.as_bytes()) == value => {
                let what = || format!("`{name}` of `{step}` (not percent-encoded)");
                format!("{{{{ env.{} | url }}}}", self.variable(name, &plain, what))
            }
            _ => {
                let what = || format!("`{name}` of `{step}` (as it stands there, encoded)");
                format!("{{{{ env.{} }}}}", self.variable(name, value, what))
            }
        }
    }

    /// The value of a form's field, as it is, as a template.
    pub(super) fn field(&mut self, name: &str, value: &str, step: &str) -> String {
        if value.is_empty() || !is_simple(name) || !is_secret_name(name) {
            return escape(value);
        }
        let variable = self.variable(name, value, || format!("`{name}` of `{step}`"));
        format!("{{{{ env.{variable} }}}}")
    }
}

/// Takes `a=b&c=d` apart. What stands in quotes, brackets or braces belongs together; none where they do not match.
fn split_pairs(text: &str) -> Option<Vec<&str>> {
    let (mut pairs, mut from, mut quoted, mut open) = (Vec::new(), 0, false, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' if open.pop() != Some(byte) => return None,
            b'&' if open.is_empty() => {
                pairs.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    pairs.push(&text[from..]);
    (!quoted && open.is_empty()).then_some(pairs)
}

/// Names in a text whose values look like secrets: keys of JSON, and `name=value` anywhere.
pub(super) fn mentioned(text: &str) -> Vec<String> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    if is_secret_name(key) && value.as_str().is_some_and(|text| !text.is_empty()) {
                        found.push(key.clone());
                    }
                    walk(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Value::String(text) => assignments(text, found),
            _ => {}
        }
    }
    let mut found = Vec::new();
    match serde_json::from_str(text) {
        Ok(value) => walk(&value, &mut found),
        Err(_) => assignments(text, &mut found),
    }
    found.sort();
    found.dedup();
    found
}

/// Names before `=` that look like those of secrets, unless an environment variable is behind it.
fn assignments(text: &str, found: &mut Vec<String>) {
    for (at, _) in text.match_indices('=') {
        let behind = text[at + 1..].trim_start_matches(['"', '\'']);
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        let length = text[..at].bytes().rev().take_while(|b| is_part(*b)).count();
        let ends = |c: char| c.is_whitespace() || "&;\"'<>}]".contains(c);
        if is_secret_name(&text[at - length..at])
            && !behind.starts_with("{{ env.")
            && !behind.starts_with(ends)
        {
            found.extend((!behind.is_empty()).then(|| text[at - length..at].to_owned()));
        }
    }
}

/// Text that means itself in a template.
pub(super) fn escape(text: &str) -> String {
    text.replace("{{", "\\{{")
}

/// Whether it can be a name in a form: what is no form has equals signs, too.
fn is_simple(name: &str) -> bool {
    name.len() <= 100 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.[]%".contains(&b))
}

/// A name that a shell takes.
fn variable_name(text: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = text.chars().map(upper).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("SECRET_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_their_names() {
        let mut secrets = Secrets::default();
        for (name, wanted) in [
            ("Authorization", "{{ env.AUTHORIZATION }}"),
            ("cookie", "{{ env.COOKIE }}"),
            ("X-Api-Key", "{{ env.X_API_KEY }}"),
            ("X-CSRF-Token", "{{ env.X_CSRF_TOKEN }}"),
            ("Proxy-Authorization", "{{ env.PROXY_AUTHORIZATION }}"),
            ("Accept", "v"),
            ("Author", "v"),
        ] {
            assert_eq!(secrets.header(name, "v", "s"), wanted);
        }
        assert_eq!(secrets.header("Authorization", "w", "s"), "{{ env.AUTHORIZATION_2 }}");
        assert_eq!(secrets.header("AUTHORIZATION", "v", "t"), "{{ env.AUTHORIZATION }}", "the same value");
        assert_eq!(secrets.header("Authorization", "", "t"), "");
        assert_eq!(secrets.variables[0].0, "AUTHORIZATION");
    }

    #[test]
    fn queries_keep_all_but_the_secret() {
        let mut secrets = Secrets::default();
        assert_eq!(
            secrets.url("/a{{b?x=1&access_token=t%20u&y&api-key=&key=k", "s"),
            "/a\\{{b?x=1&access_token={{ env.ACCESS_TOKEN | url }}&y&api-key=&key={{ env.KEY | url }}"
        );
        assert_eq!(
            secrets.header("Referer", "http://h/?token=t", "s"),
            "http://h/?token={{ env.TOKEN | url }}"
        );
    }

    #[test]
    fn only_whole_values_are_replaced() {
        let pairs = |text: &str| Secrets::default().pairs(text, "s");
        for text in [
            r#"{"u":"http://h/?a=1&token=c"}"#,
            r#"q={"u":"x&token=c"}&b"#,
            r#"a="x&token=c"#,
            "a={x&token=c",
            "token=c]",
            "a b=1 token=2",
        ] {
            assert_eq!(pairs(text), text);
        }
        assert_eq!(pairs("a={\"b\":\"&\"}&token=c"), "a={\"b\":\"&\"}&token={{ env.TOKEN | url }}");
        assert_eq!(pairs("a[]=1&token=c"), "a[]=1&token={{ env.TOKEN | url }}");
        // What `| url` would write otherwise stays as it stands.
        for value in ["a+b", "a%2fb", "a/b==", "p\"\"w", "%ff", "{}"] {
            assert_eq!(pairs(&format!("token={value}")), "token={{ env.TOKEN }}", "{value}");
        }
        let mut secrets = Secrets::default();
        assert_eq!(secrets.header("Token", "a%20b", "s"), "{{ env.TOKEN }}");
        assert_eq!(secrets.pairs("token=a%20b", "s"), "token={{ env.TOKEN_2 | url }}", "another value");
        assert_eq!(secrets.field("token", "a b", "s"), "{{ env.TOKEN_2 }}", "the same value");
        assert_eq!(secrets.field("tok en", "{{", "s"), "\\{{");
    }

    #[test]
    fn what_stays_is_found() {
        assert_eq!(
            mentioned(
                r#"{"a":[{"password":"x"}],"token":"","apiKey":"k","n":{"Token":"t","u":"h?sid=1&a=2"}}"#
            ),
            ["Token", "apiKey", "password", "sid"]
        );
        assert_eq!(mentioned("<a token=\"x\"/> x-key=1&api_key=2&key="), ["api_key", "token"]);
        assert!(mentioned("no json, token={{ env.TOKEN }}").is_empty());
    }
}

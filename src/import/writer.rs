//! Requests as a plan in TOML.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use super::Imported;
use super::recorded::{Body, Content, Part, Recorded};
use super::secrets::{Secrets, escape, mentioned};
use crate::http::url::Url;
use crate::units::Nanos;

/// Characters of a path in a step's name at most.
const NAME_MAX: usize = 80;

/// Writes a plan that does each request once. `source` says where they come from.
pub(super) fn write(requests: &[Recorded], source: &str, mut warnings: Vec<String>) -> Imported {
    let mut writer = Writer::default();
    let mut document = DocumentMut::new();
    document["vus"] = value(1);
    document["iterations"] = value(1);
    let common = requests.first().map(|first| first.redirects_max);
    let common = common.filter(|most| requests.iter().all(|request| request.redirects_max == *most));
    if let Some(most) = common {
        document["maxRedirects"] = value(i64::from(most));
    }
    let mut origins = Table::new();
    let mut steps = ArrayOfTables::new();
    for request in requests {
        let mut step = writer.step(request);
        if common.is_none() {
            step["maxRedirects"] = value(i64::from(request.redirects_max));
        }
        steps.push(step);
    }
    for (name, url) in &writer.origins {
        origins[name] = value(format!("{}://{}", url.scheme.as_str(), url.authority()));
    }
    document["origins"] = Item::Table(origins);
    document["steps"] = Item::ArrayOfTables(steps);
    let mut plan = format!(
        "# {}\n# Raise `vus` and `iterations`, or write `scenarios`, for more load.\n",
        printable(source)
    );
    let variables = &writer.secrets.variables;
    if !variables.is_empty() {
        plan += "# Secrets are read from the environment:\n";
        for (name, what) in variables {
            plan += &format!("#   {name}: {}\n", printable(what));
            warnings
                .push(format!("{what} may be a secret and stays out of the plan: set {name} before a run"));
        }
    }
    plan += "\n";
    plan += &document.to_string();
    warnings.append(&mut writer.warnings);
    if writer.codings_kept {
        warnings.push(
            "Accept-Encoding is kept: bodies may come compressed, and checks and extractions see them as they come".into(),
        );
    }
    Imported { plan, files: writer.files, warnings }
}

/// Fit for a comment.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[derive(Default)]
struct Writer {
    origins: Vec<(String, Url)>,
    names: BTreeSet<String>,
    /// The last number behind a name that several steps would have.
    numbers: BTreeMap<String, u32>,
    secrets: Secrets,
    files: Vec<(String, Vec<u8>)>,
    warnings: Vec<String>,
    /// Some request has an Accept-Encoding.
    codings_kept: bool,
}

impl Writer {
    fn step(&mut self, request: &Recorded) -> Table {
        let name = self.step_name(request);
        let mut step = Table::new();
        step["name"] = value(&name);
        if request.method != "GET" || request.body != Body::None {
            step["method"] = value(&request.method);
        }
        if request.header("accept-encoding").is_some_and(|codings| codings.trim() != "identity") {
            self.codings_kept = true;
        }
        step["origin"] = value(self.origin(&request.url));
        let url = self.secrets.url(&request.url.target, &name);
        self.warn_of(&url, "URL", &name);
        step["url"] = value(url);
        if let Some(status) = request.status.filter(|status| !(200..400).contains(status)) {
            step["expectStatus"] = value(i64::from(status));
        }
        if let Some(timeout) = request.timeout {
            step["timeout"] = value(milliseconds(timeout));
        }
        if request.think >= Nanos::from_millis(1) {
            step["think"] = value(milliseconds(request.think));
        }
        self.body(request, &name, &mut step);
        let headers = self.headers(request, &name);
        if !headers.is_empty() {
            step["headers"] = Item::Table(headers.into_table());
        }
        step
    }

    /// By name; those of several lines as a list.
    fn headers(&mut self, request: &Recorded, step: &str) -> InlineTable {
        let mut by_name: Vec<(&str, Vec<String>)> = Vec::new();
        for (name, value) in &request.headers {
            match by_name.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, values)) => values.push(value.trim().into()),
                None => by_name.push((name, vec![value.trim().into()])),
            }
        }
        let mut headers = InlineTable::new();
        for (name, values) in by_name {
            let mut values: Vec<String> =
                values.iter().map(|value| self.secrets.header(name, value, step)).collect();
            let value: Value = match values.len() {
                1 => values.remove(0).into(),
                _ => values.into_iter().collect::<Array>().into(),
            };
            headers.insert(name, value);
        }
        // The encoder leaves it out where there is no body, and curl says so of one that is empty.
        let usual = ["POST", "PUT", "PATCH"].contains(&request.method.as_str());
        if request.body == Body::Text(String::new()) && !usual {
            headers.insert("Content-Length", "0".into());
        }
        headers
    }

    fn body(&mut self, request: &Recorded, name: &str, step: &mut Table) {
        match &request.body {
            Body::None => {}
            Body::Text(text) if text.is_empty() => {}
            Body::Text(text) => {
                let form = request.header("content-type").is_some_and(is_form);
                let template = if form { self.secrets.pairs(text, name) } else { escape(text) };
                self.warn_of(if form { &template } else { text }, "body", name);
                step["body"] = value(template);
            }
            Body::Bytes(bytes) => {
                let file = format!("body-{}.bin", self.files.len() + 1);
                step["bodyFile"] = value(&file);
                self.files.push((file, bytes.clone()));
            }
            Body::File(path) => {
                self.read_later(path);
                step["bodyFile"] = value(path);
            }
            Body::Form(parts) => {
                let parts = parts.iter().map(|part| self.part(part, name));
                let mut list: Array = parts.collect();
                for part in list.iter_mut() {
                    part.decor_mut().set_prefix("\n    ");
                }
                list.set_trailing("\n");
                list.set_trailing_comma(true);
                step["multipart"] = value(list);
            }
        }
    }

    fn part(&mut self, part: &Part, step: &str) -> InlineTable {
        let mut table = InlineTable::new();
        let name = part.name.as_deref();
        name.into_iter().for_each(|name| _ = table.insert("name", name.into()));
        match &part.content {
            Content::Text(text) => {
                let text = self.secrets.field(name.unwrap_or_default(), text, step);
                table.insert("value", text.into());
            }
            Content::File(path) => {
                self.read_later(path);
                table.insert("file", path.as_str().into());
            }
        }
        for (key, text) in [("fileName", &part.file_name), ("contentType", &part.content_type)] {
            text.iter().for_each(|text| _ = table.insert(key, text.as_str().into()));
        }
        table
    }

    /// Says of a file that the plan will read it, and from where.
    fn read_later(&mut self, path: &str) {
        let warning =
            format!("the plan reads `{path}` when it is run: a relative path begins where the plan lies");
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Says what looks like a secret and stays where it is.
    fn warn_of(&mut self, text: &str, what: &str, step: &str) {
        let names = mentioned(text);
        if !names.is_empty() {
            self.warnings.push(format!(
                "the {what} of `{step}` may hold secrets ({}): they are in the plan; put {{{{ env.NAME }}}} there",
                names.join(", ")
            ));
        }
    }

    fn step_name(&mut self, request: &Recorded) -> String {
        let path = request.url.target.split('?').next().unwrap_or_default();
        let base: String = format!("{} {path}", request.method).chars().take(NAME_MAX).collect();
        let mut name = base.clone();
        while !self.names.insert(name.clone()) {
            let number = self.numbers.entry(base.clone()).or_insert(1);
            *number += 1;
            name = format!("{base} #{number}");
        }
        name
    }

    /// The name of an origin, after its host.
    fn origin(&mut self, url: &Url) -> String {
        let same = |known: &Url| (known.scheme, &known.host, known.port) == (url.scheme, &url.host, url.port);
        if let Some((name, _)) = self.origins.iter().find(|(_, known)| same(known)) {
            return name.clone();
        }
        let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let base: String = url.authority().chars().map(fits).collect();
        let base = match base.trim_matches('-') {
            "" => "origin".to_owned(),
            base => base.to_owned(),
        };
        let mut name = base.clone();
        if self.origins.iter().any(|(known, _)| *known == name) {
            name = format!("{base}-{}", url.scheme.as_str());
        }
        while self.origins.iter().any(|(known, _)| *known == name) {
            name.push_str("-2");
        }
        self.origins.push((name.clone(), url.clone()));
        name
    }
}

fn is_form(content_type: &str) -> bool {
    content_type.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

fn milliseconds(span: Nanos) -> String {
    format!("{}ms", span.0.div_ceil(1_000_000))
}

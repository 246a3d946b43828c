//! The JSON Schema of a plan, and a walker that holds a tree against it.
//!
//! Only what the schema of [`PlanForm`] uses is known: `$ref`, `type`, `properties`, `required`,
//! `additionalProperties`, `items`, `enum`/`const`, `anyOf`/`oneOf`, `minimum` and `maximum`.

use serde_json::{Map, Value};

use super::error::FileProblem;
use super::form::PlanForm;
use super::tree::{Kind, Node, Source};

/// The schema, for editors and for the walker.
pub fn schema() -> Value {
    schemars::schema_for!(PlanForm).to_value()
}

/// Every place at which the tree is not what the schema asks for.
pub(super) fn check(tree: &Node, source: &Source<'_>) -> Vec<FileProblem> {
    let root = schema();
    let mut walker = Walker { root: &root, source, problems: Vec::new() };
    walker.walk(tree, &root, "the file");
    walker.problems
}

struct Walker<'a> {
    root: &'a Value,
    source: &'a Source<'a>,
    problems: Vec<FileProblem>,
}

impl<'a> Walker<'a> {
    fn add(&mut self, at: usize, message: String) {
        self.problems.push(self.source.problem(at, message));
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            schema = self.root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        }
        schema
    }

    /// `what` names the node for people.
    fn walk(&mut self, node: &Node, schema: &'a Value, what: &str) {
        let schema = self.resolve(schema);
        let Some(object) = schema.as_object() else {
            return;
        };
        if let Some(words) = words(object) {
            return self.word(node, &words, what);
        }
        let branches = object.get("anyOf").or_else(|| object.get("oneOf")).and_then(Value::as_array);
        if let Some(branches) = branches {
            let fitting = branches.iter().find(|branch| self.has_kind(node, self.resolve(branch)));
            return match fitting {
                Some(branch) => self.walk(node, branch, what),
                None => self.mismatch(node, schema, what),
            };
        }
        if !self.has_kind(node, schema) {
            return self.mismatch(node, schema, what);
        }
        match &node.kind {
            Kind::Table(entries) => self.table(node, entries, object, what),
            Kind::List(items) => {
                let Some(schema) = object.get("items") else { return };
                for item in items {
                    self.walk(item, schema, &format!("each of {what}"));
                }
            }
            Kind::Number(number, _) => self.bounds(node, &Value::Number(number.clone()), object, what),
            Kind::Scalar(_) => {}
        }
    }

    fn table(&mut self, node: &Node, entries: &[(String, Node)], schema: &'a Map<String, Value>, what: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let rest = schema.get("additionalProperties");
        for (key, value) in entries {
            match properties.and_then(|p| p.get(key)) {
                Some(schema) => self.walk(value, schema, &format!("`{key}`")),
                None if rest == Some(&Value::Bool(false)) => {
                    let known = properties.into_iter().flat_map(Map::keys).map(String::as_str);
                    let known: Vec<&str> = known.filter(|k| !k.starts_with('$')).collect();
                    self.add(value.at, format!("unknown key `{key}` in {what}{}", suggestion(key, &known)));
                }
                None => {
                    if let Some(schema) = rest {
                        self.walk(value, schema, &format!("`{key}`"));
                    }
                }
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            if !entries.iter().any(|(given, _)| given == key) {
                self.add(node.at, format!("{what} lacks `{key}`"));
            }
        }
    }

    fn word(&mut self, node: &Node, words: &[&str], what: &str) {
        match &node.kind {
            Kind::Scalar(Value::String(word)) if words.contains(&word.as_str()) => {}
            Kind::Scalar(Value::Null) => {}
            Kind::Scalar(Value::String(word)) => {
                self.add(node.at, format!("`{word}` is no value for {what}{}", suggestion(word, words)));
            }
            _ => self.add(
                node.at,
                format!("{what} is {}, but must be one of {}", kind_of(node), words.join(", ")),
            ),
        }
    }

    fn bounds(&mut self, node: &Node, value: &Value, schema: &Map<String, Value>, what: &str) {
        let Some(number) = value.as_f64() else { return };
        let (least, most) = (schema.get("minimum"), schema.get("maximum"));
        if least.and_then(Value::as_f64).is_some_and(|least| number < least) {
            self.add(node.at, format!("{what} is {value}, but must not be below {}", least.unwrap_or(value)));
        } else if most.and_then(Value::as_f64).is_some_and(|most| number > most) {
            self.add(node.at, format!("{what} is {value}, but must not be above {}", most.unwrap_or(value)));
        }
    }

    fn mismatch(&mut self, node: &Node, schema: &'a Value, what: &str) {
        let mut kinds = Vec::new();
        self.kinds(schema, &mut kinds);
        kinds.retain(|kind| kind != "null");
        kinds.dedup();
        let kinds: Vec<&str> = kinds.iter().map(|kind| article(kind)).collect();
        self.add(node.at, format!("{what} is {}, but must be {}", kind_of(node), kinds.join(" or ")));
    }

    /// All types that a schema allows.
    fn kinds(&self, schema: &'a Value, out: &mut Vec<String>) {
        let schema = self.resolve(schema);
        match schema.get("type") {
            Some(Value::String(kind)) => out.push(kind.clone()),
            Some(Value::Array(kinds)) => {
                out.extend(kinds.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
        let branches = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        branches.into_iter().flatten().for_each(|branch| self.kinds(branch, out));
    }

    fn has_kind(&self, node: &Node, schema: &'a Value) -> bool {
        let mut kinds = Vec::new();
        self.kinds(schema, &mut kinds);
        let allows = |kind: &str| kinds.is_empty() || kinds.iter().any(|k| k == kind);
        match &node.kind {
            Kind::Table(_) => allows("object"),
            Kind::List(_) => allows("array"),
            Kind::Scalar(Value::String(_)) => allows("string"),
            Kind::Scalar(Value::Bool(_)) => allows("boolean"),
            Kind::Scalar(Value::Null) => allows("null"),
            Kind::Scalar(_) => false,
            Kind::Number(number, _) => {
                allows("number") || (allows("integer") && (number.is_u64() || number.is_i64()))
            }
        }
    }
}

/// The words of an enumeration, however the schema writes it.
fn words(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let branches = schema.get("oneOf")?.as_array()?;
    branches.iter().map(|branch| branch.get("const")?.as_str()).collect()
}

fn kind_of(node: &Node) -> String {
    match &node.kind {
        Kind::Table(_) => "a table".into(),
        Kind::List(_) => "a list".into(),
        Kind::Scalar(Value::String(text)) => format!("the text {text:?}"),
        Kind::Number(_, text) => text.clone(),
        Kind::Scalar(value) => format!("{value}"),
    }
}

fn article(kind: &str) -> &str {
    match kind {
        "object" => "a table",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

/// `: did you mean …?`, or what there is.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let lower = word.to_lowercase();
    // Optimal string alignment counts a swap of neighbours, the commonest slip, as one.
    let scored = known.iter().map(|k| (strsim::osa_distance(&lower, &k.to_lowercase()), *k));
    match scored.min() {
        Some((distance, best)) if distance <= (lower.len() / 3).max(1) => format!(": did you mean `{best}`?"),
        Some(_) => format!("; there are {}", known.join(", ")),
        None => String::new(),
    }
}

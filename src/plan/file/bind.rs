//! The way from texts of a plan to what a worker fills in.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::context::Context;
use super::form::ConstantForm;
use super::tree::{Kind, Node};
use crate::http::request::RequestError;
use crate::plan::data::DataSet;
use crate::plan::template::{self, Constant, Place, Template, TemplateError};

/// What templates may refer to.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// `variables`, overridden by `--var`.
    pub(super) constants: BTreeMap<String, Constant>,
    /// The process's environment, as `{{ env.NAME }}`.
    pub(super) env: BTreeMap<String, String>,
    /// What steps extract, in the order of the numbers.
    pub(super) variables: Vec<String>,
    /// Rows of files.
    pub(super) data: Vec<Arc<DataSet>>,
}

impl Names {
    /// Does `work` with the names as templates know them.
    fn with<T>(&self, work: impl FnOnce(&template::Names<'_>) -> T) -> T {
        let env = |name: &str| self.env.get(name).cloned();
        let Names { constants, variables, data, .. } = self;
        work(&template::Names { variables, data, constants, env: &env })
    }

    /// Fills in what must be the same for all requests.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let template = self.template(text, Place::Body).map_err(|e| e.to_string())?;
        let bytes = template.constant().ok_or_else(|| {
            format!("`{text}` differs from request to request: here only variables of the plan and env.NAME can stand")
        })?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Compiles a text for its place.
    pub(super) fn template(&self, text: &str, place: Place) -> Result<Template, TemplateError> {
        self.with(|names| Template::compile(text, place, names))
    }

    /// Compiles what basic authentication sends.
    pub(super) fn basic(&self, username: &str, password: &str) -> Result<Template, TemplateError> {
        self.with(|names| Template::basic(username, password, names))
    }

    /// Compiles a JSON body: texts in it may hold templates, and numbers stay as they are written.
    pub(super) fn json(&self, node: &Node) -> Result<Template, TemplateError> {
        let mut out = Template::default();
        self.with(|names| write_json(node, names, &mut out))?;
        Ok(out)
    }

    /// A constant as the plan writes it at `path`.
    pub(super) fn constant(form: &ConstantForm, path: &[&str], cx: &Context<'_>) -> Constant {
        let (text, is_json) = match form {
            ConstantForm::Text(text) => (text.clone(), false),
            ConstantForm::Word(word) => (word.to_string(), true),
            ConstantForm::Number(number) => match cx.node(path).map(|node| &node.kind) {
                Some(Kind::Number(_, written)) => (written.clone(), true),
                _ => (number.to_string(), true),
            },
        };
        Constant { text, is_json }
    }
}

fn write_json(node: &Node, names: &template::Names<'_>, out: &mut Template) -> Result<(), TemplateError> {
    match &node.kind {
        Kind::Scalar(Value::String(text)) => out.json_string(text, names)?,
        Kind::Scalar(value) => out.literal(value.to_string().as_bytes()),
        Kind::Number(_, written) => out.literal(written.as_bytes()),
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                out.literal(if index == 0 { b"[" } else { b"," });
                write_json(item, names, out)?;
            }
            out.literal(if items.is_empty() { b"[]" } else { b"]" });
        }
        Kind::Table(entries) => {
            for (index, (key, item)) in entries.iter().enumerate() {
                out.literal(if index == 0 { b"{\"" } else { b",\"" });
                // A name is a string, whatever the type of a value in it.
                out.append(Template::compile(key, Place::JsonText, names)?);
                out.literal(b"\":");
                write_json(item, names, out)?;
            }
            out.literal(if entries.is_empty() { b"{}" } else { b"}" });
        }
    }
    Ok(())
}

/// The key whose value the encoder refused.
pub(super) fn key_of(error: &RequestError) -> &'static str {
    match error {
        RequestError::Method(_) | RequestError::Connect => "method",
        RequestError::Target(_) => "url",
        _ => "headers",
    }
}

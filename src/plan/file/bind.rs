//! The way from texts of a plan to what a worker fills in.

use std::collections::BTreeMap;

use crate::http::request::RequestError;
use crate::plan::data::DataSet;
use crate::plan::request_template::{RequestSpec, RequestSpecError, RequestTemplate};
use crate::plan::template::{Names as TemplateNames, Template};

/// What templates may refer to.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// `variables`, overridden by `--var`.
    pub(super) constants: BTreeMap<String, String>,
    /// The process's environment, as `{{ env.NAME }}`.
    pub(super) env: BTreeMap<String, String>,
}

/// Why a request cannot be used, and which of a step's keys is at fault.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) key: &'static str,
    pub(super) message: String,
}

impl Names {
    /// The text, in which only constants may stand.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let template = self.with(&[], &[], |names| Template::compile(text, names));
        let template = template.map_err(|error| error.to_string())?;
        let bytes = template.constant().ok_or("only constants can stand here: no value that changes")?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Compiles a request.
    pub(super) fn request(
        &self,
        spec: &RequestSpec,
        variables: &[String],
        data: &[DataSet],
    ) -> Result<RequestTemplate, Refusal> {
        self.with(variables, data, |names| RequestTemplate::compile(spec, names)).map_err(|error| {
            let key = match &error {
                RequestSpecError::Template { place, .. } if place == "URL" => "url",
                RequestSpecError::Template { place, .. } if place == "body" => "body",
                RequestSpecError::Request(error) => key_of(error),
                _ => "headers",
            };
            Refusal { key, message: error.to_string() }
        })
    }

    fn with<T>(&self, variables: &[String], data: &[DataSet], f: impl FnOnce(&TemplateNames<'_>) -> T) -> T {
        let env = |name: &str| self.env.get(name).cloned();
        f(&TemplateNames { variables, data, constants: &self.constants, env: &env })
    }
}

/// The key whose value the encoder refused.
fn key_of(error: &RequestError) -> &'static str {
    match error {
        RequestError::Method(_) | RequestError::Connect => "method",
        RequestError::Target(_) => "url",
        _ => "headers",
    }
}

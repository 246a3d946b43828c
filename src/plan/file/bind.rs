//! The way from texts of a plan to what a worker fills in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::http::request::RequestError;
use crate::plan::data::DataSet;
use crate::plan::request_template::{RequestSpec, RequestSpecError, RequestTemplate};
use crate::plan::template::{self, Template};

/// What templates may refer to.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// `variables`, overridden by `--var`.
    pub(super) constants: BTreeMap<String, String>,
    /// The process's environment, as `{{ env.NAME }}`.
    pub(super) env: BTreeMap<String, String>,
    /// What steps extract, in the order of the numbers.
    pub(super) variables: Vec<String>,
    /// Rows of files.
    pub(super) data: Vec<Arc<DataSet>>,
}

/// Why a request cannot be used, and which of a step's keys is at fault.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) key: &'static str,
    pub(super) message: String,
}

impl Names {
    /// Does `work` with the names as templates know them, these variables and rows among them.
    fn with<T>(
        &self,
        variables: &[String],
        data: &[Arc<DataSet>],
        work: impl FnOnce(&template::Names<'_>) -> T,
    ) -> T {
        let env = |name: &str| self.env.get(name).cloned();
        work(&template::Names { variables, data, constants: &self.constants, env: &env })
    }

    /// Fills in what must be the same for all requests.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let template =
            self.with(&[], &[], |names| Template::compile(text, names)).map_err(|e| e.to_string())?;
        let bytes = template.constant().ok_or_else(|| {
            format!("`{text}` differs from request to request: here only variables of the plan and env.NAME can stand")
        })?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Compiles a request.
    pub(super) fn request(&self, spec: &RequestSpec) -> Result<RequestTemplate, Refusal> {
        let compiled = self.with(&self.variables, &self.data, |names| RequestTemplate::compile(spec, names));
        compiled.map_err(|error| match &error {
            RequestSpecError::Request(refused) => {
                Refusal { key: key_of(refused), message: error.to_string() }
            }
            RequestSpecError::Template(_) => Refusal { key: self.place_of(spec), message: error.to_string() },
        })
    }

    /// The key whose template is at fault: the first that does not compile by itself.
    fn place_of(&self, spec: &RequestSpec) -> &'static str {
        let fails = |text: &str| {
            self.with(&self.variables, &self.data, |names| Template::compile(text, names)).is_err()
        };
        if fails(&spec.target) {
            "url"
        } else if spec.headers.iter().any(|(_, value)| fails(value)) {
            "headers"
        } else {
            "body"
        }
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

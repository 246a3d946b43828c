//! The way from texts of a plan to what a worker fills in.

use std::collections::BTreeMap;

use crate::http::request::{Request, RequestError};
use crate::plan::request_template::RequestTemplate;
use crate::plan::status::StatusSet;

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
    /// Puts constants in place of `{{ NAME }}`.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(start) = rest.find("{{") {
            let Some(len) = rest[start..].find("}}") else {
                return Err(format!("`{}` is not closed: add `}}}}`", &rest[start..]));
            };
            let name = rest[start + 2..start + len].trim();
            out.push_str(&rest[..start]);
            out.push_str(self.value(name)?);
            rest = &rest[start + len + 2..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, name: &str) -> Result<&str, String> {
        if let Some(variable) = name.strip_prefix("env.") {
            let value = self.env.get(variable);
            return value.map(String::as_str).ok_or_else(|| {
                format!("`{{{{ {name} }}}}`: the environment has no {variable}: set it before the run")
            });
        }
        let known: Vec<&str> = self.constants.keys().map(String::as_str).collect();
        self.constants.get(name).map(String::as_str).ok_or_else(|| {
            format!(
                "`{{{{ {name} }}}}` is not among the `variables`{}",
                super::schema::suggestion(name, &known)
            )
        })
    }

    /// Encodes a request.
    pub(super) fn request(&self, mut request: Request) -> Result<RequestTemplate, Refusal> {
        let refuse = |key| move |message| Refusal { key, message };
        request.target = self.fill(&request.target).map_err(refuse("url"))?;
        for (_, value) in &mut request.headers {
            *value = self.fill(value).map_err(refuse("headers"))?;
        }
        if let Ok(text) = std::str::from_utf8(&request.body) {
            request.body = self.fill(text).map_err(refuse("body"))?.into_bytes();
        }
        match request.encode() {
            Ok(bytes) => Ok(RequestTemplate::of_bytes(&bytes)),
            Err(error) => Err(Refusal { key: key_of(&error), message: error.to_string() }),
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

/// Reads `200,404`, `2xx`, `200-299`.
pub(super) fn statuses(text: &str) -> Result<StatusSet, String> {
    let mut set = StatusSet::empty();
    for part in text.split(',').map(str::trim) {
        let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=999).contains(code));
        let class = part.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
        let range = match (class, part.split_once('-')) {
            (Some(class @ 1..=9), _) => Some((class * 100, class * 100 + 99)),
            (_, Some((first, last))) => code(first).zip(code(last)).filter(|(first, last)| first <= last),
            _ => code(part).map(|code| (code, code)),
        };
        let Some((first, last)) = range else {
            return Err(format!(
                "`{part}` is no status: write `200`, `2xx` or `200-299`, with commas between"
            ));
        };
        set.insert_range(first, last);
    }
    Ok(set)
}

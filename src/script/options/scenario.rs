//! The options of one scenario, by executor.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::error::{Layer, OptionsError};
use super::value::{Span, Stage, Whole};
use crate::plan::executors::ExecutorName;

/// Options of any scenario, in k6's order. `options` stands before an executor's own, where it is there at all.
const COMMON: [&str; 6] = ["executor", "startTime", "gracefulStop", "env", "exec", "tags"];

/// A scenario as it is asked for; what is not there was not said.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioForm {
    /// Its executor.
    pub executor: ExecutorName,
    /// What else was said.
    pub fields: Fields,
}

/// The options of all executors.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "they are k6's: https://grafana.com/docs/k6/latest/using-k6/scenarios/")]
pub struct Fields {
    pub start_time: Option<Span>,
    pub graceful_stop: Option<Span>,
    pub env: Option<BTreeMap<String, String>>,
    pub exec: Option<String>,
    pub tags: Option<BTreeMap<String, String>>,
    /// Of a browser: accepted, and without effect.
    pub options: Option<BrowserOptions>,
    pub vus: Option<Whole>,
    pub duration: Option<Span>,
    #[serde(rename = "startVUs")]
    pub start_vus: Option<Whole>,
    pub stages: Option<Vec<Stage>>,
    pub graceful_ramp_down: Option<Span>,
    pub iterations: Option<Whole>,
    pub max_duration: Option<Span>,
    pub rate: Option<Whole>,
    pub start_rate: Option<Whole>,
    pub time_unit: Option<Span>,
    #[serde(rename = "preAllocatedVUs")]
    pub pre_allocated_vus: Option<Whole>,
    #[serde(rename = "maxVUs")]
    pub max_vus: Option<Whole>,
}

/// What a scenario says of a browser.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BrowserOptions {
    /// Which browser, and how it is started.
    pub browser: Option<Map<String, Value>>,
}

impl ScenarioForm {
    /// Reads `scenarios`.
    ///
    /// # Errors
    /// What no scenario can have.
    pub fn read_all(layer: Layer, given: Value) -> Result<BTreeMap<String, ScenarioForm>, OptionsError> {
        let Value::Object(given) = given else {
            return Err(OptionsError::configuration(format!(
                "{layer}: `scenarios` is no object: give each scenario's options by its name"
            )));
        };
        let read = |(name, value): (String, Value)| {
            let form = ScenarioForm::read(value);
            let why = |why| OptionsError::configuration(format!("{layer}: scenario `{name}`: {why}"));
            Ok((name.clone(), form.map_err(why)?))
        };
        given.into_iter().map(read).collect()
    }

    fn read(given: Value) -> Result<ScenarioForm, String> {
        let names = || ExecutorName::ALL.map(ExecutorName::name).join(", ");
        let mut map = match given {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            other => return Err(format!("{other} is no object: give its options, with `executor`")),
        };
        let executor = match map.remove("executor") {
            None | Some(Value::Null) => return Err(format!("it has no `executor`: name one of {}", names())),
            Some(Value::String(name)) if name == "externally-controlled" => {
                return Err(format!(
                    "`executor` is externally-controlled, which squall has not, as k6 2.0: name one of {}",
                    names()
                ));
            }
            Some(value) => ExecutorName::ALL
                .into_iter()
                .find(|executor| Some(executor.name()) == value.as_str())
                .ok_or_else(|| format!("`executor` is {value}, which is none: name one of {}", names()))?,
        };
        let mut fields = Map::new();
        for (key, value) in map {
            let mut known = COMMON[1..].iter().chain(&["options"]).chain(executor.keys());
            let known = known.find(|known| known.eq_ignore_ascii_case(&key)).ok_or_else(|| {
                let own = executor.keys().join(", ");
                format!("`{key}` does not belong to {}, which takes {own}: leave it out", executor.name())
            })?;
            fields.insert((*known).to_owned(), value);
        }
        let fields = serde_path_to_error::deserialize(Value::Object(fields))
            .map_err(|error| format!("`{}`: {}", error.path(), error.inner()))?;
        Ok(ScenarioForm { executor, fields })
    }
}

impl Serialize for ScenarioForm {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fields = serde_json::to_value(&self.fields).map_err(serde::ser::Error::custom)?;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("executor", self.executor.name())?;
        let options = ["options"].into_iter().filter(|_| self.fields.options.is_some());
        for key in COMMON[1..].iter().copied().chain(options).chain(self.executor.keys().iter().copied()) {
            map.serialize_entry(key, &fields[key])?;
        }
        map.end()
    }
}

//! The options themselves, as a script exports them. What is not there was not said.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{Layer, OptionsError};
use super::network::{Cidr, Dns, HostPattern, HostTarget, NamePattern, TlsAuth, TlsVersions};
use super::scenario::ScenarioForm;
use super::thresholds::ThresholdForm;
use super::value::{Span, Stage, Whole};

/// k6's options in k6's order, which is that of `k6 inspect`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(
    missing_docs,
    reason = "they are k6's: https://grafana.com/docs/k6/latest/using-k6/k6-options/reference/"
)]
pub struct Options {
    pub paused: Option<bool>,
    pub vus: Option<Whole>,
    pub duration: Option<Span>,
    pub iterations: Option<Whole>,
    #[serde(deserialize_with = "stages")]
    pub stages: Option<Vec<Stage>>,
    #[serde(skip_deserializing)]
    pub scenarios: Option<BTreeMap<String, ScenarioForm>>,
    pub execution_segment: Option<String>,
    pub execution_segment_sequence: Option<String>,
    pub no_setup: Option<bool>,
    pub setup_timeout: Option<Span>,
    pub no_teardown: Option<bool>,
    pub teardown_timeout: Option<Span>,
    pub rps: Option<Whole>,
    #[serde(deserialize_with = "or_default")]
    pub dns: Dns,
    pub max_redirects: Option<Whole>,
    pub user_agent: Option<String>,
    pub batch: Option<Whole>,
    pub batch_per_host: Option<Whole>,
    pub http_debug: Option<String>,
    #[serde(rename = "insecureSkipTLSVerify")]
    pub insecure_skip_tls_verify: Option<bool>,
    #[serde(deserialize_with = "super::network::cipher_suites")]
    pub tls_cipher_suites: Option<Vec<String>>,
    pub tls_version: Option<TlsVersions>,
    pub tls_auth: Option<Vec<TlsAuth>>,
    pub throw: Option<bool>,
    pub thresholds: Option<BTreeMap<String, Vec<ThresholdForm>>>,
    #[serde(rename = "blacklistIPs")]
    pub blacklist_ips: Option<Vec<Cidr>>,
    pub block_hostnames: Option<Vec<NamePattern>>,
    pub hosts: Option<BTreeMap<HostPattern, HostTarget>>,
    pub no_connection_reuse: Option<bool>,
    #[serde(rename = "noVUConnectionReuse")]
    pub no_vu_connection_reuse: Option<bool>,
    pub min_iteration_duration: Option<Span>,
    /// Of Grafana's cloud: accepted, and without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Value>,
    /// The same, by its older name.
    pub ext: Option<Value>,
    pub summary_trend_stats: Option<Vec<String>>,
    pub summary_time_unit: Option<String>,
    #[serde(deserialize_with = "system_tags")]
    pub system_tags: Option<BTreeSet<String>>,
    #[serde(deserialize_with = "tags")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Of k6's own machinery: accepted, and without effect.
    pub metric_samples_buffer_size: Option<Whole>,
    pub no_cookies_reset: Option<bool>,
    pub discard_response_bodies: Option<bool>,
    /// Not in a script; of the command line and the environment.
    #[serde(rename = "localIPs", skip_serializing)]
    pub local_ips: Option<String>,
}

/// The tags that samples have by themselves unless `systemTags` says otherwise, in the order of columns.
pub const SYSTEM_TAGS: [&str; 14] = [
    "check",
    "error",
    "error_code",
    "expected_response",
    "group",
    "method",
    "name",
    "proto",
    "scenario",
    "service",
    "status",
    "subproto",
    "tls_version",
    "url",
];
/// Those that they have only where it names them.
const MORE_SYSTEM_TAGS: [&str; 4] = ["ip", "iter", "ocsp_status", "vu"];

/// Keys that only the configuration file has.
const OF_THE_FILE: [&str; 5] = ["collectors", "linger", "noUsageReport", "out", "webDashboard"];

impl Options {
    /// Reads one layer. Beside the options come what was given, by k6's names and without what is null, so that it can be laid over
    /// others, and the keys that nobody knows. Keys are found in any case, as by Go.
    ///
    /// # Errors
    /// A value that its option cannot have.
    pub fn read(layer: Layer, given: Map<String, Value>) -> Result<Read, OptionsError> {
        let known = keys();
        let (mut map, mut unknown) = (Map::new(), Vec::new());
        for (key, value) in given {
            let of_others = key == "localIPs" && layer <= Layer::Script;
            let of_the_file = layer == Layer::File && OF_THE_FILE.contains(&key.as_str());
            match known.iter().find(|known| known.eq_ignore_ascii_case(&key)).filter(|_| !of_others) {
                Some(_) if value.is_null() => {}
                Some(known) => {
                    map.insert(known.clone(), value);
                }
                None if of_the_file => {}
                None => unknown.push(key),
            }
        }
        let options = Options::of(layer, map.clone())?;
        Ok(Read { options, map, unknown })
    }

    /// The options of a layer, or of several together, by k6's names.
    ///
    /// # Errors
    /// A value that its option cannot have.
    pub fn of(layer: Layer, mut map: Map<String, Value>) -> Result<Options, OptionsError> {
        let scenarios = map.remove("scenarios");
        let read = Options::of_plain(map);
        let mut options =
            read.map_err(|(path, why)| OptionsError::configuration(format!("{layer}: `{path}`: {why}")))?;
        options.scenarios =
            scenarios.map(|scenarios| ScenarioForm::read_all(layer, scenarios)).transpose()?;
        Ok(options)
    }

    /// All but `scenarios`; an error is a path and what is wrong there.
    pub(super) fn of_plain(map: Map<String, Value>) -> Result<Options, (String, String)> {
        let read = serde_path_to_error::deserialize(Value::Object(map));
        read.map_err(|error| (error.path().to_string(), error.inner().to_string()))
    }
}

/// A layer that was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its options.
    pub options: Options,
    /// What was given, by k6's names, without what is null.
    pub map: Map<String, Value>,
    /// Keys that are none of k6's.
    pub unknown: Vec<String>,
}

/// All keys.
pub(super) fn keys() -> Vec<String> {
    let all = Options { cloud: Some(Value::Null), ..Options::default() };
    let Ok(Value::Object(map)) = serde_json::to_value(all) else { return Vec::new() };
    map.into_iter().map(|(key, _)| key).chain(["localIPs".to_owned()]).collect()
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// k6 leaves out those at the top that have no duration.
fn stages<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Stage>>, D::Error> {
    let stages: Option<Vec<Stage>> = Option::deserialize(from)?;
    Ok(stages.map(|stages| stages.into_iter().filter(|stage| stage.duration.is_some()).collect()))
}

/// k6 leaves out those that it does not know.
fn system_tags<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BTreeSet<String>>, D::Error> {
    let tags: Option<BTreeSet<String>> = Option::deserialize(from)?;
    let known = |tag: &String| SYSTEM_TAGS.iter().chain(&MORE_SYSTEM_TAGS).any(|known| known == tag);
    Ok(tags.map(|tags| tags.into_iter().filter(known).collect()))
}

fn tags<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let tags: Option<BTreeMap<String, String>> = Option::deserialize(from)?;
    match &tags {
        Some(tags) if tags.contains_key("") => Err(D::Error::custom("a tag has no name: give it one")),
        _ => Ok(tags),
    }
}

//! The layer of variables: `K6_VUS=9`, as k6 reads it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::{Layer, OptionsError};
use super::form::Options;

/// How a variable's text becomes an option's value.
#[derive(Clone, Copy)]
enum Form {
    /// A text; numbers and durations are read from it.
    Text,
    /// `true` or `false`.
    Switch,
    /// `a,b`
    List,
    /// `10s:5,20s:0`
    Stages,
    /// `ttl=5m,select=first,policy=any`
    Dns,
}

/// The variables that are options. Others that begin with `K6_` are none, as in k6.
const VARIABLES: [(&str, &str, Form); 33] = [
    ("K6_BATCH", "batch", Form::Text),
    ("K6_BATCH_PER_HOST", "batchPerHost", Form::Text),
    ("K6_BLACKLIST_IPS", "blacklistIPs", Form::List),
    ("K6_BLOCK_HOSTNAMES", "blockHostnames", Form::List),
    ("K6_DISCARD_RESPONSE_BODIES", "discardResponseBodies", Form::Switch),
    ("K6_DNS", "dns", Form::Dns),
    ("K6_DURATION", "duration", Form::Text),
    ("K6_EXECUTION_SEGMENT", "executionSegment", Form::Text),
    ("K6_EXECUTION_SEGMENT_SEQUENCE", "executionSegmentSequence", Form::Text),
    ("K6_HTTP_DEBUG", "httpDebug", Form::Text),
    ("K6_INSECURE_SKIP_TLS_VERIFY", "insecureSkipTLSVerify", Form::Switch),
    ("K6_ITERATIONS", "iterations", Form::Text),
    ("K6_LOCAL_IPS", "localIPs", Form::Text),
    ("K6_MAX_REDIRECTS", "maxRedirects", Form::Text),
    ("K6_METRIC_SAMPLES_BUFFER_SIZE", "metricSamplesBufferSize", Form::Text),
    ("K6_MIN_ITERATION_DURATION", "minIterationDuration", Form::Text),
    ("K6_NO_CONNECTION_REUSE", "noConnectionReuse", Form::Switch),
    ("K6_NO_COOKIES_RESET", "noCookiesReset", Form::Switch),
    ("K6_NO_SETUP", "noSetup", Form::Switch),
    ("K6_NO_TEARDOWN", "noTeardown", Form::Switch),
    ("K6_NO_VU_CONNECTION_REUSE", "noVUConnectionReuse", Form::Switch),
    ("K6_PAUSED", "paused", Form::Switch),
    ("K6_RPS", "rps", Form::Text),
    ("K6_SETUP_TIMEOUT", "setupTimeout", Form::Text),
    ("K6_STAGES", "stages", Form::Stages),
    ("K6_SUMMARY_TIME_UNIT", "summaryTimeUnit", Form::Text),
    ("K6_SUMMARY_TREND_STATS", "summaryTrendStats", Form::List),
    ("K6_SYSTEM_TAGS", "systemTags", Form::List),
    ("K6_TEARDOWN_TIMEOUT", "teardownTimeout", Form::Text),
    ("K6_THROW", "throw", Form::Switch),
    ("K6_TLS_CIPHER_SUITES", "tlsCipherSuites", Form::List),
    ("K6_USER_AGENT", "userAgent", Form::Text),
    ("K6_VUS", "vus", Form::Text),
];

/// Reads the options that are among `variables`, which are those of the system with those of `-e` over them.
///
/// # Errors
/// A text that its option cannot have, by the variable's name.
pub fn read(variables: &BTreeMap<String, String>) -> Result<Map<String, Value>, OptionsError> {
    let mut layer = Map::new();
    for (variable, key, form) in VARIABLES {
        let Some(text) = variables.get(variable).filter(|text| !text.is_empty()) else {
            continue;
        };
        let why =
            |why: String| OptionsError::configuration(format!("{}: {variable}: {why}", Layer::Environment));
        let value = form.read(text).map_err(why)?;
        // Read alone, an error can name the variable.
        let alone = [(key.to_owned(), value.clone())].into_iter().collect();
        Options::of_plain(alone).map_err(|(_, wrong)| why(wrong))?;
        layer.insert(key.to_owned(), value);
    }
    Ok(layer)
}

impl Form {
    fn read(self, text: &str) -> Result<Value, String> {
        match self {
            Form::Text => Ok(json!(text)),
            Form::Switch => match text {
                "true" => Ok(json!(true)),
                "false" => Ok(json!(false)),
                _ => Err(format!("`{text}` is neither true nor false: give one of them")),
            },
            Form::List => Ok(json!(text.split(',').collect::<Vec<_>>())),
            Form::Stages => stages([text]),
            Form::Dns => dns(text),
        }
    }
}

/// `10s:5,20s:0`, in one text or several.
///
/// # Errors
/// A stage without duration, or with a bad one.
pub fn stages<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Value, String> {
    let mut all = Vec::new();
    for stage in texts.into_iter().flat_map(|text| text.split(',')) {
        let (duration, target) = stage.split_once(':').unwrap_or((stage, ""));
        crate::units::parse_go_duration(duration).map_err(|why| {
            format!("stage `{stage}`: `{duration}` is no duration ({why}): write TIME:TARGET, as in 30s:10")
        })?;
        let target = if target.is_empty() { Value::Null } else { json!(target) };
        all.push(json!({ "duration": duration, "target": target }));
    }
    Ok(json!(all))
}

/// `ttl=5m,select=first,policy=any`
///
/// # Errors
/// A part that is none of these.
pub fn dns(text: &str) -> Result<Value, String> {
    let mut all = Map::new();
    for part in text.split(',') {
        match part.split_once('=') {
            Some((key @ ("ttl" | "select" | "policy"), value)) => {
                all.insert(key.to_owned(), json!(value));
            }
            _ => {
                return Err(format!(
                    "`{part}` is no part of it: write ttl=5m,select=random,policy=preferIPv4"
                ));
            }
        }
    }
    Ok(Value::Object(all))
}

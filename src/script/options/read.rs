//! Values of options as people write them: numbers as text, durations in milliseconds or with units.

use serde_json::{Map, Number, Value};

use super::{Layer, OptionsError};
use crate::script::program::{HostEntry, ScenarioSettings};
use crate::units::{Nanos, parse_duration};

/// A span of time: a number of milliseconds, or text with units.
pub(super) fn duration(value: &Value, name: &str) -> Result<Nanos, OptionsError> {
    let wrong =
        |shown: &str| OptionsError(format!("`{name}`: invalid duration {shown}; write it as in '1m30s'"));
    match value {
        Value::Number(ms) => match ms.as_f64().filter(|ms| *ms >= 0.0) {
            Some(ms) => Ok(Nanos((ms * 1e6) as u64)),
            None => Err(wrong(&ms.to_string())),
        },
        Value::String(text) => {
            if let Ok(ms) = text.trim().parse::<f64>() {
                return if ms >= 0.0 { Ok(Nanos((ms * 1e6) as u64)) } else { Err(wrong(text)) };
            }
            parse_duration(text).map_err(|_| wrong(&format!("{text:?}")))
        }
        other => Err(wrong(&other.to_string())),
    }
}

/// A whole number, which may be text.
pub(super) fn whole(value: &Value, name: &str) -> Result<u64, OptionsError> {
    let found = match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| OptionsError(format!("`{name}`: {value} is no whole number that it can be")))
}

/// Names and texts.
pub(super) fn text_map(value: Option<&Value>, name: &str) -> Result<Vec<(String, String)>, OptionsError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let Value::Object(map) = value else {
        return Err(OptionsError(format!("`{name}` must be an object")));
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(map.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

/// What of a scenario is not its executor's.
const OURS: [&str; 4] = ["exec", "env", "tags", "options"];
/// Durations of scenarios.
const SPANS: [&str; 6] =
    ["startTime", "gracefulStop", "duration", "maxDuration", "gracefulRampDown", "timeUnit"];
/// Numbers of scenarios.
const NUMBERS: [&str; 7] =
    ["vus", "iterations", "startVUs", "rate", "startRate", "preAllocatedVUs", "maxVUs"];

/// A scenario as a plan has it, and what only scripts have.
pub(super) fn scenario(name: &str, form: &Value) -> Result<(Value, ScenarioSettings), OptionsError> {
    let about = |e: OptionsError| OptionsError(format!("scenario {name}: {}", e.0));
    let Value::Object(form) = form else {
        return Err(OptionsError(format!("scenario {name} must be an object")));
    };
    match form.get("executor").and_then(Value::as_str) {
        Some("externally-controlled") => {
            let why = "externally-controlled is not supported: use ramping-vus, whose stages say how many users there are";
            return Err(about(OptionsError(why.into())));
        }
        Some(_) => {}
        None => return Err(about(OptionsError("it lacks `executor`".into()))),
    }
    let mut executor = Map::new();
    for (key, value) in form {
        if OURS.contains(&key.as_str()) || value.is_null() {
            continue;
        }
        let value = match key.as_str() {
            "stages" => stages(value).map_err(about)?,
            key if SPANS.contains(&key) => span(value, key).map_err(about)?,
            key if NUMBERS.contains(&key) => Value::Number(whole(value, key).map_err(about)?.into()),
            _ => value.clone(),
        };
        executor.insert(key.clone(), value);
    }
    executor.insert("flow".into(), "f".into());
    let exec = match form.get("exec") {
        None | Some(Value::Null) => "default".to_owned(),
        Some(Value::String(exec)) if !exec.is_empty() => exec.clone(),
        Some(other) => return Err(about(OptionsError(format!("`exec`: {other} is no name of a function")))),
    };
    let settings = ScenarioSettings {
        exec,
        env: text_map(form.get("env"), "env").map_err(about)?,
        tags: text_map(form.get("tags"), "tags").map_err(about)?,
        ..ScenarioSettings::default()
    };
    Ok((Value::Object(executor), settings))
}

/// As plans write it.
fn span(value: &Value, name: &str) -> Result<Value, OptionsError> {
    Ok(Value::String(format!("{}ns", duration(value, name)?.0)))
}

fn stages(value: &Value) -> Result<Value, OptionsError> {
    let Value::Array(list) = value else { return Err(OptionsError("`stages` must be a list".into())) };
    let stage = |stage: &Value| {
        let mut made = Map::new();
        let nothing = Value::Number(Number::from(0));
        made.insert("duration".into(), span(stage.get("duration").unwrap_or(&nothing), "duration")?);
        let target = whole(stage.get("target").unwrap_or(&nothing), "target")?;
        made.insert("target".into(), target.into());
        Ok(Value::Object(made))
    };
    list.iter().map(stage).collect::<Result<Vec<_>, OptionsError>>().map(Value::Array)
}

/// The scenario that `vus`, `iterations`, `duration` and `stages` stand for.
pub(super) fn shortcut(map: &Layer, warnings: &mut Vec<String>) -> Result<Value, OptionsError> {
    let mut executor = Map::new();
    let vus = map.get("vus").map(|value| whole(value, "vus")).transpose()?;
    let stages_given = map.get("stages").filter(|value| value.as_array().is_none_or(|list| !list.is_empty()));
    let kind = if let Some(list) = stages_given {
        executor.insert("stages".into(), stages(list)?);
        executor.insert("startVUs".into(), vus.unwrap_or(1).into());
        "ramping-vus"
    } else if let Some(iterations) = map.get("iterations") {
        let (iterations, vus) = (whole(iterations, "iterations")?, vus.unwrap_or(1));
        executor.insert("iterations".into(), iterations.into());
        executor.insert("vus".into(), vus.into());
        if let Some(value) = map.get("duration") {
            executor.insert("maxDuration".into(), span(value, "duration")?);
        }
        "shared-iterations"
    } else if let Some(value) = map.get("duration") {
        executor.insert("duration".into(), span(value, "duration")?);
        executor.insert("vus".into(), vus.unwrap_or(1).into());
        "constant-vus"
    } else {
        if vus.is_some_and(|vus| vus > 1) {
            warnings.push("the `vus=…` option will be ignored, it only works in conjunction with `iterations`, `duration`, or `stages`".into());
        }
        executor.insert("iterations".into(), 1.into());
        executor.insert("vus".into(), 1.into());
        "per-vu-iterations"
    };
    executor.insert("executor".into(), kind.into());
    executor.insert("flow".into(), "f".into());
    Ok(Value::Object(executor))
}

/// Addresses that stand for hosts: `HOST`, `*.HOST` or `HOST:PORT`, and an address with or without a port.
pub(super) fn hosts(value: Option<&Value>) -> Result<Vec<HostEntry>, OptionsError> {
    let entry = |(name, to): (String, String)| {
        let wrong = || OptionsError(format!("`hosts`: {name}: {to:?} is no address, with or without a port"));
        let (host, port) =
            match name.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
                Some((host, port)) => (host.to_lowercase(), Some(port)),
                None => (name.to_lowercase(), None),
            };
        if let Ok(address) = to.parse::<std::net::SocketAddr>() {
            return Ok(HostEntry { host, port, address: address.ip(), to_port: Some(address.port()) });
        }
        let bare = to.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse().map_err(|_| wrong())?;
        Ok(HostEntry { host, port, address, to_port: None })
    };
    text_map(value, "hosts")?.into_iter().map(entry).collect()
}

/// A threshold's metric and tags, without the blanks and quotes that k6 passes over.
pub(super) fn selector(given: &str) -> Result<String, OptionsError> {
    let Some((name, rest)) = given.split_once('{') else { return Ok(given.trim().into()) };
    let wrong = |what: &str| OptionsError(format!("invalid threshold defined on {given}: {what}"));
    let inside = rest.trim_end().strip_suffix('}').ok_or_else(|| wrong("its tags lack the closing }"))?;
    let mut tags = Vec::new();
    for pair in inside.split(',') {
        let (tag, value) = pair.split_once(':').ok_or_else(|| wrong("a tag lacks its value"))?;
        let plain = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let (tag, value) = (plain(tag), plain(value));
        if value.is_empty() {
            return Err(wrong(&format!("the tag {tag} has no value")));
        }
        tags.push(format!("{tag}:{value}"));
    }
    Ok(format!("{}{{{}}}", name.trim(), tags.join(",")))
}

//! What `k6 inspect` shows: the options in k6's order, and what they ask of a machine.

use serde::Serialize;
use serde_json::Value;

use super::executors::ScriptScenario;
use super::form::Options;
use super::layers::Consolidated;
use super::value::Span;
use crate::plan::workload::Executor;
use crate::units::Nanos;

/// As JSON it is what k6 prints, in its order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    #[serde(flatten)]
    options: Options,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<Span>,
    #[serde(rename = "maxVUs", skip_serializing_if = "Option::is_none")]
    max_vus: Option<u64>,
}

impl Inspected {
    /// Options as they are.
    pub fn options(options: Options) -> Inspected {
        Inspected { options, total_duration: None, max_vus: None }
    }

    /// With the scenarios that run, how long they take at most, and how many users there are at most at a time (`--execution-requirements`).
    pub fn with_requirements(consolidated: &Consolidated) -> Inspected {
        let options = consolidated.settings.over(&consolidated.options);
        let scenarios = &consolidated.scenarios;
        let total = scenarios.iter().map(|scenario| scenario.start + own_end(scenario)).max();
        let nanos = i64::try_from(total.unwrap_or(Nanos::ZERO).0).unwrap_or(i64::MAX);
        Inspected { options, total_duration: Some(Span(nanos)), max_vus: Some(max_vus(scenarios)) }
    }

    /// The text, with those signs escaped that Go escapes in JSON.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        // They stand in texts only.
        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    }

    /// The same as a value.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// When no user of it is there any more at the latest, from its start.
fn own_end(scenario: &ScriptScenario) -> Nanos {
    let executor = &scenario.executor;
    // The last arrival of a script may be due at the very end, which is part of the executor's time.
    let end = if executor.is_open() { executor.duration() - Nanos(1) } else { executor.duration() };
    match executor {
        Executor::RampingVus { stages, stage_ends, graceful_ramp_down } if stages.at(end) == 0 => {
            let empty = stage_ends.iter().rev().take_while(|end| stages.at(**end) == 0).last();
            let last_user = empty.copied().unwrap_or(end) + *graceful_ramp_down;
            last_user.min(end + scenario.graceful_stop)
        }
        _ => end + scenario.graceful_stop,
    }
}

/// How many of its users may be there at `t`, from the start of the load.
fn users_at(scenario: &ScriptScenario, t: Nanos) -> u64 {
    if t < scenario.start || t >= scenario.start + own_end(scenario) {
        return 0;
    }
    let Executor::RampingVus { stages, graceful_ramp_down, .. } = &scenario.executor else {
        return scenario.executor.max_vus().into();
    };
    // Whoever was sent away within the time that they have for it may still be there.
    let now = t - scenario.start;
    stages.max_between((now + Nanos(1) - *graceful_ramp_down).min(now), now)
}

/// How many users there may be at a time. Between the moments that are looked at all of them go along straight lines.
fn max_vus(scenarios: &[ScriptScenario]) -> u64 {
    let moments = scenarios.iter().flat_map(|scenario| {
        let mut own = vec![Nanos::ZERO, own_end(scenario) - Nanos(1)];
        if let Executor::RampingVus { stage_ends, graceful_ramp_down, .. } = &scenario.executor {
            let edges = stage_ends.iter().flat_map(|end| [*end, *end + *graceful_ramp_down]);
            own.extend(edges.flat_map(|edge| [edge - Nanos(1), edge]));
        }
        own.into_iter().map(|moment| scenario.start + moment)
    });
    moments.map(|t| scenarios.iter().map(|scenario| users_at(scenario, t)).sum()).max().unwrap_or(0)
}

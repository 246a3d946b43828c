//! `http.batch`: requests side by side, so many at once and so many to one host.

use std::collections::HashMap;

use rquickjs::{Array, Ctx, Exception, Object, Result, Value};

use super::params::plain;
use super::send::{self, received, refused};
use crate::script::core::{Core, Wanted};
use crate::script::foreign::natives::Call;
use crate::script::http::ask::Ask;
use crate::script::modules::args::{cut_off, list, text};
use crate::units::Nanos;

/// Responses by the keys of what was asked for: an array for an array, an object for an object.
pub(super) fn batch<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    let given = call.arg(0);
    let mut asked: Vec<(String, Value<'js>)> = Vec::new();
    match (list(&given), plain(&given)) {
        (Some(values), _) => {
            asked.extend(values.into_iter().enumerate().map(|(at, value)| (at.to_string(), value)));
        }
        (None, Some(object)) => {
            for entry in object.props::<String, Value>() {
                asked.push(entry?);
            }
        }
        (None, None) => {
            let message = "invalid http.batch() argument type: an array or an object of requests is expected";
            return Err(Exception::throw_type(ctx, message));
        }
    }
    let mut responses: Vec<Option<Value<'js>>> = Vec::new();
    let mut waiting: Vec<(usize, Box<Ask>)> = Vec::new();
    for (at, (key, value)) in asked.iter().enumerate() {
        let (made, response) = match one(ctx, core, key, value)? {
            Ok(ask) => (Some(ask), None),
            Err(refusal) => (None, Some(refused(ctx, core, refusal)?)),
        };
        waiting.extend(made.map(|ask| (at, ask)));
        responses.push(response);
    }
    carry_out(ctx, core, waiting, &mut responses)?;
    let all = responses.into_iter().map(|response| response.unwrap_or_else(|| Value::new_null(ctx.clone())));
    if given.is_array() {
        let array = Array::new(ctx.clone())?;
        for (at, response) in all.enumerate() {
            array.set(at, response)?;
        }
        return Ok(array.into_value());
    }
    let object = Object::new(ctx.clone())?;
    for ((key, _), response) in asked.iter().zip(all) {
        object.set(key.as_str(), response)?;
    }
    Ok(object.into_value())
}

/// One of them: a URL, `[method, url, body, params]`, or an object of these.
fn one<'js>(
    ctx: &Ctx<'js>,
    core: &Core,
    key: &str,
    value: &Value<'js>,
) -> Result<std::result::Result<Box<Ask>, super::response::Refused>> {
    let nothing = Value::new_undefined(ctx.clone());
    if value.is_string() {
        return send::make(ctx, core, "GET", value, &nothing, &nothing);
    }
    if let Some(parts) = list(value) {
        if parts.len() < 2 {
            let message =
                format!("invalid batch request '{key}': an array of a method and a URL is expected");
            return Err(Exception::throw_message(ctx, &message));
        }
        let method = text(ctx, &parts[0])?;
        let part = |at: usize| parts.get(at).unwrap_or(&nothing);
        return send::make(ctx, core, &method, &parts[1], part(2), part(3));
    }
    let Some(object) = plain(value) else {
        let message = format!("invalid batch request '{key}': a URL, an array or an object is expected");
        return Err(Exception::throw_message(ctx, &message));
    };
    let url: Value = object.get("url")?;
    if url.is_undefined() {
        let message = format!("batch request {key} doesn't have a url key");
        return Err(Exception::throw_message(ctx, &message));
    }
    let method: Value = object.get("method")?;
    let method = if method.is_undefined() { "GET".into() } else { text(ctx, &method)?.to_uppercase() };
    let has_body = method != "GET" && method != "HEAD";
    let body = if has_body { object.get("body")? } else { nothing };
    send::make(ctx, core, &method, &url, &body, &object.get::<_, Value>("params")?)
}

/// Sends them in their order, as far as there may be more at once, and puts what comes of each into its place.
fn carry_out<'js>(
    ctx: &Ctx<'js>,
    core: &Core,
    waiting: Vec<(usize, Box<Ask>)>,
    responses: &mut [Option<Value<'js>>],
) -> Result<()> {
    let bound = |most: Option<u32>| most.map_or(usize::MAX, |most| most as usize);
    let settings = core.program.settings();
    let (most, most_per_host) =
        settings.map_or((20, 6), |settings| (bound(settings.batch), bound(settings.batch_per_host)));
    let mut waiting: Vec<Option<(usize, Box<Ask>)>> = waiting.into_iter().map(Some).collect();
    // By ticket: whose place, and which host.
    let mut open: HashMap<u32, (usize, String)> = HashMap::new();
    let mut per_host: HashMap<String, usize> = HashMap::new();
    loop {
        for place in &mut waiting {
            if open.len() >= most {
                break;
            }
            let Some((at, ask)) = place.take() else { continue };
            let host = ask.to.url.authority();
            let count = per_host.entry(host.clone()).or_default();
            if *count >= most_per_host {
                *place = Some((at, ask));
                continue;
            }
            *count += 1;
            open.insert(ask.ticket, (at, host));
            core.ask(ask);
        }
        if open.is_empty() {
            return Ok(());
        }
        if !core.wait(Wanted::Anything(Nanos::MAX)) {
            return cut_off(ctx);
        }
        for ticket in core.answered() {
            let Some((at, host)) = open.remove(&ticket) else { continue };
            if let Some(count) = per_host.get_mut(&host) {
                *count -= 1;
            }
            if let Some(answer) = core.take_answer(ticket) {
                responses[at] = Some(received(ctx, core, answer)?);
            }
        }
    }
}

//! One request of a script: made of its arguments, waited for, given back as a response.

use std::rc::Rc;

use rquickjs::{Ctx, Exception, Result, Value};

use super::params::{self, BodyType, Params};
use super::response::{Refused, Response};
use crate::script::console::Level;
use crate::script::core::{Core, Wanted};
use crate::script::errors;
use crate::script::foreign;
use crate::script::http::address::{self, Address, Refusal};
use crate::script::http::ask::{Answer, Ask};
use crate::script::http::{form, wire};
use crate::script::modules::args::{cut_off, go_type, is_nothing, not_at_init, text};

/// Sends a request and waits for what comes of it.
pub(super) fn send<'js>(
    ctx: &Ctx<'js>,
    method: &str,
    url: &Value<'js>,
    body: &Value<'js>,
    params: &Value<'js>,
) -> Result<Value<'js>> {
    let core = Core::of(ctx);
    match make(ctx, core, method, url, body, params)? {
        Ok(ask) => {
            let ticket = ask.ticket;
            core.ask(ask);
            if !core.wait(Wanted::Answer(ticket)) {
                return cut_off(ctx);
            }
            match core.take_answer(ticket) {
                Some(answer) => received(ctx, core, answer),
                None => cut_off(ctx),
            }
        }
        Err(refusal) => refused(ctx, core, refusal),
    }
}

/// Makes a request of a script's arguments; or says why there is none, as a response.
pub(super) fn make<'js>(
    ctx: &Ctx<'js>,
    core: &Core,
    method: &str,
    url: &Value<'js>,
    body: &Value<'js>,
    params: &Value<'js>,
) -> Result<std::result::Result<Box<Ask>, Refused>> {
    not_at_init(ctx, core, "making http requests")?;
    if core.is_stopping() {
        return cut_off(ctx);
    }
    // As Go takes none.
    let method = if method.is_empty() { "GET" } else { method };
    let given = match url.as_string() {
        Some(text) => text.to_string()?,
        None => {
            let shown = form::shown(&super::form::read_value(ctx, url)?);
            let error = format!("invalid URL: '#{shown}'");
            return Ok(Err(no_request(method, error, errors::NO_URL)));
        }
    };
    let read = params::read(ctx, core, params).and_then(|params| {
        let body = read_body(ctx, body)?;
        Ok((params, body))
    });
    let (params, (body, content_type)) = match read {
        Ok(read) => read,
        Err(error) => {
            let error = crate::script::exception::thrown(ctx, error).text;
            let error = error.lines().next().unwrap_or_default().trim_start_matches("Error: ").to_owned();
            return Ok(Err(no_request(method, error, 0)));
        }
    };
    let refused = |refusal: Refusal| Refused {
        method: method.into(),
        url: if refusal.tag.is_some() { given.clone() } else { String::new() },
        asked: refusal.tag,
        error: refusal.text,
        code: refusal.code,
    };
    let to = match look_up(core, &given) {
        Ok(to) => to,
        Err(refusal) => return Ok(Err(refused(refusal))),
    };
    let ask = ask(core, method, to, params, body, content_type);
    Ok(match wire::fault(&ask) {
        Some(text) => Err(refused(Refusal { text, code: errors::OTHER, tag: Some(ask.to.tag.clone()) })),
        None => Ok(ask),
    })
}

/// What never became a request.
fn no_request(method: &str, error: String, code: u32) -> Refused {
    Refused { method: method.into(), url: String::new(), asked: None, error, code }
}

fn ask(
    core: &Core,
    method: &str,
    to: Rc<Address>,
    params: Params,
    body: Option<Rc<[u8]>>,
    content_type: Option<String>,
) -> Box<Ask> {
    let Params {
        mut headers,
        host,
        cookies,
        jar,
        name,
        tags,
        timeout,
        redirects,
        limits_redirects,
        body_type,
        expected,
    } = params;
    let is_plain = headers.is_empty() && content_type.is_none();
    let has = |headers: &[(String, String)], name: &str| headers.iter().any(|(known, _)| known == name);
    if !is_plain
        && !has(&headers, "User-Agent")
        && let Some(agent) = core.program.settings().and_then(|settings| settings.user_agent.clone())
    {
        headers.push(("User-Agent".into(), agent));
    }
    if let Some(content_type) = content_type.filter(|_| !has(&headers, "Content-Type")) {
        headers.push(("Content-Type".into(), content_type));
    }
    let headers = if is_plain {
        core.plain_headers()
    } else {
        headers.sort();
        headers.into()
    };
    let body_type = if method == "HEAD" { BodyType::None } else { body_type };
    Box::new(Ask {
        ticket: core.ticket(),
        method: core.method(method),
        to,
        first: None,
        headers,
        host,
        body,
        cookies,
        jar,
        timeout,
        redirects,
        limits_redirects,
        keeps_body: body_type != BodyType::None,
        binary: body_type == BodyType::Binary,
        expected,
        tags: core.tags(),
        name,
        own: tags,
    })
}

/// What a URL is; it is parsed once for each user.
fn look_up(core: &Core, given: &str) -> std::result::Result<Rc<Address>, Refusal> {
    if let Some(known) = core.url(given) {
        return Ok(known);
    }
    let made = Rc::new(address::parse(given)?);
    if core.program.settings().is_some_and(|settings| settings.blocks(&made.url.host).is_some()) {
        return Err(Refusal::blocked(&made));
    }
    core.keep_url(given, Rc::clone(&made));
    Ok(made)
}

/// The bytes of a body, and the type that they say of themselves.
#[expect(clippy::type_complexity, reason = "bytes, and their type")]
fn read_body<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<(Option<Rc<[u8]>>, Option<String>)> {
    if is_nothing(value) {
        return Ok((None, None));
    }
    if value.is_string() {
        return Ok((Some(Rc::from(text(ctx, value)?.into_bytes())), None));
    }
    if let Some(bytes) = foreign::bytes(value) {
        return Ok((Some(Rc::from(bytes)), None));
    }
    if let Some(object) = params::plain(value) {
        let form = super::form::read(ctx, object)?;
        return Ok((Some(Rc::from(form.body)), Some(form.content_type)));
    }
    Err(Exception::throw_message(ctx, &format!("unknown request body type {}", go_type(value))))
}

/// The response that a request came to.
///
/// # Errors
/// Where it failed and `throw` is set.
pub(super) fn received<'js>(ctx: &Ctx<'js>, core: &Core, answer: Box<Answer>) -> Result<Value<'js>> {
    if answer.truncated {
        let text = format!(
            "{}: only the first {} bytes of the body are kept (--max-body)",
            answer.ask.to.text,
            answer.body.len()
        );
        core.program.console.about(Level::Warn, &text);
    }
    let response = Response::of(answer);
    if let Some(error) = response.failure() {
        let settings = core.program.settings();
        if settings.is_some_and(|settings| settings.throw) {
            return Err(Exception::throw_message(ctx, &error));
        }
        core.program.console.about(Level::Warn, &format!("Request Failed error={error:?}"));
    }
    response.into_script(ctx)
}

/// The response of a request that was not sent.
///
/// # Errors
/// Where `throw` is set.
pub(super) fn refused<'js>(ctx: &Ctx<'js>, core: &Core, refused: Refused) -> Result<Value<'js>> {
    if core.program.settings().is_some_and(|settings| settings.throw) {
        return Err(Exception::throw_message(ctx, &refused.told()));
    }
    core.program.console.about(Level::Warn, &format!("Request Failed error={:?}", refused.told()));
    Response::refused(refused).into_script(ctx)
}

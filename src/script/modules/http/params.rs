//! The `params` of a request.

use std::rc::Rc;

use rquickjs::{Ctx, Exception, Object, Result, Value};

use super::jar;
use super::read_statuses;
use crate::plan::status::StatusSet;
use crate::script::console::Level;
use crate::script::core::Core;
use crate::script::http::ask::{GivenCookie, Jar};
use crate::script::http::fields::canonical;
use crate::script::modules::args::{is_nothing, is_true, number, text};
use crate::units::{Nanos, parse_duration};

/// How long a request may take unless it says otherwise.
const TIMEOUT: Nanos = Nanos::from_secs(60);

/// A time limit of 0: it is over at once, as in k6.
const NO_TIME: Nanos = Nanos(1);

/// How a body is given to the script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BodyType {
    /// As text.
    #[default]
    Text,
    /// As an ArrayBuffer.
    Binary,
    /// Not at all: null.
    None,
}

/// What `params` say, or the options.
pub(super) struct Params {
    pub(super) headers: Vec<(String, String)>,
    pub(super) host: Option<Rc<str>>,
    pub(super) cookies: Vec<GivenCookie>,
    pub(super) jar: Jar,
    pub(super) name: Option<Rc<str>>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) timeout: Nanos,
    pub(super) redirects: u32,
    pub(super) limits_redirects: bool,
    pub(super) body_type: BodyType,
    pub(super) expected: Option<Rc<StatusSet>>,
}

/// Reads them.
///
/// # Errors
/// What is no value of one of them: the request is not sent.
pub(super) fn read<'js>(ctx: &Ctx<'js>, core: &Core, value: &Value<'js>) -> Result<Params> {
    let settings = core.program.settings();
    let discards = settings.is_some_and(|settings| settings.discard_response_bodies);
    let mut params = Params {
        headers: Vec::new(),
        host: None,
        cookies: Vec::new(),
        jar: core.jar(),
        name: None,
        tags: Vec::new(),
        timeout: TIMEOUT,
        redirects: settings.map_or(10, |settings| settings.max_redirects),
        limits_redirects: false,
        body_type: if discards { BodyType::None } else { BodyType::Text },
        expected: core.callback(),
    };
    let Some(given) = value.as_object() else { return Ok(params) };
    for entry in given.props::<String, Value>() {
        let (name, value) = entry?;
        if value.is_undefined() || (value.is_null() && name != "responseCallback") {
            continue;
        }
        match name.as_str() {
            "headers" => headers(ctx, &value, &mut params)?,
            "cookies" => params.cookies = cookies(ctx, &value)?,
            "jar" => params.jar = jar::of(&value)?.unwrap_or(params.jar),
            "tags" => tags(ctx, &value, &mut params)?,
            "timeout" => params.timeout = timeout(ctx, &value)?,
            "redirects" => {
                params.redirects = number(&value).unwrap_or(0.0).max(0.0) as u32;
                params.limits_redirects = true;
            }
            "responseType" => params.body_type = body_type(ctx, &value)?,
            "responseCallback" => params.expected = read_statuses(ctx, &value)?,
            "auth" => return Err(not_yet(ctx, &name, "set the header Authorization instead")),
            "compression" => {
                return Err(not_yet(ctx, &name, "send a body that is packed, with its Content-Encoding"));
            }
            _ => core.program.console.about(Level::Debug, &format!("unknown parameter of a request: {name}")),
        }
    }
    Ok(params)
}

fn not_yet(ctx: &Ctx<'_>, name: &str, instead: &str) -> rquickjs::Error {
    Exception::throw_message(ctx, &format!("params.{name} is not supported yet: {instead}"))
}

fn headers<'js>(ctx: &Ctx<'js>, value: &Value<'js>, params: &mut Params) -> Result<()> {
    let Some(object) = value.as_object() else { return Ok(()) };
    for entry in object.props::<String, Value>() {
        let (name, value) = entry?;
        let value = text(ctx, &value)?;
        let name = canonical(&name);
        match name.as_str() {
            "Host" => params.host = Some(Rc::from(value)),
            "Content-Length" => {}
            _ => match params.headers.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => params.headers.push((name, value)),
            },
        }
    }
    Ok(())
}

fn cookies<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<GivenCookie>> {
    let mut cookies = Vec::new();
    let Some(object) = value.as_object() else { return Ok(cookies) };
    for entry in object.props::<String, Value>() {
        let (name, value) = entry?;
        if is_nothing(&value) {
            continue;
        }
        let (value, replace) = match plain(&value) {
            Some(cookie) => (cookie.get::<_, Value>("value")?, cookie.get::<_, Value>("replace")?),
            None => (value, Value::new_undefined(ctx.clone())),
        };
        cookies.push(GivenCookie { name, value: text(ctx, &value)?, replace: is_true(ctx, &replace)? });
    }
    Ok(cookies)
}

fn tags<'js>(ctx: &Ctx<'js>, value: &Value<'js>, params: &mut Params) -> Result<()> {
    for (name, value) in crate::script::modules::args::tags(ctx, value)? {
        if name == "name" {
            params.name = Some(Rc::from(value));
        } else {
            params.tags.push((name, value));
        }
    }
    Ok(())
}

fn timeout<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Nanos> {
    let wrong = |shown: &str| Exception::throw_message(ctx, &format!("invalid timeout value: {shown}"));
    let shown = text(ctx, value)?;
    if let Some(ms) = value.as_number() {
        if ms.is_nan() || ms < 0.0 {
            return Err(wrong(&shown));
        }
        return Ok(Nanos((ms * 1e6) as u64).max(NO_TIME));
    }
    // Text without a unit is milliseconds.
    if let Ok(ms) = shown.trim().parse::<f64>() {
        return Ok(Nanos((ms.max(0.0) * 1e6) as u64).max(NO_TIME));
    }
    parse_duration(&shown).map_err(|_| wrong(&shown))
}

fn body_type<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<BodyType> {
    match text(ctx, value)?.as_str() {
        "text" => Ok(BodyType::Text),
        "binary" => Ok(BodyType::Binary),
        "none" => Ok(BodyType::None),
        other => {
            let message = format!(
                "{other} does not belong to ResponseType values, use --help to see supported ones: text, binary, none"
            );
            Err(Exception::throw_message(ctx, &message))
        }
    }
}

/// An object that is a plain one, for forms.
pub(super) fn plain<'a, 'js>(value: &'a Value<'js>) -> Option<&'a Object<'js>> {
    value.as_object().filter(|object| !object.is_array() && !object.is_function())
}

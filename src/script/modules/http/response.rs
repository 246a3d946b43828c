//! A response as scripts see it: each member is made when it is first looked at.

use std::cell::RefCell;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::Constructor;
use rquickjs::object::Property;
use rquickjs::{ArrayBuffer, Class, Ctx, Exception, FromJs, IntoJs, Object, Result, Value};

use crate::script::core::Core;
use crate::script::errors;
use crate::script::foreign::natives::{self, Call, Entry};
use crate::script::http::ask::{Answer, Ask};
use crate::script::http::cookies;
use crate::script::http::decode::{self, PLAIN_MOST, Undecoded};
use crate::script::http::fields::{first, joined};
use crate::script::json;
use crate::script::modules::args::{is_nothing, text};
use crate::stats::outcome::Timings;
use crate::units::Nanos;

/// A request that was not sent, and why.
pub(super) struct Refused {
    pub(super) method: String,
    /// As it was given; empty where it is none.
    pub(super) url: String,
    /// As it would have been sent, where k6 takes it for a request.
    pub(super) asked: Option<String>,
    pub(super) error: String,
    /// k6's code; 0 for none.
    pub(super) code: u32,
}

/// What came of a request.
pub(super) enum Response {
    /// It was sent.
    Sent(Sent),
    /// It was not.
    Refused(Refused),
}

/// What came of a request that was sent.
pub(super) struct Sent {
    answer: Box<Answer>,
    /// The body with its codings undone; or what is wrong with it.
    plain: RefCell<Option<std::result::Result<(), Undecoded>>>,
    body: RefCell<Option<Vec<u8>>>,
}

impl<'js> Trace<'js> for Response {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

crate::script::foreign::holds_nothing_of_a_runtime!(Response);

/// Members that become properties of the object when they are first read, by their numbers.
const MEMBERS: [&str; 16] = [
    "remote_ip",
    "remote_port",
    "url",
    "status_text",
    "proto",
    "headers",
    "cookies",
    "body",
    "timings",
    "tls_version",
    "tls_cipher_suite",
    "ocsp",
    "error",
    "error_code",
    "request",
    "response_type",
];

static PROTOTYPE: [Entry; 22] = [
    Entry::accessor(c"status", 0, status, |call, _| call.nothing()),
    Entry::accessor(c"remote_ip", 0, member, replace),
    Entry::accessor(c"remote_port", 1, member, replace),
    Entry::accessor(c"url", 2, member, replace),
    Entry::accessor(c"status_text", 3, member, replace),
    Entry::accessor(c"proto", 4, member, replace),
    Entry::accessor(c"headers", 5, member, replace),
    Entry::accessor(c"cookies", 6, member, replace),
    Entry::accessor(c"body", 7, member, replace),
    Entry::accessor(c"timings", 8, member, replace),
    Entry::accessor(c"tls_version", 9, member, replace),
    Entry::accessor(c"tls_cipher_suite", 10, member, replace),
    Entry::accessor(c"ocsp", 11, member, replace),
    Entry::accessor(c"error", 12, member, replace),
    Entry::accessor(c"error_code", 13, member, replace),
    Entry::accessor(c"request", 14, member, replace),
    Entry::accessor(c"response_type", 15, member, replace),
    Entry::function(c"json", 1, read_json).hidden(),
    Entry::function(c"toJSON", 0, all).hidden(),
    Entry::function(c"html", 0, |call| refuse(call, "html")).hidden(),
    Entry::function(c"submitForm", 0, |call| refuse(call, "submitForm")).hidden(),
    Entry::function(c"clickLink", 0, |call| refuse(call, "clickLink")).hidden(),
];

impl<'js> JsClass<'js> for Response {
    const NAME: &'static str = "Response";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let prototype = Object::new(ctx.clone())?;
        natives::define(&prototype, &PROTOTYPE)?;
        Ok(Some(prototype))
    }

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

impl Response {
    /// Of what came.
    pub(super) fn of(answer: Box<Answer>) -> Response {
        Response::Sent(Sent { answer, plain: RefCell::new(None), body: RefCell::default() })
    }

    /// As scripts have it.
    pub(super) fn into_script<'js>(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let make = || {
            let prototype = Class::<Response>::prototype(ctx)?;
            Ok(prototype.map_or_else(|| Value::new_null(ctx.clone()), Object::into_value))
        };
        let prototype: Object = Core::of(ctx).kept(ctx, "Response", make)?.get()?;
        Ok(Class::instance_proto(self, prototype)?.into_value())
    }

    /// Of a request that was not sent.
    pub(super) fn refused(refused: Refused) -> Response {
        Response::Refused(refused)
    }

    fn status(&self) -> u16 {
        match self {
            Response::Sent(sent) if sent.fault().is_some() => 0,
            Response::Sent(sent) => sent.answer.result.unwrap_or(0),
            Response::Refused(_) => 0,
        }
    }

    /// Why there is no response.
    pub(super) fn failure(&self) -> Option<String> {
        let Response::Sent(sent) = self else { return None };
        if let Err(kind) = sent.answer.result {
            let Ask { method, to, .. } = &*sent.answer.ask;
            return Some(of_request(method, &to.text, errors::text(kind)));
        }
        sent.fault().map(|(text, _)| text)
    }
}

/// What went wrong with a request, in Go's form.
fn of_request(method: &str, url: &str, error: &str) -> String {
    let (first, rest) = method.split_at_checked(1).unwrap_or((method, ""));
    format!("{first}{} {url:?}: {error}", rest.to_lowercase())
}

impl Refused {
    /// What went wrong, with its request if it was one.
    pub(super) fn told(&self) -> String {
        match &self.asked {
            Some(asked) => of_request(&self.method, asked, &self.error),
            None => self.error.clone(),
        }
    }
}

impl Sent {
    /// Undoes the codings of the body, once.
    fn plain(&self) -> std::result::Result<(), Undecoded> {
        if let Some(done) = &*self.plain.borrow() {
            return done.clone();
        }
        let Answer { head, body, result, ask, .. } = &*self.answer;
        // For k6 a HEAD has a body, which is empty, and so is not in any coding.
        let is_read = ask.keeps_body || &*ask.method == "HEAD";
        let codings =
            if is_read && result.is_ok_and(may_have_body) { first(head, "content-encoding") } else { None };
        let done = codings.map_or(Ok(None), |codings| decode::undo(&codings, body, PLAIN_MOST));
        let result = match done {
            Ok(plain) => {
                *self.body.borrow_mut() = plain;
                Ok(())
            }
            Err(mut undecoded) => {
                *self.body.borrow_mut() = undecoded.plain.take();
                Err(undecoded)
            }
        };
        *self.plain.borrow_mut() = Some(result.clone());
        result
    }

    /// Hands the plain body over.
    fn with_body<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        let _ = self.plain();
        look(self.body.borrow().as_deref().unwrap_or(&self.answer.body))
    }

    /// Whether the script has a body: part of one, where its end was in no coding.
    fn has_body(&self) -> bool {
        let Answer { result, ask, refusal, .. } = &*self.answer;
        let is_kept = ask.keeps_body && refusal.is_none() && result.is_ok_and(may_have_body);
        is_kept && (self.plain().is_ok() || self.body.borrow().is_some())
    }

    /// Why the script has no response, although there was one, and the code of that.
    fn fault(&self) -> Option<(String, u32)> {
        if let Some(refusal) = &self.answer.refusal {
            return Some((refusal.text.clone(), refusal.code));
        }
        self.plain().err().map(|undecoded| (undecoded.text, undecoded.code))
    }
}

/// Whether k6 reads the body of a response with this status.
fn may_have_body(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

fn of_call<'js>(call: &Call<'_, 'js>) -> Result<Class<'js, Response>> {
    Class::from_js(call.ctx(), call.this())
}

fn status<'js>(call: &Call<'_, 'js>, _: usize) -> Result<Value<'js>> {
    Ok(Value::new_int(call.ctx().clone(), of_call(call)?.borrow().status().into()))
}

/// Makes a member, which is a property from then on.
fn member<'js>(call: &Call<'_, 'js>, number: usize) -> Result<Value<'js>> {
    let (ctx, name) = (call.ctx(), MEMBERS[number]);
    let object = of_call(call)?;
    let made = match &*object.borrow() {
        Response::Sent(sent) => of_sent(ctx, sent, name),
        Response::Refused(refused) => of_refused(ctx, refused, name),
    }?;
    object.prop(name, Property::from(made.clone()).writable().enumerable().configurable())?;
    Ok(made)
}

/// A script sets a member.
fn replace<'js>(call: &Call<'_, 'js>, number: usize) -> Result<Value<'js>> {
    let object = Object::from_js(call.ctx(), call.this())?;
    let value = Property::from(call.arg(0)).writable().enumerable().configurable();
    object.prop(MEMBERS[number], value)?;
    call.nothing()
}

/// All members, for JSON.
fn all<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let response = Object::from_js(call.ctx(), call.this())?;
    let all = Object::new(call.ctx().clone())?;
    for name in ["status"].into_iter().chain(MEMBERS) {
        all.set(name, response.get::<_, Value>(name)?)?;
    }
    Ok(all.into_value())
}

fn refuse<'js>(call: &Call<'_, 'js>, name: &str) -> Result<Value<'js>> {
    let message = format!("response.{name}() is not supported yet: pages are not parsed");
    Err(Exception::throw_message(call.ctx(), &message))
}

fn of_refused<'js>(ctx: &Ctx<'js>, refused: &Refused, name: &str) -> Result<Value<'js>> {
    let object = || Object::new(ctx.clone());
    match name {
        "url" => refused.url.as_str().into_js(ctx),
        "error" => refused.error.as_str().into_js(ctx),
        "error_code" => refused.code.into_js(ctx),
        "status_text" | "proto" | "remote_ip" | "tls_version" | "tls_cipher_suite" | "response_type" => {
            "".into_js(ctx)
        }
        "remote_port" => 0.into_js(ctx),
        "request" => {
            let Some(asked) = &refused.asked else { return Ok(Value::new_null(ctx.clone())) };
            let request = object()?;
            request.set("method", refused.method.as_str())?;
            request.set("url", asked.as_str())?;
            request.set("headers", object()?)?;
            request.set("body", "")?;
            request.set("cookies", object()?)?;
            Ok(request.into_value())
        }
        "timings" => timings(ctx, &Timings::default()),
        "body" => Ok(Value::new_null(ctx.clone())),
        _ => Ok(object()?.into_value()),
    }
}

fn of_sent<'js>(ctx: &Ctx<'js>, sent: &Sent, name: &str) -> Result<Value<'js>> {
    let answer = &sent.answer;
    let ask = &answer.ask;
    let fault = sent.fault();
    match name {
        "url" => ask.to.text.as_str().into_js(ctx),
        // Nothing of its head is kept.
        "status_text" | "proto" if fault.is_some() => "".into_js(ctx),
        "headers" | "cookies" if fault.is_some() => Ok(Object::new(ctx.clone())?.into_value()),
        "status_text" => {
            let line = answer.head.split(|b| *b == b'\r').next().unwrap_or_default();
            let text = String::from_utf8_lossy(line);
            text.split_once(' ').map_or("", |(_, rest)| rest).into_js(ctx)
        }
        "proto" => {
            let proto = String::from_utf8_lossy(answer.head.get(..8).unwrap_or_default()).into_owned();
            proto.into_js(ctx)
        }
        "headers" => headers(ctx, &answer.head),
        "cookies" => cookies_of(ctx, &answer.head),
        "body" => body(ctx, sent),
        "timings" => timings(ctx, &answer.spent),
        "error" => match (answer.result, fault) {
            (Err(kind), _) => errors::text(kind).into_js(ctx),
            (Ok(_), Some((error, _))) => error.into_js(ctx),
            (Ok(_), None) => "".into_js(ctx),
        },
        "error_code" => match (answer.result, fault) {
            (Err(kind), _) => errors::code(kind).into_js(ctx),
            (Ok(_), Some((_, code))) => code.into_js(ctx),
            (Ok(status), None) => errors::code_of_status(status).unwrap_or(0).into_js(ctx),
        },
        "request" => request(ctx, answer),
        "remote_port" => ask.to.url.port.into_js(ctx),
        "remote_ip" => ask.to.url.host.as_str().into_js(ctx),
        "response_type" => (if ask.binary { "binary" } else { "text" }).into_js(ctx),
        "ocsp" => Ok(Object::new(ctx.clone())?.into_value()),
        _ => "".into_js(ctx),
    }
}

fn body<'js>(ctx: &Ctx<'js>, sent: &Sent) -> Result<Value<'js>> {
    let answer = &sent.answer;
    if &*answer.ask.method == "HEAD" && sent.fault().is_none() && answer.result.is_ok() {
        return "".into_js(ctx);
    }
    if !sent.has_body() {
        return Ok(Value::new_null(ctx.clone()));
    }
    sent.with_body(|bytes| {
        if answer.ask.binary {
            return Ok(ArrayBuffer::new_copy(ctx.clone(), bytes)?.into_value());
        }
        let text = String::from_utf8_lossy(bytes);
        Ok(rquickjs::String::from_str(ctx.clone(), &text)?.into_value())
    })
}

fn headers<'js>(ctx: &Ctx<'js>, head_bytes: &[u8]) -> Result<Value<'js>> {
    let object = Object::new(ctx.clone())?;
    for (name, value) in joined(head_bytes) {
        object.set(name, value)?;
    }
    Ok(object.into_value())
}

/// The cookies that a response gives, by name: what it says of each.
fn cookies_of<'js>(ctx: &Ctx<'js>, head: &[u8]) -> Result<Value<'js>> {
    let all = Object::new(ctx.clone())?;
    for given in cookies::given(head) {
        let cookie = Object::new(ctx.clone())?;
        cookie.set("name", given.name.as_str())?;
        cookie.set("value", given.value)?;
        cookie.set("domain", given.domain)?;
        cookie.set("path", given.path)?;
        cookie.set("http_only", given.http_only)?;
        cookie.set("secure", given.secure)?;
        cookie.set("max_age", given.max_age as f64)?;
        cookie.set("expires", given.expires as f64)?;
        let mut list: Vec<Object> =
            all.get::<_, Option<Vec<Object>>>(given.name.as_str())?.unwrap_or_default();
        list.push(cookie);
        all.set(given.name, list)?;
    }
    Ok(all.into_value())
}

fn timings<'js>(ctx: &Ctx<'js>, spent: &Timings) -> Result<Value<'js>> {
    let object = Object::new(ctx.clone())?;
    let ms = |span: Nanos| span.0 as f64 / 1e6;
    for (name, span) in [
        ("duration", spent.duration()),
        ("blocked", spent.blocked),
        ("looking_up", Nanos::ZERO),
        ("connecting", spent.connecting),
        ("tls_handshaking", spent.securing),
        ("sending", spent.sending),
        ("waiting", spent.waiting),
        ("receiving", spent.receiving),
    ] {
        object.set(name, ms(span))?;
    }
    Ok(object.into_value())
}

fn request<'js>(ctx: &Ctx<'js>, answer: &Answer) -> Result<Value<'js>> {
    // The one that redirects led on from.
    let (ask, sent_cookies) = match &answer.ask.first {
        Some(first) => (&first.ask, &first.sent_cookies),
        None => (&*answer.ask, &answer.sent_cookies),
    };
    let object = Object::new(ctx.clone())?;
    object.set("method", &*ask.method)?;
    object.set("url", ask.to.text.as_str())?;
    let body = ask.body.as_deref().unwrap_or_default();
    object.set("body", String::from_utf8_lossy(body).into_owned())?;
    let fields = Object::new(ctx.clone())?;
    for (name, value) in ask.headers.iter() {
        fields.set(name.as_str(), vec![value.as_str()])?;
    }
    if !sent_cookies.is_empty() {
        fields.set("Cookie", vec![sent_cookies.as_str()])?;
    }
    object.set("headers", fields)?;
    let cookies = Object::new(ctx.clone())?;
    for pair in sent_cookies.split("; ").filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let cookie = Object::new(ctx.clone())?;
        cookie.set("name", name)?;
        cookie.set("value", value)?;
        cookie.set("replace", false)?;
        cookies.set(name, vec![cookie])?;
    }
    object.set("cookies", cookies)?;
    Ok(object.into_value())
}

/// The property in which `json()` keeps what it has parsed.
const PARSED: &str = "\u{1}json";

fn read_json<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let this = of_call(call)?;
    let response = this.borrow();
    let sent = match &*response {
        Response::Sent(sent) if sent.has_body() => sent,
        _ => return Err(Exception::throw_message(ctx, NO_BODY)),
    };
    let selector = call.arg(0);
    if selector.is_undefined() {
        let object = this.as_inner();
        let known: Value = object.get(PARSED)?;
        if !known.is_undefined() {
            return Ok(known);
        }
        let parsed = sent.with_body(|bytes| parse(ctx, &String::from_utf8_lossy(bytes)))?;
        object.prop(PARSED, parsed.clone())?;
        return Ok(parsed);
    }
    let selector = if is_nothing(&selector) { String::new() } else { text(ctx, &selector)? };
    let found = sent.with_body(|bytes| json::select(&String::from_utf8_lossy(bytes), &selector));
    match found {
        Some(found) => ctx.json_parse(found),
        None => call.nothing(),
    }
}

/// What `json()` says where there is nothing to read.
const NO_BODY: &str = "the body is null so we can't transform it to JSON - this likely was because of a request error getting the response";

fn parse<'js>(ctx: &Ctx<'js>, body: &str) -> Result<Value<'js>> {
    ctx.json_parse(body).map_err(|error| {
        let thrown = crate::script::exception::thrown(ctx, error).text;
        Exception::throw_message(ctx, &json::fault(body).unwrap_or(thrown))
    })
}

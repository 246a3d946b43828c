//! The module `k6/http`.

mod batch;
mod form;
mod jar;
mod params;
mod response;
mod send;

use std::rc::Rc;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::{Constructor, Rest};
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Class, Ctx, Exception, Persistent, Result, Value};

use super::args::{arg, glue, text};
use super::exports::{Members, declare};
use crate::plan::status::StatusSet;
use crate::script::core::{Core, Promised};
use crate::script::http::statuses::{self, Argument};

pub(super) struct Http;

/// Methods of the verbs, and whether they have a body.
const VERBS: [(&str, &str, bool); 7] = [
    ("get", "GET", false),
    ("head", "HEAD", false),
    ("options", "OPTIONS", true),
    ("post", "POST", true),
    ("put", "PUT", true),
    ("patch", "PATCH", true),
    ("del", "DELETE", true),
];

const FUNCTIONS: [&str; 8] = [
    "request",
    "asyncRequest",
    "batch",
    "file",
    "cookieJar",
    "expectedStatuses",
    "setResponseCallback",
    "CookieJar",
];

/// What k6 exports for scripts that name versions and states of TLS.
const CONSTANTS: [(&str, &str); 18] = [
    ("SSL_3_0", "ssl3.0"),
    ("TLS_1_0", "tls1.0"),
    ("TLS_1_1", "tls1.1"),
    ("TLS_1_2", "tls1.2"),
    ("TLS_1_3", "tls1.3"),
    ("OCSP_STATUS_GOOD", "good"),
    ("OCSP_STATUS_REVOKED", "revoked"),
    ("OCSP_STATUS_SERVER_FAILED", "server_failed"),
    ("OCSP_STATUS_UNKNOWN", "unknown"),
    ("OCSP_REASON_AA_COMPROMISE", "aa_compromise"),
    ("OCSP_REASON_AFFILIATION_CHANGED", "affiliation_changed"),
    ("OCSP_REASON_CA_COMPROMISE", "ca_compromise"),
    ("OCSP_REASON_CERTIFICATE_HOLD", "certificate_hold"),
    ("OCSP_REASON_CESSATION_OF_OPERATION", "cessation_of_operation"),
    ("OCSP_REASON_KEY_COMPROMISE", "key_compromise"),
    ("OCSP_REASON_PRIVILEGE_WITHDRAWN", "privilege_withdrawn"),
    ("OCSP_REASON_SUPERSEDED", "superseded"),
    ("OCSP_REASON_UNSPECIFIED", "unspecified"),
];

/// `http.file`: the class, so that bodies know it.
const FILE: &str = r#"() => {
    class FileData {
        constructor(data, filename, type) {
            this.data = data;
            this.filename = filename === undefined ? String(Date.now() * 1000000) : filename;
            this.content_type = type === undefined ? 'application/octet-stream' : type;
        }
    }
    return (data, filename, type) => {
        if (!(typeof data === 'string' || data instanceof ArrayBuffer || ArrayBuffer.isView(data))) {
            throw new TypeError('invalid type ' + typeof data + ', expected string, ArrayBuffer or typed array');
        }
        return new FileData(data, filename, type);
    };
}"#;

impl ModuleDef for Http {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        let verbs = VERBS.map(|(name, ..)| name);
        declare(declarations, verbs.into_iter().chain(FUNCTIONS).chain(CONSTANTS.map(|(name, _)| name)))
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let members = Members::new(ctx)?;
        for (name, method, has_body) in VERBS {
            let verb = move |ctx: Ctx<'js>, args: Rest<Value<'js>>| verb(&ctx, &args, method, has_body);
            members.function(name, verb)?;
        }
        members.function("request", request)?;
        members.function("asyncRequest", async_request)?;
        members.function("batch", batch::batch)?;
        members.function("expectedStatuses", expected_statuses)?;
        members.function("setResponseCallback", set_callback)?;
        members.add("file", glue(ctx, FILE)?.call::<_, Value>(())?)?;
        let (jar, class) = jar::functions(ctx)?;
        members.add("cookieJar", jar)?;
        members.add("CookieJar", class)?;
        for (name, value) in CONSTANTS {
            members.add(name, value)?;
        }
        members.export(exports)
    }
}

fn verb<'js>(
    ctx: &Ctx<'js>,
    args: &[Value<'js>],
    method: &'static str,
    has_body: bool,
) -> Result<Value<'js>> {
    let nothing = Value::new_undefined(ctx.clone());
    let (body, params) =
        if has_body { (arg(ctx, args, 1), arg(ctx, args, 2)) } else { (nothing, arg(ctx, args, 1)) };
    send::send(ctx, method, &arg(ctx, args, 0), &body, &params)
}

fn request<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let method = text(&ctx, &arg(&ctx, &args, 0))?;
    send::send(&ctx, &method, &arg(&ctx, &args, 1), &arg(&ctx, &args, 2), &arg(&ctx, &args, 3))
}

/// As `request`, and a promise of its response at once.
fn async_request<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Value<'js>> {
    let core = Core::of(&ctx);
    let method = text(&ctx, &arg(&ctx, &args, 0))?;
    let (promise, resolve, reject) = ctx.promise()?;
    let made =
        send::make(&ctx, &core, &method, &arg(&ctx, &args, 1), &arg(&ctx, &args, 2), &arg(&ctx, &args, 3))?;
    match made {
        Ok(ask) => {
            let promised =
                Promised { resolve: Persistent::save(&ctx, resolve), reject: Persistent::save(&ctx, reject) };
            core.promised.borrow_mut().insert(ask.ticket, promised);
            core.ask(ask);
        }
        Err(refused) => {
            let response = send::refused(&ctx, &core, refused)?;
            resolve.call::<_, Value>((response,))?;
        }
    }
    Ok(promise.into_value())
}

/// Gives promises what came of their requests; true when there was any.
pub(super) fn settle<'js>(ctx: &Ctx<'js>, core: &Rc<Core>) -> Result<bool> {
    let mut any = false;
    for ticket in core.answered() {
        let Some(promised) = core.promised.borrow_mut().remove(&ticket) else { continue };
        let Some(answer) = core.take_answer(ticket) else { continue };
        any = true;
        let reject = promised.reject.restore(ctx)?;
        let resolve = promised.resolve.restore(ctx)?;
        match send::received(ctx, core, answer) {
            Ok(response) => resolve.call::<_, Value>((response,))?,
            Err(_) => reject.call::<_, Value>((ctx.catch(),))?,
        };
    }
    Ok(any)
}

/// What `expectedStatuses` gives.
struct ExpectedStatuses(Rc<StatusSet>);

impl<'js> Trace<'js> for ExpectedStatuses {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

crate::script::foreign::holds_nothing_of_a_runtime!(ExpectedStatuses);

impl<'js> JsClass<'js> for ExpectedStatuses {
    const NAME: &'static str = "expectedStatuses";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

fn expected_statuses<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Class<'js, ExpectedStatuses>> {
    let arguments: Vec<Argument> = args.iter().map(status_argument).collect::<Result<_>>()?;
    match statuses::expected(&arguments) {
        Ok(set) => Class::instance(ctx, ExpectedStatuses(Rc::new(set))),
        Err(error) => Err(Exception::throw_message(&ctx, &error)),
    }
}

fn status_argument(value: &Value<'_>) -> Result<Argument> {
    if let Some(status) = value.as_number() {
        return Ok(Argument::Number(status));
    }
    let Some(range) = value.as_object() else { return Ok(Argument::Other) };
    let (min, max): (Value, Value) = (range.get("min")?, range.get("max")?);
    if min.is_undefined() || max.is_undefined() {
        return Ok(Argument::Other);
    }
    let whole = |value: Value<'_>| value.as_number().filter(|number| number.fract() == 0.0);
    Ok(Argument::Range(whole(min), whole(max)))
}

/// The set that an object of `expectedStatuses` stands for; null for nobody judges.
fn read_statuses<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Rc<StatusSet>>> {
    if value.is_null() {
        return Ok(None);
    }
    match Class::<ExpectedStatuses>::from_value(value) {
        Ok(expected) => Ok(Some(Rc::clone(&expected.borrow().0))),
        Err(_) => Err(Exception::throw_message(ctx, "unsupported argument, expected http.expectedStatuses")),
    }
}

fn set_callback<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<()> {
    let value = arg(&ctx, &args, 0);
    Core::of(&ctx).set_callback(read_statuses(&ctx, &value)?);
    Ok(())
}

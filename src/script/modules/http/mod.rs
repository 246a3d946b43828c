//! The module `k6/http`.

mod batch;
mod form;
mod jar;
mod params;
mod response;
mod send;

use std::rc::Rc;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::Constructor;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Class, Ctx, Exception, Function, Persistent, Result, Value};

use super::args::{glue, text};
use super::exports::{declare, export};
use crate::plan::status::StatusSet;
use crate::script::core::{Core, Promised};
use crate::script::foreign::natives::{Call, Entry};
use crate::script::http::statuses::{self, Argument};

pub(super) struct Http;

static MEMBERS: [Entry; 33] = [
    Entry::function(c"get", 2, |call| verb(call, "GET", false)),
    Entry::function(c"head", 2, |call| verb(call, "HEAD", false)),
    Entry::function(c"options", 3, |call| verb(call, "OPTIONS", true)),
    Entry::function(c"post", 3, |call| verb(call, "POST", true)),
    Entry::function(c"put", 3, |call| verb(call, "PUT", true)),
    Entry::function(c"patch", 3, |call| verb(call, "PATCH", true)),
    Entry::function(c"del", 3, |call| verb(call, "DELETE", true)),
    Entry::function(c"request", 4, request),
    Entry::function(c"asyncRequest", 4, async_request),
    Entry::function(c"batch", 1, batch::batch),
    Entry::function(c"file", 3, file),
    Entry::function(c"expectedStatuses", 0, expected_statuses),
    Entry::function(c"setResponseCallback", 1, set_callback),
    Entry::function(c"cookieJar", 0, jar::own),
    Entry::accessor(c"CookieJar", 0, jar::class, jar::replace),
    Entry::text(c"SSL_3_0", c"ssl3.0"),
    Entry::text(c"TLS_1_0", c"tls1.0"),
    Entry::text(c"TLS_1_1", c"tls1.1"),
    Entry::text(c"TLS_1_2", c"tls1.2"),
    Entry::text(c"TLS_1_3", c"tls1.3"),
    Entry::text(c"OCSP_STATUS_GOOD", c"good"),
    Entry::text(c"OCSP_STATUS_REVOKED", c"revoked"),
    Entry::text(c"OCSP_STATUS_SERVER_FAILED", c"server_failed"),
    Entry::text(c"OCSP_STATUS_UNKNOWN", c"unknown"),
    Entry::text(c"OCSP_REASON_AA_COMPROMISE", c"aa_compromise"),
    Entry::text(c"OCSP_REASON_AFFILIATION_CHANGED", c"affiliation_changed"),
    Entry::text(c"OCSP_REASON_CA_COMPROMISE", c"ca_compromise"),
    Entry::text(c"OCSP_REASON_CERTIFICATE_HOLD", c"certificate_hold"),
    Entry::text(c"OCSP_REASON_CESSATION_OF_OPERATION", c"cessation_of_operation"),
    Entry::text(c"OCSP_REASON_KEY_COMPROMISE", c"key_compromise"),
    Entry::text(c"OCSP_REASON_PRIVILEGE_WITHDRAWN", c"privilege_withdrawn"),
    Entry::text(c"OCSP_REASON_SUPERSEDED", c"superseded"),
    Entry::text(c"OCSP_REASON_UNSPECIFIED", c"unspecified"),
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
        declare(declarations, &MEMBERS)
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        export(ctx, exports, &MEMBERS)
    }
}

fn verb<'js>(call: &Call<'_, 'js>, method: &'static str, has_body: bool) -> Result<Value<'js>> {
    let ctx = call.ctx();
    if has_body {
        return send::send(ctx, method, &call.arg(0), &call.arg(1), &call.arg(2));
    }
    send::send(ctx, method, &call.arg(0), &Value::new_undefined(ctx.clone()), &call.arg(1))
}

fn request<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let method = text(call.ctx(), &call.arg(0))?;
    send::send(call.ctx(), &method, &call.arg(1), &call.arg(2), &call.arg(3))
}

fn file<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let make = || glue(ctx, "FileData", FILE)?.call::<_, Value>(());
    let make: Function = Core::of(ctx).kept(ctx, "file", make)?.get()?;
    make.call((call.arg(0), call.arg(1), call.arg(2)))
}

/// As `request`, and a promise of its response at once.
fn async_request<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let core = Core::of(ctx);
    let method = text(ctx, &call.arg(0))?;
    let (promise, resolve, reject) = ctx.promise()?;
    let made = send::make(ctx, core, &method, &call.arg(1), &call.arg(2), &call.arg(3))?;
    match made {
        Ok(ask) => {
            let promised =
                Promised { resolve: Persistent::save(ctx, resolve), reject: Persistent::save(ctx, reject) };
            core.promised.borrow_mut().insert(ask.ticket, promised);
            core.ask(ask);
        }
        Err(refused) => {
            let response = send::refused(ctx, core, refused)?;
            resolve.call::<_, Value>((response,))?;
        }
    }
    Ok(promise.into_value())
}

/// Gives promises what came of their requests; true when there was any.
pub(super) fn settle<'js>(ctx: &Ctx<'js>, core: &Core) -> Result<bool> {
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

fn expected_statuses<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let arguments: Vec<Argument> = call.args().map(|value| status_argument(&value)).collect::<Result<_>>()?;
    match statuses::expected(&arguments) {
        Ok(set) => Ok(Class::instance(call.ctx().clone(), ExpectedStatuses(Rc::new(set)))?.into_value()),
        Err(error) => Err(Exception::throw_message(call.ctx(), &error)),
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

fn set_callback<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    Core::of(ctx).set_callback(read_statuses(ctx, &call.arg(0))?);
    call.nothing()
}

//! The module `k6/http`.

mod batch;
mod form;
mod jar;
mod params;
mod response;
mod send;

use std::rc::Rc;

use rquickjs::function::Rest;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Function, Object, Persistent, Result, Value};

use super::args::{arg, glue, is_nothing, number, text};
use crate::plan::status::StatusSet;
use crate::script::core::{Core, Promised};

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
        for (name, _, _) in VERBS {
            declarations.declare(name)?;
        }
        for name in FUNCTIONS {
            declarations.declare(name)?;
        }
        for (name, _) in CONSTANTS {
            declarations.declare(name)?;
        }
        declarations.declare("default")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let default = Object::new(ctx.clone())?;
        let export = |name: &'static str, value: Value<'js>| {
            default.set(name, value.clone())?;
            exports.export(name, value).map(drop)
        };
        for (name, method, has_body) in VERBS {
            let verb = move |ctx: Ctx<'js>, args: Rest<Value<'js>>| verb(&ctx, &args, method, has_body);
            export(name, Function::new(ctx.clone(), verb)?.with_name(name)?.into_value())?;
        }
        export("request", Function::new(ctx.clone(), request)?.with_name("request")?.into_value())?;
        let later = Function::new(ctx.clone(), async_request)?.with_name("asyncRequest")?;
        export("asyncRequest", later.into_value())?;
        export("batch", Function::new(ctx.clone(), batch::batch)?.with_name("batch")?.into_value())?;
        export("file", glue(ctx, FILE)?.call(())?)?;
        let expected = Function::new(ctx.clone(), expected_statuses)?.with_name("expectedStatuses")?;
        export("expectedStatuses", expected.into_value())?;
        let callback = Function::new(ctx.clone(), set_callback)?.with_name("setResponseCallback")?;
        export("setResponseCallback", callback.into_value())?;
        let (jar, class) = jar::functions(ctx)?;
        export("cookieJar", jar)?;
        export("CookieJar", class)?;
        for (name, value) in CONSTANTS {
            export(name, rquickjs::String::from_str(ctx.clone(), value)?.into_value())?;
        }
        exports.export("default", default)?;
        Ok(())
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

/// The property by which an object of `expectedStatuses` is known.
const STATUSES: &str = "__statuses";

fn expected_statuses<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<Object<'js>> {
    if args.is_empty() {
        return Err(Exception::throw_message(&ctx, "no arguments"));
    }
    let wrong = |at: usize| {
        let message = format!(
            "argument number {} to expectedStatuses was neither an integer nor an object like {{min:100, max:329}}",
            at + 1
        );
        Exception::throw_message(&ctx, &message)
    };
    let mut bounds: Vec<u32> = Vec::new();
    for (at, value) in args.iter().enumerate() {
        let whole = |value: &Value<'js>| number(value).filter(|n| n.fract() == 0.0 && !value.is_string());
        let (min, max) = match (value.as_object(), whole(value)) {
            (Some(range), _) => {
                let end = |name: &str| range.get::<_, Value>(name).ok().as_ref().and_then(whole);
                end("min").zip(end("max")).ok_or_else(|| wrong(at))?
            }
            (None, Some(status)) => (status, status),
            (None, None) => return Err(wrong(at)),
        };
        bounds.extend([min.clamp(0.0, 1_023.0) as u32, max.clamp(0.0, 1_023.0) as u32]);
    }
    let object = Object::new(ctx)?;
    object.set(STATUSES, bounds)?;
    Ok(object)
}

/// The set that an object of `expectedStatuses` stands for; null for nobody judges.
fn statuses<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Rc<StatusSet>>> {
    if value.is_null() {
        return Ok(None);
    }
    let bounds: Option<Vec<u32>> = value.as_object().and_then(|object| object.get(STATUSES).ok());
    let Some(bounds) = bounds else {
        let message = "unsupported responseCallback: use http.expectedStatuses(…) or null";
        return Err(Exception::throw_message(ctx, message));
    };
    let mut set = StatusSet::empty();
    for pair in bounds.chunks_exact(2) {
        if pair[0] <= pair[1] {
            set.insert_range(pair[0] as u16, pair[1] as u16);
        }
    }
    Ok(Some(Rc::new(set)))
}

fn set_callback<'js>(ctx: Ctx<'js>, args: Rest<Value<'js>>) -> Result<()> {
    let value = arg(&ctx, &args, 0);
    if is_nothing(&value) && !value.is_null() {
        return Err(Exception::throw_message(
            &ctx,
            "setResponseCallback takes http.expectedStatuses(…) or null",
        ));
    }
    Core::of(&ctx).set_callback(statuses(&ctx, &value)?);
    Ok(())
}

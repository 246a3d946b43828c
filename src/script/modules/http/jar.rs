//! Cookie jars as scripts see them.

use std::rc::Rc;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::Constructor;
use rquickjs::object::Property;
use rquickjs::{Class, Ctx, Exception, FromJs, Object, Result, Value};

use crate::clock;
use crate::plan::cookies::request_url;
use crate::script::core::Core;
use crate::script::foreign::natives::{self, Call, Entry};
use crate::script::http::address;
use crate::script::http::ask::Jar;
use crate::script::http::cookies::{date, fit_for_jar, kept};
use crate::script::modules::args::{is_nothing, is_true, js, number, text};

/// A jar of a script.
pub(super) struct ScriptJar(Jar);

impl<'js> Trace<'js> for ScriptJar {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

crate::script::foreign::holds_nothing_of_a_runtime!(ScriptJar);

impl<'js> JsClass<'js> for ScriptJar {
    const NAME: &'static str = "CookieJar";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let prototype = Object::new(ctx.clone())?;
        natives::define(&prototype, &METHODS)?;
        Ok(Some(prototype))
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        let make = |ctx: Ctx<'js>| Class::instance(ctx, ScriptJar(Jar::default()));
        Constructor::new_class::<ScriptJar, _, _>(ctx.clone(), make).map(Some)
    }
}

static METHODS: [Entry; 4] = [
    Entry::function(c"set", 4, set),
    Entry::function(c"cookiesForURL", 1, cookies_for),
    Entry::function(c"clear", 1, clear),
    Entry::function(c"delete", 2, delete),
];

/// `http.cookieJar`: the user's own.
pub(super) fn own<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let jar = Core::of(call.ctx()).jar();
    Ok(Class::instance(call.ctx().clone(), ScriptJar(jar))?.into_value())
}

/// `http.CookieJar`, made when it is looked at.
pub(super) fn class<'js>(call: &Call<'_, 'js>, _: usize) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let class = Class::<ScriptJar>::create_constructor(ctx)?;
    let class = class.map_or_else(|| Value::new_undefined(ctx.clone()), |class| class.into_value());
    put(call, class.clone())?;
    Ok(class)
}

/// A script that sets it has its own from then on.
pub(super) fn replace<'js>(call: &Call<'_, 'js>, _: usize) -> Result<Value<'js>> {
    put(call, call.arg(0))?;
    call.nothing()
}

fn put<'js>(call: &Call<'_, 'js>, value: Value<'js>) -> Result<()> {
    let this = Object::from_js(call.ctx(), call.this())?;
    this.prop(ScriptJar::NAME, Property::from(value).writable().enumerable().configurable())
}

/// The jar of `params.jar`.
pub(super) fn of(value: &Value<'_>) -> Result<Option<Jar>> {
    match Class::<ScriptJar>::from_value(value) {
        Ok(jar) => Ok(Some(Rc::clone(&jar.borrow().0))),
        // As in k6: what is none is passed over.
        Err(_) => Ok(None),
    }
}

/// The jar that a method is called on.
fn this(call: &Call<'_, '_>) -> Result<Jar> {
    let jar = Class::<ScriptJar>::from_js(call.ctx(), call.this())?;
    Ok(Rc::clone(&jar.borrow().0))
}

fn url_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<url::Url> {
    let given = text(ctx, value)?;
    let found = address::parse(&given).ok();
    found
        .and_then(|found| request_url(&found.url, &found.url.target))
        .ok_or_else(|| Exception::throw_message(ctx, &format!("`{given}` is no URL that cookies can be of")))
}

fn set<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let url = url_of(ctx, &call.arg(0))?;
    let given = |at| {
        let value = call.arg(at);
        if is_nothing(&value) { Ok(String::new()) } else { text(ctx, &value).map(|text| fit_for_jar(&text)) }
    };
    let (name, value) = (given(1)?, given(2)?);
    let mut line = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {name}={value}");
    let options = call.arg(3);
    if let Some(options) = options.as_object() {
        for entry in options.props::<String, Value>() {
            let (name, value) = entry?;
            if is_nothing(&value) {
                continue;
            }
            match name.as_str() {
                "domain" | "path" => line += &format!("; {name}={}", fit_for_jar(&text(ctx, &value)?)),
                "expires" => {
                    let shown = text(ctx, &value)?;
                    if date(&shown).is_none() {
                        let message = format!(
                            "unable to parse \"expires\" date string \"{shown}\": it is like Wed, 21 Oct 2099 07:28:00 GMT"
                        );
                        return Err(Exception::throw_message(ctx, &message));
                    }
                    line += &format!("; Expires={shown}");
                }
                // Go has 0 for none.
                "max_age" => match number(&value).unwrap_or(0.0) as i64 {
                    0 => {}
                    age => line += &format!("; Max-Age={age}"),
                },
                "secure" if is_true(ctx, &value)? => line += "; Secure",
                "http_only" if is_true(ctx, &value)? => line += "; HttpOnly",
                _ => {}
            }
        }
    }
    this(call)?.borrow_mut().store(line.as_bytes(), &url, clock::wall());
    js(ctx, true)
}

fn cookies_for<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let url = url_of(ctx, &call.arg(0))?;
    let jar = this(call)?;
    let jar = jar.borrow();
    let found = Object::new(ctx.clone())?;
    for (name, value) in jar.pairs(&url, clock::wall()).filter_map(kept) {
        let mut values: Vec<String> = found.get::<_, Option<Vec<String>>>(name)?.unwrap_or_default();
        values.push(value.into());
        found.set(name, values)?;
    }
    Ok(found.into_value())
}

fn clear<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let url = url_of(ctx, &call.arg(0))?;
    this(call)?.borrow_mut().remove(&url, None);
    call.nothing()
}

fn delete<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let ctx = call.ctx();
    let url = url_of(ctx, &call.arg(0))?;
    this(call)?.borrow_mut().remove(&url, Some(&text(ctx, &call.arg(1))?));
    call.nothing()
}

//! Cookie jars as scripts see them.

use std::rc::Rc;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::{Constructor, Rest, This};
use rquickjs::{Class, Ctx, Exception, Function, Object, Result, Value};

use crate::clock;
use crate::plan::cookies::request_url;
use crate::script::core::Core;
use crate::script::http::address;
use crate::script::http::ask::Jar;
use crate::script::http::cookies::{date, fit_for_jar, kept};
use crate::script::modules::args::{arg, is_nothing, is_true, number, text};

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
        prototype.set("set", Function::new(ctx.clone(), set)?)?;
        prototype.set("cookiesForURL", Function::new(ctx.clone(), cookies_for)?)?;
        prototype.set("clear", Function::new(ctx.clone(), clear)?)?;
        prototype.set("delete", Function::new(ctx.clone(), delete)?)?;
        Ok(Some(prototype))
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        let make = |ctx: Ctx<'js>| Class::instance(ctx, ScriptJar(Jar::default()));
        Constructor::new_class::<ScriptJar, _, _>(ctx.clone(), make).map(Some)
    }
}

/// `http.cookieJar` and the class.
pub(super) fn functions<'js>(ctx: &Ctx<'js>) -> Result<(Value<'js>, Value<'js>)> {
    let own = Function::new(ctx.clone(), |ctx: Ctx<'js>| {
        let jar = Core::of(&ctx).jar();
        Class::instance(ctx, ScriptJar(jar))
    })?;
    let class = Class::<ScriptJar>::create_constructor(ctx)?;
    let class = class.map_or_else(|| Value::new_undefined(ctx.clone()), |class| class.into_value());
    Ok((own.into_value(), class))
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
fn this(jar: &This<Class<'_, ScriptJar>>) -> Jar {
    Rc::clone(&jar.0.borrow().0)
}

fn url_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<url::Url> {
    let given = text(ctx, value)?;
    let found = address::parse(&given).ok();
    found
        .and_then(|found| request_url(&found.url, &found.url.target))
        .ok_or_else(|| Exception::throw_message(ctx, &format!("`{given}` is no URL that cookies can be of")))
}

fn set<'js>(ctx: Ctx<'js>, jar: This<Class<'js, ScriptJar>>, args: Rest<Value<'js>>) -> Result<bool> {
    let url = url_of(&ctx, &arg(&ctx, &args, 0))?;
    let given = |at| {
        let value = arg(&ctx, &args, at);
        if is_nothing(&value) { Ok(String::new()) } else { text(&ctx, &value).map(|text| fit_for_jar(&text)) }
    };
    let (name, value) = (given(1)?, given(2)?);
    let mut line = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {name}={value}");
    let options = arg(&ctx, &args, 3);
    if let Some(options) = options.as_object() {
        for entry in options.props::<String, Value>() {
            let (name, value) = entry?;
            if is_nothing(&value) {
                continue;
            }
            match name.as_str() {
                "domain" | "path" => line += &format!("; {name}={}", fit_for_jar(&text(&ctx, &value)?)),
                "expires" => {
                    let shown = text(&ctx, &value)?;
                    if date(&shown).is_none() {
                        let message = format!(
                            "unable to parse \"expires\" date string \"{shown}\": it is like Wed, 21 Oct 2099 07:28:00 GMT"
                        );
                        return Err(Exception::throw_message(&ctx, &message));
                    }
                    line += &format!("; Expires={shown}");
                }
                // Go has 0 for none.
                "max_age" => match number(&value).unwrap_or(0.0) as i64 {
                    0 => {}
                    age => line += &format!("; Max-Age={age}"),
                },
                "secure" if is_true(&ctx, &value)? => line += "; Secure",
                "http_only" if is_true(&ctx, &value)? => line += "; HttpOnly",
                _ => {}
            }
        }
    }
    this(&jar).borrow_mut().store(line.as_bytes(), &url, clock::wall());
    Ok(true)
}

fn cookies_for<'js>(ctx: Ctx<'js>, jar: This<Class<'js, ScriptJar>>, url: Value<'js>) -> Result<Object<'js>> {
    let url = url_of(&ctx, &url)?;
    let jar = this(&jar);
    let jar = jar.borrow();
    let found = Object::new(ctx.clone())?;
    for (name, value) in jar.pairs(&url, clock::wall()).filter_map(kept) {
        let mut values: Vec<String> = found.get::<_, Option<Vec<String>>>(name)?.unwrap_or_default();
        values.push(value.into());
        found.set(name, values)?;
    }
    Ok(found)
}

fn clear<'js>(ctx: Ctx<'js>, jar: This<Class<'js, ScriptJar>>, url: Value<'js>) -> Result<()> {
    let url = url_of(&ctx, &url)?;
    this(&jar).borrow_mut().remove(&url, None);
    Ok(())
}

fn delete<'js>(ctx: Ctx<'js>, jar: This<Class<'js, ScriptJar>>, url: Value<'js>, name: String) -> Result<()> {
    let url = url_of(&ctx, &url)?;
    this(&jar).borrow_mut().remove(&url, Some(&name));
    Ok(())
}

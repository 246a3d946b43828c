//! What holds for any request with templates, filled in with any values: also those that a target gave.
//!
//! The input is parts between NULs: the request (`METHOD TARGET`, fields, an empty line, a body; with
//! `{{v}}` for the variable), the variable's value, a Set-Cookie value, a Location.

use std::collections::BTreeMap;

use squall::http::response::{Event, Expect, HeadCache, ResponseParser};
use squall::http::url::Url;
use squall::plan::cookies::{self, CookieJar, request_url};
use squall::plan::redirect;
use squall::plan::request_template::{RequestSpec, RequestTemplate};
use squall::plan::scope::Scope;
use squall::plan::template::{Constant, Names, Place, Template, TemplateError};
use squall::plan::value::Value;
use squall::rng::Rng;
use squall::units::Nanos;

use crate::wire::{Wire, one_request};

/// Whatever compiles fills in to exactly one request, of the same method and fields for all values.
pub(crate) fn holds(input: &[u8]) {
    let mut parts = input.split(|b| *b == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (text, value, set_cookie, location) = (part(), part(), part(), part());
    let Ok(text) = std::str::from_utf8(text) else { return };
    let variables = ["v".to_owned()];
    let constants = BTreeMap::from([("c".to_owned(), Constant::text("a b\u{fc}"))]);
    let env = |name: &str| (name == "E").then(|| "e\r\nX: y".to_owned());
    let names = Names { variables: &variables, data: &[], constants: &constants, env: &env };
    let (method, spec) = match spec(text, &names) {
        Ok(found) => found,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let template = match RequestTemplate::compile(&spec) {
        Ok(template) => template,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let plain = render(&template, b"x").expect("a value that fits everywhere");
    let plain_wire = one_request(&plain);
    assert_eq!(plain_wire.method, method);
    assert!(template.path_hint().starts_with('/'));
    if let Some(constant) = template.constant() {
        assert_eq!(constant[..], plain[..]);
    }
    if let Some(filled) = render(&template, value) {
        let wire = one_request(&filled);
        assert_eq!((&wire.method, wire.names()), (&plain_wire.method, plain_wire.names()));
    }
    let cookies = given(set_cookie, template.path_hint());
    if !cookies.is_empty() {
        let mut with = Vec::new();
        cookies::with_field(&plain, &cookies, &mut with);
        let with = one_request(&with);
        let own = plain_wire.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie")).count();
        assert_eq!(with.fields.len(), plain_wire.fields.len() + usize::from(own == 0));
        let holds = |(name, value): &(String, Vec<u8>)| {
            name.eq_ignore_ascii_case("cookie") && value.ends_with(cookies.trim_ascii())
        };
        assert!(with.fields.iter().any(holds), "{with:?}");
    }
    redirected(&plain, &plain_wire, template.path_hint(), location);
}

/// The method, and the request.
fn spec(text: &str, names: &Names<'_>) -> Result<(String, RequestSpec), TemplateError> {
    let (head, body) = match text.split_once("\n\n") {
        Some((head, body)) => (head, Some(body)),
        None => (text, None),
    };
    let mut lines = head.split('\n');
    let (method, target) = lines.next().unwrap_or_default().split_once(' ').unwrap_or_default();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        // A line break within a value must be told apart from the end of the line.
        let value = value.replace('\u{2028}', "\r\n");
        Ok((name.to_owned(), Template::compile(&value, Place::Header, names)?))
    };
    let spec = RequestSpec {
        method: Template::of_bytes(method.as_bytes()),
        target: Template::compile(target, Place::Target, names)?,
        authority: "h:81".into(),
        headers: lines.map(field).collect::<Result<_, _>>()?,
        body: body.map(|body| Template::compile(body, Place::Body, names)).transpose()?,
        close: text.len().is_multiple_of(2),
        open: false,
    };
    Ok((method.to_owned(), spec))
}

fn render(template: &RequestTemplate, value: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"what was there".to_vec();
    let mut scope = Scope {
        vu: 1,
        iteration: 2,
        sequence: u64::MAX,
        wall: Nanos(1_700_000_000_000_000_000),
        rng: &mut Rng::new(1),
        values: &[Some(Value::text(value))],
        rows: &[],
        data: &[],
    };
    template.render(None, &mut out, &mut scope).ok()?;
    Some(out)
}

/// What a user's jar sends after a response with this Set-Cookie, if that is a response at all.
fn given(set_cookie: &[u8], path: &str) -> Vec<u8> {
    let head = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: ", set_cookie, b"\r\n\r\n"].concat();
    let fed = ResponseParser::new().feed(&mut HeadCache::new(), Expect::Normal, &head, &mut ());
    if !matches!(fed, Ok((used, Event::Complete(_))) if used == head.len()) {
        return Vec::new();
    }
    let (mut jar, mut out, now) = (CookieJar::default(), Vec::new(), Nanos::from_secs(1_000_000_000));
    let origin: Url = "http://h.example/".parse().unwrap();
    let url = request_url(&origin, path).expect("a host that browsers call");
    jar.store(&head, &url, now);
    jar.header(&url, now, &mut out);
    out
}

/// A Location leads to a URL that can be sent, and to one request again, or nowhere.
fn redirected(rendered: &[u8], wire: &Wire, path: &str, location: &[u8]) {
    let Ok(location) = std::str::from_utf8(location) else { return };
    let base: Url = "http://h:81/".parse().unwrap();
    let Ok(to) = redirect::resolve(location, &base, path) else { return };
    assert_eq!(to.to_string().parse::<Url>().as_ref(), Ok(&to));
    for keep in [false, true] {
        let Some(bytes) = redirect::rewrite(rendered, &to.target, &to.authority(), keep) else {
            assert!(std::str::from_utf8(rendered).is_err(), "a request can be rewritten");
            continue;
        };
        let next = one_request(&bytes);
        assert_eq!(next.target, to.target);
        assert!(next.fields.contains(&("Host".into(), to.authority().into())), "{next:?}");
        if keep {
            assert_eq!((&next.method, &next.body), (&wire.method, &wire.body));
        } else {
            assert!(next.body.is_empty() && (next.method == "GET" || next.method == "HEAD"));
        }
    }
}

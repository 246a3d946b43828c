//! One request as bytes with patch slots.

use std::sync::Arc;

use super::scope::Scope;
use super::template::{Names, Place, Template, TemplateError, number};
use crate::http::request::{Request, RequestError, USER_AGENT};

/// The longest request that is sent.
const LENGTH_MAX: usize = 1 << 30;

/// A request as it is written, with templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpec {
    /// As it is sent; no template.
    pub method: String,
    /// Path and query; a template.
    pub target: String,
    /// For the Host field, unless `headers` has one.
    pub authority: String,
    /// Names, and values that are templates.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub body: Body,
    /// Adds `Connection: close`.
    pub close: bool,
}

/// The payload of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// None.
    #[default]
    None,
    /// A template.
    Text(String),
    /// Bytes that are sent as they are.
    Bytes(Vec<u8>),
}

/// Why a request cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestSpecError {
    /// A template is wrong.
    #[error("in the {place}: {source}")]
    Template {
        /// Which one.
        place: String,
        /// What is wrong.
        source: TemplateError,
    },
    /// The request could not be sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The length of a body that changes is ours to say.
    #[error("Content-Length cannot be given for a body with templates: leave it out")]
    ContentLength,
}

/// A request whose bytes are constant, or are put together anew each time.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    constant: Option<Arc<[u8]>>,
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// Up to where cookies go.
    front: Template,
    /// `front` ends in the value of a Cookie field.
    own_cookie: bool,
    /// Whole fields behind it.
    back: Template,
    /// Content-Length is to be written.
    length: bool,
    body: Template,
}

/// Why a request could not be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value for a header holds CR, LF or NUL.
    #[error("a value for a header holds a line break or NUL")]
    LineBreak,
    /// A variable has no value: the step that extracts it has not been in this iteration.
    #[error("a variable has no value yet")]
    Unset,
    /// The request is longer than 1 GiB.
    #[error("the request is longer than 1 GiB")]
    TooLong,
}

impl RequestTemplate {
    /// Compiles a request.
    ///
    /// # Errors
    /// A template that is wrong, or whatever [`Request::encode`] refuses.
    pub fn compile(spec: &RequestSpec, names: &Names<'_>) -> Result<RequestTemplate, RequestSpecError> {
        let compile = |text: &str, place, what: &dyn Fn() -> String| {
            Template::compile_for(text, names, place)
                .map_err(|source| RequestSpecError::Template { place: what(), source })
        };
        let target = compile(&spec.target, Place::Target, &|| "URL".into())?;
        let mut headers = Vec::new();
        for (name, value) in &spec.headers {
            let value = compile(value, Place::Header, &|| format!("header `{name}`"))?;
            headers.push((name.clone(), value));
        }
        if spec.close && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
            headers.push(("Connection".into(), fixed(b"close")));
        }
        let body = match &spec.body {
            Body::None => Template::default(),
            Body::Text(text) => compile(text, Place::Body, &|| "body".into())?,
            Body::Bytes(bytes) => fixed(bytes),
        };
        let given_length = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if given_length && body.constant().is_none() {
            return Err(RequestSpecError::ContentLength);
        }
        // With a `0` in each slot: the same encoder then checks both kinds of request.
        let text = |template: &Template| String::from_utf8_lossy(&template.sample()).into_owned();
        let sample = Request {
            method: spec.method.clone(),
            target: text(&target),
            authority: spec.authority.clone(),
            headers: headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            body: body.sample(),
        };
        let encoded = sample.encode()?;
        let all_constant = (headers.iter().map(|(_, value)| value).chain([&target, &body]))
            .all(|template| template.constant().is_some());
        let usual = matches!(spec.method.as_str(), "POST" | "PUT" | "PATCH");
        let some = body.constant().is_none_or(|bytes| !bytes.is_empty());
        let length = (usual || some) && !given_length;
        let (front, own_cookie, back) = head(spec, target, headers);
        Ok(RequestTemplate {
            constant: all_constant.then(|| encoded.into()),
            parts: Arc::new(Parts { front, own_cookie, back, length, body }),
        })
    }

    /// The constant beginning of its path, for cookies and relative redirects.
    pub fn path_hint(&self) -> &str {
        "/"
    }

    /// The bytes, if they are always the same.
    #[inline]
    pub fn constant(&self) -> Option<&Arc<[u8]>> {
        self.constant.as_ref()
    }

    /// Puts the request together in `out`, which is emptied first. `cookies`, unless empty, becomes
    /// the value of a Cookie field (behind the template's own cookies if it has some).
    ///
    /// Works for constant requests too.
    ///
    /// # Errors
    /// See [`RenderError`]; `out` then holds nothing of use.
    pub fn render(
        &self,
        out: &mut Vec<u8>,
        scope: &mut Scope<'_>,
        cookies: &[u8],
    ) -> Result<(), RenderError> {
        out.clear();
        if let (Some(bytes), true) = (&self.constant, cookies.is_empty()) {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        if cookies.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(RenderError::LineBreak);
        }
        let parts = &*self.parts;
        parts.front.render(out, scope)?;
        if !cookies.is_empty() {
            out.extend_from_slice(if parts.own_cookie { b"; " } else { b"Cookie: " });
            out.extend_from_slice(cookies);
        }
        if parts.own_cookie || !cookies.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        parts.back.render(out, scope)?;
        if parts.length {
            out.extend_from_slice(b"Content-Length: ");
        }
        // The body first, then what stands before it: the length is known only afterwards.
        let mark = out.len();
        parts.body.render(out, scope)?;
        let body = out.len() - mark;
        if parts.length {
            number(out, body as u64);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out[mark..].rotate_left(body);
        if out.len() > LENGTH_MAX { Err(RenderError::TooLong) } else { Ok(()) }
    }
}

fn fixed(bytes: &[u8]) -> Template {
    let mut template = Template::default();
    template.literal(bytes);
    template
}

/// The head in the order of [`Request::encode`]: up to where cookies go, whether that is in a field
/// of the caller's, and the rest without Content-Length.
fn head(
    spec: &RequestSpec,
    target: Template,
    headers: Vec<(String, Template)>,
) -> (Template, bool, Template) {
    let mut front = fixed(format!("{} ", spec.method).as_bytes());
    front.append(target);
    front.literal(b" HTTP/1.1\r\n");
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    let host = headers.iter().find(|(name, _)| is(name, "host")).map(|(_, value)| value.clone());
    push(&mut front, "Host", host.unwrap_or_else(|| fixed(spec.authority.as_bytes())));
    front.literal(b"\r\n");
    let mut back = Template::default();
    let mut own_cookie = false;
    let agent = headers.iter().any(|(name, _)| is(name, "user-agent"));
    for (name, value) in headers {
        let empty = value.constant().is_some_and(|v| v.trim_ascii().is_empty());
        if is(&name, "host") || is(&name, "user-agent") && empty {
            continue;
        }
        if is(&name, "cookie") && !own_cookie && !empty {
            push(&mut front, &name, value);
            own_cookie = true;
            continue;
        }
        let part = if own_cookie { &mut back } else { &mut front };
        push(part, &name, value);
        part.literal(b"\r\n");
    }
    if !agent {
        let part = if own_cookie { &mut back } else { &mut front };
        push(part, "User-Agent", fixed(USER_AGENT.as_bytes()));
        part.literal(b"\r\n");
    }
    (front, own_cookie, back)
}

/// A field without its line end.
fn push(out: &mut Template, name: &str, mut value: Template) {
    value.trim();
    out.literal(name.as_bytes());
    out.literal(if value.constant() == Some(b"") { b":" } else { b": " });
    out.append(value);
}

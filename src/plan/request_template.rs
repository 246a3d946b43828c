//! One request as bytes with patch slots.

use std::sync::Arc;

use super::forward::Forward;
use super::scope::Scope;
pub use super::template::RenderError;
use super::template::{Names, Place, Template, TemplateError};
use crate::http::request::{Request, RequestError, USER_AGENT};

/// A request's length is 32 bits wide at the driver.
const LEN_MAX: usize = 1 << 30;
/// Pieces of a head that make the request line.
const REQUEST_LINE: usize = 3;

/// What a request is made of; texts may hold templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestSpec {
    /// A token; no template.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// For the Host field, unless `headers` has one; no template.
    pub authority: String,
    /// In order; names are no templates.
    pub headers: Vec<(String, String)>,
    /// What is sent behind the head.
    pub body: Body,
    /// Add `Connection: close`.
    pub close: bool,
}

/// A request's payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// None.
    #[default]
    None,
    /// Text that may hold templates.
    Text(String),
    /// Bytes as they are.
    Bytes(Vec<u8>),
}

/// Why a request cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestSpecError {
    /// It would mean something else than one request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// One of its templates.
    #[error("{0}")]
    Template(#[from] TemplateError),
}

/// A request whose bytes are constant, or are put together anew each time.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    constant: Option<Arc<[u8]>>,
    /// Request line and fields up to Content-Length, in order.
    head: Vec<(Place, Template)>,
    /// Behind Content-Length; `None` when the request has neither.
    body: Option<Template>,
    path_hint: String,
}

impl RequestTemplate {
    /// Bytes that are always the same.
    pub fn of_bytes(bytes: &[u8]) -> RequestTemplate {
        let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        let path = line.split(|b| *b == b' ').nth(1).unwrap_or_default();
        RequestTemplate {
            constant: Some(bytes.into()),
            head: Vec::new(),
            body: None,
            path_hint: path_hint(path),
        }
    }

    /// Compiles `spec`. Without templates the bytes are those of [`Request::encode`]; with templates the
    /// same fields stand in the same order.
    ///
    /// # Errors
    /// Whatever would make the bytes mean something else than one request, and templates that cannot be used.
    pub fn compile(spec: &RequestSpec, names: &Names<'_>) -> Result<RequestTemplate, RequestSpecError> {
        let mut headers = spec.headers.clone();
        if spec.close && !has(&headers, "connection") {
            headers.push(("Connection".into(), "close".into()));
        }
        let target = Template::compile(&spec.target, names)?;
        let values: Vec<Template> =
            headers.iter().map(|(_, value)| Template::compile(value, names)).collect::<Result<_, _>>()?;
        let body = match &spec.body {
            Body::Text(text) => Some(Template::compile(text, names)?),
            _ => None,
        };
        // Held to the encoder's rules with whatever is constant; the rest is held to them when it is filled in.
        let text = |template: &Template| String::from_utf8_lossy(&template.example()).into_owned();
        // Nothing can be filled in so that a request line without a target is one.
        if target.prefix().is_empty() {
            return Err(RequestError::Target(spec.target.clone()).into());
        }
        let constant_body = match (&spec.body, &body) {
            (Body::Bytes(bytes), _) => bytes.clone(),
            (_, Some(body)) => body.constant().unwrap_or(b"x").to_vec(),
            _ => Vec::new(),
        };
        let request = Request {
            method: spec.method.clone(),
            target: text(&target),
            authority: spec.authority.clone(),
            headers: headers
                .iter()
                .zip(&values)
                .map(|((name, _), value)| (name.clone(), text(value)))
                .collect(),
            body: constant_body,
        };
        let bytes = request.encode()?;
        let all = std::iter::once(&target).chain(&values).chain(&body);
        let is_constant = all.clone().all(|template| template.constant().is_some());
        if is_constant {
            return Ok(RequestTemplate::of_bytes(&bytes));
        }
        if has(&headers, "transfer-encoding") {
            return Err(RequestError::ChunkedTemplate.into());
        }
        let mut head = Head { fields: vec![(Place::Target, literal(&format!("{} ", spec.method)))] };
        head.fields.push((Place::Target, target.clone()));
        head.text(" HTTP/1.1\r\n");
        head.fields(spec, &headers, &values);
        let usual = matches!(spec.method.as_str(), "POST" | "PUT" | "PATCH");
        let body = match &spec.body {
            Body::Bytes(bytes) => Some(Template::of_bytes(bytes)),
            _ => body,
        };
        Ok(RequestTemplate {
            constant: None,
            head: head.fields,
            body: body.or_else(|| usual.then(Template::default)),
            path_hint: path_hint(target.prefix()),
        })
    }

    /// Puts it for a proxy. The hint at its path stays what it is.
    pub fn forward(&mut self, forward: &Forward) {
        if let Some(bytes) = &mut self.constant {
            *bytes = forward.apply(bytes).into();
            return;
        }
        // The request line is three pieces: method, target, version.
        self.head.insert(REQUEST_LINE, (Place::Header, literal(&forward.field())));
        self.head.insert(1, (Place::Target, literal(&forward.prefix)));
    }

    /// The bytes, if they are always the same.
    #[inline]
    pub fn constant(&self) -> Option<&Arc<[u8]>> {
        self.constant.as_ref()
    }

    /// The constant beginning of its path, at least `/`, for cookies and relative redirects.
    pub fn path_hint(&self) -> &str {
        &self.path_hint
    }

    /// The data sets that it takes values from.
    pub fn data_sets(&self) -> impl Iterator<Item = u32> + '_ {
        self.head.iter().map(|(_, template)| template).chain(&self.body).flat_map(Template::data_sets)
    }

    /// Puts the request together in `out`, which is emptied first. `cookies`, unless empty, becomes the value of
    /// a Cookie field. Works for constant requests too.
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
        if let Some(bytes) = &self.constant {
            out.extend_from_slice(bytes);
            if !cookies.is_empty() {
                // Behind the request line, where it cannot split a field.
                let at = out.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
                let field = [b"Cookie: ", cookies, b"\r\n"].concat();
                out.splice(at..at, field);
            }
            return Ok(());
        }
        for (place, template) in &self.head {
            template.render(*place, out, scope)?;
        }
        if !cookies.is_empty() {
            for part in [b"Cookie: ", cookies, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        match &self.body {
            None => out.extend_from_slice(b"\r\n"),
            Some(body) => with_length(body, out, scope)?,
        }
        if out.len() > LEN_MAX { Err(RenderError::TooLong) } else { Ok(()) }
    }
}

/// Content-Length, the end of the head, the body: whose length is known only behind it.
fn with_length(body: &Template, out: &mut Vec<u8>, scope: &mut Scope<'_>) -> Result<(), RenderError> {
    const ROOM: usize = 20;
    out.extend_from_slice(b"Content-Length: ");
    let at = out.len();
    out.extend_from_slice(&[b'0'; ROOM]);
    out.extend_from_slice(b"\r\n\r\n");
    let begins = out.len();
    body.render(Place::Body, out, scope)?;
    let (mut digits, mut left) = (0, out.len() - begins);
    loop {
        digits += 1;
        out[at + ROOM - digits] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.drain(at..at + ROOM - digits);
    Ok(())
}

struct Head {
    fields: Vec<(Place, Template)>,
}

impl Head {
    fn text(&mut self, text: &str) {
        self.fields.push((Place::Header, literal(text)));
    }

    /// All fields in the encoder's order, but for Content-Length.
    fn fields(&mut self, spec: &RequestSpec, headers: &[(String, String)], values: &[Template]) {
        let given = |name: &str| headers.iter().position(|(own, _)| own.eq_ignore_ascii_case(name));
        self.text("Host: ");
        match given("host") {
            Some(at) => self.fields.push((Place::Header, values[at].clone())),
            None => self.text(&spec.authority),
        }
        self.text("\r\n");
        for ((name, _), value) in headers.iter().zip(values) {
            let unwanted = name.eq_ignore_ascii_case("user-agent")
                && value.constant().is_some_and(|value| value.trim_ascii().is_empty());
            if name.eq_ignore_ascii_case("host") || unwanted || name.eq_ignore_ascii_case("content-length") {
                continue;
            }
            self.text(&format!("{name}: "));
            self.fields.push((Place::Header, value.clone()));
            self.text("\r\n");
        }
        if given("user-agent").is_none() {
            self.text(&format!("User-Agent: {USER_AGENT}\r\n"));
        }
    }
}

/// `*`, or an absolute URL for a proxy, is no path that cookies and relative redirects could go by.
fn path_hint(target: &[u8]) -> String {
    let path = if target.starts_with(b"/") { target } else { b"/" };
    String::from_utf8_lossy(path).into_owned()
}

fn has(headers: &[(String, String)], name: &str) -> bool {
    headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
}

fn literal(text: &str) -> Template {
    Template::of_bytes(text.as_bytes())
}

#[cfg(test)]
mod tests;

//! One request as bytes with patch slots.

use std::sync::Arc;

use super::forward::Forward;
use super::scope::Scope;
pub use super::template::RenderError;
use super::template::Template;
use crate::http::request::{Request, RequestError, USER_AGENT};

/// A request's length is 32 bits wide at the driver.
const LEN_MAX: usize = 1 << 30;

/// What a request is made of. All but the names of fields may hold templates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestSpec {
    /// A token, for [`Place::Method`](super::template::Place::Method).
    pub method: Template,
    /// Path and query, for [`Place::Target`](super::template::Place::Target).
    pub target: Template,
    /// For the Host field, unless `headers` has one; no template.
    pub authority: String,
    /// In order; for [`Place::Header`](super::template::Place::Header).
    pub headers: Vec<(String, Template)>,
    /// What is sent behind the head.
    pub body: Option<Template>,
    /// Add `Connection: close`.
    pub close: bool,
    /// Where it goes is known only when it begins: each is put together anew.
    pub open: bool,
}

/// A request whose bytes are constant, or are put together anew each time.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    constant: Option<Arc<[u8]>>,
    parts: Parts,
    path_hint: String,
}

/// A request that is put together anew each time.
#[derive(Clone, Debug, Default)]
struct Parts {
    method: Template,
    /// How the target begins where it goes to a proxy.
    prefix: String,
    target: Template,
    /// Fields before Host, each with its line end.
    first: String,
    host: Template,
    /// The plan gives Host itself.
    own_host: bool,
    /// The other fields, each with its line end, but for Content-Length.
    fields: Template,
    body: Option<Template>,
}

/// Where a request goes whose URL is known only when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// Path and query, in visible ASCII.
    pub target: &'a str,
    /// For the Host field, unless the request has its own.
    pub authority: &'a str,
}

impl RequestSpec {
    fn is_constant(&self) -> bool {
        let values = self.headers.iter().map(|(_, value)| value);
        let mut all = [&self.method, &self.target].into_iter().chain(values).chain(&self.body);
        all.all(|template| template.constant().is_some())
    }
}

impl RequestTemplate {
    /// Bytes that are always the same.
    pub fn of_bytes(bytes: &[u8]) -> RequestTemplate {
        let path_hint = path_hint(target_of(bytes));
        RequestTemplate { constant: Some(bytes.into()), parts: Parts::default(), path_hint }
    }

    /// Without templates the bytes are those of [`Request::encode`]; with templates the same fields stand in the same order.
    ///
    /// # Errors
    /// Whatever would make the bytes mean something else than one request.
    pub fn compile(spec: &RequestSpec) -> Result<RequestTemplate, RequestError> {
        let mut spec = spec.clone();
        if spec.close && !spec.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case("connection")) {
            spec.headers.push(("Connection".into(), literal("close")));
        }
        // Held to the encoder's rules with whatever is constant; the rest is held to them when it is filled in.
        let text = |template: &Template| String::from_utf8_lossy(&template.example()).into_owned();
        // Nothing can be filled in so that a request line without a target is one.
        if spec.target.prefix().is_empty() {
            return Err(RequestError::Target(text(&spec.target)));
        }
        let request = Request {
            method: text(&spec.method),
            target: text(&spec.target),
            authority: spec.authority.clone(),
            headers: spec.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            body: match &spec.body {
                Some(body) => body.constant().unwrap_or(b"x").to_vec(),
                None => Vec::new(),
            },
        };
        let bytes = request.encode()?;
        if !spec.open && spec.is_constant() {
            return Ok(RequestTemplate::of_bytes(&bytes));
        }
        if spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
            return Err(RequestError::ChunkedTemplate);
        }
        let path_hint = path_hint(spec.target.prefix());
        Ok(RequestTemplate { constant: None, parts: Parts::of(spec), path_hint })
    }

    /// Puts it for a proxy. The hint at its path stays what it is.
    pub fn forward(&mut self, forward: &Forward) {
        if let Some(bytes) = &mut self.constant {
            *bytes = forward.apply(bytes).into();
            return;
        }
        self.parts.prefix.clone_from(&forward.prefix);
        self.parts.first = forward.field();
    }

    /// The bytes, if they are always the same.
    #[inline]
    pub fn constant(&self) -> Option<&Arc<[u8]>> {
        self.constant.as_ref()
    }

    /// The method, where it differs from request to request.
    pub fn open_method(&self) -> Option<&Template> {
        let varies = self.constant.is_none() && self.parts.method.constant().is_none();
        varies.then_some(&self.parts.method)
    }

    /// Whether its path, or query, differs from request to request.
    pub fn has_open_target(&self) -> bool {
        self.constant.is_none() && self.parts.target.constant().is_none()
    }

    /// The constant beginning of its path, at least `/`, for cookies and relative redirects.
    pub fn path_hint(&self) -> &str {
        &self.path_hint
    }

    /// The data sets that it takes values from.
    pub fn data_sets(&self) -> Vec<u32> {
        let Parts { method, target, host, fields, body, .. } = &self.parts;
        let all = [method, target, host, fields].into_iter().chain(body);
        all.flat_map(Template::data_sets).collect()
    }

    /// Puts the request together in `out`, which is emptied first; to another destination than its own if one is given. Works for
    /// constant requests too, but for that.
    ///
    /// # Errors
    /// See [`RenderError`]; `out` then holds nothing of use.
    pub fn render(
        &self,
        to: Option<Destination<'_>>,
        out: &mut Vec<u8>,
        scope: &mut Scope<'_>,
    ) -> Result<(), RenderError> {
        out.clear();
        if let Some(bytes) = &self.constant {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        let parts = &self.parts;
        parts.method.render(out, scope)?;
        let usual = matches!(&out[..], b"POST" | b"PUT" | b"PATCH");
        if out.is_empty() || out == b"CONNECT" {
            return Err(RenderError::Method);
        }
        out.push(b' ');
        match to {
            Some(to) => out.extend_from_slice(to.target.as_bytes()),
            None => {
                out.extend_from_slice(parts.prefix.as_bytes());
                parts.target.render(out, scope)?;
            }
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        out.extend_from_slice(parts.first.as_bytes());
        out.extend_from_slice(b"Host: ");
        match to {
            Some(to) if !parts.own_host => out.extend_from_slice(to.authority.as_bytes()),
            _ => parts.host.render(out, scope)?,
        }
        out.extend_from_slice(b"\r\n");
        parts.fields.render(out, scope)?;
        match &parts.body {
            Some(body) => with_length(body, out, scope)?,
            None if usual => out.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
            None => out.extend_from_slice(b"\r\n"),
        }
        if out.len() > LEN_MAX { Err(RenderError::TooLong) } else { Ok(()) }
    }
}

impl Parts {
    /// All fields in the encoder's order.
    fn of(spec: RequestSpec) -> Parts {
        let RequestSpec { method, target, authority, headers, body, .. } = spec;
        let own_host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let mut parts = Parts {
            own_host: own_host.is_some(),
            host: own_host.map_or_else(|| literal(&authority), |(_, value)| value.clone()),
            ..Parts::default()
        };
        let names_agent = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        for (name, value) in headers {
            let unwanted = name.eq_ignore_ascii_case("user-agent")
                && value.constant().is_some_and(|value| value.trim_ascii().is_empty());
            if name.eq_ignore_ascii_case("host") || unwanted || name.eq_ignore_ascii_case("content-length") {
                continue;
            }
            parts.fields.literal(format!("{name}: ").as_bytes());
            parts.fields.append(value);
            parts.fields.literal(b"\r\n");
        }
        if !names_agent {
            parts.fields.literal(format!("User-Agent: {USER_AGENT}\r\n").as_bytes());
        }
        Parts { method, target, body, ..parts }
    }
}

/// The target of a request, as it stands in the request line.
pub fn target_of(request: &[u8]) -> &[u8] {
    let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
    line.split(|b| *b == b' ').nth(1).unwrap_or_default()
}

/// Content-Length, the end of the head, the body: whose length is known only behind it.
fn with_length(body: &Template, out: &mut Vec<u8>, scope: &mut Scope<'_>) -> Result<(), RenderError> {
    const ROOM: usize = 20;
    out.extend_from_slice(b"Content-Length: ");
    let at = out.len();
    out.extend_from_slice(&[b'0'; ROOM]);
    out.extend_from_slice(b"\r\n\r\n");
    let begins = out.len();
    body.render(out, scope)?;
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

/// `*`, or an absolute URL for a proxy, is no path that cookies and relative redirects could go by.
fn path_hint(target: &[u8]) -> String {
    let path = if target.starts_with(b"/") { target } else { b"/" };
    String::from_utf8_lossy(path).into_owned()
}

fn literal(text: &str) -> Template {
    Template::of_bytes(text.as_bytes())
}

#[cfg(test)]
mod tests;

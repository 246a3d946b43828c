//! A request that a script wants to be sent, and what came of it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::plan::cookies::CookieJar;
use crate::plan::status::StatusSet;
use crate::script::http::address::{Address, Refusal};
use crate::script::tags::Tags;
use crate::stats::outcome::{ErrorKind, Timings};
use crate::units::Nanos;

/// A jar that scripts hold by reference.
pub type Jar = Rc<RefCell<CookieJar>>;

/// A cookie that one request gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenCookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Those of that name in the jar are left out.
    pub replace: bool,
}

/// The first of the requests that redirects lead on to: to scripts, the request of the last one's response.
#[derive(Clone, Debug)]
pub struct First {
    /// The request.
    pub ask: Ask,
    /// Its `Cookie` field.
    pub sent_cookies: String,
}

/// A request that a script wants to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    /// By which the script knows it.
    pub ticket: u32,
    /// As it is sent.
    pub method: Rc<str>,
    /// Where it goes.
    pub to: Rc<Address>,
    /// The request whose redirects led here, if they did.
    pub first: Option<Rc<First>>,
    /// Canonical names, by name; without `Host` and `Content-Length`.
    pub headers: Rc<[(String, String)]>,
    /// `Host`, where it is not the URL's.
    pub host: Option<Rc<str>>,
    /// Its body, if it has one.
    pub body: Option<Rc<[u8]>>,
    /// For this request alone.
    pub cookies: Vec<GivenCookie>,
    /// Which cookies it sends, and where those of its responses go.
    pub jar: Jar,
    /// From the send to the last byte.
    pub timeout: Nanos,
    /// Most redirects that are followed.
    pub redirects: u32,
    /// The script said so for this request: it is not told when there are more.
    pub limits_redirects: bool,
    /// Its response's body is wanted.
    pub keeps_body: bool,
    /// As bytes, not as text.
    pub binary: bool,
    /// Which statuses are expected; `None`: nobody judges.
    pub expected: Option<Rc<StatusSet>>,
    /// The user's tags.
    pub tags: Tags,
    /// The tag `name`, where it is not the URL.
    pub name: Option<Rc<str>>,
    /// Its own tags, `name` apart.
    pub own: Vec<(String, String)>,
}

/// What came of a request: its last response, or why there is none.
#[derive(Debug)]
pub struct Answer {
    /// The status; or what went wrong.
    pub result: Result<u16, ErrorKind>,
    /// The final head.
    pub head: Vec<u8>,
    /// The body as it came, where it was wanted.
    pub body: Vec<u8>,
    /// It was longer than what is kept.
    pub truncated: bool,
    /// Of the last request.
    pub spent: Timings,
    /// The last request, which redirects may have changed.
    pub ask: Box<Ask>,
    /// The last request's `Cookie` field.
    pub sent_cookies: String,
    /// Its redirect led nowhere: there is no response then.
    pub refusal: Option<Refusal>,
}

/// A request as a script's, with k6's own User-Agent.
#[cfg(test)]
pub(super) fn sample(method: &str, url: &str, fields: &[(&str, &str)], body: Option<&str>) -> Ask {
    let mut headers: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    if !fields.iter().any(|(name, _)| *name == "User-Agent") {
        headers.push(("User-Agent".into(), "Grafana k6/1.1.0".into()));
    }
    headers.sort();
    Ask {
        ticket: 0,
        method: method.into(),
        to: Rc::new(crate::script::http::address::parse(url).expect("a URL")),
        first: None,
        headers: headers.into(),
        host: None,
        body: body.map(|body| body.as_bytes().into()),
        cookies: Vec::new(),
        jar: Jar::default(),
        timeout: Nanos::from_secs(60),
        redirects: 10,
        limits_redirects: false,
        keeps_body: true,
        binary: false,
        expected: None,
        tags: crate::script::tags::TagSet::of(Vec::new()).into(),
        name: None,
        own: Vec::new(),
    }
}

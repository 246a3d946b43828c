//! A request that a script wants to be sent, and what came of it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::http::url::Url;
use crate::plan::cookies::CookieJar;
use crate::plan::status::StatusSet;
use crate::script::tags::Tags;
use crate::stats::outcome::ErrorKind;
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

/// A request that a script wants to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    /// By which the script knows it.
    pub ticket: u32,
    /// As it is sent.
    pub method: Rc<str>,
    /// Where it goes.
    pub url: Rc<Url>,
    /// The URL as it was given, and as the tag `url` has it.
    pub shown: Rc<str>,
    /// Canonical names, in the order in which they are sent; without `Host`, `Cookie` and `Content-Length`.
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

/// What a request's time was spent on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// From the send to the last byte.
    pub duration: Nanos,
    /// Until there was a connection; of that: TCP, TLS.
    pub blocked: Nanos,
    /// Until TCP stood.
    pub connecting: Nanos,
    /// The TLS handshake.
    pub securing: Nanos,
    /// Until the kernel had all of it.
    pub sending: Nanos,
    /// Until the first byte.
    pub waiting: Nanos,
    /// Until the last byte.
    pub receiving: Nanos,
}

/// What came of a request: its last response, or why there is none.
#[derive(Debug)]
pub struct Answer {
    /// That of the [`Ask`].
    pub ticket: u32,
    /// The status; or what went wrong.
    pub result: Result<u16, ErrorKind>,
    /// The final head.
    pub head: Vec<u8>,
    /// The body as it came, where it was wanted.
    pub body: Vec<u8>,
    /// It was longer than what is kept.
    pub truncated: bool,
    /// Of the last request.
    pub spent: Spent,
    /// The last request, which redirects may have changed.
    pub ask: Ask,
    /// The last request's `Cookie` field.
    pub sent_cookies: String,
}

//! Redirects of scripts, as Go's client follows them, and the cookies of one request.

use std::rc::Rc;

use crate::plan::redirect;
use crate::script::http::ask::{Ask, GivenCookie};
use crate::script::http::fields;

/// Where a response leads, if it does.
pub(super) fn location(status: u16, head: &[u8]) -> Option<String> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    fields::values(head, "location").into_iter().next().filter(|location| !location.is_empty())
}

/// Fields that do not go to another host.
const OF_ONE_HOST: [&str; 3] = ["Authorization", "Cookie", "Www-Authenticate"];
/// Fields that go with a body.
const OF_THE_BODY: [&str; 2] = ["Content-Type", "Content-Encoding"];

/// The request that follows.
///
/// # Errors
/// When it leads nowhere.
pub(super) fn next(ask: &Ask, status: u16, location: &str) -> Result<Ask, String> {
    let to = redirect::resolve(location, &ask.url, &ask.url.target)
        .map_err(|e| format!("invalid redirect location {location:?}: {e}"))?;
    let keeps = matches!(status, 307 | 308);
    // RFC 9110, 15.4: 307 and 308 keep the method; for the others Go changes all but HEAD into GET.
    let method = if keeps || &*ask.method == "HEAD" { Rc::clone(&ask.method) } else { Rc::from("GET") };
    let drops_body = !keeps && ask.body.is_some();
    let same_host = to.host == ask.url.host || to.host.ends_with(&format!(".{}", ask.url.host));
    let headers = ask.headers.iter().filter(|(name, _)| {
        (same_host || !OF_ONE_HOST.contains(&name.as_str()))
            && !(drops_body && OF_THE_BODY.contains(&name.as_str()))
    });
    let mut headers: Vec<(String, String)> = headers.cloned().collect();
    let leaves_tls = ask.url.scheme != to.scheme && ask.url.scheme.as_str() == "https";
    if !leaves_tls && !headers.iter().any(|(name, _)| name == "Referer") {
        headers.push(("Referer".into(), ask.shown.to_string()));
        headers.sort();
    }
    Ok(Ask {
        method,
        shown: Rc::from(to.to_string()),
        host: ask.host.clone().filter(|_| same_host && to.port == ask.url.port),
        url: Rc::new(to),
        headers: headers.into(),
        body: if keeps { ask.body.clone() } else { None },
        cookies: if same_host { ask.cookies.clone() } else { Vec::new() },
        ..ask.clone()
    })
}

/// The jar's cookies and those of one request.
pub(super) fn with_given(jar: &str, given: &[GivenCookie]) -> String {
    let replaced = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        given.iter().any(|cookie| cookie.replace && cookie.name == name)
    };
    let kept = jar.split("; ").filter(|pair| !pair.is_empty() && !replaced(pair)).map(str::to_owned);
    let own = given.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value));
    own.chain(kept).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_a_request_stand_beside_those_of_the_jar_or_for_them() {
        let given = |replace| GivenCookie { name: "a".into(), value: "x".into(), replace };
        assert_eq!(with_given("a=1; b=2", &[given(false)]), "a=x; a=1; b=2");
        assert_eq!(with_given("a=1; b=2", &[given(true)]), "a=x; b=2");
        assert_eq!((with_given("", &[]), with_given("b=2", &[])), (String::new(), "b=2".into()));
    }

    #[test]
    fn only_some_statuses_lead_on() {
        let head = b"HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n";
        assert_eq!(location(302, head).as_deref(), Some("/x"));
        assert_eq!(
            (location(304, head), location(302, b"HTTP/1.1 302 Found\r\nLocation:\r\n\r\n")),
            (None, None)
        );
    }
}

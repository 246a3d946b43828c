//! Redirects of scripts (RFC 9110, 15.4), as k6 and Go's client follow them.

use std::rc::Rc;

use super::address::{self, Address, Refusal};
use super::ask::{Ask, First};
use super::fields;
use crate::http::url::Scheme;
use crate::plan::redirect;
use crate::script::errors::OTHER;

/// Where a response leads, if it does.
pub fn location(status: u16, head: &[u8]) -> Option<String> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    fields::first(head, "location").filter(|location| !location.is_empty()).map(|found| found.into_owned())
}

/// Fields that do not go to another host.
const OF_ONE_HOST: [&str; 4] = ["Authorization", "Cookie2", "Proxy-Authorization", "Www-Authenticate"];

/// The request that follows `ask`, which had this Cookie field. Its tags, time limit and cookies are those of the one before; a `Cookie` field that the script wrote goes with the
/// first request alone, others that are secret to hosts below that of the first.
///
/// # Errors
/// When it leads nowhere.
pub fn next(ask: &Ask, sent_cookies: &str, status: u16, location: &str) -> Result<Ask, Refusal> {
    let to = resolve(&ask.to, location)?;
    let keeps = matches!(status, 307 | 308);
    // For the others Go makes GET of all but HEAD. What the fields say of the body that goes stays.
    let method = if keeps || &*ask.method == "HEAD" { Rc::clone(&ask.method) } else { Rc::from("GET") };
    let first = ask
        .first
        .clone()
        .unwrap_or_else(|| Rc::new(First { ask: ask.clone(), sent_cookies: sent_cookies.to_owned() }));
    let has_referer = first.ask.headers.iter().any(|(name, _)| name == "Referer");
    let shows_secrets = is_below(&to.url.host, &first.ask.to.url.host);
    let leaves_tls = ask.to.url.scheme == Scheme::Https && to.url.scheme == Scheme::Http;
    let goes_on = |name: &str| {
        name != "Cookie"
            && (name != "Referer" || has_referer)
            && (shows_secrets || !OF_ONE_HOST.contains(&name))
    };
    let mut headers: Vec<(String, String)> =
        ask.headers.iter().filter(|(name, _)| goes_on(name)).cloned().collect();
    if !has_referer && !leaves_tls {
        headers.push(("Referer".into(), ask.to.referer()));
        headers.sort();
    }
    Ok(Ask {
        method,
        host: ask.host.clone().filter(|_| !address::is_absolute(location)),
        headers: headers.into(),
        body: if keeps { ask.body.clone() } else { None },
        to: Rc::new(to),
        first: Some(first),
        ..ask.clone()
    })
}

/// Whether it is that host, or one below it.
fn is_below(host: &str, top: &str) -> bool {
    let is_address = host.contains([':', '%']);
    let below = || host.strip_suffix(top).is_some_and(|rest| rest.ends_with('.'));
    host == top || (!is_address && below())
}

/// A Location against the request that was answered. What is relative keeps user name and password.
fn resolve(base: &Address, location: &str) -> Result<Address, Refusal> {
    let refused = |error: &str| Refusal {
        text: format!("failed to parse Location header {location:?}: {error}"),
        code: OTHER,
        tag: Some(base.tag.clone()),
    };
    if let Some(fault) = address::fault(location) {
        return Err(refused(&fault));
    }
    if address::is_absolute(location) {
        return address::parse(location);
    }
    let scheme = base.url.scheme.as_str();
    if location.starts_with("//") {
        return address::parse(&format!("{scheme}:{location}"));
    }
    let found = redirect::resolve(location, &base.url, &base.url.target).map_err(|error| refused(&error))?;
    let (path, known) = found.target.split_once('?').map_or((&*found.target, None), |(p, q)| (p, Some(q)));
    // A query goes out as it stands in the Location.
    let own = location.split('#').next().and_then(|location| location.split_once('?'));
    let query = own.map(|(_, query)| query).or(known);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let user = base.user.as_deref().map(|user| format!("{user}@")).unwrap_or_default();
    let fragment = address::fragment(location).map(|fragment| format!("#{fragment}")).unwrap_or_default();
    address::parse(&format!("{scheme}://{user}{}{path}{query}{fragment}", base.authority))
}

#[cfg(test)]
mod tests;

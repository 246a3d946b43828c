//! What the options say that must not be shown.

use super::RawConfig;
use crate::secrets::Redactor;

/// Variables of the environment that may hold a proxy's credentials.
const PROXY_VARIABLES: [&str; 5] = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// Of a body that much is looked at.
const BODY_MAX: usize = 256 * 1024;

/// A redactor that knows the secrets in the options.
pub(super) fn of_flags(raw: &RawConfig) -> Redactor {
    if raw.show_secrets {
        return Redactor::showing();
    }
    let mut secrets = Redactor::default();
    raw.headers.iter().chain(&raw.vars).for_each(|word| secrets.learn_word(word));
    raw.proxy.iter().chain([&raw.url]).for_each(|url| secrets.learn_url(url));
    let proxies = PROXY_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    proxies.for_each(|url| secrets.learn_url(&url));
    secrets
}

/// Those of the request's body.
pub(super) fn of_body(body: &[u8], secrets: &mut Redactor) {
    if let Some(text) = body[..body.len().min(BODY_MAX)].utf8_chunks().next() {
        secrets.learn(text.valid());
    }
}

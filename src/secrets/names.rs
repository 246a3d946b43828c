//! Which names say that their value is a secret: one list for redaction and for imports.

use percent_encoding::percent_decode_str;

/// Anywhere in a name, without what separates its words.
const PARTS: [&str; 22] = [
    "token",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "subscriptionkey",
    "functionskey",
    "masterkey",
    "accountkey",
    "signingkey",
    "sharedkey",
    "authkey",
    "passw",
    "passphrase",
    "credential",
    "authorization",
    "signature",
    "session",
    "sessid",
    "csrf",
    "xsrf",
    "samlresponse",
];
/// As one of a name's words.
const WORDS: [&str; 8] = ["jwt", "sid", "pwd", "otp", "totp", "bearer", "hmac", "sess"];
/// As the last of them.
const LAST_WORDS: [&str; 4] = ["auth", "pass", "sig", "pin"];
/// As the whole name.
const WHOLE: [&str; 5] = ["key", "pw", "cookie", "setcookie", "assertion"];
/// Of parameters alone: elsewhere these words mean much else.
const PARAMETERS: [&str; 1] = ["code"];
/// Words that stand before credentials (RFC 9110, 11.6.2; IANA's registry, and what is common beside it).
const SCHEMES: [&str; 14] = [
    "basic",
    "bearer",
    "digest",
    "negotiate",
    "ntlm",
    "hawk",
    "hoba",
    "mutual",
    "oauth",
    "token",
    "apikey",
    "dpop",
    "aws4-hmac-sha256",
    "sharedkey",
];

/// Whether a variable, a field of a form or a key of JSON holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let joined = joined.to_ascii_lowercase();
    if WHOLE.contains(&joined.as_str()) || PARTS.iter().any(|part| joined.contains(part)) {
        return true;
    }
    let words = words(&name);
    words.iter().any(|word| WORDS.contains(&word.as_str()))
        || words.last().is_some_and(|word| LAST_WORDS.contains(&word.as_str()))
}

/// Whether a parameter of a URL or of a form holds one.
pub fn is_secret_parameter(name: &str) -> bool {
    is_secret_name(name) || PARAMETERS.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Whether a header carries credentials.
pub fn is_secret_header(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let own = (lower.starts_with("x-auth") && !lower.starts_with("x-author"))
        || (lower.starts_with("x-") && lower.ends_with("-key") && !lower.contains("idempotency"))
        || is_cookie(&lower);
    own || is_secret_name(name)
}

/// Whether a header holds cookies.
pub(super) fn is_cookie(name: &str) -> bool {
    name.to_ascii_lowercase().contains("cookie")
}

/// Whether credentials follow this word.
pub(super) fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// The words of `snake_case`, `kebab-case`, `camelCase` and the like, in lower case.
fn words(name: &str) -> Vec<String> {
    let (mut words, mut word, mut lower_before) = (Vec::new(), String::new(), false);
    for c in name.chars() {
        let begins = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && lower_before);
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        lower_before = c.is_ascii_lowercase();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_hold() {
        for name in [
            "token",
            "access_token",
            "refreshToken",
            "api_key",
            "apiKey",
            "API-KEY",
            "key",
            "secret",
            "client_secret",
            "password",
            "user[password]",
            "user%5Bpassword%5D",
            "passwd",
            "DB_PASS",
            "pwd",
            "sig",
            "signature",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "session",
            "session_id",
            "JSESSIONID",
            "PHPSESSID",
            "connect.sid",
            "jwt",
            "otp",
            "_csrf",
            "AWS_SECRET_ACCESS_KEY",
            "AUTHORIZATION",
            "auth",
            "proxy_auth",
            "SAMLResponse",
            "COOKIE",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "a",
            "page",
            "author",
            "authority",
            "keyword",
            "monkey",
            "bypass",
            "passenger",
            "side",
            "inside",
            "code",
            "sort_key",
            "design",
            "assign",
            "cookies",
            "assess",
            "spinner",
            "pins",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
        assert!(
            is_secret_parameter("code") && is_secret_parameter("token") && !is_secret_parameter("zipcode")
        );
    }

    #[test]
    fn headers_are_known_by_name() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "Set-Cookie",
            "X-Api-Key",
            "X-Auth-Token",
            "X-CSRF-Token",
            "X-Key",
            "X-Functions-Key",
            "Ocp-Apim-Subscription-Key",
            "Api-Key",
            "X-Amz-Security-Token",
            "X-Session-Id",
            "X-Authentication",
            "X-Vault-Token",
            "Private-Token",
            "DPoP-Signature",
            "X-Hub-Signature-256",
        ] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in [
            "Accept",
            "Author",
            "X-Author",
            "Idempotency-Key",
            "X-Idempotency-Key",
            "WWW-Authenticate",
            "Content-Type",
            "Host",
        ] {
            assert!(!is_secret_header(name), "{name}");
        }
    }
}

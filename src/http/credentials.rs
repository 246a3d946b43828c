//! User name and password in a URL (RFC 3986, section 3.2.1), as Basic authentication sends them (RFC 7617).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Takes `user:password@` out of a URL, which may lack its scheme.
pub fn split_user_info(url: &str) -> (String, Option<String>) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    match url[start..end].rsplit_once('@') {
        Some((user, host)) => (format!("{}{host}{}", &url[..start], &url[end..]), Some(user.to_owned())),
        None => (url.to_owned(), None),
    }
}

/// The value of Authorization for `user:password`, percent-encoded as in any URL. Without a colon the password is empty, as with curl.
///
/// # Errors
/// What is wrong with it.
pub fn basic(user_info: &str) -> Result<String, String> {
    let colon = if user_info.contains(':') { "" } else { ":" };
    let plain = percent_decoded(&format!("{user_info}{colon}")).ok_or_else(|| {
        "the credentials hold a % that is not followed by two hex digits: write %25".to_owned()
    })?;
    Ok(format!("Basic {}", BASE64_STANDARD.encode(plain)))
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        out.push((digit(bytes.next())? * 16 + digit(bytes.next())?) as u8);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_last_at_sign_of_the_authority_is_taken_out() {
        for (url, rest, user) in [
            ("http://u:p@h:80/a@b", "http://h:80/a@b", Some("u:p")),
            ("http://u@x:p@h?q", "http://h?q", Some("u@x:p")),
            ("u:p@h/", "h/", Some("u:p")),
            ("http://h/?to=u@x", "http://h/?to=u@x", None),
            ("http://@h/", "http://h/", Some("")),
        ] {
            assert_eq!(split_user_info(url), (rest.to_owned(), user.map(str::to_owned)), "{url}");
        }
    }

    #[test]
    fn credentials_are_decoded_before_they_are_encoded() {
        assert_eq!(basic("me:p%40ss%3A").unwrap(), "Basic bWU6cEBzczo=");
        assert_eq!(basic("me:").unwrap(), basic("me").unwrap());
        assert_eq!(basic("%C3%BC:%e2%82%ac").unwrap(), format!("Basic {}", BASE64_STANDARD.encode("ü:€")));
        assert!(basic("a%2").unwrap_err().contains("%25"));
        assert!(basic("a%zz:b").is_err());
    }
}

//! What holds for any text in the place of a URL.

use squall::http::request::Request;
use squall::http::url::Url;

/// An error that says something, or parts that can be sent, are what was written, and parse to
/// themselves again.
pub(crate) fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let url = match text.parse::<Url>() {
        Ok(url) => url,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(url.to_string().parse::<Url>().as_ref(), Ok(&url));
    assert!(url.port != 0 && !url.host.is_empty());
    assert!(url.target.starts_with('/') && url.target.bytes().all(|b| b.is_ascii_graphic()));
    assert!(text.contains(url.target.trim_start_matches('/')), "sent as given: {} of {text}", url.target);
    assert!(text.to_ascii_lowercase().contains(&url.host));
    let request = Request {
        method: "GET".into(),
        target: url.target.clone(),
        authority: url.authority(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let bytes = request.encode().expect("a parsed URL can be sent");
    let line = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", url.target, url.authority());
    assert!(bytes.starts_with(line.as_bytes()), "{}", bytes.escape_ascii());
}

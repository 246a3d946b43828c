//! Any text as a URL: an error, or parts that can be sent and that parse to themselves again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall::http::request::Request;
use squall::http::url::Url;

fuzz_target!(|text: &str| {
    let Ok(url) = text.parse::<Url>() else {
        return;
    };
    assert_eq!(url.to_string().parse::<Url>().as_ref(), Ok(&url));
    let request = Request {
        method: "GET".into(),
        target: url.target.clone(),
        authority: url.authority(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    request.encode().expect("a parsed URL can be sent");
});

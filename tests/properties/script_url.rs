//! What holds for any text as a URL that a script gives.

use squall::script::http::address::{self, Address};

/// Refused with a message and a code, or parts that can be sent; shown, it is read as the same again, and its tags have no password.
pub(crate) fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match address::parse(text) {
        Ok(found) => can_be_sent(text, &found),
        Err(refusal) => {
            assert!(!refusal.text.is_empty() && [1000, 1020].contains(&refusal.code), "{refusal:?}");
        }
    }
    // What is refused as no URL has a fault, and what is sent has none.
    let is_no_url = address::parse(text).is_err_and(|refusal| refusal.text.starts_with("invalid URL"));
    assert_eq!(address::fault(text).is_some(), is_no_url, "{text:?}");
}

fn can_be_sent(text: &str, found: &Address) {
    let url = &found.url;
    assert!(!url.host.is_empty(), "{found:?}");
    let is_control = |b: u8| b < b' ' || b == 0x7f;
    let on_the_wire = [&url.target, &found.authority, &found.text, &found.tag];
    assert!(on_the_wire.iter().all(|part| !part.bytes().any(is_control)), "{found:?}");
    assert!(url.target.starts_with('/'), "{found:?}");
    assert!(address::is_absolute(text));
    // A name of other letters is shown in escapes, which are not read back.
    let authority = |text: &str| {
        text.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or("").to_owned())
    };
    if authority(&found.text).is_some_and(|authority| !authority.contains('%')) {
        assert_eq!(address::parse(&found.text).as_ref(), Ok(found), "of {text:?}");
    }
    match &found.user {
        Some(_) => {
            assert!(found.tag.contains("****"), "{found:?}");
            assert!(
                authority(&found.referer()).is_some_and(|authority| !authority.contains('@')),
                "{found:?}"
            );
        }
        None => assert_eq!(found.referer(), found.text),
    }
}

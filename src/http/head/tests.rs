use super::*;

fn head(fields: &str) -> Result<Head, ParseError> {
    of(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), Expect::Normal)
}

fn of(text: &str, expect: Expect) -> Result<Head, ParseError> {
    parse(text.as_bytes(), expect, MAX_HEAD).map(|head| head.expect("it is complete"))
}

#[test]
fn the_framing_follows_the_rules_in_their_order() {
    use Framing::{Chunked, Length, UntilClose};
    for (fields, framing, keep_alive) in [
        ("Content-Length: 5\r\n", Length(5), true),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Length(5), true),
        ("content-length:0\r\n", Length(0), true),
        ("", UntilClose, false),
        ("Transfer-Encoding: chunked\r\n", Chunked, true),
        ("Transfer-Encoding: gzip, chunked\r\n", Chunked, true),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: CHUNKED\r\n", Chunked, true),
        ("Transfer-Encoding: gzip\r\n", UntilClose, false),
        ("Transfer-Encoding: chunked, gzip\r\n", UntilClose, false),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Chunked, false),
        ("Content-Length: 5\r\nConnection: close\r\n", Length(5), false),
        ("Content-Length: 5\r\nConnection: x, Close\r\n", Length(5), false),
        ("Content-Length: 5\r\nConnection: keep-alive\r\nConnection: close\r\n", Length(5), false),
    ] {
        let head = head(fields).unwrap();
        assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{fields}");
    }
    for (fields, error) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", ParseError::ContentLength),
        ("Content-Length: +5\r\n", ParseError::ContentLength),
        ("Content-Length: 5, 5\r\n", ParseError::ContentLength),
        ("Content-Length: 18446744073709551616\r\n", ParseError::ContentLength),
        ("Transfer-Encoding: chunked, chunked\r\n", ParseError::TransferEncoding),
        ("Transfer-Encoding: chunked;q=1\r\n", ParseError::TransferEncoding),
        ("Transfer-Encoding:\r\n", ParseError::TransferEncoding),
        ("Bad Name: x\r\n", ParseError::Field),
    ] {
        assert_eq!(head(fields), Err(error), "{fields}");
    }
}

#[test]
fn what_was_asked_and_the_status_decide_before_all_fields() {
    let length = "Content-Length: 5\r\n\r\n";
    for (line, expect, framing) in [
        ("HTTP/1.1 200 OK", Expect::Head, Framing::Length(0)),
        ("HTTP/1.1 204 No Content", Expect::Normal, Framing::Length(0)),
        ("HTTP/1.1 304 Not Modified", Expect::Normal, Framing::Length(0)),
        ("HTTP/1.1 103 Early", Expect::Normal, Framing::Length(0)),
        ("HTTP/1.1 205 X", Expect::Normal, Framing::Length(5)),
    ] {
        assert_eq!(of(&format!("{line}\r\n{length}"), expect).unwrap().framing, framing, "{line}");
    }
    assert!(of("HTTP/1.1 103 Early\r\n\r\n", Expect::Normal).unwrap().is_interim());
    let switched = of("HTTP/1.1 101 Switching\r\n\r\n", Expect::Normal).unwrap();
    assert!(!switched.is_interim() && !switched.keep_alive);
}

#[test]
fn older_and_newer_versions_of_http_1_are_told_apart() {
    let keep = |line: &str, fields: &str| {
        of(&format!("{line}\r\nContent-Length: 0\r\n{fields}\r\n"), Expect::Normal)
            .map(|head| head.keep_alive)
    };
    assert_eq!(keep("HTTP/1.0 200 OK", ""), Ok(false));
    assert_eq!(keep("HTTP/1.0 200 OK", "Connection: Keep-Alive\r\n"), Ok(true));
    assert_eq!(keep("HTTP/1.0 200 OK", "Connection: keep-alive, x\r\nConnection: y\r\n"), Ok(true));
    assert_eq!(keep("HTTP/1.2 200 OK", ""), Ok(true));
    for other in ["HTTP/2.0", "HTTP/2.2", "HTTP/1.x", "HTTP/1."] {
        assert_eq!(keep(&format!("{other} 200 OK"), ""), Err(ParseError::Version), "{other}");
    }
    let chunked =
        of("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", Expect::Normal);
    assert!(!chunked.unwrap().keep_alive, "its framing is suspect");
}

#[test]
fn folded_lines_are_unfolded_in_place() {
    let text = b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\td\r\nContent-Length: 2\r\n\r\nok";
    let plain = unfolded(text).unwrap();
    assert_eq!(plain.len(), text.len());
    assert_eq!(&plain[17..29], b"A: b   c  \td");
    let head = parse(text, Expect::Normal, MAX_HEAD).unwrap().unwrap();
    assert!(head.folded && head.framing == Framing::Length(2) && head.len == text.len() - 2);
    assert_eq!(unfolded(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n x"), None, "behind the head there is no fold");
    assert_eq!(unfolded(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    let many = |folds: usize| format!("HTTP/1.1 200 OK\r\nA: b{}\r\n\r\n", "\r\n x".repeat(folds));
    assert!(of(&many(MAX_HEADERS), Expect::Normal).is_ok());
    assert_eq!(of(&many(MAX_HEADERS + 1), Expect::Normal), Err(ParseError::Field));
}

#[test]
fn a_head_has_its_limit_and_may_be_incomplete() {
    let text = b"HTTP/1.1 204 X\r\nA: b\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(parse(&text[..end], Expect::Normal, MAX_HEAD), Ok(None), "{end}");
    }
    assert_eq!(parse(text, Expect::Normal, text.len()).unwrap().unwrap().len, text.len());
    assert_eq!(parse(text, Expect::Normal, text.len() - 1), Err(ParseError::HeadTooLarge));
    assert_eq!(parse(b"SSH-2.0", Expect::Normal, MAX_HEAD), Err(ParseError::StatusLine));
    assert_eq!(of("HTTP/1.1 099 X\r\n\r\n", Expect::Normal), Err(ParseError::StatusCode));
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    assert_eq!(head(date).unwrap().date_at, Some(17 + 6));
    assert_eq!(head("Date: today\r\n").unwrap().date_at, None);
}

use super::*;
use crate::script::http::ask::sample;

fn written(ask: &Ask, cookies: &str) -> String {
    let mut out = Vec::new();
    write(ask, cookies, &mut out);
    String::from_utf8(out).unwrap()
}

const START: &str = "HTTP/1.1\r\nHost: 127.0.0.1:18476\r\nUser-Agent: Grafana k6/1.1.0\r\n";

/// As k6 1.1.0 sent them.
#[test]
fn bodies_are_framed_as_by_go() {
    for (method, body, wanted) in [
        ("GET", None, "\r\n"),
        ("POST", None, "Content-Length: 0\r\n\r\n"),
        ("PUT", None, "Content-Length: 0\r\n\r\n"),
        ("PATCH", None, "Content-Length: 0\r\n\r\n"),
        ("DELETE", None, "\r\n"),
        ("OPTIONS", None, "\r\n"),
        ("CUSTOM", None, "\r\n"),
        ("post", None, "\r\n"),
        ("GET", Some("abc"), "Content-Length: 3\r\n\r\nabc"),
        ("DELETE", Some("abc"), "Content-Length: 3\r\n\r\nabc"),
        ("GET", Some(""), "\r\n"),
        ("DELETE", Some(""), "\r\n"),
        ("OPTIONS", Some(""), "\r\n"),
        ("SEARCH", Some(""), "\r\n"),
        ("POST", Some(""), "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("PUT", Some(""), "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("CUSTOM", Some(""), "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("get", Some(""), "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        let ask = sample(method, "http://127.0.0.1:18476/w", &[], body);
        assert_eq!(written(&ask, ""), format!("{method} /w {START}{wanted}"), "{method} {body:?}");
    }
}

/// As k6 1.1.0 sent them.
#[test]
fn fields_are_written_as_by_go() {
    let given = [
        ("A-First", "2"),
        ("Accept", "*/*"),
        ("Authorization", "x"),
        ("Content-Length", "10"),
        ("Cookie", "own=1"),
        ("M", "1"),
        ("Trailer", "X"),
        ("Transfer-Encoding", "chunked"),
        ("X-Empty", ""),
        ("X-Trim", "  a  b  "),
        ("X_under", "3"),
    ];
    let ask = sample("GET", "http://user:pass@127.0.0.1:18476/w", &given, None);
    let fields = "A-First: 2\r\nAccept: */*\r\nAuthorization: x\r\nCookie: own=1; a=1\r\nM: 1\r\nX-Empty: \r\nX-Trim: a  b\r\nX_under: 3\r\n\r\n";
    assert_eq!(written(&ask, "own=1; a=1"), format!("GET /w {START}{fields}"));
    let ask = sample("GET", "http://user:pa%20ss@127.0.0.1:18476/wauth", &[], None);
    let basic = format!("GET /wauth {START}Authorization: Basic dXNlcjpwYSBzcw==\r\n\r\n");
    assert_eq!(written(&ask, ""), basic);
    let ask = sample("GET", "http://127.0.0.1:18476/w", &[("User-Agent", "")], None);
    assert_eq!(written(&ask, ""), "GET /w HTTP/1.1\r\nHost: 127.0.0.1:18476\r\n\r\n");
}

/// As k6 1.1.0 sent them.
#[test]
fn the_host_is_what_the_script_says() {
    for (host, wanted) in [
        ("other.example:99", "other.example:99"),
        ("", "127.0.0.1:18476"),
        ("a b", ""),
        ("a/b", ""),
        ("é", ""),
    ] {
        let mut ask = sample("GET", "http://127.0.0.1:18476/w", &[], None);
        ask.host = Some(host.into());
        let wanted = format!("GET /w HTTP/1.1\r\nHost: {wanted}\r\nUser-Agent: Grafana k6/1.1.0\r\n\r\n");
        assert_eq!(written(&ask, ""), wanted);
    }
}

/// In the words of k6 1.1.0.
#[test]
fn what_would_be_another_request_is_not_sent() {
    for (method, name, value, wanted) in [
        ("GET", "x bad", "v", Some("net/http: invalid header field name \"x bad\"")),
        ("GET", "é", "x", Some("net/http: invalid header field name \"é\"")),
        ("GET", "", "x", Some("net/http: invalid header field name \"\"")),
        ("GET", "X-A", "a\r\nX-B: b", Some("net/http: invalid header field value for \"X-A\"")),
        ("GET", "X-A", "a\0b", Some("net/http: invalid header field value for \"X-A\"")),
        ("A B", "X-A", "a", Some("net/http: invalid method \"A B\"")),
        ("CUSTOM", "X-A", "é\ta", None),
    ] {
        let ask = sample(method, "http://h/", &[(name, value)], None);
        assert_eq!(fault(&ask).as_deref(), wanted, "{method} {name} {value}");
    }
}

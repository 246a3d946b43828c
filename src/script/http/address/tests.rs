use super::*;

fn address(given: &str) -> Address {
    parse(given).unwrap_or_else(|refusal| panic!("{given}: {refusal:?}"))
}

/// Given; target, `res.url` and tag as k6 1.1.0 had them.
#[test]
fn urls_are_sent_and_shown_as_by_k6() {
    for (given, target, text, tag) in [
        ("http://h:81/a?b=1#frag", "/a?b=1", "http://h:81/a?b=1#frag", "http://h:81/a?b=1#frag"),
        ("http://u:p@h/a", "/a", "http://u:p@h/a", "http://****:****@h/a"),
        ("http://u@h/a", "/a", "http://u@h/a", "http://****@h/a"),
        ("http://u:@h/a", "/a", "http://u:@h/a", "http://****:****@h/a"),
        ("http://:p@h/a", "/a", "http://:p@h/a", "http://****:****@h/a"),
        ("http://@h/a", "/a", "http://@h/a", "http://****@h/a"),
        ("http://u!s:p$w+@h/", "/", "http://u%21s:p$w+@h/", "http://****:****@h/"),
        ("http://u%40x:p%3Aw@h/", "/", "http://u%40x:p%3Aw@h/", "http://****:****@h/"),
        ("http://h", "/", "http://h", "http://h"),
        ("http://h?q", "/?q", "http://h?q", "http://h?q"),
        ("http://h#f", "/", "http://h#f", "http://h#f"),
        ("HTTP://h/A", "/A", "http://h/A", "http://h/A"),
        ("http://h/a b", "/a%20b", "http://h/a%20b", "http://h/a%20b"),
        ("http://h/é", "/%C3%A9", "http://h/%C3%A9", "http://h/%C3%A9"),
        ("http://h/%41%7e%2f", "/%41%7e%2f", "http://h/%41%7e%2f", "http://h/%41%7e%2f"),
        ("http://h/?a=%zz", "/?a=%zz", "http://h/?a=%zz", "http://h/?a=%zz"),
        ("http://h/?a b", "/?a b", "http://h/?a b", "http://h/?a b"),
        ("http://h/?é", "/?é", "http://h/?é", "http://h/?é"),
        (
            "http://h/a\"<>^`{|}\\",
            "/a%22%3C%3E%5E%60%7B%7C%7D%5C",
            "http://h/a%22%3C%3E%5E%60%7B%7C%7D%5C",
            "http://h/a%22%3C%3E%5E%60%7B%7C%7D%5C",
        ),
        ("http://h/../a/./b", "/../a/./b", "http://h/../a/./b", "http://h/../a/./b"),
        ("http://h//x", "//x", "http://h//x", "http://h//x"),
        ("http://h/a?", "/a?", "http://h/a?", "http://h/a?"),
        ("http://h/a#", "/a", "http://h/a", "http://h/a"),
        ("http://h/[x]", "/[x]", "http://h/[x]", "http://h/[x]"),
        (
            "http://h/a;b,c:d@e!$&'()*+=~",
            "/a;b,c:d@e!$&'()*+=~",
            "http://h/a;b,c:d@e!$&'()*+=~",
            "http://h/a;b,c:d@e!$&'()*+=~",
        ),
        ("http://h/ ", "/%20", "http://h/%20", "http://h/%20"),
        (
            "http://h/a b!%41?x y#f g!",
            "/a%20b%21A?x y",
            "http://h/a%20b%21A?x y#f%20g!",
            "http://h/a%20b%21A?x y#f%20g!",
        ),
        ("http://h/a%2Fb%3f c", "/a/b%3F%20c", "http://h/a/b%3F%20c", "http://h/a/b%3F%20c"),
        ("http://h/#a\"b", "/", "http://h/#a%22b", "http://h/#a%22b"),
        ("http://h/#a!(*)'", "/", "http://h/#a!(*)'", "http://h/#a!(*)'"),
        ("http://exa<mple/", "/", "http://exa<mple/", "http://exa<mple/"),
    ] {
        let found = address(given);
        let shown = (found.url.target.as_str(), found.text.as_str(), found.tag.as_str());
        assert_eq!(shown, (target, text, tag), "{given}");
    }
}

/// Given; host, port and `Host` as k6 1.1.0 had them.
#[test]
fn host_and_port_are_written_as_given() {
    for (given, host, port, authority) in [
        ("http://LOCALHOST:18476/up", "localhost", 18_476, "LOCALHOST:18476"),
        ("http://127.0.0.1:80/p80", "127.0.0.1", 80, "127.0.0.1:80"),
        ("http://127.0.0.1:/pe", "127.0.0.1", 80, "127.0.0.1:"),
        ("https://127.0.0.1/pd", "127.0.0.1", 443, "127.0.0.1"),
        ("http://127.0.0.1:0/", "127.0.0.1", 0, "127.0.0.1:0"),
        ("http://[::1]:81/", "::1", 81, "[::1]:81"),
        ("http://[fe80::1%25lo]:1/", "fe80::1%lo", 1, "[fe80::1%lo]:1"),
        ("http://bücher.example:81/", "xn--bcher-kva.example", 81, "xn--bcher-kva.example:81"),
    ] {
        let found = address(given);
        assert_eq!(
            (found.url.host.as_str(), found.url.port, found.authority.as_str()),
            (host, port, authority),
            "{given}"
        );
    }
}

#[test]
fn users_become_basic_authentication() {
    for (given, wanted) in [
        ("http://user:pa%20ss@h/", Some("Basic dXNlcjpwYSBzcw==")),
        ("http://u!s:p$w+@h/", Some("Basic dSFzOnAkdys=")),
        ("http://u%40x:p%3Aw@h/", Some("Basic dUB4OnA6dw==")),
        ("http://h/", None),
    ] {
        assert_eq!(address(given).authorization().as_deref(), wanted, "{given}");
    }
    assert_eq!(address("http://u:p@h/a?b#c").referer(), "http://h/a?b#c");
}

/// What is no URL makes no request: code 1020.
#[test]
fn what_is_no_url_is_refused_in_the_words_of_k6() {
    for (given, wanted) in [
        ("http://h/a%zz", r#"parse "http://h/a%zz": invalid URL escape "%zz""#),
        ("://x", r#"parse "://x": missing protocol scheme"#),
        ("http://h:x/", r#"parse "http://h:x/": invalid port ":x" after host"#),
        ("http://[::1", r#"parse "http://[::1": missing ']' in host"#),
        ("http://[::1]x/", r#"parse "http://[::1]x/": invalid port "x" after host"#),
        ("http://a b/", r#"parse "http://a b/": invalid character " " in host name"#),
        ("http://a%20b/", r#"parse "http://a%20b/": invalid URL escape "%20""#),
        ("http://a%zz/", r#"parse "http://a%zz/": invalid URL escape "%zz""#),
        ("http://h\u{7f}/", r#"parse "http://h\x7f/": net/url: invalid control character in URL"#),
        ("http://h/\u{1}", r#"parse "http://h/\x01": net/url: invalid control character in URL"#),
        ("http://h/\t", r#"parse "http://h/\t": net/url: invalid control character in URL"#),
        (" http://h/", r#"parse " http://h/": first path segment in URL cannot contain colon"#),
        ("http://u:p%zz@h/", r#"parse "http://u:p%zz@h/": invalid URL escape "%zz""#),
        ("http://u ser@h/", r#"parse "http://u ser@h/": net/url: invalid userinfo"#),
        ("1http://h/", r#"parse "1http://h/": first path segment in URL cannot contain colon"#),
        ("ht_tp://h/", r#"parse "ht_tp://h/": first path segment in URL cannot contain colon"#),
        ("http://h:-1/", r#"parse "http://h:-1/": invalid port ":-1" after host"#),
        ("http://a:b:c/", r#"parse "http://a:b:c/": invalid port ":c" after host"#),
        ("http://%31/", r#"parse "http://%31/": invalid URL escape "%31""#),
        ("http://[fe80::1%lo]:1/", r#"parse "http://[fe80::1%lo]:1/": invalid URL escape "%lo""#),
        ("127.0.0.1:80/x", r#"parse "127.0.0.1:80/x": first path segment in URL cannot contain colon"#),
        ("http://\\x/", r#"parse "http://\\x/": invalid character "\\" in host name"#),
        ("http://h/a?x#f%zz", r#"parse "http://h/a?x#f%zz": invalid URL escape "%zz""#),
    ] {
        let text = format!("invalid URL: {wanted}");
        assert_eq!(parse(given), Err(Refusal { text, code: 1_020, tag: None }), "{given}");
        assert_eq!(fault(given).as_deref(), Some(wanted));
    }
}

/// URLs that nothing can be sent to count as failed requests.
#[test]
fn what_cannot_be_called_is_a_failed_request() {
    for (given, text, code, tag) in [
        ("", "unsupported protocol scheme \"\"", 1_000, ""),
        ("abc", "unsupported protocol scheme \"\"", 1_000, "abc"),
        ("/path", "unsupported protocol scheme \"\"", 1_000, "/path"),
        ("//h/p", "unsupported protocol scheme \"\"", 1_000, "//h/p"),
        ("*", "unsupported protocol scheme \"\"", 1_000, "*"),
        ("ftp://x/", "unsupported protocol scheme \"ftp\"", 1_000, "ftp://x/"),
        ("mailto:x", "unsupported protocol scheme \"mailto\"", 1_000, "mailto:x"),
        ("localhost:80/x", "unsupported protocol scheme \"localhost\"", 1_000, "localhost:80/x"),
        ("http://", "http: no Host in request URL", 1_000, "http:"),
        ("http:///x", "http: no Host in request URL", 1_000, "http:///x"),
        ("http:", "http: no Host in request URL", 1_000, "http:"),
        ("http:x", "http: no Host in request URL", 1_000, "http:x"),
        ("http://u:p@", "http: no Host in request URL", 1_000, "http://****:****@"),
        (
            "http://127.0.0.1:99999/",
            "dial tcp: address 99999: invalid port",
            1_210,
            "http://127.0.0.1:99999/",
        ),
    ] {
        let refusal = Refusal { text: text.into(), code, tag: Some(tag.into()) };
        assert_eq!(parse(given), Err(refusal), "{given}");
    }
}

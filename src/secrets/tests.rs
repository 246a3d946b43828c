use proptest::prelude::*;

use super::*;

fn hidden(text: &str) -> String {
    Redactor::default().text(text).into_owned()
}

#[test]
fn values_are_hidden_by_their_names() {
    for (text, wanted) in [
        // URLs.
        ("http://user:pw@host/p?token=s&a=1", "http://user:***@host/p?token=***&a=1"),
        ("http://s@host/", "http://***@host/"),
        ("https://u:p@ss@h:1/x@y", "https://u:***@h:1/x@y"),
        ("http://u:p/q@h/", "http://u:***@h/"),
        ("http://u:p?q@h/", "http://u:***@h/"),
        (r#""http:\/\/u:pw@h\/?a=1""#, r#""http:\/\/u:***@h\/?a=1""#),
        ("`u:pw@h:3128` has no scheme", "`u:***@h:3128` has no scheme"),
        ("/cb?code=s&state=1#access_token=t", "/cb?code=***&state=1#access_token=***"),
        ("(see http://h/?key=s).", "(see http://h/?key=***)."),
        (
            "/?next=http%3A%2F%2Fh%2F%3Ftoken%3Ds%26page%3D2&x=1",
            "/?next=http%3A%2F%2Fh%2F%3Ftoken%3D***%26page%3D2&x=1",
        ),
        ("/?n=%2F%3Fkey%3Ds", "/?n=%2F%3Fkey%3D***"),
        ("/?n=%253Ftoken%253Ds", "/?n=%253Ftoken%253D***"),
        // Forms and assignments.
        ("a=1&user%5Bpassword%5D=s&user[pin]=9", "a=1&user%5Bpassword%5D=***&user[pin]=***"),
        ("password=\"a b\" x", "password=\"***\" x"),
        ("token = 'a b'", "token = '***'"),
        ("tokens = [\"s\", 't']", "tokens = [\"***\", '***']"),
        ("?to%6ben=s&a%5Bsecret%5D=t", "?to%6ben=***&a%5Bsecret%5D=***"),
        (
            "[a]\npassword = s t\n  pin: 1234\n- secret: s\n",
            "[a]\npassword = ***\n  pin: ***\n- secret: ***\n",
        ),
        ("json $.token == \"s t\", json $.a == b", "json $.token == \"***\", json $.a == b"),
        ("`header X-Api-Key contains s t`: no", "`header X-Api-Key contains ***`: no"),
        ("checks{check:header.X-Token==s}", "checks{check:header.X-Token==***"),
        // Heads.
        ("Authorization: Bearer s", "Authorization: Bearer ***"),
        ("proxy-authorization: Basic dTpw", "proxy-authorization: Basic ***"),
        ("Authorization: s3", "Authorization: ***"),
        ("X-Api-Key:  s t ", "X-Api-Key:  *** "),
        ("Cookie: a=1; b=x=y;c", "Cookie: a=***; b=***;***"),
        ("Set-Cookie: sid=s; Path=/; Max-Age=3", "Set-Cookie: sid=***; Path=/; Max-Age=3"),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nX-Token: s\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX-Token: ***\r\n\r\n",
        ),
        (
            r"HTTP/1.1 200\r\nSet-Cookie: a=s; Secure\r\nX: y",
            r"HTTP/1.1 200\r\nSet-Cookie: a=***; Secure\r\nX: y",
        ),
        ("`Cookie: a=s` is", "`Cookie: a=***` is"),
        ("`-H X-Api-Key s t` is, `X-Token s` is", "`-H X-Api-Key ***` is, `X-Token ***` is"),
        ("sent X-Api-Key: s, and", "sent X-Api-Key: ***, and"),
        ("got Bearer abc123 and Basic dTpw", "got Bearer *** and Basic ***"),
        ("eyJhbGciOi.eyJzdWIi.c2ln!", "***!"),
        // JSON.
        (r#"{"token": "a\"b", "n": 1}"#, r#"{"token": "***", "n": 1}"#),
        (r#"{\"apiKey\":\"s\",\"n\":1}"#, r#"{\"apiKey\":\"***\",\"n\":1}"#),
        (r#"{"password":123,"session":null}"#, r#"{"password":***,"session":null}"#),
        (r#"{"password":"cut of"#, r#"{"password":"***"#),
        (r#"{"cookies":{"a":"s","b":["t"]},"c":"d"}"#, r#"{"cookies":{"a":"***","b":["***"]},"c":"d"}"#),
        (r#"{"tokens":["s","t"],"c":"d"}"#, r#"{"tokens":["***","***"],"c":"d"}"#),
        ("{'Authorization': 'Basic x'}", "{'Authorization': '***'}"),
        (r#"{"code":"not_found"}"#, r#"{"code":"not_found"}"#),
        // Markup and parts.
        (
            "<a><wsse:Password Type='x'>s</wsse:Password></a>",
            "<a><wsse:Password Type='x'>***</wsse:Password></a>",
        ),
        ("<input value=\"s\" name='csrf_token'><b>", "<input value=\"***\" name='csrf_token'><b>"),
        ("<meta name=\"csrf-token\" content=\"s\">", "<meta name=\"csrf-token\" content=\"***\">"),
        (
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\nContent-Type: text/plain\r\n\r\ns\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\nContent-Type: text/plain\r\n\r\n***\r\n--b--",
        ),
    ] {
        assert_eq!(hidden(text), wanted);
        assert_eq!(hidden(wanted), wanted, "what is hidden stays as it is");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "",
        "http://h:8080/load-test?a=1&page=2",
        "http://[::1]:80/x@y?mail=a@b",
        "mailto:me@example.com",
        "-H: `Accept` has no colon; a header looks like `Name: value`",
        "--key-password: cannot be used without --key",
        "the password: use --key-password",
        "credentials are given as a header: -H \"Authorization: Basic $(printf %s USER:PASSWORD | base64)\"",
        "give -H 'Authorization: Basic …' instead",
        "Authorization = \"Bearer {{ env.TOKEN }}\"",
        "status==200",
        "http://session-server:8080/ and token-service:443:127.0.0.1",
        "token-service:443:127.0.0.1",
        "body.token==\"x\"",
        "http_req_duration{name:token}: p(95)<200",
        "Basic authentication",
        "key = value is prose",
        "2026-03-14T09:26:53.589Z",
        "<session>",
        "{\"token\":true}",
        "?token=&a=1",
    ] {
        let seen = Redactor::default();
        let seen = seen.text(text);
        assert_eq!(seen, text);
        assert!(matches!(seen, Cow::Borrowed(_)), "{text} was made anew");
    }
}

#[test]
fn known_values_are_hidden_wherever_they_stand() {
    let mut redactor = Redactor::default();
    redactor.learn("X-Api-Key: planted/1\"2");
    redactor.learn("Cookie: a=kookie99");
    redactor.learn_named("Authorization", "Basic dXNlcjpwbGFudGVkNQ==");
    redactor.learn_named("DB_PASSWORD", "test");
    redactor.learn_named("page", "planted6");
    redactor.learn_url("u:pla/nted@h");
    redactor.learn_word("X-Auth-Token planted7");
    for (text, wanted) in [
        ("you sent planted/1\"2.", "you sent ***."),
        ("xplanted%2F1%222x", "x***x"),
        ("\"planted/1\\\"2\"", "\"***\""),
        ("kookie99, planted5, dXNlcjpwbGFudGVkNQ==", "***, ***, ***"),
        ("`pla` is not a port", "`***` is not a port"),
        ("a load-test, a test", "a load-test, a ***"),
        // A word ends where something else is hidden.
        ("kookie99test, testkookie99", "******, ******"),
        ("a kookie99-test", "a ***-test"),
        ("testplante", "******"),
        ("planted6, `X-Auth-Token planted7`", "planted6, `X-Auth-Token ***`"),
        ("cut: plante", "cut: ***"),
        ("cut: pla", "cut: ***"),
        ("cut: koo", "cut: koo"),
    ] {
        assert_eq!(redactor.text(text), wanted);
    }
    assert_eq!(redactor.bytes(b"\xffplanted5\xfe\0kookie99"), b"\xff***\xfe\0***");
    assert!(!format!("{redactor:?}").contains("planted"));
}

#[test]
fn nothing_is_hidden_where_they_are_asked_for() {
    let mut redactor = Redactor::showing();
    redactor.learn("Authorization: Bearer s3cr3t");
    let text = "http://u:p@h/?token=s3cr3t";
    assert_eq!(redactor.text(text), text);
    assert_eq!(redactor.bytes(text.as_bytes()), text.as_bytes());
}

/// What structure is made of, in any order, and what it is made of less often.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = [
        "token",
        "password",
        "Cookie",
        "X-Api-Key",
        "a",
        "\u{e9}",
        "s3cr3t",
        "Bearer ",
        "=",
        ": ",
        ":",
        "%3D",
        "%26",
        "&",
        "?",
        ";",
        "\"",
        "'",
        "`",
        "\\",
        "\\\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "<password>",
        "</",
        "<input ",
        "name=",
        "value=",
        "http://",
        "u:p@h",
        "/",
        "\n",
        "\r\n",
        "***",
        "{{",
        "}}",
        " ",
        "json ",
        "==",
        "form-data; name=\"pin\"\r\n\r\n",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..24)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_text_is_taken(text in pieces(), other in pieces(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut redactor = Redactor::default();
        redactor.learn(&other);
        redactor.learn_word(&text);
        redactor.learn_url(&text);
        redactor.learn_value("s3cr3t");
        let seen = redactor.text(&text).into_owned();
        // As short as it is, it is known by itself only as a whole word.
        let stands_in = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "s3cr3t");
        prop_assert!(!(stands_in(&text) && stands_in(&seen)), "{}", seen);
        redactor.bytes(&bytes);
    }
}

use super::*;
use crate::script::http::ask::sample;

const BASE: &str = "http://127.0.0.1:18476/r";

const GIVEN: [(&str, &str); 9] = [
    ("Authorization", "a"),
    ("Content-Encoding", "x"),
    ("Content-Language", "de"),
    ("Content-Type", "text/x"),
    ("Cookie", "own=1"),
    ("Cookie2", "c2"),
    ("Proxy-Authorization", "pa"),
    ("Www-Authenticate", "w"),
    ("X-Own", "1"),
];

fn names(ask: &Ask) -> String {
    let fields = ask.headers.iter().map(|(name, value)| match name.as_str() {
        "Referer" => format!("Referer={value}"),
        _ => name.clone(),
    });
    fields.collect::<Vec<_>>().join(" ")
}

fn led(ask: &Ask, location: &str) -> Ask {
    next(ask, "own=1", 302, location).unwrap()
}

/// As k6 1.1.0 went on.
#[test]
fn methods_change_and_bodies_go_as_with_go() {
    for (method, status, wanted) in [
        ("GET", 301, "GET"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("HEAD", 301, "HEAD"),
        ("HEAD", 303, "HEAD"),
        ("PUT", 302, "GET"),
        ("DELETE", 302, "GET"),
        ("OPTIONS", 303, "GET"),
        ("OPTIONS", 307, "OPTIONS"),
        ("CUSTOM", 301, "GET"),
        ("CUSTOM", 308, "CUSTOM"),
    ] {
        let found = next(&sample(method, BASE, &[], Some("bd")), "", status, "/done").unwrap();
        let body = found.body.as_deref();
        let kept: Option<&[u8]> = if status >= 307 { Some(b"bd") } else { None };
        assert_eq!((&*found.method, body), (wanted, kept), "{method} {status}");
    }
}

#[test]
fn only_some_statuses_lead_on() {
    let head = b"HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n";
    for status in 300..=308 {
        let leads = matches!(status, 301 | 302 | 303 | 307 | 308);
        assert_eq!(location(status, head).is_some(), leads, "{status}");
    }
    assert_eq!(location(302, head).as_deref(), Some("/x"));
    assert_eq!(location(302, b"HTTP/1.1 302 Found\r\nLocation:\r\n\r\n"), None);
    assert_eq!(location(307, b"HTTP/1.1 307 X\r\n\r\n"), None);
}

/// The fields that k6 1.1.0 sent.
#[test]
fn secrets_stay_with_their_host() {
    let ask = sample("GET", BASE, &GIVEN, None);
    let all = "Authorization Content-Encoding Content-Language Content-Type Cookie2 Proxy-Authorization";
    let same = led(&ask, "/done");
    let rest = "Www-Authenticate X-Own";
    assert_eq!(names(&same), format!("{all} Referer={BASE} User-Agent {rest}"));
    // Another port is the same host.
    assert_eq!(
        names(&led(&ask, "http://127.0.0.1:18477/done")),
        format!("{all} Referer={BASE} User-Agent {rest}")
    );
    let other = led(&ask, "http://localhost:18476/rback2");
    let few = "Content-Encoding Content-Language Content-Type";
    assert_eq!(names(&other), format!("{few} Referer={BASE} User-Agent X-Own"));
    // They are gone for good.
    let back = led(&other, "http://127.0.0.1:18476/done");
    assert_eq!(names(&back), format!("{few} Referer=http://localhost:18476/rback2 User-Agent X-Own"));
    let first = back.first.expect("the first request");
    assert_eq!((first.ask.to.text.as_str(), first.sent_cookies.as_str()), (BASE, "own=1"));
    assert!(is_below("a.h.org", "h.org") && !is_below("ah.org", "h.org") && !is_below("h.org", "a.h.org"));
}

/// As k6 1.1.0 had `res.url`.
#[test]
fn locations_are_resolved_and_shown_as_by_go() {
    for (base, location, wanted) in [
        ("http://h:1/a/r?q", "/done", "http://h:1/done"),
        ("http://h:1/a/r?q", "done?x=1", "http://h:1/a/done?x=1"),
        ("http://h:1/a/r", "/done a", "http://h:1/done%20a"),
        ("http://h:1/a/r", "/doneé", "http://h:1/done%C3%A9"),
        ("http://h:1/a/r#orig", "/done", "http://h:1/done"),
        ("http://h:1/a/r", "/done#there", "http://h:1/done#there"),
        ("http://u:p@h:1/r", "/done", "http://u:p@h:1/done"),
        ("http://u:p@h:1/r", "http://other:1/done", "http://other:1/done"),
        ("http://h:1/r", "http://u:p@h:1/done", "http://u:p@h:1/done"),
        ("https://h/r", "//other/x", "https://other/x"),
    ] {
        let found = led(&sample("GET", base, &[], None), location);
        assert_eq!(found.to.text, wanted, "{location}");
    }
}

/// As k6 1.1.0 sent it.
#[test]
fn the_referer_is_the_url_that_led_here() {
    for (base, given, location, wanted) in [
        ("http://h/r#orig", None, "/done", Some("http://h/r#orig")),
        ("http://u:p@h/r", None, "/done", Some("http://h/r")),
        ("http://h/r", Some("mine"), "/done", Some("mine")),
        ("https://h/r", None, "https://h/done", Some("https://h/r")),
        ("https://h/r", None, "http://h/done", None),
    ] {
        let given: Vec<(&str, &str)> = given.map(|value| ("Referer", value)).into_iter().collect();
        let found = led(&sample("GET", base, &given, None), location);
        let referer = found.headers.iter().find(|(name, _)| name == "Referer");
        assert_eq!(referer.map(|(_, value)| value.as_str()), wanted, "{base}");
    }
}

/// As k6 1.1.0 sent it.
#[test]
fn a_host_of_the_script_goes_on_where_the_location_names_none() {
    let mut ask = sample("GET", BASE, &[], None);
    ask.host = Some("other.example".into());
    assert_eq!(led(&ask, "/done").host.as_deref(), Some("other.example"));
    assert_eq!(led(&ask, "http://127.0.0.1:18476/done").host, None);
}

/// In the words of k6 1.1.0.
#[test]
fn what_leads_nowhere_is_refused() {
    let ask = sample("GET", BASE, &[], None);
    let bad = next(&ask, "", 302, "http://%zz/").unwrap_err();
    let text =
        "failed to parse Location header \"http://%zz/\": parse \"http://%zz/\": invalid URL escape \"%zz\"";
    assert_eq!(bad, Refusal { text: text.into(), code: 1_000, tag: Some(BASE.into()) });
    let unknown = next(&ask, "", 302, "ftp://127.0.0.1/x").unwrap_err();
    let text = "unsupported protocol scheme \"ftp\"".to_owned();
    assert_eq!(unknown, Refusal { text, code: 1_000, tag: Some("ftp://127.0.0.1/x".into()) });
}

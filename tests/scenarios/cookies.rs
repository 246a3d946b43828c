//! How long users keep cookies, and how they send them.

use super::Plan;
use super::common::recorder::Recorder;

fn server() -> Recorder {
    Recorder::start(|asked| match asked.target() {
        "/set" => ("Set-Cookie: jar=1; Path=/\r\n".into(), "ok".into()),
        "/leave" => ("HTTP/1.1 302 Found\r\nLocation: /there\r\n".into(), String::new()),
        _ => (String::new(), "ok".into()),
    })
}

/// B3: what each request of two iterations sent: before the cookie was given, and behind it.
#[test]
fn cookies_last_as_long_as_the_plan_says() {
    let server = server();
    for (key, second) in [
        ("", ["", "jar=1"]),
        ("cookies = \"iteration\"", ["", "jar=1"]),
        ("cookies = true", ["", "jar=1"]),
        ("cookies = \"user\"", ["jar=1", "jar=1"]),
        ("cookies = false", ["", ""]),
    ] {
        let plan = Plan::new(&format!(
            "{key}\nvus = 1\niterations = 2\norigins.s = \"http://{}\"\n\
             [[steps]]\nname = \"before\"\nurl = \"/before\"\n[[steps]]\nname = \"set\"\nurl = \"/set\"\n\
             [[steps]]\nname = \"behind\"\nurl = \"/behind\"\n",
            server.addr
        ));
        let (code, _) = plan.run(&["--allow-invalid"]);
        assert_eq!(code, Some(0), "{key}");
        let sent: Vec<String> = server.take().iter().map(|asked| asked.fields("cookie").join("|")).collect();
        assert_eq!([&sent[3], &sent[5]], second, "{key}: {sent:?}");
    }
}

/// B2: the step's own first, then the jar's; where a redirect leads on, too.
#[test]
fn a_request_has_one_cookie_field() {
    let server = server();
    let plan = Plan::new(&format!(
        "origins.s = \"http://{}\"\nvariables.own = \"own=1\"\n\
         [[steps]]\nname = \"set\"\nurl = \"/set\"\n\
         [[steps]]\nname = \"a\"\nurl = \"/a\"\nheaders.Cookie = \"own=1\"\n\
         [[steps]]\nname = \"b\"\nurl = \"/leave\"\nheaders.cookie = \"own={{{{ vu }}}}\"\n\
         [[steps]]\nname = \"c\"\nurl = \"/c\"\nheaders.cookie = \"{{{{ own }}}}\"\nmaxRedirects = 0\n\
         [[steps]]\nname = \"d\"\nurl = \"/d\"\n",
        server.addr
    ));
    let (code, _) = plan.run(&["--allow-invalid"]);
    assert_eq!(code, Some(0));
    let sent: Vec<String> = server.take().iter().map(|asked| asked.fields("cookie").join("|")).collect();
    let both = "own=1; jar=1";
    assert_eq!(sent, ["", both, both, both, both, "jar=1"]);
}

#[test]
fn another_word_for_cookies_is_refused_by_name() {
    let plan = Plan::new("cookies = \"always\"\nsteps.a.url = \"http://127.0.0.1:9/\"\n");
    let (code, text) = plan.refused();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("`always` is no value for `cookies`; there are iteration, user"), "{text}");
}

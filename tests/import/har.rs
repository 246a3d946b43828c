//! Recordings as browsers, proxies and converters write them, also where they are not what the specification has.

use serde_json::{Value, json};
use squall::import::{HarOptions, Imported, har};

use super::{compiled, requests};

fn import(entries: &Value) -> Imported {
    let recording = json!({ "log": { "entries": entries } }).to_string();
    har("x.har", recording.as_bytes(), &HarOptions::default())
        .unwrap_or_else(|error| panic!("{error}\n{recording}"))
}

/// What the requests of a recording come to, and what is said of them.
fn sent(entries: &Value) -> (Vec<String>, Vec<String>) {
    let imported = import(entries);
    (requests(&compiled(&imported, std::path::Path::new("."))), imported.warnings)
}

/// One entry, with what is given in its request.
fn entry(request: Value) -> Value {
    let mut whole = json!({ "method": "GET", "url": "http://h/", "headers": [] });
    for (key, value) in request.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({ "startedDateTime": "2026-01-01T10:00:00Z", "time": 5, "request": whole, "response": { "status": 200 } })
}

/// One entry that posts this.
fn post(headers: Value, data: Value) -> Value {
    entry(json!({ "method": "POST", "headers": headers, "postData": data }))
}

#[test]
fn requests_are_in_the_order_in_which_they_were_sent() {
    let at = |second: Value, path: &str| {
        let mut entry = entry(json!({ "url": format!("http://h/{path}") }));
        entry["startedDateTime"] = second;
        entry
    };
    let (sent, warnings) = sent(&json!([
        at(json!("2026-01-01T10:00:03Z"), "3"),
        at(Value::Null, "behind-3"),
        at(json!("2026-01-01T12:00:01+02:00"), "1"),
        at(json!(1_767_261_602_000_u64), "2"),
    ]));
    let paths: Vec<&str> = sent.iter().map(|request| request.split(' ').nth(1).unwrap()).collect();
    assert_eq!((paths, warnings.len()), (vec!["/1", "/2", "/3", "/behind-3"], 0));
}

#[test]
fn cookies_are_those_of_the_time() {
    let mut login = entry(json!({ "url": "http://h/login" }));
    login["response"]["headers"] =
        json!([{ "name": "Set-Cookie", "value": "s=1; Path=/" }, { "name": "x", "value": null }]);
    let mut later = entry(
        json!({ "headers": [{ "name": "cookie", "value": "s=1" }, { "name": "cookie", "value": "a=b" }] }),
    );
    later["startedDateTime"] = json!("2026-01-01T10:00:01Z");
    let listed = json!({ "cookies": [{ "name": "c", "value": "d" }, { "name": "n", "value": null }] });
    let (sent, _) = sent(&json!([later, login, entry(listed)]));
    assert!(sent[0].contains("/login") && !sent[0].to_lowercase().contains("cookie"), "{}", sent[0]);
    assert!(sent[1].contains("Cookie: COOKIE &\r\n"), "from the list: {}", sent[1]);
    assert!(sent[2].contains("cookie: COOKIE_2 &\r\n"), "{}", sent[2]);
}

#[test]
fn what_is_no_text_is_skipped_and_said() {
    let headers = json!([
        { "name": "X-Missing" }, { "name": "X-Null", "value": null }, { "name": "X-Number", "value": 5 },
        { "name": "X-List", "value": [1, { "a": null }] }, { "name": null, "value": "x" }, null, 7, "text",
        { "name": "b\n", "value": "x" }, { "name": "X-Break", "value": "a\nb" }, { "name": ":path", "value": null },
        { "name": "B", "value": "b" },
    ]);
    let mut odd = entry(json!({ "headers": headers, "cookies": null, "queryString": 5, "postData": null }));
    odd["time"] = json!("12.5");
    odd["response"] = json!({ "status": "404", "headers": null, "content": [] });
    let imported =
        import(&json!([odd, { "request": { "url": null } }, {}, null, 5, entry(json!({ "method": null }))]));
    let plan = compiled(&imported, std::path::Path::new("."));
    assert_eq!(requests(&plan), ["GET / HTTP/1.1\r\nHost: h\r\nB: b\r\n\r\n"]);
    assert!(plan.workload.steps[0].expected.contains(404) && !plan.workload.steps[0].expected.contains(200));
    let one = "x.har: entry 1 (GET http://h/): ";
    let mut wanted: Vec<String> = [
        "the header `X-Missing` has no value; skipped",
        "the header `X-Null` has null for its value; skipped",
        "the header `X-Number` has a number for its value, where texts belong; skipped",
        "the header `X-List` has a value that is no text; skipped",
        "a header has no name; skipped",
        "`b\\n` is no name of a header (RFC 9110, 5.1); skipped",
        "the value of `X-Break` has a line break or NUL in it; skipped",
        "`queryString` is no list; skipped",
    ]
    .map(|what| format!("{one}{what}"))
    .into();
    wanted.push("x.har: entry 2 (? ?): its request has no method; left out".into());
    wanted.extend((3..=5).map(|number| format!("x.har: entry {number}: it has no request; left out")));
    wanted.push("x.har: entry 6 (? http://h/): its request has no method; left out".into());
    let mut found = imported.warnings.clone();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    for log in [json!(null), json!({}), json!({ "entries": 5 })] {
        let error =
            har("x.har", json!({ "log": log }).to_string().as_bytes(), &HarOptions::default()).unwrap_err();
        assert!(error.what.starts_with("this is no HAR: "), "{error}");
    }
}

/// Each is said, whatever stands where a list or a text belongs.
#[test]
fn what_is_no_list_is_skipped_and_said() {
    let (sent, warnings) = sent(&json!([
        entry(json!({ "headers": { "A": "b" }, "cookies": "a=1", "queryString": 5 })),
        post(json!(null), json!({ "mimeType": "text/plain", "text": 5, "params": { "a": "1" } })),
    ]));
    assert_eq!(sent.len(), 2);
    let all = warnings.join("\n");
    for word in [
        "`headers` is no list",
        "`cookies` is",
        "`queryString` is",
        "`params` of its body is",
        "text of its body has a number",
    ] {
        assert!(all.contains(word), "{word}: {all}");
    }
    assert_eq!(warnings.len(), 5, "{all}");
}

/// Halves of characters, which `JSON.stringify` writes, and bytes that are no UTF-8 are no reason to refuse a recording.
#[test]
fn texts_that_are_none_are_read_all_the_same() {
    let recording = |text: &[u8]| {
        let head = br#"{"log":{"entries":[{"request":{"method":"POST","url":"http://h/a","postData":{"mimeType":"text/plain","text":""#;
        let bytes =
            [&head[..], text, br#""}},"response":{"status":200,"content":{"text":"\\ud800 \ud83d"}}}]}}"#]
                .concat();
        let imported = har("x.har", &bytes, &HarOptions::default()).unwrap();
        requests(&compiled(&imported, std::path::Path::new("."))).concat()
    };
    assert!(recording(br"a\ud83d\ude00").ends_with("a\u{1f600}"));
    assert!(recording(br"a\ud83d").ends_with("a\u{fffd}"));
    assert!(recording(b"a\xe9").ends_with("a\u{fffd}"));
}

#[test]
fn entries_without_a_response_are_taken() {
    let mut none = entry(json!({ "url": "http://h/none" }));
    none.as_object_mut().unwrap().remove("response");
    let mut nothing = entry(json!({ "url": "http://h/null" }));
    nothing["response"] = Value::Null;
    let mut silent = entry(json!({ "url": "http://h/silent" }));
    silent["response"] = json!({});
    let (sent, warnings) = sent(&json!([none, nothing, silent]));
    assert_eq!((sent.len(), warnings), (3, Vec::new()));
}

#[test]
fn what_has_no_counterpart_is_left_out_with_its_reason() {
    let with = |kind: &str, value: Value| {
        let mut entry = entry(json!({ "url": "http://h/x?token=t" }));
        entry[kind] = value;
        entry
    };
    let upgrade =
        json!([{ "name": "Upgrade", "value": "WebSocket" }, { "name": "Connection", "value": "Upgrade" }]);
    let stream = json!({ "status": 200, "content": { "mimeType": "text/event-stream; charset=utf-8" } });
    for (left, wanted) in [
        (
            entry(json!({ "url": "wss://u:p@h/live?token=t" })),
            "entry 2 (GET wss://h/live): it is a WebSocket, which",
        ),
        (with("_resourceType", json!("websocket")), "entry 2 (GET http://h/x): it is a WebSocket, which"),
        (with("_webSocketMessages", json!([])), "it is a WebSocket, which squall does not speak; left out"),
        (entry(json!({ "headers": upgrade })), "it is a WebSocket, which squall does not speak; left out"),
        (with("response", json!({ "status": 101 })), "it is a WebSocket"),
        (with("response", stream), "its response is a stream of events, which has no end; left out"),
        (with("_resourceType", json!("eventsource")), "its response is a stream of events"),
        (with("response", json!({ "status": 0 })), "it had no response (blocked, or cut off); left out"),
        (with("response", json!({ "status": -1 })), "it had no response"),
        (entry(json!({ "url": "data:image/gif;base64,R0" })), "it is not HTTP; left out"),
        (entry(json!({ "url": "chrome-extension://x/y" })), "it is not HTTP; left out"),
        (
            entry(json!({ "url": "http://h:x/" })),
            "`x` is not a port: give a number from 1 to 65535; left out",
        ),
        (entry(json!({ "url": 5 })), "its request has no URL; left out"),
        (entry(json!({ "method": "G T" })), "`G T` is no method (RFC 9110, 9.1); left out"),
        (
            entry(json!({ "method": "CONNECT" })),
            "CONNECT opens a tunnel, which squall does not put under load; left out",
        ),
        (post(json!([]), json!({ "encoding": "base64", "text": "%" })), "the base64 of its body: "),
        (
            post(json!([]), json!({ "mimeType": "a/b", "params": [{ "name": "x" }] })),
            "the text of its body, which is `a/b`; left out",
        ),
    ] {
        let (sent, warnings) = sent(&json!([entry(json!({})), left]));
        assert_eq!((sent.len(), warnings.len()), (1, 1), "{left}: {warnings:?}");
        assert!(warnings[0].contains(wanted) && warnings[0].ends_with("; left out"), "{left}: {warnings:?}");
        let error = har(
            "x.har",
            json!({ "log": { "entries": [left] } }).to_string().as_bytes(),
            &HarOptions::default(),
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("x.har: none of its 1 entries is left to be imported: x.har: entry 1 "),
            "{error}"
        );
    }
    let both =
        json!({ "log": { "entries": [entry(json!({ "url": "http://g/" })), entry(json!({}))] } }).to_string();
    let options = HarOptions { only_hosts: vec!["h".into()], ..HarOptions::default() };
    let narrowed = har("x.har", both.as_bytes(), &options).unwrap();
    assert_eq!(narrowed.warnings, ["x.har: entry 1: left out, as --only-host asks"]);
}

#[test]
fn bodies_are_put_together_and_say_what_they_are() {
    let kind = |value: &str| json!([{ "name": "content-type", "value": value }]);
    let params = json!([{ "name": "login", "value": "a&b" }, { "name": "q r", "value": "" }, { "name": "n", "value": null }]);
    let form = "application/x-www-form-urlencoded";
    let encoded = "login=a%26b&q%20r=&n=";
    for (headers, data, content_type, body) in [
        (json!([]), json!({ "mimeType": form, "params": params }), form, encoded),
        (json!([]), json!({ "params": params }), form, encoded),
        (json!([]), json!({ "mimeType": "", "params": params, "text": "" }), form, encoded),
        (
            kind("application/x-www-form-urlencoded; charset=utf-8"),
            json!({ "mimeType": "a/b", "params": params }),
            "application/x-www-form-urlencoded; charset=utf-8",
            encoded,
        ),
        (
            json!([]),
            json!({ "mimeType": "text/plain", "params": params }),
            "text/plain",
            "login=a&b\r\nq r=\r\nn=\r\n",
        ),
        (json!([]), json!({ "mimeType": "application/json", "text": "{}" }), "application/json", "{}"),
        (kind("a/b"), json!({ "mimeType": "application/json", "text": "{}" }), "a/b", "{}"),
        (json!(null), json!({ "mimeType": null, "text": "x", "params": null }), "", "x"),
        (
            kind("multipart/form-data"),
            json!({ "mimeType": "multipart/form-data", "text": "--q\r\n\r\n--q--" }),
            "multipart/form-data; boundary=q",
            "--q\r\n\r\n--q--",
        ),
    ] {
        let (sent, warnings) = sent(&json!([post(headers, data.clone())]));
        let (head, found) = sent[0].split_once("\r\n\r\n").unwrap();
        assert_eq!((found, warnings.len()), (body, 0), "{data}: {warnings:?}");
        let line =
            head.lines().find(|line| line.to_lowercase().starts_with("content-type:")).unwrap_or("x: ");
        assert_eq!(line.split_once(": ").unwrap().1, content_type, "{data}");
        assert_eq!(
            head.to_lowercase().matches("content-type").count(),
            usize::from(!content_type.is_empty())
        );
    }
}

#[test]
fn parameters_become_a_multipart_body() {
    let params = json!([
        { "name": "file", "fileName": "a.csv", "contentType": "text/csv", "value": "x,y" },
        { "name": "k", "value": "{{v}}", "fileName": null },
        { "name": "lost", "fileName": "b.bin" },
    ]);
    let kind = "multipart/form-data; boundary=---b";
    for headers in [json!([{ "name": "Content-Type", "value": kind }]), json!([])] {
        let (sent, warnings) = sent(&json!([post(headers, json!({ "mimeType": kind, "params": params }))]));
        let (head, body) = sent[0].split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\nContent-Type: {kind}\r\n")), "{head}");
        assert_eq!(
            body,
            "-----b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\nx,y\r\n\
             -----b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n{{v}}\r\n\
             -----b\r\nContent-Disposition: form-data; name=\"lost\"; filename=\"b.bin\"\r\n\r\n\r\n-----b--\r\n"
        );
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("the file `b.bin` is not in the recording"), "{warnings:?}");
    }
}

#[test]
fn a_body_is_as_long_as_its_content_length_says() {
    let of = |length: &str, text: &str| {
        import(&json!([post(
            json!([{ "name": "content-length", "value": length }]),
            json!({ "text": text })
        )]))
    };
    // Bytes that are no text, each as a character.
    assert_eq!(of("3", "a\u{ff}\u{80}").files[0].1, b"a\xff\x80");
    assert!(of("3", "aü").warnings.is_empty());
    let cut = of("10", "abc");
    assert_eq!(
        cut.warnings,
        ["x.har: entry 1 (POST http://h/): its body had 10 bytes, and has 3 in the recording"]
    );
    assert!(cut.plan.contains("body = \"abc\""));
}

#[test]
fn fields_of_a_connection_are_not_taken_and_the_others_are() {
    let headers = json!([
        { "name": ":authority", "value": "x" }, { "name": "Host", "value": "H" }, { "name": "Connection", "value": "keep-alive" },
        { "name": "accept-encoding", "value": "gzip, br" }, { "name": "content-length", "value": "0" },
        { "name": "priority", "value": "u=1" }, { "name": "te", "value": "trailers" }, { "name": "if-none-match", "value": "\"e\"" },
    ]);
    let (own, warnings) = sent(&json!([entry(json!({ "headers": headers }))]));
    assert_eq!(
        own[0],
        "GET / HTTP/1.1\r\nHost: h\r\naccept-encoding: gzip, br\r\npriority: u=1\r\nte: trailers\r\nif-none-match: \"e\"\r\n\r\n"
    );
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("Accept-Encoding is kept: bodies may come compressed"));
    let virtual_host = json!([{ "name": "Host", "value": "other.test" }]);
    assert!(
        sent(&json!([entry(json!({ "headers": virtual_host }))])).0[0].contains("\r\nHost: other.test\r\n")
    );
    let listed =
        json!({ "queryString": [{ "name": "a b", "value": "c&d" }, { "name": "e", "value": null }] });
    assert!(sent(&json!([entry(listed)])).0[0].starts_with("GET /?a%20b=c%26d&e= HTTP/1.1"));
    let user = json!({ "url": "http://ad%20a:p%3aw@h/" });
    assert!(sent(&json!([entry(user)])).0[0].contains("Authorization: AUTHORIZATION &\r\n"));
}

#[test]
fn pauses_begin_with_the_last_response() {
    let at = |start: &str, took: u64, path: &str| {
        let mut entry = entry(json!({ "url": format!("http://h/{path}") }));
        (entry["startedDateTime"], entry["time"]) =
            (json!(format!("2026-01-01T10:00:{start}Z")), json!(took));
        entry
    };
    let page = json!([at("00.000", 1000, "page"), at("00.010", 10, "image"), at("03.000", 5, "next")]);
    let plan = compiled(&import(&page), std::path::Path::new("."));
    let pauses: Vec<u64> = plan.workload.steps.iter().map(|step| super::pause(step.think)).collect();
    assert_eq!(pauses, [0, 2000, 0]);
}

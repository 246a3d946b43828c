use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::plan::forward::Forward;
use crate::plan::template::{Names, Place};
use crate::plan::value::Value;
use crate::rng::Rng;
use crate::units::Nanos;

/// A request as plans write it.
#[derive(Clone, Debug)]
struct Written {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

fn compile(written: &Written) -> Result<RequestTemplate, String> {
    let variables = ["value".to_owned()];
    let names = Names { variables: &variables, data: &[], constants: &BTreeMap::new(), env: &|_| None };
    let template =
        |text: &str, place| Template::compile(text, place, &names).map_err(|error| error.to_string());
    let header = |(name, value): &(String, String)| Ok((name.clone(), template(value, Place::Header)?));
    let spec = RequestSpec {
        method: template(&written.method, Place::Method)?,
        target: template(&written.target, Place::Target)?,
        authority: "h:81".into(),
        headers: written.headers.iter().map(header).collect::<Result<_, String>>()?,
        body: written.body.as_ref().map(|text| template(text, Place::Body)).transpose()?,
        close: false,
        open: false,
    };
    RequestTemplate::compile(&spec).map_err(|error| error.to_string())
}

fn scope<'a>(rng: &'a mut Rng, values: &'a [Option<Value>]) -> Scope<'a> {
    Scope { vu: 1, iteration: 0, sequence: 0, wall: Nanos::ZERO, rng, values, rows: &[], data: &[] }
}

fn render(written: &Written, value: &[u8]) -> Result<Vec<u8>, RenderError> {
    let (mut out, mut rng) = (vec![b'?'; 3], Rng::new(1));
    let values = [Some(Value::text(value))];
    let template = compile(written).unwrap_or_else(|e| panic!("{e}"));
    template.render(None, &mut out, &mut scope(&mut rng, &values))?;
    Ok(out)
}

fn spec(method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> Written {
    Written {
        method: method.into(),
        target: target.into(),
        headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        body: body.map(str::to_owned),
    }
}

/// The same request without templates, as the encoder writes it.
fn encoded(spec: &Written, value: &str) -> Vec<u8> {
    let fill = |text: &str| text.replace("{{value}}", value);
    Request {
        method: fill(&spec.method),
        target: fill(&spec.target),
        authority: "h:81".into(),
        headers: spec.headers.iter().map(|(n, v)| (n.clone(), fill(v))).collect(),
        body: spec.body.as_deref().map(fill).unwrap_or_default().into_bytes(),
    }
    .encode()
    .expect("a good request")
}

proptest! {
    #[test]
    fn a_filled_template_is_what_the_encoder_writes(
        method in "GET|POST|PUT|DELETE|\\{\\{value\\}\\}",
        value in "[a-zA-Z0-9]{1,200}",
        in_target: bool,
        in_header: bool,
        body in prop::option::of("[a-z]{0,20}"),
        own in prop::sample::select(vec!["X-A", "Host", "User-Agent"]),
    ) {
        let target = if in_target { "/a/{{value}}?x" } else { "/a?x" };
        let header = if in_header { "v{{value}}" } else { "v" };
        let body = body.map(|text| format!("{text}{{{{value}}}}{text}"));
        let spec = spec(&method, target, &[("X-B", "1"), (own, header)], body.as_deref());
        let rendered = render(&spec, value.as_bytes()).unwrap();
        prop_assert_eq!(String::from_utf8(rendered), String::from_utf8(encoded(&spec, &value)));
    }
}

#[test]
fn constants_are_constant() {
    let plain = spec("GET", "/a/b?c", &[], None);
    let template = compile(&plain).unwrap();
    assert_eq!(template.constant().map(|bytes| &bytes[..]), Some(&encoded(&plain, "")[..]));
    assert_eq!(template.path_hint(), "/a/b?c");
    let patched = spec("GET", "/a/{{value}}", &[], None);
    assert_eq!(compile(&patched).unwrap().path_hint(), "/a/");
}

#[test]
fn nothing_gets_in_through_a_value() {
    let header = spec("GET", "/", &[("X-A", "{{value}}")], None);
    for value in [&b"a\r\nX-Evil: 1"[..], b"a\n", b"\0"] {
        assert_eq!(render(&header, value), Err(RenderError::LineBreak));
    }
    let target = spec("GET", "/{{value}}", &[], None);
    let text = String::from_utf8(render(&target, b" HTTP/1.1\r\nX: y").unwrap()).unwrap();
    assert!(text.starts_with("GET /%20HTTP/1.1%0D%0AX:%20y HTTP/1.1\r\n"), "{text}");
    let body = spec("POST", "/", &[], Some("{{value}}"));
    let text = String::from_utf8(render(&body, b"a\r\n\r\nb").unwrap()).unwrap();
    assert!(text.ends_with("Content-Length: 6\r\n\r\na\r\n\r\nb"), "{text}");
}

/// For a proxy, open or not: its prefix before the path, what authenticates to it in front of the fields.
#[test]
fn forwarded_requests_say_where_they_go() {
    let forward = Forward { prefix: "http://h:81".into(), authorization: Some("Basic cDpx".into()) };
    for target in ["/a", "/a{{value}}"] {
        let mut template = compile(&spec("GET", target, &[], None)).unwrap();
        template.forward(&forward);
        assert_eq!((template.path_hint(), template.has_open_target()), ("/a", target != "/a"));
        let (mut out, mut rng) = (Vec::new(), Rng::new(1));
        template.render(None, &mut out, &mut scope(&mut rng, &[Some(Value::text(*b""))])).unwrap();
        let text = String::from_utf8(out).unwrap();
        let wanted = "GET http://h:81/a HTTP/1.1\r\nProxy-Authorization: Basic cDpx\r\nHost: h:81\r\n";
        assert!(text.starts_with(wanted), "{text}");
    }
}

#[test]
fn another_destination_has_its_own_name_unless_the_request_names_one() {
    let to = Destination { target: "/else?x=1", authority: "other:82" };
    for (headers, host) in [(&[][..], "other:82"), (&[("Host", "mine")][..], "mine")] {
        let template = compile(&spec("GET", "/a{{value}}", headers, None)).unwrap();
        let (mut out, mut rng) = (Vec::new(), Rng::new(1));
        let values = [Some(Value::text(*b"b"))];
        template.render(Some(to), &mut out, &mut scope(&mut rng, &values)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(&format!("GET /else?x=1 HTTP/1.1\r\nHost: {host}\r\n")), "{text}");
    }
}

#[test]
fn a_method_from_a_value_is_one_that_can_be_sent() {
    let method = spec("{{value}}", "/", &[], None);
    assert!(render(&method, b"DELETE").unwrap().starts_with(b"DELETE / HTTP/1.1\r\n"));
    let put = String::from_utf8(render(&method, b"PUT").unwrap()).unwrap();
    assert!(put.ends_with("\r\nContent-Length: 0\r\n\r\n"), "{put}");
    for bad in ["", "GET /", "CONNECT", "a\r\nb"] {
        assert_eq!(render(&method, bad.as_bytes()), Err(RenderError::Method), "{bad:?}");
    }
}

#[test]
fn what_would_break_a_request_is_refused() {
    for bad in [
        spec("GE T", "/{{value}}", &[], None),
        spec("GET", "/{{value}}", &[("A B", "x")], None),
        spec("GET", "/{{value}}", &[("A", "x\r\ny")], None),
        spec("GET", "/{{nothing}}", &[], None),
        spec("GET", "/a b{{value}}", &[], None),
        spec("GET", "/\r\n{{value}}", &[], None),
        spec("GET", "{{value}}", &[], None),
        spec("GET {{value}}", "/", &[], None),
        spec("CONNECT", "/{{value}}", &[], None),
        spec("GET", "/", &[("A", "x\r\nB: {{value}}")], None),
        spec("GET", "/{{value}}", &[("Host", "h\r\nB: {{value}}")], None),
        spec("POST", "/", &[("Content-Length", "2")], Some("{{value}}")),
    ] {
        assert!(compile(&bad).is_err(), "{bad:?}");
    }
}

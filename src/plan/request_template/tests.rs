use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rng::Rng;
use crate::units::Nanos;

fn compile(spec: &RequestSpec) -> Result<RequestTemplate, RequestSpecError> {
    let variables = ["value".to_owned()];
    let names = Names { variables: &variables, data: &[], constants: &BTreeMap::new(), env: &|_| None };
    RequestTemplate::compile(spec, &names)
}

fn render(spec: &RequestSpec, value: &[u8]) -> Result<Vec<u8>, RenderError> {
    let mut out = vec![b'?'; 3];
    let mut scope = Scope {
        vu: 1,
        iteration: 0,
        sequence: 0,
        wall: Nanos::ZERO,
        rng: &mut Rng::new(1),
        values: &[Some(value.into())],
        rows: &[],
        data: &[],
    };
    compile(spec).unwrap_or_else(|e| panic!("{e}")).render(&mut out, &mut scope)?;
    Ok(out)
}

fn spec(method: &str, target: &str, headers: &[(&str, &str)], body: Body) -> RequestSpec {
    RequestSpec {
        method: method.into(),
        target: target.into(),
        authority: "h:81".into(),
        headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        body,
        close: false,
    }
}

/// The same request without templates, as the encoder writes it.
fn encoded(spec: &RequestSpec, value: &str) -> Vec<u8> {
    let fill = |text: &str| text.replace("{{value}}", value);
    Request {
        method: spec.method.clone(),
        target: fill(&spec.target),
        authority: spec.authority.clone(),
        headers: spec.headers.iter().map(|(n, v)| (n.clone(), fill(v))).collect(),
        body: match &spec.body {
            Body::None => Vec::new(),
            Body::Text(text) => fill(text).into_bytes(),
            Body::Bytes(bytes) => bytes.clone(),
        },
    }
    .encode()
    .expect("a good request")
}

proptest! {
    #[test]
    fn a_filled_template_is_what_the_encoder_writes(
        method in "GET|POST|PUT|DELETE",
        value in "[a-zA-Z0-9]{1,200}",
        in_target: bool,
        in_header: bool,
        body in prop::option::of("[a-z]{0,20}"),
        own in prop::sample::select(vec!["X-A", "Host", "User-Agent"]),
    ) {
        let target = if in_target { "/a/{{value}}?x" } else { "/a?x" };
        let header = if in_header { "v{{value}}" } else { "v" };
        let body = body.map_or(Body::None, |text| Body::Text(format!("{text}{{{{value}}}}{text}")));
        let spec = spec(&method, target, &[("X-B", "1"), (own, header)], body);
        let rendered = render(&spec, value.as_bytes()).unwrap();
        prop_assert_eq!(String::from_utf8(rendered), String::from_utf8(encoded(&spec, &value)));
    }
}

#[test]
fn constants_are_constant() {
    let plain = spec("GET", "/a/b?c", &[], Body::None);
    let template = compile(&plain).unwrap();
    assert_eq!(template.constant().map(|bytes| &bytes[..]), Some(&encoded(&plain, "")[..]));
    assert_eq!(template.path_hint(), "/a/b?c");
    let patched = spec("GET", "/a/{{value}}", &[], Body::None);
    assert_eq!(compile(&patched).unwrap().path_hint(), "/a/");
}

#[test]
fn nothing_gets_in_through_a_value() {
    let header = spec("GET", "/", &[("X-A", "{{value}}")], Body::None);
    for value in [&b"a\r\nX-Evil: 1"[..], b"a\n", b"\0"] {
        assert_eq!(render(&header, value), Err(RenderError::LineBreak));
    }
    let target = spec("GET", "/{{value}}", &[], Body::None);
    let text = String::from_utf8(render(&target, b" HTTP/1.1\r\nX: y").unwrap()).unwrap();
    assert!(text.starts_with("GET /%20HTTP/1.1%0D%0AX:%20y HTTP/1.1\r\n"), "{text}");
    let body = spec("POST", "/", &[], Body::Text("{{value}}".into()));
    let text = String::from_utf8(render(&body, b"a\r\n\r\nb").unwrap()).unwrap();
    assert!(text.ends_with("Content-Length: 6\r\n\r\na\r\n\r\nb"), "{text}");
}

#[test]
fn what_would_break_a_request_is_refused() {
    for bad in [
        spec("GE T", "/{{value}}", &[], Body::None),
        spec("GET", "/{{value}}", &[("A B", "x")], Body::None),
        spec("GET", "/{{value}}", &[("A", "x\r\ny")], Body::None),
        spec("GET", "/{{nothing}}", &[], Body::None),
        spec("GET", "/a b{{value}}", &[], Body::None),
        spec("GET", "/\r\n{{value}}", &[], Body::None),
        spec("GET", "{{value}}", &[], Body::None),
        spec("GET", "/", &[("A", "x\r\nB: {{value}}")], Body::None),
        spec("GET", "/{{value}}", &[("Host", "h\r\nB: {{value}}")], Body::None),
        spec("POST", "/", &[("Content-Length", "2")], Body::Text("{{value}}".into())),
    ] {
        assert!(compile(&bad).is_err(), "{bad:?}");
    }
}

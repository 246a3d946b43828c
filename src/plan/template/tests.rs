use proptest::prelude::*;

use super::*;
use crate::plan::value::Value;
use crate::rng::Rng;
use crate::units::Nanos;

fn compile(text: &str, place: Place) -> Result<Template, TemplateError> {
    let json = |text: &str| Constant { text: text.into(), is_json: true };
    let constants = BTreeMap::from([
        ("region".to_owned(), Constant::text("eu west")),
        ("count".to_owned(), json("1.10")),
        ("where".to_owned(), Constant::text("{{ region }}/{{ vu }}?\"")),
        ("just_vu".to_owned(), Constant::text("{{ vu }}")),
        ("deep".to_owned(), Constant::text("<{{ where | url }}>")),
        ("here".to_owned(), Constant::text("{{ there }}")),
        ("there".to_owned(), Constant::text("{{ here }}")),
        ("lost".to_owned(), Constant::text("{{ nowhere }}")),
        ("lines".to_owned(), Constant::text("a\r\nb")),
    ]);
    let variables = ["token".to_owned(), "other".to_owned(), "list".to_owned()];
    let env = |name: &str| (name == "SECRET").then(|| "s3cret".to_owned());
    let names = Names { variables: &variables, data: &[], constants: &constants, env: &env };
    Template::compile(text, place, &names)
}

fn render(text: &str, place: Place) -> Result<String, RenderError> {
    let template = compile(text, place).unwrap_or_else(|e| panic!("{e}"));
    let mut out = Vec::new();
    let mut scope = Scope {
        vu: 7,
        iteration: 3,
        sequence: 41,
        wall: Nanos(1_700_000_000_123_456_789),
        rng: &mut Rng::new(1),
        values: &[Some(Value::text(*b"a\r\nb \"c\"")), None, Some(Value::of_json("[1,  2.50]"))],
        rows: &[],
        data: &[],
    };
    template.render(&mut out, &mut scope)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

#[test]
fn names_become_values() {
    for (text, expected) in [
        ("plain", "plain"),
        ("{{vu}}/{{ iteration }}/{{sequence}}", "7/3/41"),
        ("{{timestamp}} {{timestamp_ms}}", "1700000000 1700000000123"),
        ("\\{{vu}} {{vu}}", "{{vu}} 7"),
        ("{{region}}", "eu west"),
        ("{{region | url}}", "eu%20west"),
        ("{{env.SECRET}}", "s3cret"),
        ("{{token | json}}", "a\\r\\nb \\\"c\\\""),
        ("{{random_int(5, 5)}}{{random_int(-3,-3)}}", "5-3"),
    ] {
        assert_eq!(render(text, Place::Body).as_deref(), Ok(expected), "{text}");
    }
    assert!(compile("{{region}} and {{env.SECRET}}", Place::Body).unwrap().constant().is_some());
    let uuid = render("{{uuid}}", Place::Body).unwrap();
    assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
    assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    assert_eq!(render("{{random_string(12)}}", Place::Body).unwrap().len(), 12);
}

#[test]
fn what_a_template_needs_is_known() {
    for (text, uses) in [("a{{token}}", true), ("{{vu}}", false), ("plain", false)] {
        assert_eq!(compile(text, Place::Body).unwrap().uses_variables(), uses, "{text}");
    }
    assert_eq!(render("{{count | number}}", Place::JsonValue).as_deref(), Ok("1.10"));
    assert_eq!(render("{{token | number}}", Place::JsonValue), Err(RenderError::NotANumber));
    let mut empty = compile("", Place::Body).unwrap();
    empty.literal(b"");
    assert_eq!(empty, Template::default(), "nothing is no piece");
}

#[test]
fn values_do_not_break_their_place() {
    assert_eq!(render("{{token}}", Place::Header), Err(RenderError::LineBreak));
    assert_eq!(render("/{{token}}", Place::Target).as_deref(), Ok("/a%0D%0Ab%20\"c\""));
    assert_eq!(render("{{other}}", Place::Body), Err(RenderError::Unset(1)));
    assert_eq!(render("{{token}}", Place::Method), Err(RenderError::Method));
    assert_eq!(render("{{where}}#{{env.SECRET}}", Place::Target).as_deref(), Ok("eu%20west/7?\"#s3cret"));
    let refused = compile("{{lines}}", Place::Header).unwrap_err().to_string();
    assert_eq!(refused, "`{{lines}}`: a value for a header holds a line break or NUL");
}

/// C4, C5: what is alone has the type of its value, all else is text; numbers stay as they stood.
#[test]
fn values_are_fit_for_json() {
    for (text, expected) in [
        ("{{token}}", "\"a\\r\\nb \\\"c\\\"\""),
        ("say {{token}}", "\"say a\\r\\nb \\\"c\\\"\""),
        ("{{token|json}}", "\"a\\r\\nb \\\"c\\\"\""),
        ("x{{token | json}}", "\"xa\\r\\nb \\\"c\\\"\""),
        ("{{token | url}}", "\"a%0D%0Ab%20%22c%22\""),
        ("\"\\{{vu}}", "\"\\\"{{vu}}\""),
        ("{{list}}", "[1,  2.50]"),
        ("l: {{list}}", "\"l: [1,  2.50]\""),
        ("{{list | string}}", "\"[1,  2.50]\""),
        ("{{count}}", "1.10"),
        ("{{ count | string }}", "\"1.10\""),
        ("{{vu}}", "7"),
        ("{{just_vu}}", "7"),
        ("{{vu}}{{vu}}", "\"77\""),
        ("{{env.SECRET}}", "\"s3cret\""),
        ("{{where}}", "\"eu west/7?\\\"\""),
        ("", "\"\""),
    ] {
        assert_eq!(render(text, Place::JsonValue).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(render("{{list | number}}", Place::JsonValue), Err(RenderError::NotANumber));
}

/// C6.
#[test]
fn constants_may_hold_templates() {
    assert_eq!(render("{{where}}", Place::Body).as_deref(), Ok("eu west/7?\""));
    assert_eq!(render("{{deep}}", Place::Body).as_deref(), Ok("<eu%20west%2F7%3F%22>"));
    assert_eq!(render("/{{where}}", Place::Target).as_deref(), Ok("/eu%20west/7?\""));
    for (text, part) in [
        ("{{here}}", "`{{ here }}`: variables refer to each other in a circle"),
        ("{{lost}}", "nothing has the name `nowhere`"),
    ] {
        let error = compile(text, Place::Body).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

/// C1: what they come to, then base64; a colon would end the name.
#[test]
fn basic_authentication_is_filled_in_before_it_is_encoded() {
    let variables = ["name".to_owned()];
    let constants = BTreeMap::from([("p".to_owned(), Constant::text("p\u{e4}ss"))]);
    let names = Names { variables: &variables, data: &[], constants: &constants, env: &|_| None };
    let constant = Template::basic("me", "{{ p }}:x", &names).unwrap();
    assert_eq!(constant.constant(), Some(&b"Basic bWU6cMOkc3M6eA=="[..]));
    let template = Template::basic("{{ name }}", "{{ p }}", &names).unwrap();
    let render = |name: &str| {
        let mut out = Vec::new();
        let mut scope = Scope {
            vu: 1,
            iteration: 0,
            sequence: 0,
            wall: Nanos::ZERO,
            rng: &mut Rng::new(1),
            values: &[Some(Value::text(name.as_bytes()))],
            rows: &[],
            data: &[],
        };
        template.render(&mut out, &mut scope).map(|()| String::from_utf8(out).unwrap())
    };
    assert_eq!(render("\u{fc}").as_deref(), Ok("Basic w7w6cMOkc3M="));
    assert_eq!(render("a:b"), Err(RenderError::Colon));
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_way_out() {
    for (text, part) in [
        ("{{ vu", "closing"),
        ("{{ itration }}", "did you mean `iteration`?"),
        ("{{ tokn }}", "did you mean `token`?"),
        ("{{ env.NONE }}", "NONE"),
        ("{{ vu | upper }}", "there are url, json, number, string"),
        ("{{ random_int(9, 1) }}", "random_int(1, 100)"),
        ("{{ random_int(1) }}", "random_int(1, 100)"),
        ("{{ random_string(0) }}", "random_string(8)"),
        ("{{ data.users.name }}", "no data set `users`"),
        ("{{ data.users }}", "data.SET.COLUMN"),
        ("{{}}", "nothing has the name"),
    ] {
        let error = compile(text, Place::Body).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn text_without_braces_is_itself(text in "[^{}\\\\]{0,40}") {
        let template = compile(&text, Place::Target).unwrap();
        prop_assert_eq!(template.constant(), Some(text.as_bytes()));
    }

    #[test]
    fn no_text_is_a_panic(text in "[{}|a-z0-9_.,() \\\\]{0,30}") {
        let _ = compile(&text, Place::JsonValue);
    }

    #[test]
    fn random_numbers_stay_within_their_bounds(a: i64, b: i64) {
        let (from, to) = (a.min(b), a.max(b));
        let text = render(&format!("{{{{random_int({from},{to})}}}}"), Place::Body).unwrap();
        let value: i64 = text.parse().unwrap();
        prop_assert!(from <= value && value <= to, "{value}");
    }
}

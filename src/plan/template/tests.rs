use proptest::prelude::*;

use super::*;
use crate::rng::Rng;
use crate::units::Nanos;

fn compile(text: &str) -> Result<Template, TemplateError> {
    let constants = BTreeMap::from([("region".to_owned(), "eu west".to_owned())]);
    let variables = ["token".to_owned(), "other".to_owned()];
    let env = |name: &str| (name == "SECRET").then(|| "s3cret".to_owned());
    Template::compile(text, &Names { variables: &variables, data: &[], constants: &constants, env: &env })
}

fn render(text: &str, place: Place) -> Result<String, RenderError> {
    let template = compile(text).unwrap_or_else(|e| panic!("{e}"));
    let mut out = Vec::new();
    let mut scope = Scope {
        vu: 7,
        iteration: 3,
        sequence: 41,
        wall: Nanos(1_700_000_000_123_456_789),
        rng: &mut Rng::new(1),
        values: &[Some(Box::from(*b"a\r\nb \"c\"")), None],
        rows: &[],
        data: &[],
    };
    template.render(place, &mut out, &mut scope)?;
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
    assert!(compile("{{region}} and {{env.SECRET}}").unwrap().constant().is_some());
    let uuid = render("{{uuid}}", Place::Body).unwrap();
    assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
    assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    assert_eq!(render("{{random_string(12)}}", Place::Body).unwrap().len(), 12);
}

#[test]
fn values_do_not_break_their_place() {
    assert_eq!(render("{{token}}", Place::Header), Err(RenderError::LineBreak));
    assert_eq!(render("/{{token}}", Place::Target).as_deref(), Ok("/a%0D%0Ab%20\"c\""));
    assert_eq!(render("{{other}}", Place::Body), Err(RenderError::Unset));
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_way_out() {
    for (text, part) in [
        ("{{ vu", "closing"),
        ("{{ itration }}", "did you mean `iteration`?"),
        ("{{ tokn }}", "did you mean `token`?"),
        ("{{ env.NONE }}", "NONE"),
        ("{{ vu | upper }}", "url and json"),
        ("{{ random_int(9, 1) }}", "random_int(1, 100)"),
        ("{{ random_int(1) }}", "random_int(1, 100)"),
        ("{{ random_string(0) }}", "random_string(8)"),
        ("{{ data.users.name }}", "no data set `users`"),
        ("{{ data.users }}", "data.SET.COLUMN"),
        ("{{}}", "nothing has the name"),
    ] {
        let error = compile(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn text_without_braces_is_itself(text in "[^{}\\\\]{0,40}") {
        let template = compile(&text).unwrap();
        prop_assert_eq!(template.constant(), Some(text.as_bytes()));
    }

    #[test]
    fn no_text_is_a_panic(text in "[{}|a-z0-9_.,() \\\\]{0,30}") {
        let _ = compile(&text);
    }

    #[test]
    fn random_numbers_stay_within_their_bounds(a: i64, b: i64) {
        let (from, to) = (a.min(b), a.max(b));
        let text = render(&format!("{{{{random_int({from},{to})}}}}"), Place::Body).unwrap();
        let value: i64 = text.parse().unwrap();
        prop_assert!(from <= value && value <= to, "{value}");
    }
}

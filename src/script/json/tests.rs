use super::*;

/// Body, line, character and error as k6 1.1.0 had them.
#[test]
fn what_is_no_json_is_refused_in_the_words_of_k6() {
    for (body, line, character, error) in [
        ("", 1, 0, "unexpected end of JSON input"),
        ("{\"a\":}", 1, 6, "invalid character '}' looking for beginning of value"),
        ("{\"a\":1,}", 1, 8, "invalid character '}' looking for beginning of object key string"),
        ("{\n  \"a\": 1,\n  \"b\": x\n}", 4, 1, "invalid character 'x' looking for beginning of value"),
        ("[1,2", 1, 4, "unexpected end of JSON input"),
        ("{\"a\":1} x", 1, 9, "invalid character 'x' after top-level value"),
        ("nul", 1, 3, "invalid character ' ' in literal null (expecting 'l')"),
        ("\"abc", 1, 4, "unexpected end of JSON input"),
        ("{\"a\" 1}", 1, 7, "invalid character '1' after object key"),
        ("{a:1}", 1, 3, "invalid character 'a' looking for beginning of object key string"),
        ("{'a':1}", 1, 3, "invalid character '\\'' looking for beginning of object key string"),
        ("[1,2,]", 1, 6, "invalid character ']' looking for beginning of value"),
        ("01", 1, 2, "invalid character '1' after top-level value"),
        ("1.", 1, 2, "invalid character ' ' after decimal point in numeric literal"),
        ("\"a\tb\"", 1, 4, "invalid character '\\t' in string literal"),
        ("\"\\x\"", 1, 4, "invalid character 'x' in string escape code"),
        ("\"\\u12g4\"", 1, 7, "invalid character 'g' in \\u hexadecimal character escape"),
        ("{\"a\":1\n\n\n", 4, 1, "unexpected end of JSON input"),
        ("\n\n{\"é\":\"ü\", x}", 3, 13, "invalid character 'x' looking for beginning of object key string"),
        ("<html>", 1, 2, "invalid character '<' looking for beginning of value"),
        ("tru", 1, 3, "invalid character ' ' in literal true (expecting 'e')"),
        ("[1 2]", 1, 5, "invalid character '2' after array element"),
        ("-", 1, 1, "invalid character ' ' in numeric literal"),
        ("1e", 1, 2, "invalid character ' ' in exponent of numeric literal"),
        ("\u{feff}{}", 1, 3, "invalid character 'ï' looking for beginning of value"),
        ("{\"a\":1}}", 1, 8, "invalid character '}' after top-level value"),
        ("   ", 1, 3, "unexpected end of JSON input"),
        ("{\"a\":\"😀\" x}", 1, 11, "invalid character 'x' after object key:value pair"),
        ("{\r\n\"a\":\r\n!", 3, 2, "invalid character '!' looking for beginning of value"),
        ("{", 1, 1, "unexpected end of JSON input"),
        ("{\"a", 1, 3, "unexpected end of JSON input"),
        ("{\"a\":", 1, 5, "unexpected end of JSON input"),
    ] {
        let wanted = format!(
            "cannot parse json due to an error at line {line}, character {character} , error: {error}"
        );
        assert_eq!(fault(body), Some(wanted), "{body:?}");
        assert_eq!(select(body, "a"), None, "{body:?}");
    }
}

#[test]
fn json_has_no_fault() {
    for body in [
        "5",
        "-0.5e-10",
        "\"x\"",
        "null",
        " [1,\"a\",{\"b\":[]}, {} , -1, 0, 1E+5 ] \n",
        "\"\\u00e9\\n\\\"\"",
        "{\"a\":true,\"b\":{\"c\":false}}",
    ] {
        assert_eq!(fault(body), None, "{body}");
    }
}

const BODY: &str = r#"{"a":[{"b":1,"c":"x"},{"b":2,"c":"y"}],"e.f":3,"n":null,"t":true,"big":12345678901234567890,"fl":1.50,
"nest":{"k":"v","arr":[1,2,3]},"fri":["Dale","Roger"],"":9,"star*":4,"p|pe":5,"dupe":1,"dupe":2}"#;

/// As `res.json(selector)` of k6 1.1.0 found them.
#[test]
fn selectors_find_what_they_find_in_k6() {
    for (selector, wanted) in [
        ("a", r#"[{"b":1,"c":"x"},{"b":2,"c":"y"}]"#),
        ("a.0", r#"{"b":1,"c":"x"}"#),
        ("a.0.b", "1"),
        ("a.#", "2"),
        ("a.#.b", "[1,2]"),
        ("a.#(b>1)", r#"{"b":2,"c":"y"}"#),
        ("a.#(b>1)#", r#"[{"b":2,"c":"y"}]"#),
        ("a.#(b>1)#.c", r#"["y"]"#),
        ("a.#(c==\"x\").b", "1"),
        ("a.#(c%\"x*\").b", "1"),
        ("a.#.x", "[]"),
        ("a.#(b==9)#", "[]"),
        ("e\\.f", "3"),
        ("n", "null"),
        ("t", "true"),
        ("big", "12345678901234567890"),
        ("fl", "1.50"),
        ("nest", r#"{"k":"v","arr":[1,2,3]}"#),
        ("nest.k", "\"v\""),
        ("nest.arr.1", "2"),
        ("nest.arr.#", "3"),
        ("nest.arr.#(>1)#", "[2,3]"),
        ("nest|k", "\"v\""),
        ("nest.arr|0", "1"),
        ("star*", "4"),
        ("star\\*", "4"),
        ("s?ar*", "4"),
        ("p\\|pe", "5"),
        ("dupe", "1"),
        ("fri.#(=\"Dale\")", "\"Dale\""),
        ("fri.#(!=\"Dale\")#", r#"["Roger"]"#),
        ("fri|@reverse", r#"["Roger","Dale"]"#),
        ("nest|@this", r#"{"k":"v","arr":[1,2,3]}"#),
        ("{nest.k,t}", r#"{"k":"v","t":true}"#),
        ("[nest.k,t]", r#"["v",true]"#),
        ("a.#(b>1)#|#", "1"),
        ("a.#(b>1)#.#", "[]"),
        ("a.#.c|0", "\"x\""),
        ("a.@flatten", r#"[{"b":1,"c":"x"},{"b":2,"c":"y"}]"#),
        ("nest.arr.@join", "{}"),
        ("nest.arr.01", "2"),
        ("", "9"),
        ("[object Object]", "[]"),
    ] {
        assert_eq!(select(BODY, selector).as_deref(), Some(wanted), "{selector}");
    }
    for selector in [
        "e.f",
        "n.x",
        "nest.arr.-1",
        "nest.arr.9",
        "x",
        "a.#(b==9)",
        "nest.K",
        "t.x",
        "n.#",
        "@bad",
        ".",
        "5",
        "a.#(b>1",
        "a.#(",
    ] {
        assert_eq!(select(BODY, selector), None, "{selector}");
    }
}

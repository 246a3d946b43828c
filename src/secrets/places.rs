//! Where secrets stand in a text, as far as its structure shows. No parser of a format does here: error messages quote
//! URLs that are none, and excerpts are cut anywhere.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::names::{is_cookie, is_scheme, is_secret_header, is_secret_name, is_secret_parameter};

type Spans = Vec<Range<usize>>;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant")
}

/// A name and what separates it from its value; a quote before it, and one behind. An encoded query has `%3D`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    // Letters may be encoded, separators of an encoded query are none.
    let name = r"(?P<name>(?:[A-Za-z0-9_.$\[\]-]|%[4-7][0-9A-Fa-f])+)";
    let separator = r"(?P<sep>[ \t]*[:=][ \t]*|%(?:25)*3[Dd])";
    regex(&format!(r#"(?P<open>\\*["'`])?{name}(?P<close>\\*["'`])?{separator}"#))
});
/// A URL with its scheme, as far as it goes; slashes may be escaped, as in JSON.
static URL: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"[A-Za-z][A-Za-z0-9+.-]*:\\?/\\?/(?P<rest>[^\s"'`<>]+)"#));
/// `user:password@host` without a scheme.
static USER: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?:^|[\s"'`(=])(?P<user>[^\s"'`/:@=]+):(?P<password>[^\s"'`/@]+)@[A-Za-z0-9\[]"#)
});
/// Credentials behind their scheme, anywhere.
static CREDENTIALS: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)\b(?:Bearer|Basic|Negotiate|NTLM|ApiKey)(?:[ +]|%20)+(?P<value>[A-Za-z0-9._~+/=-]{4,})")
});
/// A JSON web token (RFC 7519): `{"` in base64, and two parts behind it.
static JWT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?P<value>eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*)"));
/// An element of XML with nothing but text in it, which may be cut.
static ELEMENT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"<(?:[A-Za-z0-9_-]+:)?(?P<name>[A-Za-z0-9_.-]+)(?:\s[^<>]*)?>(?P<value>[^<>]+)"));
/// A field of a form in HTML, or a <meta>.
static FIELD: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)<(?:input|meta)\s[^<>]*"));
static FIELD_NAME: LazyLock<Regex> = LazyLock::new(|| regex(r#"(?i)\bname\s*=\s*["']?(?P<name>[^"'\s>]+)"#));
static FIELD_VALUE: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?i)\b(?:value|content)\s*=\s*(?:"(?P<a>[^"]*)|'(?P<b>[^']*))"#));
/// A header without its colon, as errors quote it; an option before it.
static SPACED: LazyLock<Regex> =
    LazyLock::new(|| regex(r"`(?:-\S+ )?(?P<name>[A-Za-z0-9_-]+) (?P<value>[^`\r\n]+)`"));
/// What a check compares a header or a value of JSON with.
static COMPARED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:header|json)[ .](?P<name>[^\s=!`]+)\s*(?:[=!]==?|contains\b|matches\b)\s*(?P<value>[^\s`][^`\r\n]*)",
    )
});
/// A part of a multipart form (RFC 7578): the head up to its empty line.
static PART: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"form-data;[^\r\n]*?\bname="(?P<name>[^"\r\n]*)"[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n(?P<value>[^\r\n]*)"#,
    )
});

/// All of them, in no order; they may overlap.
pub(super) fn secrets(text: &str) -> Spans {
    let mut found = Spans::new();
    users(text, &mut found);
    NAMED.captures_iter(text).for_each(|named| of_name(text, &named, &mut found));
    let credentials = CREDENTIALS.captures_iter(text).filter_map(|all| all.name("value"));
    // `Basic authentication` is prose.
    let is_prose = |value: &str| value.len() < 24 && value[1..].bytes().all(|b| b.is_ascii_lowercase());
    found.extend(credentials.filter(|value| !is_prose(value.as_str())).map(|value| value.range()));
    found.extend(JWT.captures_iter(text).filter_map(|all| Some(all.name("value")?.range())));
    for all in SPACED.captures_iter(text).filter(|all| is_secret_header(&all["name"])) {
        found.extend(all.name("value").filter(|value| !is_scheme(value.as_str())).map(|value| value.range()));
    }
    for value in COMPARED.captures_iter(text).filter(|all| is_secret_header(&all["name"])) {
        let value = value.name("value").expect("it is part of the match");
        let span = quoted(value.as_str()).unwrap_or(0..value.len());
        found.push(value.start() + span.start..value.start() + span.end);
    }
    for pattern in [&ELEMENT, &PART] {
        let named = pattern.captures_iter(text).filter(|all| is_secret_name(&all["name"]));
        found.extend(named.filter_map(|all| Some(all.name("value")?.range())));
    }
    for field in FIELD.find_iter(text) {
        let name = FIELD_NAME.captures(field.as_str());
        if name.is_some_and(|name| is_secret_name(&name["name"]))
            && let Some(value) = FIELD_VALUE.captures(field.as_str())
            && let Some(value) = value.name("a").or_else(|| value.name("b"))
        {
            found.push(field.start() + value.start()..field.start() + value.end());
        }
    }
    found.retain(|span| is_value(&text[span.clone()]));
    found
}

/// Not what stands for one: a template, a shell's command, an ellipsis.
fn is_value(text: &str) -> bool {
    let (scheme, rest) = text.split_once(' ').unwrap_or(("", text));
    let text = if is_scheme(scheme) { rest } else { text };
    let stands_for = ["$(", "${", "{{", "…", "\\{{"];
    !text.is_empty() && !stands_for.iter().any(|begins| text.starts_with(begins))
}

/// User information in URLs (RFC 3986, 3.2.1): the password; where there is none, the whole.
fn users(text: &str, found: &mut Spans) {
    for url in URL.captures_iter(text).filter_map(|all| all.name("rest")) {
        let rest = url.as_str();
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let at = authority.rfind('@').or_else(|| {
            // A password with `/`, `?` or `#` in it: no port looks so.
            let port = authority.split_once(':').filter(|_| !authority.starts_with('['));
            port.filter(|(_, port)| !port.bytes().all(|b| b.is_ascii_digit())).and_then(|_| rest.rfind('@'))
        });
        let Some(at) = at else { continue };
        let from = rest[..at].find(':').map_or(0, |colon| colon + 1);
        found.push(url.start() + from..url.start() + at);
    }
    for all in USER.captures_iter(text) {
        let is_address = ["mailto", "sip", "sips", "xmpp"].contains(&&all["user"]);
        found.extend(all.name("password").filter(|_| !is_address).map(|password| password.range()));
    }
}

fn of_name(text: &str, all: &Captures<'_>, found: &mut Spans) {
    let (whole, separator) = (all.get_match(), &all["sep"]);
    let name = all.name("name").expect("it is part of the match");
    let before = &text[..name.start()];
    let open = all.name("open").map(|open| open.as_str());
    let (name, is_escaped_line) = stripped(before, name.as_str());
    let at = whole.end();
    if !separator.contains(':') {
        if text[at..].starts_with('=') || before.ends_with("--") {
            return; // a comparison, an option
        }
        if is_secret_parameter(name) || is_secret_header(name) {
            let is_line = before.trim_end_matches([' ', '\t']).ends_with('\n');
            let is_spaced = separator.starts_with([' ', '\t']);
            let is_closed = quoted(&text[at..]).is_some() || text[at..].starts_with(['{', '[']);
            match (is_line, is_spaced, is_closed) {
                // A line of a configuration goes to its end; in prose `key = value` says nothing.
                (true, true, false) => {
                    let end = text[at..].find(['\r', '\n']).map_or(text.len(), |end| at + end);
                    found.push(at..end);
                }
                (false, true, false) => {}
                _ => assigned(text, at, separator.starts_with('%'), found),
            }
        }
        return;
    }
    if all.name("close").is_some() {
        if is_secret_name(name) || is_secret_header(name) {
            of_json(text, at, found);
        } else if name.eq_ignore_ascii_case("cookies") && text[at..].starts_with(['{', '[']) {
            nested(text, at, found);
        }
        return;
    }
    // Headers stand at the beginning of a line, keys of YAML may be further in.
    let indent = before.trim_end_matches([' ', '\t', '-']);
    let line = before.is_empty() || indent.ends_with(['\n', '\r']) || is_escaped_line || open.is_some();
    if name.starts_with('-') || !is_secret_header(name) || !(line || name.contains('-')) {
        return;
    }
    let rest = &text[at..];
    if separator == ":" && is_port(rest) {
        return; // of a host called so
    }
    let end = match open.and_then(|open| open.chars().last()) {
        Some(quote) => rest.find([quote, '\r', '\n']),
        None if line => rest.find(['\r', '\n']),
        None => rest.find(|c: char| c.is_whitespace() || ",\"'`<>".contains(c)),
    };
    let escaped = ["\\r", "\\n"].into_iter().filter_map(|end| rest.find(end)).min();
    let end = end.unwrap_or(rest.len()).min(escaped.unwrap_or(rest.len()));
    of_header(name, at, &rest[..end], found);
}

fn is_port(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=5).contains(&digits) && !text[digits..].starts_with(|c: char| c.is_alphanumeric())
}

/// A name without the letter of an escape (`\n`) or of an encoded separator (`%3F`, `%26`) that it begins with; and whether a
/// line begins there.
fn stripped<'a>(before: &str, name: &'a str) -> (&'a str, bool) {
    if before.ends_with('\\') && name.starts_with(['n', 'r', 't']) {
        return (&name[1..], true);
    }
    let separators = ["3F", "26", "3B", "23", "3f", "3b", "253F", "2526", "253f"];
    let encoded = separators.iter().filter(|_| before.ends_with('%')).find_map(|s| name.strip_prefix(*s));
    (encoded.unwrap_or(name), false)
}

/// The value of a header: of cookies each one's, of credentials what stands behind the scheme.
fn of_header(name: &str, at: usize, value: &str, found: &mut Spans) {
    if is_cookie(name) {
        let is_set = name.to_ascii_lowercase().contains("set-cookie");
        let mut from = at;
        for pair in value.split(';').take(if is_set { 1 } else { usize::MAX }) {
            let begins = pair.find('=').map_or(0, |equals| equals + 1);
            let begins = begins + (pair[begins..].len() - pair[begins..].trim_start().len());
            found.push(from + begins..from + pair.trim_end().len().max(begins));
            from += pair.len() + 1;
        }
        return;
    }
    let value = value.trim_end();
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or(("", value));
    let rest = if is_scheme(scheme) { rest.trim_start() } else { value };
    found.push(at + value.len() - rest.len()..at + value.len());
}

/// The value of `name=value`: in quotes, or up to what ends one in a query, a form, a cookie or a sentence.
fn assigned(text: &str, at: usize, is_encoded: bool, found: &mut Spans) {
    let rest = &text[at..];
    if let Some(value) = quoted(rest) {
        return found.push(at + value.start..at + value.end);
    }
    if rest.starts_with(['{', '[']) && !rest.starts_with("{{") {
        return nested(text, at, found);
    }
    let end = rest.find(|c: char| c.is_whitespace() || "&;\"'`<>#\\".contains(c)).unwrap_or(rest.len());
    let mut value = &rest[..end];
    if is_encoded {
        let ends = ["%26", "%2526", "%23", "%3B"].into_iter().filter_map(|end| value.find(end));
        value = &value[..ends.min().unwrap_or(value.len())];
    }
    // A sentence's brackets and full stop.
    let value = value.trim_end_matches([')', ']', '}', ',', '.']);
    found.push(at..at + value.len());
}

/// The value of a key of JSON.
fn of_json(text: &str, at: usize, found: &mut Spans) {
    let rest = &text[at..];
    if let Some(value) = quoted(rest) {
        found.push(at + value.start..at + value.end);
    } else if rest.starts_with(['{', '[']) && !rest.starts_with("{{") {
        nested(text, at, found);
    } else {
        let end = rest.find(|c: char| c.is_whitespace() || ",}]".contains(c)).unwrap_or(rest.len());
        if !["true", "false", "null"].contains(&&rest[..end]) {
            found.push(at..at + end);
        }
    }
}

/// The strings in an object or a list that are no keys, up to its end or the text's.
fn nested(text: &str, at: usize, found: &mut Spans) {
    let (mut i, mut depth) = (at, 0_usize);
    while let Some(c) = text[i..].chars().next() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' if depth <= 1 => return,
            '}' | ']' => depth -= 1,
            '"' | '\'' | '\\' => {
                if let Some(value) = quoted(&text[i..]) {
                    let end = i + value.end;
                    let behind = text[end..].trim_start_matches(['\\', '"', '\'']).trim_start();
                    if !behind.starts_with([':', '=']) {
                        found.push(i + value.start..end);
                    }
                    // Behind the closing quote, which may be escaped, too.
                    i = end + (text[end..].len() - text[end..].trim_start_matches('\\').len());
                }
            }
            _ => {}
        }
        i += text[i..].chars().next().map_or(0, char::len_utf8);
    }
}

/// What stands between quotes at the beginning of `text`, which may be escaped both; up to the end where it is cut.
fn quoted(text: &str) -> Option<Range<usize>> {
    let escapes = text.len() - text.trim_start_matches('\\').len();
    let quote = text[escapes..].bytes().next().filter(|b| b"\"'`".contains(b))?;
    let start = escapes + 1;
    let mut run = 0;
    for (i, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            b'\\' => run += 1,
            _ if byte == quote && (run == escapes || (escapes == 0 && run % 2 == 0)) => {
                return Some(start..i - run.min(escapes));
            }
            _ => run = 0,
        }
    }
    Some(start..text.len())
}

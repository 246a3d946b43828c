//! URLs that stand for several: `{a,b}`, `[1-10:3]`, `[a-z]`, as curl has them.

use std::iter;

/// A stretch of a URL, with all that it can be.
type Choices = Vec<String>;

/// All URLs that one stands for, the last choice changing fastest. `most` is how many there may be.
///
/// # Errors
/// What curl refuses, and too many; the message names the stretch.
pub(super) fn expand(url: &str, most: usize) -> Result<Vec<String>, String> {
    let mut all = vec![String::new()];
    for choices in parse(url, most)? {
        if all.len().saturating_mul(choices.len()) > most {
            return Err(format!("stands for more than {most} requests: narrow it"));
        }
        all = all
            .iter()
            .flat_map(|start| choices.iter().map(move |choice| format!("{start}{choice}")))
            .collect();
    }
    Ok(all)
}

fn parse(url: &str, most: usize) -> Result<Vec<Choices>, String> {
    let (mut found, mut literal, mut rest) = (Vec::new(), String::new(), url);
    while let Some(c) = rest.chars().next() {
        let inside = &rest[c.len_utf8()..];
        let choices = match c {
            '\\' if inside.starts_with(['{', '}', '[', ']']) => {
                literal.push_str(&inside[..1]);
                rest = &inside[1..];
                continue;
            }
            '[' if is_address(inside) => None,
            '{' => Some(set(inside)?),
            '[' => Some(range(inside, most)?),
            '}' | ']' => {
                return Err(format!("`{c}` has no `{}` before it", if c == '}' { '{' } else { '[' }));
            }
            _ => None,
        };
        match choices {
            None => {
                literal.push(c);
                rest = inside;
                if c == '[' {
                    let end = inside.find(']').map_or(0, |at| at + 1);
                    literal.push_str(&inside[..end]);
                    rest = &inside[end..];
                }
            }
            Some((choices, behind)) => {
                found.extend([vec![std::mem::take(&mut literal)], choices]);
                rest = behind;
            }
        }
    }
    found.push(vec![literal]);
    Ok(found)
}

/// Whether brackets hold an IPv6 address.
fn is_address(inside: &str) -> bool {
    let address = inside.split_once(']').map_or("", |(address, _)| address);
    // A zone is no part of the address itself.
    address.split('%').next().is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

/// `a,b}`, and what follows.
fn set(inside: &str) -> Result<(Choices, &str), String> {
    let (mut choices, mut choice) = (Vec::new(), String::new());
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '}' if at == 0 => return Err("`{}` holds nothing to choose".into()),
            '}' => {
                choices.push(choice);
                return Ok((choices, &inside[at + 1..]));
            }
            ',' => choices.push(std::mem::take(&mut choice)),
            '{' | '[' | ']' => {
                return Err(format!("`{c}` stands within the `{{…}}` of `{{{}`", &inside[..=at]));
            }
            '\\' => choice.extend(chars.next().map(|(_, c)| c)),
            c => choice.push(c),
        }
    }
    Err(format!("`{{{inside}` has no `}}`"))
}

/// `1-10:2]` or `a-z]`, and what follows.
fn range(inside: &str, most: usize) -> Result<(Choices, &str), String> {
    let Some((text, behind)) = inside.split_once(']') else { return Err(format!("`[{inside}` has no `]`")) };
    let bad = || format!("`[{text}]` is no range such as [1-10], [01-99:2] or [a-z]");
    let (span, step) = text.split_once(':').map_or((text, "1"), |(span, step)| (span, step));
    let (first, last) = span.split_once('-').ok_or_else(bad)?;
    let step: u64 = step.parse().ok().filter(|step| *step > 0).ok_or_else(bad)?;
    let letter = |text: &str| match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(u64::from(*letter)),
        _ => None,
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let letters = letter(first).zip(letter(last));
    let (from, to) = letters.or_else(|| number(first).zip(number(last.trim_start()))).ok_or_else(bad)?;
    // As curl has it.
    if from > to || (from == to && step != 1) || (from != to && step > to - from) {
        return Err(bad());
    }
    if (to - from) / step >= most as u64 {
        return Err(format!("`[{text}]` stands for more than {most} requests: narrow it"));
    }
    let width = if first.starts_with('0') { first.len() } else { 0 };
    let values =
        iter::successors(Some(from), |value| value.checked_add(step)).take_while(|value| *value <= to);
    let written = |value: u64| match letters {
        Some(_) => char::from(value as u8).to_string(),
        None => format!("{value:0width$}"),
    };
    Ok((values.map(written).collect(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_curls() {
        for (url, wanted) in [
            ("h/a", &["h/a"][..]),
            ("h/{a,b}/[1-2]", &["h/a/1", "h/a/2", "h/b/1", "h/b/2"]),
            ("[01-03:2]", &["01", "03"]),
            ("[8-11]", &["8", "9", "10", "11"]),
            ("[a-e:2]x", &["ax", "cx", "ex"]),
            ("[1-1]", &["1"]),
            ("{a,,b}", &["a", "", "b"]),
            ("{,}", &["", ""]),
            (r"{a\,b,c}\{\[\]\}\a", &[r"a,b{[]}\a", r"c{[]}\a"]),
            ("http://[::1]:8/[1-2]", &["http://[::1]:8/1", "http://[::1]:8/2"]),
            ("?q={\"a\":1}", &["?q=\"a\":1"]),
        ] {
            assert_eq!(expand(url, 100).unwrap(), wanted, "{url}");
        }
        for (url, wanted) in [
            ("a{}", "`{}` holds nothing"),
            ("a}", "`}` has no `{`"),
            ("a]", "`]` has no `[`"),
            ("{a", "`{a` has no `}`"),
            ("[a", "`[a` has no `]`"),
            ("{a{b}}", "`{` stands within"),
            ("[5-1]", "`[5-1]` is no range"),
            ("[1-2:0]", "is no range"),
            ("[1-2:9]", "is no range"),
            ("[a-3]", "is no range"),
            ("[GET]", "`[GET]` is no range"),
            ("[1-101]", "`[1-101]` stands for more than 100 requests"),
            ("[0-18446744073709551615]", "more than 100 requests"),
            ("[1-50]{a,b,c}", "stands for more than 100 requests"),
        ] {
            let error = expand(url, 100).expect_err(url);
            assert!(error.contains(wanted), "{url}: {error}");
        }
    }
}

//! `-F`: a part of a multipart form, as curl reads it.

use crate::import::recorded::{Content, Part};

/// Reads `NAME=VALUE`, `NAME=@FILE` or `NAME=<FILE`, with `;type=` and `;filename=` behind it.
///
/// # Errors
/// What curl refuses, and what a plan has not; the message goes behind the option.
pub(super) fn part(text: &str) -> Result<Part, String> {
    let (name, value) = text.split_once('=').ok_or("is no part of a form: write NAME=VALUE")?;
    let mut part = Part { name: some(name), ..Part::default() };
    let mut rest = value;
    match value.chars().next() {
        Some('(') => {
            return Err("has parts within a part, which plans do not have: give them one by one".into());
        }
        Some(sign @ ('@' | '<')) => {
            rest = &value[1..];
            let file = word(&mut rest, sign == '@');
            if rest.starts_with(',') {
                return Err(
                    "has several files in one part, which plans do not have: give each its own -F".into()
                );
            }
            if file == "-" {
                return Err("reads the standard input: give a file".into());
            }
            if sign == '@' {
                part.file_name = Some(file.rsplit('/').next().unwrap_or_default().to_owned());
            }
            part.content = Content::File(file);
        }
        _ => part.content = Content::Text(word(&mut rest, false)),
    }
    parameters(&mut part, rest)?;
    if part.content_type.is_none() {
        part.content_type = guessed_type(&part);
    }
    Ok(part)
}

/// `--form-string`: nothing in the value has a meaning.
///
/// # Errors
/// A text without `=`.
pub(super) fn literal(text: &str) -> Result<Part, String> {
    let (name, value) = text.split_once('=').ok_or("is no part of a form: write NAME=VALUE")?;
    Ok(Part { name: some(name), content: Content::Text(value.into()), ..Part::default() })
}

fn some(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

/// A value up to `;`, and of a list also `,`; in quotes these mean nothing. Leaves what follows in `rest`.
fn word(rest: &mut &str, in_list: bool) -> String {
    let ends = |c: char| c == ';' || (in_list && c == ',');
    let text = rest.trim_start();
    if let Some(mut quoted) = text.strip_prefix('"') {
        let mut word = String::new();
        while let Some(c) = quoted.chars().next() {
            quoted = &quoted[c.len_utf8()..];
            match c {
                '"' => {
                    *rest = &quoted[quoted.find(ends).unwrap_or(quoted.len())..];
                    return word;
                }
                '\\' if quoted.starts_with(['"', '\\']) => {
                    word.push_str(&quoted[..1]);
                    quoted = &quoted[1..];
                }
                c => word.push(c),
            }
        }
        // Without its end it is none.
    }
    let (word, behind) = text.split_at(text.find(ends).unwrap_or(text.len()));
    *rest = behind;
    word.trim_end().to_owned()
}

fn parameters(part: &mut Part, mut rest: &str) -> Result<(), String> {
    // A content type has parameters of its own, which go on behind a `;`.
    let mut in_type = false;
    while let Some(behind) = rest.strip_prefix(';') {
        rest = behind.trim_start();
        let starts =
            |name: &str| rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if !in_type && starts("type=") {
            let end = rest.find(';').unwrap_or(rest.len());
            let kind = rest[5..end].trim();
            if kind.split_once('/').is_none_or(|(kind, sub)| kind.is_empty() || sub.is_empty()) {
                return Err(format!("has the type `{kind}`, which is none: write it as in type=text/plain"));
            }
            part.content_type = Some(kind.to_owned());
            (in_type, rest) = (true, &rest[end..]);
        } else if starts("filename=") {
            rest = &rest["filename=".len()..];
            part.file_name = Some(word(&mut rest, false));
            in_type = false;
        } else if starts("headers=") || starts("encoder=") {
            let name = &rest[..7];
            return Err(format!("has `;{name}=`, which plans do not have: leave it out"));
        } else {
            let end = rest.find(';').unwrap_or(rest.len());
            if in_type && let Some(kind) = &mut part.content_type {
                // With the blanks before it, which `behind` still has.
                let blanks = behind.len() - behind.trim_start().len();
                *kind += &format!(";{}{}", &behind[..blanks], rest[..end].trim_end());
            }
            rest = &rest[end..];
        }
    }
    Ok(())
}

/// As curl guesses it from the names.
fn guessed_type(part: &Part) -> Option<String> {
    const KINDS: [(&str, &str); 10] = [
        (".gif", "image/gif"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".png", "image/png"),
        (".svg", "image/svg+xml"),
        (".txt", "text/plain"),
        (".htm", "text/html"),
        (".html", "text/html"),
        (".pdf", "application/pdf"),
        (".xml", "application/xml"),
    ];
    let by_name = |name: &str| {
        let name = name.to_ascii_lowercase();
        KINDS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| *kind)
    };
    let named = part.file_name.as_deref();
    let kind = match &part.content {
        Content::Text(_) => by_name(named?),
        Content::File(file) => named
            .and_then(by_name)
            .or_else(|| by_name(file))
            .or_else(|| named.map(|_| "application/octet-stream")),
    };
    kind.filter(|kind| named.is_some() || *kind != "text/plain").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_part_is_is_refused() {
        for (text, wanted) in [
            ("a", "is no part of a form: write NAME=VALUE"),
            ("a=(", "has parts within a part"),
            ("a=@b,c", "has several files in one part"),
            ("a=@-", "reads the standard input"),
            ("a=b;type=x", "has the type `x`, which is none"),
            ("a=b;headers=\"X: y\"", "has `;headers=`"),
            ("a=b;encoder=base64", "has `;encoder=`"),
        ] {
            assert!(part(text).unwrap_err().contains(wanted), "{text}");
        }
        assert!(literal("a").is_err());
        assert_eq!(literal("a=@b;type=c/d").unwrap().content, Content::Text("@b;type=c/d".into()));
    }
}

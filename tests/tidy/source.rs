//! A Rust file as text whose comments, literals and unit tests are blanked out: enough to find
//! paths, keywords and functions without a parser.

/// One file.
pub(crate) struct Source {
    /// Relative to the package.
    pub(crate) path: String,
    /// As it was read.
    pub(crate) text: String,
    /// The same length in lines; comments, literals and unit tests are spaces.
    pub(crate) code: String,
}

/// A function that was found.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where its `fn` stands, from 1.
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let mut code = without_tests(&without_literals(&text));
        if is_test(path) {
            code = blank(&code);
        }
        Self { path: path.to_owned(), text, code }
    }

    /// The segments of the module path: `src/http/head.rs` is `http`, `head`.
    fn module_path(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut segments: Vec<_> = path.split('/').collect();
        if segments.last() == Some(&"mod") {
            segments.pop();
        }
        segments
    }

    /// `http` for everything below `src/http`; none for the crate's own roots.
    pub(crate) fn top_module(&self) -> Option<String> {
        match self.module_path()[0] {
            "lib" | "main" => None,
            module => Some(module.to_owned()),
        }
    }

    /// The top-level modules that this file names by path, with their lines.
    pub(crate) fn imports(&self) -> Vec<(usize, String)> {
        let mut found = self.heads_behind("crate::");
        // As many `super` as the module is deep lead to the crate's root.
        let climb = "super::".repeat(self.module_path().len());
        found.extend(self.heads_behind(&climb));
        found
    }

    /// First names behind each `prefix`, also those in braces: `crate::{a::b, c}` gives a and c.
    fn heads_behind(&self, prefix: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices(prefix) {
            let before = self.code[..at].chars().next_back();
            if before.is_some_and(|c| is_name(c) || c == ':') {
                continue;
            }
            let behind = &self.code[at + prefix.len()..];
            let line = self.line_of(at);
            let Some(inside) = behind.strip_prefix('{') else {
                found.push((line, head(behind)));
                continue;
            };
            let mut depth = 0;
            let mut start = 0;
            for (i, c) in inside.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    ',' | '}' if depth == 0 => {
                        found.push((line, head(inside[start..i].trim_start())));
                        start = i + 1;
                        if c == '}' {
                            break;
                        }
                    }
                    _ => {}
                }
            }
        }
        found.retain(|(_, name)| !name.is_empty());
        found
    }

    /// Lines, from 1, on which `word` stands as a word of its own.
    pub(crate) fn lines_with_word(&self, word: &str) -> Vec<usize> {
        words(&self.code).filter(|(_, w)| *w == word).map(|(at, _)| self.line_of(at)).collect()
    }

    /// All functions with a body. One inside another counts on its own and in the outer one.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, _) in words(&self.code).filter(|(_, w)| *w == "fn") {
            let name = head(self.code[at + 2..].trim_start());
            let body = self.code[at..].find(['{', ';']).map(|i| at + i);
            // No name: the type `fn(…)`. A semicolon first: no body.
            if let Some(open) = body.filter(|i| self.code[*i..].starts_with('{'))
                && !name.is_empty()
            {
                let end = matching_brace(&self.code, open);
                let line = self.line_of(at);
                found.push(Function { name, line, lines: self.line_of(end) - line + 1 });
            }
        }
        found
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

/// Whether the file is the body of a `mod tests;`, which is exempt like an inline one.
pub(crate) fn is_test(path: &str) -> bool {
    path.starts_with("src/") && path.split(['/', '.']).any(|segment| segment == "tests")
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn head(text: &str) -> String {
    text.chars().take_while(|c| is_name(*c)).collect()
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.split(|c| !is_name(c))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// Where the brace at `open` is closed; the end of the code when it is not.
fn matching_brace(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (i, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return open + i;
        }
    }
    code.len()
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// Blanks out items under `#[cfg(test)]`: they may import what they like.
fn without_tests(code: &str) -> String {
    let mut code = code.to_owned();
    while let Some(start) = code.find("#[cfg(test)]") {
        let item = code[start..].find(['{', ';']).map_or(code.len(), |i| start + i);
        let end = match code.as_bytes().get(item) {
            Some(b'{') => (matching_brace(&code, item) + 1).min(code.len()),
            Some(_) => item + 1,
            None => code.len(),
        };
        let blanked = blank(&code[start..end]);
        code.replace_range(start..end, &blanked);
    }
    code
}

/// Blanks out comments, strings and character literals; keeps the lines.
fn without_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_name = code.chars().next_back().is_some_and(is_name);
        let length = literal_length(rest, after_name);
        if length > 0 {
            code.push_str(&blank(&rest[..length]));
            rest = &rest[length..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

/// Bytes of the comment or literal that `rest` starts with; 0 when it starts with code.
fn literal_length(rest: &str, after_name: bool) -> usize {
    let line = |text: &str| text.find('\n').unwrap_or(text.len());
    if rest.starts_with("//") {
        return line(rest);
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    if let Some(hashed) = raw.strip_prefix('r')
        && !after_name
    {
        let hashes = hashed.len() - hashed.trim_start_matches('#').len();
        if hashed[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = rest.len() - hashed.len() + hashes + 1;
            return rest[open..].find(&close).map_or(rest.len(), |i| open + i + close.len());
        }
    }
    // A quote starts a character when the next but one (or an escape) closes it, else a lifetime.
    if let Some(inside) = rest.strip_prefix('\'') {
        let mut chars = inside.chars();
        return match (chars.next(), chars.next()) {
            (Some('\\'), _) => quoted(rest, '\''),
            (Some(c), Some('\'')) => 2 + c.len_utf8(),
            _ => 0,
        };
    }
    0
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < rest.len() {
        if rest.as_bytes()[i..].starts_with(b"/*") {
            (depth, i) = (depth + 1, i + 2);
        } else if rest.as_bytes()[i..].starts_with(b"*/") {
            (depth, i) = (depth - 1, i + 2);
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn imports_are_found_in_every_form() {
    let text = r##"
use crate::{stats::{histogram, outcome}, units};
fn f() { let s = "crate::not"; let c = '{'; crate::rng::new(); super::clock::now(); }
// crate::neither
/* crate::nor /* crate::this */ crate::one */
const R: &str = r#"crate::raw "quoted" "#;
#[cfg(test)]
mod tests { use crate::run; fn g<'a>(x: &'a str) -> &'a str { x } }
"##;
    let source = Source::new("src/observer.rs", text.to_owned());
    let names: Vec<_> = source.imports().into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["stats", "units", "rng", "clock"]);
    let deeper = Source::new("src/http/head.rs", "use super::url; use super::super::run;".to_owned());
    assert_eq!(deeper.imports(), [(1, "run".to_owned())]);
}

#[test]
fn functions_are_measured() {
    let text = "trait T { fn none(&self); }\nfn one() {}\nfn three() {\n  let f: fn(u8) = g;\n}\n";
    let source = Source::new("src/x.rs", text.to_owned());
    let measured: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(measured, [("one".to_owned(), 2, 1), ("three".to_owned(), 3, 3)]);
}

#[test]
fn unsafe_is_found_as_a_word_only() {
    let text = "// unsafe\n#![deny(unsafe_code)]\nfn f() { unsafe { g() } }\n";
    assert_eq!(Source::new("src/x.rs", text.to_owned()).lines_with_word("unsafe"), [3]);
}

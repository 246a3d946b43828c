//! Takes a command line apart as a POSIX shell does, with bash's `$'…'`, which browsers write.
//!
//! Nothing is carried out: what only a running shell knows (`$NAME`, `` `command` ``, pipes, files) is refused.

use super::ImportError;

/// The commands of a script, each as its words.
///
/// # Errors
/// A quote without its end; anything that would need a shell.
pub(super) fn commands(text: &str) -> Result<Vec<Vec<String>>, ImportError> {
    let mut reader = Reader { text, at: 0, word: None, words: Vec::new(), commands: Vec::new() };
    while let Some(c) = reader.next() {
        reader.take(c)?;
    }
    reader.end_command()?;
    Ok(reader.commands)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The bytes of the word that has begun: `$'\xff'` is no UTF-8.
    word: Option<Vec<u8>>,
    words: Vec<String>,
    commands: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// An error at the character before the place that was reached.
    fn fail<T>(&self, what: impl Into<String>) -> Result<T, ImportError> {
        let before = self.text[..self.at].chars().next_back().map_or(0, char::len_utf8);
        self.fail_at(self.at - before, what)
    }

    fn fail_at<T>(&self, at: usize, what: impl Into<String>) -> Result<T, ImportError> {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Err(ImportError::new(format!("line {line}, column {column}"), what))
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn push_byte(&mut self, byte: u8) {
        self.word.get_or_insert_default().push(byte);
    }

    fn end_word(&mut self) -> Result<(), ImportError> {
        if let Some(word) = self.word.take() {
            match String::from_utf8(word) {
                Ok(word) => self.words.push(word),
                Err(_) => {
                    return self.fail(
                        "the word before this is not UTF-8: put the body into a file, and give \
                                      --data-binary @FILE",
                    );
                }
            }
        }
        Ok(())
    }

    fn end_command(&mut self) -> Result<(), ImportError> {
        self.end_word()?;
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
        Ok(())
    }

    fn take(&mut self, c: char) -> Result<(), ImportError> {
        match c {
            ' ' | '\t' | '\r' => self.end_word(),
            '\n' | ';' => self.end_command(),
            '&' => self.end_command(),
            '\'' => self.single(),
            '"' => self.double(),
            '\\' => self.backslash(),
            '$' if self.peek() == Some('\'') => {
                self.next();
                self.ansi()
            }
            '$' => self.dollar(),
            '`' => self.fail("`…` runs a command in a shell: write what it prints"),
            '|' | '<' | '>' | '(' | ')' => {
                self.fail(format!("`{c}` needs a shell: give the curl command alone, and quote its words"))
            }
            '^' if self.peek() == Some('"') => {
                self.fail("this is written for cmd.exe: take the browser's \"Copy as cURL (bash)\"")
            }
            '#' if self.word.is_none() => {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.next();
                }
                Ok(())
            }
            c => {
                self.push(c);
                Ok(())
            }
        }
    }

    fn single(&mut self) -> Result<(), ImportError> {
        let open = self.at - 1;
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(c) => self.push(c),
                None => return self.fail_at(open, "this `'` has no second one"),
            }
        }
    }

    fn double(&mut self) -> Result<(), ImportError> {
        let open = self.at - 1;
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.next() {
                    Some('\n') => {}
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                    None => return self.fail_at(open, "this `\"` has no second one"),
                },
                Some('$') => self.dollar()?,
                Some('`') => return self.fail("`…` runs a command in a shell: write what it prints"),
                Some(c) => self.push(c),
                None => return self.fail_at(open, "this `\"` has no second one"),
            }
        }
    }

    /// Outside quotes: the next character as it is; with a line break, nothing.
    fn backslash(&mut self) -> Result<(), ImportError> {
        match self.next() {
            Some('\n') | None => {}
            Some('\r') if self.peek() == Some('\n') => {
                self.next();
            }
            Some(c) => self.push(c),
        }
        Ok(())
    }

    fn dollar(&mut self) -> Result<(), ImportError> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        match rest.chars().next() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.fail(format!(
                "`${}` is a shell's variable: write its value, or put the text between ' '",
                &rest[..end]
            )),
            Some(c @ ('{' | '(')) => {
                self.fail(format!("`${c}` needs a shell: write the value, or put the text between ' '"))
            }
            _ => {
                self.push('$');
                Ok(())
            }
        }
    }

    /// Bash's `$'…'`.
    fn ansi(&mut self) -> Result<(), ImportError> {
        let open = self.at - 2;
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some('\\') => self.ansi_escape()?,
                Some(c) => self.push(c),
                None => return self.fail_at(open, "this `$'` has no `'` that ends it"),
            }
        }
    }

    fn ansi_escape(&mut self) -> Result<(), ImportError> {
        let Some(c) = self.next() else { return Ok(()) };
        match c {
            'n' => self.push('\n'),
            't' => self.push('\t'),
            'r' => self.push('\r'),
            'a' => self.push('\x07'),
            'b' => self.push('\x08'),
            'e' | 'E' => self.push('\x1b'),
            'f' => self.push('\x0c'),
            'v' => self.push('\x0b'),
            '\\' | '\'' | '"' | '?' => self.push(c),
            '0'..='7' => {
                self.at -= 1;
                let byte = self.digits(8, 3).unwrap_or_default();
                self.push_byte(byte as u8);
            }
            'x' => match self.digits(16, 2) {
                Some(byte) => self.push_byte(byte as u8),
                None => return self.fail("`\\x` is followed by no hexadecimal digit"),
            },
            'u' | 'U' => match self.digits(16, if c == 'u' { 4 } else { 8 }).map(char::from_u32) {
                Some(Some(c)) => self.push(c),
                Some(None) => return self.fail(format!("`\\{c}` names no character")),
                None => return self.fail(format!("`\\{c}` is followed by no hexadecimal digit")),
            },
            c => {
                self.push('\\');
                self.push(c);
            }
        }
        Ok(())
    }

    /// A number of at most so many digits.
    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let rest = &self.text[self.at..];
        let len = rest.bytes().take(most).take_while(|b| char::from(*b).is_digit(radix)).count();
        self.at += len;
        u32::from_str_radix(&rest[..len], radix).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn words(text: &str, wanted: &[&[&str]]) {
        let found = commands(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(found, wanted, "{text}");
    }

    #[test]
    fn words_are_those_of_a_shell() {
        words("", &[]);
        words("curl  a\tb", &[&["curl", "a", "b"]]);
        words("'a b'c \"d e\"", &[&["a bc", "d e"]]);
        words("'' \"\"", &[&["", ""]]);
        words(r#"'\n$x`' "\"\\\$\n""#, &[&[r"\n$x`", r#""\$\n"#]]);
        words("a \\\n b\\\r\n c\\ d", &[&["a", "b", "c d"]]);
        words("\"a\\\nb\"", &[&["ab"]]);
        words("a # b 'c\nd#e", &[&["a"], &["d#e"]]);
        words("a; b && c & d\ne", &[&["a"], &["b"], &["c"], &["d"], &["e"]]);
        words("$ 5$", &[&["$", "5$"]]);
        words("ü 'é'", &[&["ü", "é"]]);
    }

    #[test]
    fn ansi_c_quotes_are_bashs() {
        words(r"$'a\'b\n\t\\\u0021\x41\101\U0001F600\q'", &[&["a'b\n\t\\!AA😀\\q"]]);
        words(r"$'\xc3\xbc'x", &[&["üx"]]);
        words(r"$''", &[&[""]]);
    }

    #[test]
    fn what_needs_a_shell_is_refused_by_name_and_place() {
        for (text, wanted) in [
            ("curl 'a", "line 1, column 6: this `'`"),
            ("curl \\\n \"a", "line 2, column 2: this `\"`"),
            ("curl \"a\\", "column 6"),
            ("curl $'a", "column 6: this `$'`"),
            ("curl $'\\", "column 6: this `$'`"),
            ("curl \"$TOKEN x\"", "column 7: `$TOKEN` is a shell's variable"),
            ("curl $(x)", "`$(` needs a shell"),
            ("curl ${x}", "`${` needs a shell"),
            ("curl `x`", "column 6: `…` runs"),
            ("curl x | jq", "column 8: `|` needs a shell"),
            ("curl x > y", "`>` needs a shell"),
            ("curl ^\"x^\"", "cmd.exe"),
            (r"curl $'\xff'", "not UTF-8"),
            (r"curl $'\ud800'", "names no character"),
            (r"curl $'\xg'", "no hexadecimal digit"),
        ] {
            let error = commands(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[ a'"\\$&|;#^u0-9x\n\rü`{(]{0,40}"#) {
            let _ = commands(&text);
        }

        #[test]
        fn quoted_words_come_back(words in prop::collection::vec(any::<String>(), 1..5)) {
            let quoted: Vec<String> = words.iter().map(|w| format!("'{}'", w.replace('\'', r"'\''"))).collect();
            prop_assert_eq!(commands(&quoted.join(" ")).unwrap(), vec![words]);
        }
    }
}

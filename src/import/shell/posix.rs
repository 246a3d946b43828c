//! Words as a POSIX shell makes them, with bash's `$'…'`, which browsers write.
//!
//! Nothing is carried out: what only a running shell knows (`$NAME`, `` `command` ``, pipes, files) is refused.

use super::{Command, Commands, place};
use crate::import::ImportError;

/// Why a text was not read.
pub(super) enum Stop {
    /// It has cmd.exe's escapes.
    Windows,
    /// Anything else.
    Error(ImportError),
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Stop {
        Stop::Error(error)
    }
}

/// The commands of a script.
///
/// # Errors
/// A quote without its end; anything that would need a shell.
pub(super) fn commands(text: &str) -> Result<Commands, Stop> {
    let mut reader =
        Reader { text, at: 0, word: None, command: Command::default(), found: Commands::default() };
    while let Some(c) = reader.next() {
        if c == '^' && reader.is_windows() {
            return Err(Stop::Windows);
        }
        reader.take(c)?;
    }
    reader.end_command(None);
    Ok(reader.found)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The bytes of the word that has begun: `$'\xff'` is no UTF-8.
    word: Option<Vec<u8>>,
    command: Command,
    found: Commands,
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
        Err(ImportError::new(place(&self.text[..at]), what))
    }

    /// Whether the `^` before this is an escape of cmd.exe: before a quote, or at a line's end.
    fn is_windows(&self) -> bool {
        let rest = &self.text[self.at..];
        rest.starts_with('"') || (self.word.is_none() && blank_line_end(rest).is_some())
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn push_byte(&mut self, byte: u8) {
        self.word.get_or_insert_default().push(byte);
    }

    fn end_word(&mut self) {
        self.command.words.extend(self.word.take());
    }

    /// `separator` is what stands between it and the next one.
    fn end_command(&mut self, separator: Option<char>) {
        self.end_word();
        let command = std::mem::take(&mut self.command);
        self.command.after = separator;
        if !command.words.is_empty() {
            self.found.commands.push(command);
        }
    }

    fn take(&mut self, c: char) -> Result<(), ImportError> {
        match c {
            ' ' | '\t' | '\r' => self.end_word(),
            '\n' | ';' | '&' => self.end_command(Some(c)),
            '\'' => self.single()?,
            '"' => self.double()?,
            '\\' => self.backslash(),
            '$' if self.peek() == Some('\'') => {
                self.next();
                self.ansi()?;
            }
            '$' if self.peek() == Some('"') => {} // Text to be translated; there is no translation.
            '$' => self.dollar()?,
            '`' if self.peek().is_none_or(|c| c == '\r' || c == '\n') => {
                return self
                    .fail("a backtick at a line's end is PowerShell's: end the line with `\\` instead");
            }
            '`' => return self.fail("`…` runs a command in a shell: write what it prints"),
            '|' | '<' | '>' | '(' | ')' => {
                return self
                    .fail(format!("`{c}` needs a shell: give the curl command alone, and quote its words"));
            }
            '#' if self.word.is_none() => {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.next();
                }
            }
            c => self.push(c),
        }
        Ok(())
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

    /// Outside quotes: the next character as it is; with a line break, nothing. A blank behind a line's last `\`, which
    /// nobody sees, is taken for none.
    fn backslash(&mut self) {
        let rest = &self.text[self.at..];
        if let Some(length) = blank_line_end(rest) {
            if rest.starts_with([' ', '\t']) {
                let place = place(&self.text[..self.at]);
                self.found
                    .warnings
                    .push(format!("{place}: a blank behind the `\\` that ends the line is taken for none"));
            }
            self.at += length;
        } else if let Some(c) = self.next() {
            self.push(c);
        }
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
            'u' | 'U' => return self.unicode(c),
            // A control character, as in bash.
            'c' => {
                let c = self.next().unwrap_or_default();
                self.push_byte(u8::try_from(c).unwrap_or_default() & 0x1f);
            }
            c => {
                self.push('\\');
                self.push(c);
            }
        }
        Ok(())
    }

    /// `\uHHHH`, `\UHHHHHHHH`. Browsers write what UTF-16 has as a pair as two of them.
    fn unicode(&mut self, letter: char) -> Result<(), ImportError> {
        let from = self.at - 2;
        let Some(code) = self.digits(16, if letter == 'u' { 4 } else { 8 }) else {
            return self.fail(format!("`\\{letter}` is followed by no hexadecimal digit"));
        };
        let found = char::from_u32(code).or_else(|| self.pair(code));
        if let Some(c) = found {
            self.push(c);
            return Ok(());
        }
        let what = match code {
            0xd800..0xe000 => "is half of a character, and its other half is missing",
            _ => "names no character",
        };
        self.fail_at(from, format!("`{}` {what}", &self.text[from..self.at]))
    }

    /// The character of a high surrogate and the low one that is written behind it.
    fn pair(&mut self, high: u32) -> Option<char> {
        let rest = self.text[self.at..].strip_prefix("\\u")?;
        let low = u16::from_str_radix(rest.get(..4)?, 16).ok()?;
        let c = char::decode_utf16([u16::try_from(high).ok()?, low]).next()?.ok()?;
        self.at += 6;
        Some(c)
    }

    /// A number of at most so many digits.
    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let rest = &self.text[self.at..];
        let len = rest.bytes().take(most).take_while(|b| char::from(*b).is_digit(radix)).count();
        self.at += len;
        u32::from_str_radix(&rest[..len], radix).ok()
    }
}

/// The length of blanks and a line break, or the end of the text.
fn blank_line_end(rest: &str) -> Option<usize> {
    let behind = rest.trim_start_matches([' ', '\t']);
    let behind = behind.strip_prefix('\r').unwrap_or(behind);
    match behind.strip_prefix('\n') {
        Some(behind) => Some(rest.len() - behind.len()),
        None => behind.is_empty().then_some(rest.len()),
    }
}

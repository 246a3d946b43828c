//! `curl` commands, as people write them and as browsers copy them.

mod command;
mod form;
mod glob;
mod options;
mod url;

use self::command::Curl;
use self::options::Meaning;
use super::recorded::Recorded;
use super::{ImportError, Imported, shell, writer};

/// Bytes of a command at most.
pub const COMMAND_MAX: usize = 4 << 20;

/// Requests at most.
const REQUESTS_MAX: usize = 10_000;

/// Reads one or several commands, with `;`, `&` or line breaks between them, written for a POSIX shell or cmd.exe.
///
/// # Errors
/// What is no curl command, or asks for what a plan does not have.
pub fn curl(text: &str) -> Result<Imported, ImportError> {
    if text.len() > COMMAND_MAX {
        return Err(ImportError::new("the command", format!("is longer than {COMMAND_MAX} bytes")));
    }
    let shell::Commands { commands, mut warnings } = shell::commands(text)?;
    if commands.is_empty() {
        return Err(ImportError::new(
            "the command",
            "is empty: give one such as 'curl http://localhost:8080/'",
        ));
    }
    let (mut requests, mut ignored) = (Vec::new(), Vec::new());
    for (i, words) in commands.iter().enumerate() {
        let place = if commands.len() > 1 { format!("command {}", i + 1) } else { "the command".into() };
        let read = Reading { place: &place, ignored: &mut ignored, warnings: &mut warnings };
        read.command(words, &mut requests)?;
    }
    if !ignored.is_empty() {
        warnings.insert(0, format!("left out, as no plan has it: {}", ignored.join(", ")));
    }
    Ok(writer::write(&requests, "Made by `squall import curl`.", warnings))
}

/// One command of a shell, which may be several of curl's.
struct Reading<'a> {
    place: &'a str,
    ignored: &'a mut Vec<String>,
    warnings: &'a mut Vec<String>,
}

impl Reading<'_> {
    fn fail<T>(&self, what: impl Into<String>) -> Result<T, ImportError> {
        Err(ImportError::new(self.place, what))
    }

    fn command(mut self, command: &shell::Command, requests: &mut Vec<Recorded>) -> Result<(), ImportError> {
        let words = self.arguments(command)?;
        let mut words = words.iter().map(Vec::as_slice);
        let mut curl = Curl::new(self.place);
        let mut only_urls = false;
        while let Some(word) = words.next() {
            let text = str::from_utf8(word);
            match text {
                Ok("--") if !only_urls => only_urls = true,
                Ok(option) if !only_urls && option.starts_with("--") => {
                    let (meaning, on) =
                        options::long(&option[2..]).map_err(|what| ImportError::new(self.place, what))?;
                    let value = if meaning.takes_value() { self.value(option, words.next())? } else { b"" };
                    self.apply(&mut curl, (meaning, on), option, value, requests)?;
                }
                Ok(option) if !only_urls && option.starts_with('-') && option != "-" => {
                    self.letters(&mut curl, &option[1..], &mut words, requests)?;
                }
                // What follows letters need not be UTF-8.
                Err(error) if !only_urls && word.starts_with(b"-") && error.valid_up_to() >= 2 => {
                    let option = String::from_utf8_lossy(&word[..2]).into_owned();
                    match option.chars().nth(1).and_then(options::letter) {
                        Some(meaning) if meaning.takes_value() => {
                            self.apply(&mut curl, (meaning, true), &option, &word[2..], requests)?;
                        }
                        _ => return self.fail(format!("`{option}…` has bytes behind it that are not UTF-8")),
                    }
                }
                _ => self.apply(&mut curl, (Meaning::Url, true), "the URL", word, requests)?,
            }
        }
        self.finish(curl, requests)
    }

    /// The words behind `curl`.
    fn arguments<'w>(&self, command: &'w shell::Command) -> Result<&'w [Vec<u8>], ImportError> {
        let words = command.words.strip_prefix(&[b"$".to_vec()]).unwrap_or(&command.words);
        let (first, rest) = words.split_first().map_or((&b""[..], &[][..]), |(first, rest)| (first, rest));
        let program = first.rsplit(|b| matches!(b, b'/' | b'\\')).next().unwrap_or_default();
        if program.eq_ignore_ascii_case(b"curl") || program.eq_ignore_ascii_case(b"curl.exe") {
            return Ok(rest);
        }
        let way_out = match command.after {
            Some('\n') => "where a command goes on, end the line before with `\\`",
            Some(_) => "put a URL with `&` or `;` in it between ' '",
            None => "give the whole command",
        };
        let first = String::from_utf8_lossy(first);
        self.fail(format!("begins with `{}`, not with `curl`: {way_out}", first.escape_debug()))
    }

    fn value<'w>(&self, option: &str, word: Option<&'w [u8]>) -> Result<&'w [u8], ImportError> {
        match word {
            Some(word) => Ok(word),
            None => self.fail(format!("`{option}` is the last word, and needs a value behind it")),
        }
    }

    /// `-sSXPOST`: letters, the last of which may have its value behind it.
    fn letters<'w>(
        &mut self,
        curl: &mut Curl,
        letters: &'w str,
        words: &mut impl Iterator<Item = &'w [u8]>,
        requests: &mut Vec<Recorded>,
    ) -> Result<(), ImportError> {
        for (at, letter) in letters.char_indices() {
            let option = format!("-{letter}");
            let Some(meaning) = options::letter(letter) else {
                return self.fail(format!(
                    "`{}` is no option that is known here: leave it out",
                    option.escape_debug()
                ));
            };
            if !meaning.takes_value() {
                self.apply(curl, (meaning, true), &option, b"", requests)?;
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let value = if rest.is_empty() { self.value(&option, words.next())? } else { rest.as_bytes() };
            return self.apply(curl, (meaning, true), &option, value, requests);
        }
        Ok(())
    }

    fn apply(
        &mut self,
        curl: &mut Curl,
        (meaning, on): (Meaning, bool),
        option: &str,
        value: &[u8],
        requests: &mut Vec<Recorded>,
    ) -> Result<(), ImportError> {
        match meaning {
            Meaning::Next => {
                let done = std::mem::replace(curl, Curl::new(self.place));
                self.finish(done, requests)
            }
            Meaning::Ignored(_) => {
                if !self.ignored.iter().any(|known| known == option) {
                    self.ignored.push(option.into());
                }
                Ok(())
            }
            meaning => curl.apply(meaning, on, option, value),
        }
    }

    fn finish(&mut self, curl: Curl, requests: &mut Vec<Recorded>) -> Result<(), ImportError> {
        let room = REQUESTS_MAX - requests.len();
        requests.extend(curl.finish(room, self.warnings)?);
        Ok(())
    }
}

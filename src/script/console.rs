//! Where a script's `console` writes: lines as k6 has them. Standard error has them at a bounded rate, a file all of them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use crate::clock;
use crate::secrets::Redactor;
use crate::units::Nanos;

/// Lines a second of each scenario that standard error gets; more are counted and left out.
const LINES_PER_S: u64 = 2_000;

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `console.debug`: with `--verbose` alone.
    Debug,
    /// `console.log` and `info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`, and exceptions.
    Error,
}

impl Level {
    fn tag(self) -> &'static str {
        match self {
            Level::Debug => "DEBU",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERRO",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warning",
            Level::Error => "error",
        }
    }
}

/// The second that it is, as k6 writes it.
fn now() -> String {
    let now = UNIX_EPOCH + Duration::from_nanos(clock::wall().0);
    humantime::format_rfc3339_seconds(now).to_string()
}

/// Where lines go.
#[derive(Debug)]
pub enum Place {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// Nowhere.
    Nowhere,
    /// A file.
    File(File),
}

impl Place {
    fn write(&self, line: &str) {
        // That it is full, or closed, is no reason to end a test.
        let _ = match self {
            Place::Stderr => writeln!(io::stderr().lock(), "{line}"),
            Place::Stdout => writeln!(io::stdout().lock(), "{line}"),
            Place::Nowhere => Ok(()),
            Place::File(file) => writeln!(&*file, "{line}"),
        };
    }
}

/// How lines are written (`--log-format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Level, second, text.
    #[default]
    Text,
    /// Objects.
    Json,
    /// The text alone.
    Raw,
}

impl Format {
    /// Reads `text`, `json` or `raw`; no text is the first.
    ///
    /// # Errors
    /// What there is.
    pub fn parse(text: &str) -> Result<Format, String> {
        match text {
            "" | "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "raw" => Ok(Format::Raw),
            _ => Err(format!("`{text}` is none: give text, json or raw")),
        }
    }

    /// A line written in this second since the start.
    fn line(self, level: Level, second: u64, text: &str, source: Option<&str>) -> String {
        match (self, source) {
            (Format::Raw, _) => text.to_owned(),
            (Format::Json, _) => {
                let mut line = json!({ "level": level.word(), "msg": text, "time": now() });
                if let Some(source) = source {
                    line["source"] = source.into();
                }
                line.to_string()
            }
            (Format::Text, Some(source)) => {
                format!("{}[{second:04}] {text:<44}  source={source}", level.tag())
            }
            (Format::Text, None) => format!("{}[{second:04}] {text}", level.tag()),
        }
    }
}

/// Where in its life a script wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its module code ran.
    Init,
    /// In an iteration of this scenario; `None`: in setup, teardown or summary.
    Run(Option<u16>),
}

/// Where lines go, and how they are written; cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    begun: Nanos,
    verbose: bool,
    place: Place,
    format: Format,
    /// What the script writes while it runs goes there.
    file: Option<Mutex<ToFile>>,
    rates: Mutex<Rates>,
    secrets: Redactor,
}

struct ToFile {
    lines: BufWriter<File>,
    /// The second in which it was flushed last.
    flushed: u64,
}

/// What standard error has got in this second, by scenario.
#[derive(Default)]
struct Rates {
    second: u64,
    written: BTreeMap<Option<u16>, u64>,
    left_out: u64,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    /// Writes to `place`, or what the script says while it runs to `file`; `verbose`: debug lines, too.
    /// `secrets` are left out of lines about the script; what it writes itself is as it is.
    pub fn new(
        place: Place,
        format: Format,
        file: Option<File>,
        verbose: bool,
        secrets: Redactor,
    ) -> Console {
        let file = file.map(|file| Mutex::new(ToFile { lines: BufWriter::new(file), flushed: 0 }));
        let (begun, rates) = (clock::now(), Mutex::default());
        Console(Arc::new(Inner { begun, verbose, place, format, file, rates, secrets }))
    }

    /// To standard error.
    pub fn stderr() -> Console {
        Console::new(Place::Stderr, Format::Text, None, false, Redactor::default())
    }

    /// A line that the script wrote.
    pub fn script(&self, source: Source, level: Level, text: &str) {
        if level == Level::Debug && !self.0.verbose {
            return;
        }
        match (&self.0.file, source) {
            (Some(file), Source::Run(_)) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                // A disk that is full is no reason to end a test.
                let _ = file.write(self.second(), level, text);
            }
            (_, Source::Run(scenario)) => self.line(scenario, level, text, Some("console")),
            (_, Source::Init) => self.line(None, level, text, Some("console")),
        }
    }

    /// A line about the script.
    pub fn about(&self, level: Level, text: &str) {
        if level != Level::Debug || self.0.verbose {
            self.line(None, level, &self.0.secrets.text(text), None);
        }
    }

    /// Nothing comes any more: tells what was left out, and writes down what is still kept for the file.
    pub fn finish(&self) {
        let mut rates = self.0.rates.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell_left_out(&mut rates);
        if let Some(file) = &self.0.file {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).lines.flush();
        }
    }

    /// Since the start.
    fn second(&self) -> u64 {
        (clock::now() - self.0.begun).0 / 1_000_000_000
    }

    fn line(&self, scenario: Option<u16>, level: Level, text: &str, source: Option<&str>) {
        let second = self.second();
        let mut rates = self.0.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.second != second {
            self.tell_left_out(&mut rates);
        }
        if rates.admits(second, scenario) {
            self.0.place.write(&self.0.format.line(level, second, text, source));
        }
    }

    fn tell_left_out(&self, rates: &mut Rates) {
        let left_out = std::mem::take(&mut rates.left_out);
        if left_out > 0 {
            let text = format!(
                "{left_out} lines of the script were left out: there are at most {LINES_PER_S} a second of each scenario; \
                 --console-output FILE has all"
            );
            self.0.place.write(&self.0.format.line(Level::Warn, rates.second, &text, None));
        }
    }
}

impl Rates {
    /// Whether one more line may come in this second.
    fn admits(&mut self, second: u64, scenario: Option<u16>) -> bool {
        if self.second != second {
            self.second = second;
            self.written.clear();
        }
        let written = self.written.entry(scenario).or_default();
        if *written >= LINES_PER_S {
            self.left_out += 1;
            return false;
        }
        *written += 1;
        true
    }
}

impl ToFile {
    /// As k6 writes it: the fields of logfmt, flushed once a second.
    fn write(&mut self, second: u64, level: Level, text: &str) -> io::Result<()> {
        let time = now();
        write!(self.lines, "time=\"{time}\" level={}", level.word())?;
        if !text.is_empty() {
            write!(self.lines, " msg={}", quoted(text))?;
        }
        writeln!(self.lines)?;
        if self.flushed != second {
            self.flushed = second;
            self.lines.flush()?;
        }
        Ok(())
    }
}

/// As a value of logfmt: in quotes, with escapes, unless it is one word of plain letters.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_alone_and_the_rest_in_quotes() {
        for (text, value) in [
            ("plain", "plain"),
            ("a/b@c^d+e-f_g.h", "a/b@c^d+e-f_g.h"),
            ("two words", "\"two words\""),
            ("x:y", "\"x:y\""),
            ("q\"x\\", "\"q\\\"x\\\\\""),
            ("a\nb\t\u{1}", "\"a\\nb\\t\\x01\""),
            ("é", "\"é\""),
        ] {
            assert_eq!(quoted(text), value);
        }
    }

    #[test]
    fn each_scenario_has_its_lines_in_each_second() {
        let mut rates = Rates::default();
        let mut admitted = |second, scenario| (0..3_000).filter(|_| rates.admits(second, scenario)).count();
        assert_eq!([admitted(0, Some(0)), admitted(0, Some(1)), admitted(0, None)], [2_000; 3]);
        assert_eq!(admitted(1, Some(0)), 2_000, "and again in the next one");
        assert_eq!(rates.left_out, 3_000 + 1_000);
    }
}

//! Where a script's `console` writes: lines as k6 has them. Standard error has them at a bounded rate, a file all of them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock;
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

/// Where in its life a script wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its module code ran.
    Init,
    /// In an iteration of this scenario; `None`: in setup, teardown or summary.
    Run(Option<u16>),
}

/// Standard error, or a file; cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    begun: Nanos,
    verbose: bool,
    /// What the script writes while it runs goes there.
    file: Option<Mutex<ToFile>>,
    rates: Mutex<Rates>,
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
    /// Writes to standard error, or what the script says while it runs to `file`; `verbose`: debug lines, too.
    pub fn new(file: Option<File>, verbose: bool) -> Console {
        let file = file.map(|file| Mutex::new(ToFile { lines: BufWriter::new(file), flushed: 0 }));
        Console(Arc::new(Inner { begun: clock::now(), verbose, file, rates: Mutex::default() }))
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
            (_, Source::Run(scenario)) => self.to_stderr(scenario, level, text, "  source=console"),
            (_, Source::Init) => self.to_stderr(None, level, text, "  source=console"),
        }
    }

    /// A line about the script.
    pub fn about(&self, level: Level, text: &str) {
        if level != Level::Debug || self.0.verbose {
            self.to_stderr(None, level, text, "");
        }
    }

    /// Nothing comes any more: tells what was left out, and writes down what is still kept for the file.
    pub fn finish(&self) {
        let mut rates = self.0.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.tell_left_out();
        if let Some(file) = &self.0.file {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).lines.flush();
        }
    }

    /// Since the start.
    fn second(&self) -> u64 {
        (clock::now() - self.0.begun).0 / 1_000_000_000
    }

    fn to_stderr(&self, scenario: Option<u16>, level: Level, text: &str, source: &str) {
        let second = self.second();
        let mut rates = self.0.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if !rates.admits(second, scenario) {
            return;
        }
        // Standard error that is closed is no reason to end a test.
        let width = if source.is_empty() { 0 } else { 44 };
        let _ = writeln!(io::stderr().lock(), "{}[{second:04}] {text:<width$}{source}", level.tag());
    }
}

impl Rates {
    /// Whether one more line may come in this second.
    fn admits(&mut self, second: u64, scenario: Option<u16>) -> bool {
        if self.second != second {
            self.tell_left_out();
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

    fn tell_left_out(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            let second = self.second;
            let _ = writeln!(
                io::stderr().lock(),
                "WARN[{second:04}] {left_out} lines of the script were left out: standard error has at most {LINES_PER_S} a second of each \
                 scenario; --console-output FILE has all"
            );
        }
    }
}

impl ToFile {
    /// As k6 writes it: the fields of logfmt, flushed once a second.
    fn write(&mut self, second: u64, level: Level, text: &str) -> io::Result<()> {
        let time = UNIX_EPOCH + Duration::from_nanos(clock::wall().0);
        let time = humantime::format_rfc3339_seconds(time);
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
        assert_eq!(rates.left_out, 1_000, "those of the second before are told");
    }
}

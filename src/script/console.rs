//! Where a script's `console` writes: lines as k6 has them, at a bounded rate.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock;
use crate::secrets::Redactor;
use crate::units::Nanos;

/// Lines a second that are written; more are counted and left out.
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

/// Standard error, or a file; cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    begun: Nanos,
    verbose: bool,
    /// Lines of the script itself go there.
    file: Option<Mutex<File>>,
    rate: Mutex<Rate>,
    secrets: Redactor,
}

#[derive(Default)]
struct Rate {
    second: u64,
    written: u64,
    left_out: u64,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    /// Writes to standard error, or what the script itself says to `file`; `verbose`: debug lines, too.
    /// `secrets` are left out of lines about the script; what it writes itself is as it is.
    pub fn new(file: Option<File>, verbose: bool, secrets: Redactor) -> Console {
        let file = file.map(Mutex::new);
        Console(Arc::new(Inner { begun: clock::now(), verbose, file, rate: Mutex::default(), secrets }))
    }

    /// A line that the script wrote.
    pub fn script(&self, level: Level, text: &str) {
        self.line(level, text, Some("console"));
    }

    /// A line about the script.
    pub fn about(&self, level: Level, text: &str) {
        self.line(level, &self.0.secrets.text(text), None);
    }

    fn line(&self, level: Level, text: &str, source: Option<&str>) {
        if level == Level::Debug && !self.0.verbose {
            return;
        }
        let now = clock::now();
        let second = (now - self.0.begun).0 / 1_000_000_000;
        let mut rate = self.0.rate.lock().unwrap_or_else(PoisonError::into_inner);
        if rate.second != second {
            if rate.left_out > 0 {
                eprintln!("WARN[{second:04}] {} lines of the script were left out", rate.left_out);
            }
            *rate = Rate { second, ..Rate::default() };
        }
        if rate.written >= LINES_PER_S {
            rate.left_out += 1;
            return;
        }
        rate.written += 1;
        // A file that is full is no reason to end a test.
        let _ = match (&self.0.file, source) {
            (Some(file), Some(source)) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                writeln!(file, "level={} msg={text:?} source={source}", level.word())
            }
            (_, Some(source)) => {
                writeln!(io::stderr().lock(), "{}[{second:04}] {text:<44}  source={source}", level.tag())
            }
            (_, None) => writeln!(io::stderr().lock(), "{}[{second:04}] {text}", level.tag()),
        };
    }
}

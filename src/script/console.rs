//! Where a script's `console` writes: lines as k6 has them, at a bounded rate.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

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
}

/// Where lines go, and how they are written; cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    begun: Nanos,
    verbose: bool,
    place: Place,
    format: Format,
    /// Lines of the script itself go there.
    file: Option<Place>,
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
    /// Writes to `place`, or what the script itself says to `file`; `verbose`: debug lines, too.
    /// `secrets` are left out of lines about the script; what it writes itself is as it is.
    pub fn new(
        place: Place,
        format: Format,
        file: Option<File>,
        verbose: bool,
        secrets: Redactor,
    ) -> Console {
        let (begun, file, rate) = (clock::now(), file.map(Place::File), Mutex::default());
        Console(Arc::new(Inner { begun, verbose, place, format, file, rate, secrets }))
    }

    /// To standard error.
    pub fn stderr() -> Console {
        Console::new(Place::Stderr, Format::Text, None, false, Redactor::default())
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
                let text = format!("{} lines of the script were left out", rate.left_out);
                self.0.place.write(&self.written(Level::Warn, second, &text, None));
            }
            *rate = Rate { second, ..Rate::default() };
        }
        if rate.written >= LINES_PER_S {
            rate.left_out += 1;
            return;
        }
        rate.written += 1;
        match (&self.0.file, source) {
            (Some(file), Some(source)) => {
                file.write(&format!("level={} msg={text:?} source={source}", level.word()));
            }
            _ => self.0.place.write(&self.written(level, second, text, source)),
        }
    }

    fn written(&self, level: Level, second: u64, text: &str, source: Option<&str>) -> String {
        match (self.0.format, source) {
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

//! The one way in which a test leaves something out: it says what and why, and goes on or ends.
//!
//! A line `skipped: NAME: why` goes to the real standard error, which `cargo test` does not capture, and to the file that
//! `SQUALL_SKIPPED` names, from which `scripts/test` counts. With `SQUALL_REQUIRE_ALL=1` the test fails instead, unless the line
//! begins as one of `.ci/may-skip` does. Unit tests share this file (`src/lib.rs`), so it needs nothing but std.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::{env, fs, thread};

/// Says that the test of this thread leaves something out, and why.
///
/// Panics where that is not allowed.
pub(crate) fn skip(why: impl Display) {
    let line = line(&test_name(), &why.to_string());
    say(&line);
    let required = env::var("SQUALL_REQUIRE_ALL").is_ok_and(|value| value == "1");
    if required && !is_excused(&line, &may_skip()) {
        panic!("{line} (SQUALL_REQUIRE_ALL is set, and .ci/may-skip has no such line)");
    }
}

/// The value; none where it cannot be had here, which is said.
pub(crate) fn or_skip<T>(had: Result<T, impl Display>) -> Option<T> {
    had.map_err(skip).ok()
}

/// Once in each program, however often it is asked.
fn say(line: &str) {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    // A test that failed here has nothing to do with the next one.
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.iter().any(|other| other == line) {
        return;
    }
    said.push(line.to_owned());
    // One write for each line, so that those of several programs do not mix. Not eprintln, which is captured.
    let bytes = format!("{line}\n").into_bytes();
    let _ = io::stderr().write_all(&bytes);
    if let Some(file) = env::var_os("SQUALL_SKIPPED") {
        let opened = OpenOptions::new().append(true).create(true).open(&file);
        let written = opened.and_then(|mut file| file.write_all(&bytes));
        written.unwrap_or_else(|e| panic!("SQUALL_SKIPPED, {}: {e}", Path::new(&file).display()));
    }
}

pub(crate) fn line(name: &str, why: &str) -> String {
    let why: Vec<&str> = why.split_whitespace().collect();
    format!("skipped: {name}: {}", why.join(" "))
}

/// Such as `tls::proxies::https_goes_through_a_tunnel`: the program, and the test's path in it, by which the harness calls its
/// thread. A test's own threads are to leave saying it to the test.
fn test_name() -> String {
    let program = env::current_exe().unwrap_or_default();
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo's hash is behind the last dash.
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    match thread::current().name() {
        Some(test) if test != "main" => format!("{program}::{test}"),
        _ => program.to_owned(),
    }
}

/// The beginnings of `NAME: why` that are excused. A package from a registry has none.
fn may_skip() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/may-skip");
    excuses(&fs::read_to_string(file).unwrap_or_default())
}

/// One to a line, with a comment behind it that says why.
pub(crate) fn excuses(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_once(" # ").map_or(line, |(excuse, _)| excuse).trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

pub(crate) fn is_excused(line: &str, excuses: &[String]) -> bool {
    let said = line.strip_prefix("skipped: ").unwrap_or(line);
    excuses.iter().any(|excuse| said.starts_with(excuse.as_str()))
}

//! A script, loaded once for all: its modules' bytecode, what it read, what it defined.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regex::Regex;
use thiserror::Error;

use super::console::Console;
use super::live::Live;
use super::options::{Consolidated, ScriptScenario, Settings};
use super::pace::Pace;
use crate::stats::registry::Kind;

/// Why a script could not be loaded, or what became of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScriptError {
    /// It threw, with where: message and stack.
    #[error("{0}")]
    Exception(String),
    /// It called `exec.test.abort`.
    #[error("{0}")]
    Aborted(String),
    /// A file of it cannot be read.
    #[error("{0}")]
    File(String),
}

/// What a metric of the script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDef {
    /// Its kind of figures.
    pub kind: Kind,
    /// Its values are times, in milliseconds.
    pub is_time: bool,
}

/// A script and all that its users share.
#[derive(Debug)]
pub struct Program {
    main: String,
    source: Option<Arc<str>>,
    env: Vec<(String, String)>,
    /// Without what k6 lacks.
    strict: bool,
    /// Bytecode by the module's name, from the first load.
    modules: Mutex<HashMap<String, Arc<[u8]>>>,
    /// Words of its sources, of which some may be names that it imports.
    words: Mutex<Words>,
    files: Mutex<HashMap<PathBuf, Arc<[u8]>>>,
    arrays: Mutex<HashMap<String, Arc<[Box<str>]>>>,
    metrics: Mutex<BTreeMap<String, MetricDef>>,
    /// The first load is over: what was not opened then cannot be opened any more.
    loaded: AtomicBool,
    /// Names of the exported functions.
    exports: OnceLock<Vec<String>>,
    options: OnceLock<Option<String>>,
    settled: OnceLock<Consolidated>,
    /// When requests go, where there is a limit to their rate.
    pace: OnceLock<Pace>,
    /// JSON of what `setup` returned; `None` for undefined.
    setup: OnceLock<Option<String>>,
    aborted: OnceLock<String>,
    failed: AtomicBool,
    live: Live,
    /// What came of setup, teardown or summary.
    errand: Mutex<Option<Result<Option<String>, String>>>,
    /// Why there can be no load.
    broken: OnceLock<String>,
    /// Where the script writes to.
    pub console: Console,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Program {
    /// Of the script at `path`, which must be absolute; `source` where it is not read from there; `strict`: without what k6 lacks.
    pub fn new(
        path: &Path,
        source: Option<Arc<str>>,
        env: Vec<(String, String)>,
        strict: bool,
        console: Console,
    ) -> Arc<Program> {
        Arc::new(Program {
            main: format!("file://{}", path.display()),
            source,
            env,
            strict,
            modules: Mutex::default(),
            words: Mutex::default(),
            files: Mutex::default(),
            arrays: Mutex::default(),
            metrics: Mutex::default(),
            loaded: AtomicBool::new(false),
            exports: OnceLock::new(),
            options: OnceLock::new(),
            settled: OnceLock::new(),
            pace: OnceLock::new(),
            setup: OnceLock::new(),
            aborted: OnceLock::new(),
            failed: AtomicBool::new(false),
            live: Live::default(),
            errand: Mutex::default(),
            broken: OnceLock::new(),
            console,
        })
    }

    /// The name of its first module: a file URL.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// What `__ENV` begins with.
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Whether what k6 lacks is taken from its users.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// The source of a module.
    ///
    /// # Errors
    /// When there is no such file, or it is no UTF-8.
    pub fn source(&self, name: &str) -> Result<String, ScriptError> {
        if name == self.main
            && let Some(source) = &self.source
        {
            return Ok(source.to_string());
        }
        let path = name.strip_prefix("file://").unwrap_or(name);
        let bytes = std::fs::read(path).map_err(|e| {
            ScriptError::File(format!("The moduleSpecifier \"{path}\" couldn't be found on local disk: {e}"))
        })?;
        String::from_utf8(bytes).map_err(|_| ScriptError::File(format!("{path} is not UTF-8 text")))
    }

    /// The bytecode of a module, once it was loaded.
    pub fn bytecode(&self, name: &str) -> Option<Arc<[u8]>> {
        lock(&self.modules).get(name).cloned()
    }

    /// Keeps the bytecode of a module.
    pub fn keep(&self, name: &str, bytecode: Vec<u8>) {
        lock(&self.modules).insert(name.into(), bytecode.into());
    }

    /// Takes note of a source that the first load has met.
    pub fn note_imports(&self, source: &str) {
        lock(&self.words).note(source);
    }

    /// Whether any module of the script can import `name` from one of k6's: so no user but the first makes what the script does not import.
    pub fn may_import(&self, name: &CStr) -> bool {
        !self.is_loaded() || lock(&self.words).has(name)
    }

    /// The bytes of a file that the script opens, read once.
    ///
    /// # Errors
    /// When it cannot be read, or was not opened in the first load.
    pub fn open(&self, path: &Path) -> Result<Arc<[u8]>, String> {
        if let Some(known) = lock(&self.files).get(path) {
            return Ok(Arc::clone(known));
        }
        if self.is_loaded() {
            return Err(format!(
                "open() can't be used with files that weren't previously opened during initialization (__VU==0), path: {:?}",
                path.display()
            ));
        }
        let bytes: Arc<[u8]> = std::fs::read(path)
            .map_err(|e| format!("open {}: {}", path.display(), without_number(&e)))?
            .into();
        lock(&self.files).insert(path.into(), Arc::clone(&bytes));
        Ok(bytes)
    }

    /// The elements of a shared array, each as JSON, where there is one of that name.
    pub fn array(&self, name: &str) -> Option<Arc<[Box<str>]>> {
        lock(&self.arrays).get(name).cloned()
    }

    /// Keeps a shared array; the first of a name stays.
    pub fn keep_array(&self, name: &str, elements: Vec<Box<str>>) -> Arc<[Box<str>]> {
        Arc::clone(lock(&self.arrays).entry(name.into()).or_insert_with(|| elements.into()))
    }

    /// Takes note of a metric.
    ///
    /// # Errors
    /// When there is one of that name and another kind.
    pub fn define(&self, name: &str, def: MetricDef) -> Result<(), String> {
        match *lock(&self.metrics).entry(name.into()).or_insert(def) {
            known if known == def => Ok(()),
            known => Err(format!(
                "metric '{name}' already exists but with type {}, instead of {}",
                known.kind.name(),
                def.kind.name()
            )),
        }
    }

    /// The script's own metrics, by name.
    pub fn metrics(&self) -> BTreeMap<String, MetricDef> {
        lock(&self.metrics).clone()
    }

    /// Whether the first load is over.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// The first load is over; these functions are exported, and these options (JSON).
    pub fn has_loaded(&self, exports: Vec<String>, options: Option<String>) {
        let _ = self.exports.set(exports);
        let _ = self.options.set(options);
        self.loaded.store(true, Ordering::Release);
    }

    /// The options that it exports, as JSON.
    pub fn options(&self) -> Option<&str> {
        self.options.get()?.as_deref()
    }

    /// Whether it exports any function.
    pub fn exports_any(&self) -> bool {
        self.exports.get().is_some_and(|all| !all.is_empty())
    }

    /// Whether it exports a function of that name.
    pub fn exports(&self, name: &str) -> bool {
        self.exports.get().is_some_and(|all| all.iter().any(|known| known == name))
    }

    /// Fixes what the options say.
    pub fn settle(&self, options: Consolidated) {
        if let Some(most) = options.settings.rps {
            let _ = self.pace.set(Pace::per_second(most));
        }
        let _ = self.settled.set(options);
    }

    /// What all places together asked for; `None` until they are read.
    pub fn consolidated(&self) -> Option<&Consolidated> {
        self.settled.get()
    }

    /// What is in force; `None` until the options are read.
    pub fn settings(&self) -> Option<&Settings> {
        Some(&self.settled.get()?.settings)
    }

    /// When requests go; `None`: at once.
    pub fn pace(&self) -> Option<&Pace> {
        self.pace.get()
    }

    /// A scenario, by its place in the workload.
    pub fn scenario(&self, index: u16) -> Option<&ScriptScenario> {
        self.settled.get()?.scenarios.get(usize::from(index))
    }

    /// Keeps what `setup` returned, as JSON.
    pub fn has_set_up(&self, json: Option<String>) {
        let _ = self.setup.set(json);
    }

    /// What `setup` returned, as JSON.
    pub fn setup_data(&self) -> Option<&str> {
        self.setup.get()?.as_deref()
    }

    /// `exec.test.abort(reason)`: the first one counts.
    pub fn abort(&self, reason: &str) {
        let _ = self.aborted.set(reason.into());
    }

    /// What setup, teardown or summary came to: JSON, or what was thrown.
    pub fn errand_is_done(&self, result: Result<Option<String>, String>) {
        *lock(&self.errand) = Some(result);
    }

    /// The same, once; `None` where it was cut off.
    pub fn take_errand(&self) -> Option<Result<Option<String>, String>> {
        lock(&self.errand).take()
    }

    /// A user's module code threw: there is no load.
    pub fn break_off(&self, why: &str) {
        let _ = self.broken.set(why.into());
    }

    /// Why a user could not be made, if one could not.
    pub fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Whether iterations are still to begin.
    pub fn goes_on(&self) -> bool {
        self.aborted.get().is_none() && self.broken.get().is_none()
    }

    /// What is counted while load is sent.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Why the script wants the whole test to end, if it does.
    pub fn aborted(&self) -> Option<&str> {
        self.aborted.get().map(String::as_str)
    }

    /// `exec.test.fail`: the test has failed, and goes on.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether `exec.test.fail` was called.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Words of sources.
#[derive(Debug, Default)]
struct Words {
    all: HashSet<Box<str>>,
    /// Names may come in other ways than as words: everything may be imported.
    any: bool,
}

impl Words {
    fn note(&mut self, source: &str) {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        self.all.extend(source.split(|c| !is_part(c)).filter(|word| !word.is_empty()).map(Box::from));
        // Whole namespaces, and names that are written with escapes.
        let ways = Regex::new(r"\*\s*(?:/\*(?s:.*?)\*/\s*|//[^\n]*\s*)*(?:as|from)\b|\bimport\s*\(|\\u");
        self.any |= ways.map_or(true, |ways| ways.is_match(source));
    }

    fn has(&self, name: &CStr) -> bool {
        self.any || name.to_str().is_ok_and(|name| self.all.contains(name))
    }
}

/// The system's words without its number, as other programs print them.
fn without_number(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

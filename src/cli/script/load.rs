//! A script is loaded once, and its options are read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use serde_json::Value;

use crate::cli::exit::{Exit, Failure};
use crate::script::console::{Console, Format, Level, Place};
use crate::script::core::Facts;
use crate::script::engine::vu::Vu;
use crate::script::options::flags::{Global, Variables};
use crate::script::options::{self, Consolidated, Options, OptionsError, ScriptFlags, file};
use crate::script::program::{Program, ScriptError};
use crate::script::tags::TagSet;
use crate::secrets::Redactor;
use crate::stats::registry::Kind;
use crate::threshold::Threshold;

/// A script that was loaded once, and its options.
pub(super) struct Loaded {
    pub(super) program: Arc<Program>,
    pub(super) options: Consolidated,
    pub(super) thresholds: Vec<Threshold>,
}

/// What was said about what went wrong, and is over with that.
pub(super) type OrExit<T> = Result<T, Exit>;

/// A script that was loaded once, before its options are looked at.
pub(super) struct Opened {
    pub(super) program: Arc<Program>,
    variables: Variables,
}

/// What a script finds.
pub(super) struct Surroundings {
    /// The system's variables in `__ENV`, unless a flag says otherwise.
    pub(super) system: bool,
    /// Not what k6 lacks.
    pub(super) strict: bool,
    /// What is left out of lines about it.
    pub(super) secrets: Redactor,
}

/// Loads it; `flags` are completed by variables.
///
/// # Errors
/// Flags that cannot be meant, and files that cannot be written.
pub(super) fn open(
    script: &str,
    flags: &mut ScriptFlags,
    around: Surroundings,
) -> Result<OrExit<Opened>, Failure> {
    let system = system_variables();
    let variables = flags.runtime.variables(system.clone());
    flags.fill(&variables).map_err(Failure::of_options)?;
    let console = console(&flags.global, flags.console_output.as_deref(), around.secrets)?;
    for warning in flags.check().map_err(Failure::of_options)? {
        console.about(Level::Warn, &warning);
    }
    let env = flags.runtime.script_env(system, around.system);
    Ok(program(script, env, around.strict, &console).map(|program| Opened { program, variables }))
}

impl Opened {
    /// Reads its options, all layers of them, and whether all that they ask for is there.
    pub(super) fn runnable(self, flags: &ScriptFlags) -> OrExit<Loaded> {
        let loaded = self.consolidate(flags)?;
        let told = loaded.options.check_support().map_err(|why| refuse(&loaded.program, &why))?;
        told.iter().for_each(|warning| loaded.program.console.about(Level::Warn, warning));
        Ok(loaded)
    }

    /// Reads its options, all layers of them.
    pub(super) fn consolidate(self, flags: &ScriptFlags) -> OrExit<Loaded> {
        let Opened { program, variables } = self;
        let judged = judge(flags, &variables, &program);
        let (options, thresholds) = judged.map_err(|why| refuse(&program, &why))?;
        options.warnings.iter().for_each(|warning| program.console.about(Level::Warn, warning));
        Ok(Loaded { program, options, thresholds })
    }

    /// The options that it exports, and nothing else.
    pub(super) fn own_options(&self) -> OrExit<Options> {
        let read = exported(&self.program).and_then(options::layers::of_script);
        let (options, warnings) = read.map_err(|why| refuse(&self.program, &why))?;
        warnings.iter().for_each(|warning| self.program.console.about(Level::Warn, warning));
        Ok(options)
    }
}

/// Says why a script's options cannot be used.
fn refuse(program: &Program, why: &OptionsError) -> Exit {
    if !program.exports_any() {
        program.console.about(Level::Error, &format!("no exported functions in script ({why})"));
        return Exit::Other;
    }
    program.console.about(Level::Error, &why.to_string());
    Exit::of_options(why)
}

/// The script after its first load.
fn program(script: &str, env: Variables, strict: bool, console: &Console) -> OrExit<Arc<Program>> {
    let say = |text: &str| console.about(Level::Error, text);
    let (path, source) = source(script).map_err(|why| {
        say(&why);
        Exit::Other
    })?;
    let program = Program::new(&path, source, env.into_iter().collect(), strict, console.clone());
    Vu::new(&program, Facts::default(), TagSet::default()).map_err(|error| {
        say(&error.to_string());
        match error {
            ScriptError::Aborted(_) => Exit::AbortedByScript,
            ScriptError::Exception(_) => Exit::Exception,
            ScriptError::File(_) => Exit::Other,
        }
    })?;
    Ok(program)
}

/// What the script exports as its options; null where it exports none.
fn exported(program: &Program) -> Result<Value, OptionsError> {
    let exported = program.options().map_or(Ok(Value::Null), serde_json::from_str);
    exported.map_err(|e| OptionsError::configuration(format!("script's options: they are no JSON: {e}")))
}

/// The layers on top of each other, and what the script must have for them.
fn judge(
    flags: &ScriptFlags,
    variables: &Variables,
    program: &Program,
) -> Result<(Consolidated, Vec<Threshold>), OptionsError> {
    let file = file::read(flags.global.config.as_deref(), variables)?;
    let options = options::consolidate(file, exported(program)?, variables, flags.layer())?;
    options.check_exports(|name| program.exports(name))?;
    let own: Vec<(String, Kind)> =
        program.metrics().into_iter().map(|(name, metric)| (name, metric.kind)).collect();
    let thresholds = match flags.runtime.no_thresholds {
        Some(true) => Vec::new(),
        _ => options.thresholds(&own)?,
    };
    Ok((options, thresholds))
}

/// The system's variables that are text.
fn system_variables() -> Variables {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect::<BTreeMap<_, _>>()
}

/// Where the script's own lines go, and those about it.
fn console(global: &Global, own: Option<&Path>, secrets: Redactor) -> Result<Console, Failure> {
    let opened = |how: &mut OpenOptions, flag: &str, path: &Path| {
        let why = |e| Failure::run(anyhow!("{flag}: cannot write {}: {e}", path.display()));
        how.create(true).open(path).map_err(why)
    };
    let usage = |why: String| Failure::of_options(OptionsError::usage(why));
    let place = match global.log_output.as_deref() {
        None | Some("stderr") => Place::Stderr,
        Some("stdout") => Place::Stdout,
        Some("none") => Place::Nowhere,
        Some(other) => match other.strip_prefix("file=") {
            Some(path) => {
                let how = &mut OpenOptions::new();
                Place::File(opened(how.write(true).truncate(true), "--log-output", Path::new(path))?)
            }
            None => {
                return Err(usage(format!(
                    "--log-output: `{other}` is none: give stderr, stdout, none or file=NAME"
                )));
            }
        },
    };
    let format = Format::parse(global.log_format.as_deref().unwrap_or_default());
    let format = format.map_err(|why| usage(format!("--log-format: {why}")))?;
    let own =
        own.map(|path| opened(OpenOptions::new().append(true), "--console-output", path)).transpose()?;
    Ok(Console::new(place, format, own, global.verbose, secrets))
}

/// The script's path, and its text where that came by standard input.
fn source(script: &str) -> Result<(PathBuf, Option<Arc<str>>), String> {
    let here = std::env::current_dir().map_err(|e| format!("there is no working directory: {e}"))?;
    if script == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|e| format!("standard input: {e}"))?;
        return Ok((here.join("-"), Some(Arc::from(text))));
    }
    let path = here.join(script);
    if !path.is_file() {
        return Err(format!(
            "The moduleSpecifier \"{script}\" couldn't be found on local disk. Make sure that you've specified the right path to the file."
        ));
    }
    // As it is named in messages: without `..`.
    Ok((fs::canonicalize(&path).unwrap_or(path), None))
}

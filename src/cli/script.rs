//! `squall run SCRIPT`: k6's `run`, its flags and exit codes.

mod files;
mod outs;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use serde_json::Value;

use super::exit::{Exit, Failure};
use super::run::PATIENCE;
use super::script_args::{self, ScriptArgs};
use super::signals;
use crate::observer::Observer;
use crate::output::progress::LiveLine;
use crate::run::config::{RawConfig, RawConnect, RawTls, RunConfig, Scripted};
use crate::run::events::Events;
use crate::run::script::{self, Errands, ScriptEnd, ScriptRun};
use crate::script::console::{Console, Level};
use crate::script::core::Facts;
use crate::script::engine::vu::Vu;
use crate::script::options::{self, Layer, Layers, Options, truth};
use crate::script::program::{Program, ScriptError};
use crate::script::tags::TagSet;
use crate::units::Nanos;
use crate::worker::flow::script::{ScriptTask, Task};
use outs::Outputs;

/// A script that was loaded once, and its options.
struct Loaded {
    program: Arc<Program>,
    options: Options,
}

pub(super) fn execute(args: ScriptArgs) -> Result<Exit, Failure> {
    let console = console(&args)?;
    let end = carry_out(&args, &console);
    console.finish();
    end
}

fn carry_out(args: &ScriptArgs, console: &Console) -> Result<Exit, Failure> {
    let Loaded { program, options } = match load(args, console)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let raw = raw(args, &options);
    let errands = errands(&program, &options);
    program.settle(options.settings.clone());
    let scripted = Scripted {
        workload: options.workload.clone(),
        thresholds: options.thresholds.clone(),
        task: ScriptTask { program: Arc::clone(&program), task: Task::Load },
    };
    let config = RunConfig::of_script(raw, scripted)?;
    let shown = files::Shown::of(args, &options)?;
    let mut outs = Outputs::open(&args.out, &program, &options, &errands)?;
    let stop = signals::stop_flag()?;
    let mut observers: Vec<Box<dyn Observer>> = Vec::new();
    if !args.quiet {
        observers.push(Box::new(LiveLine::stderr()));
    }
    let mut events = Events::start(observers)?;
    let ran = script::script(&config, errands, || outs.next_sink(), &mut events, &stop);
    events.finish(PATIENCE);
    let ran = ran?;
    outs.finish()?;
    finish(args, &config, &program, &options, shown, &ran)
}

/// Where the script's own lines go.
fn console(args: &ScriptArgs) -> Result<Console, Failure> {
    let file =
        match &args.console_output {
            Some(path) => Some(File::options().create(true).append(true).open(path).map_err(|e| {
                Failure::run(anyhow!("--console-output: cannot write {}: {e}", path.display()))
            })?),
            None => None,
        };
    Ok(Console::new(file, args.verbose))
}

/// Loads the script, and reads its options. The inner error is an exit code that all has been said about.
fn load(args: &ScriptArgs, console: &Console) -> Result<Result<Loaded, Exit>, Failure> {
    let say = |text: &str| console.about(Level::Error, text);
    let (path, source) = match source(&args.script) {
        Ok(found) => found,
        Err(why) => {
            say(&why);
            return Ok(Err(Exit::Other));
        }
    };
    let env = env(args);
    let program = Program::new(&path, source, env.clone().into_iter().collect(), console.clone());
    if let Err(error) = Vu::new(&program, Facts::default(), TagSet::default()) {
        say(&error.to_string());
        return Ok(Err(match error {
            ScriptError::Aborted(_) => Exit::AbortedByScript,
            ScriptError::Exception(_) => Exit::Exception,
            ScriptError::File(_) => Exit::Other,
        }));
    }
    let options = layers(args, &env, &program).and_then(|layers| {
        let seed = args.seed.unwrap_or_else(crate::run::config::random_seed);
        options::consolidate(layers, |name| program.exports(name), &program.metrics(), seed)
            .map_err(|e| e.to_string())
    });
    let options = match options {
        Ok(options) => options,
        Err(why) if !program.exports_any() => {
            say(&format!("no exported functions in script ({why})"));
            return Ok(Err(Exit::Other));
        }
        Err(why) => {
            say(&why);
            return Ok(Err(Exit::Configuration));
        }
    };
    options.warnings.iter().for_each(|warning| console.about(Level::Warn, warning));
    Ok(Ok(Loaded { program, options }))
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

/// The environment of the process, with what `-e` says over it.
fn env(args: &ScriptArgs) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    if args.include_system_env_vars.unwrap_or(true) {
        env.extend(
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        );
    }
    for text in &args.env {
        let (name, value) = text.split_once('=').map_or((text.as_str(), ""), |pair| pair);
        env.insert(name.to_owned(), value.to_owned());
    }
    env
}

fn layers(args: &ScriptArgs, env: &BTreeMap<String, String>, program: &Program) -> Result<Layers, String> {
    let file = match &args.config {
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|e| format!("--config: cannot read {}: {e}", path.display()))?;
            object(&text).map_err(|e| format!("--config: {}: {e}", path.display()))?
        }
        None => Layer::new(),
    };
    let script = match program.options() {
        Some(json) => object(json).map_err(|e| format!("the script's options: {e}"))?,
        None => Layer::new(),
    };
    Ok(Layers { file, script, env: script_args::of_env(env)?, flags: args.layer()? })
}

fn object(text: &str) -> Result<Layer, String> {
    match serde_json::from_str::<Value>(text).map_err(|e| e.to_string())? {
        Value::Object(map) => Ok(map),
        _ => Err("it must be an object".into()),
    }
}

/// How the load is carried: squall's own flags, and what of k6's options is about connections.
fn raw(args: &ScriptArgs, options: &Options) -> RawConfig {
    let own = &args.own;
    let resolve = options.settings.hosts.iter().filter(|entry| !entry.host.starts_with("*."));
    let resolve = resolve
        .map(|entry| format!("{}:{}:{}", entry.host, entry.port.unwrap_or(443), bracketed(entry.address)));
    RawConfig {
        threads: own.threads.or_else(|| own.cores.is_none().then(default_threads)),
        cores: own.cores.clone(),
        wait: own.wait.clone(),
        driver: own.driver.clone(),
        seed: args.seed,
        max_memory: own.max_memory.clone(),
        max_body: own.max_body.clone(),
        max_series: own.max_series,
        show_secrets: own.show_secrets,
        allow_invalid: own.allow_invalid,
        proxy: own.proxy.clone(),
        connect: RawConnect { resolve: resolve.collect(), ..RawConnect::default() },
        tls: RawTls {
            insecure: truth(&options.map, "insecureSkipTLSVerify"),
            cacert: own.cacert.clone(),
            cert: own.cert.clone(),
            key: own.key.clone(),
            resumption: true,
            ..RawTls::default()
        },
        ..RawConfig::default()
    }
}

fn bracketed(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Half of the cores: where the target is shows only when load is sent, and it may be here.
fn default_threads() -> u64 {
    let cores = core_affinity::get_core_ids().map_or(1, |cores| cores.len());
    cores.div_ceil(2) as u64
}

fn errands(program: &Program, options: &Options) -> Errands {
    let asked = |function: &str, not: &str, limit: Nanos| {
        (program.exports(function) && !truth(&options.map, not)).then_some(limit)
    };
    Errands {
        setup: asked("setup", "noSetup", options.setup_timeout),
        teardown: asked("teardown", "noTeardown", options.teardown_timeout),
    }
}

/// Summary, verdict, exit code.
fn finish(
    args: &ScriptArgs,
    config: &RunConfig,
    program: &Program,
    options: &Options,
    shown: files::Shown,
    ran: &ScriptRun,
) -> Result<Exit, Failure> {
    let mode = shown.mode;
    let end = files::end_of_test(program, options, shown, ran);
    let judged = end.metrics.iter().flat_map(|metric| &metric.thresholds).all(|threshold| threshold.ok);
    let summed_up = !truth(&options.map, "noSummary");
    if summed_up {
        files::write_summary(config, program, mode, &end)?;
    }
    if let Some(path) = args.summary_export.as_ref().filter(|_| summed_up) {
        let export = crate::output::k6::json::export(&end, &config.secrets);
        let text = serde_json::to_string_pretty(&export).map_err(Failure::run)?;
        fs::write(path, text)
            .map_err(|e| Failure::run(anyhow!("--summary-export: cannot write {}: {e}", path.display())))?;
    }
    if let Some(load) = &ran.load {
        files::report(args, load)?;
    }
    Ok(exit(args, program, ran, judged))
}

/// k6's exit codes, and 96 for a run that says nothing.
fn exit(args: &ScriptArgs, program: &Program, ran: &ScriptRun, thresholds_ok: bool) -> Exit {
    let console = &program.console;
    let told = |exit: Exit, text: &str| {
        console.about(Level::Error, text);
        exit
    };
    match &ran.end {
        ScriptEnd::Aborted(reason) => return told(Exit::AbortedByScript, reason),
        ScriptEnd::SetupThrew(thrown) | ScriptEnd::TeardownThrew(thrown) | ScriptEnd::UserThrew(thrown) => {
            return told(Exit::Exception, thrown);
        }
        ScriptEnd::OutOfMemory(why) => return told(Exit::CouldNotRun, why),
        ScriptEnd::SetupTimedOut => return told(Exit::SetupTimeout, "setup() execution timed out"),
        ScriptEnd::TeardownTimedOut => return told(Exit::TeardownTimeout, "teardown() execution timed out"),
        ScriptEnd::Done => {}
    }
    let Some(load) = &ran.load else { return Exit::CouldNotRun };
    if load.report.aborted {
        return Exit::Interrupted;
    }
    if program.has_failed() {
        return told(Exit::FailedByScript, "test was marked as failed");
    }
    if !thresholds_ok {
        return told(Exit::Threshold, "thresholds have been crossed");
    }
    if load.report.verdict.status == crate::verdict::Status::Invalid && !args.own.allow_invalid {
        return Exit::Invalid;
    }
    Exit::Fine
}

//! `squall run SCRIPT`: k6's `run`, its flags and exit codes.

mod files;
pub(super) mod inspect;
mod load;
mod outs;

use std::fs;
use std::sync::Arc;

use anyhow::anyhow;

use self::load::{Loaded, Surroundings};
use self::outs::Outputs;
use super::exit::{Exit, Failure};
use super::run::PATIENCE;
use super::script_args::ScriptArgs;
use super::signals;
use crate::observer::Observer;
use crate::output::progress::LiveLine;
use crate::run::config::{RawConfig, RawConnect, RawTls, RunConfig, Scripted};
use crate::run::events::Events;
use crate::run::script::{self, Errands, ScriptEnd, ScriptRun};
use crate::script::console::Level;
use crate::script::options::Settings;
use crate::script::program::Program;
use crate::secrets::Redactor;
use crate::threshold::Threshold;
use crate::units::Nanos;
use crate::worker::flow::script::{ScriptTask, Task};

pub(super) fn execute(mut args: ScriptArgs) -> Result<Exit, Failure> {
    // What is known of secrets before the script is read: where they stand.
    let secrets = if args.own.show_secrets { Redactor::showing() } else { Redactor::default() };
    let around = Surroundings { system: true, strict: args.own.k6_strict, secrets };
    let opened = load::open(&args.script, &mut args.flags, around)?;
    let loaded = match opened.and_then(|opened| opened.runnable(&args.flags)) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let program = Arc::clone(&loaded.program);
    let end = carry_out(&args, loaded);
    program.console.finish();
    end
}

fn carry_out(args: &ScriptArgs, loaded: Loaded) -> Result<Exit, Failure> {
    let Loaded { program, options, thresholds } = loaded;
    let shown = files::Shown::of(&args.flags, &options.settings)?;
    let scripted = Scripted {
        workload: options.workload(),
        thresholds: thresholds.clone(),
        task: ScriptTask { program: Arc::clone(&program), task: Task::Load },
    };
    let errands = errands(&program, &options.settings);
    let config = RunConfig::of_script(raw(args, &options.settings), scripted).map_err(Failure::of_script)?;
    let mut outs = Outputs::open(&args.flags.out, &program, &options.settings, &thresholds, &errands)?;
    program.settle(options);
    let stop = signals::stop_flag()?;
    let mut observers: Vec<Box<dyn Observer>> = Vec::new();
    if !args.flags.global.quiet {
        observers.push(Box::new(LiveLine::stderr()));
    }
    let mut events = Events::start(observers)?;
    let ran = script::script(&config, errands, || outs.next_sink(), &mut events, &stop);
    events.finish(PATIENCE);
    let ran = ran?;
    outs.finish()?;
    finish(args, &config, &program, &thresholds, shown, &ran)
}

/// How the load is carried: squall's own flags, and what of k6's options is about connections.
fn raw(args: &ScriptArgs, settings: &Settings) -> RawConfig {
    let own = &args.own;
    // Those of http go elsewhere by themselves; with TLS the name stays the host's, and the address is for whoever resolves it.
    let resolve = settings.hosts.iter().filter(|(host, _)| !host.name.is_wide());
    let resolve = resolve.map(|(host, to)| {
        let port = host.port.unwrap_or(443);
        format!("{}:{port}:{}", host.name, bracketed(to.ip))
    });
    RawConfig {
        threads: own.threads.or_else(|| own.cores.is_none().then(default_threads)),
        cores: own.cores.clone(),
        wait: own.wait.clone(),
        driver: own.driver.clone(),
        seed: own.seed,
        max_memory: own.max_memory.clone(),
        max_body: own.max_body.clone(),
        max_series: own.max_series,
        show_secrets: own.show_secrets,
        allow_invalid: own.allow_invalid,
        proxy: own.proxy.clone(),
        connect: RawConnect {
            resolve: resolve.collect(),
            sources: settings.local_ips.clone(),
            dns_ttl: settings.dns_ttl.map(|ttl| format!("{}ns", ttl.0)),
            ..RawConnect::default()
        },
        tls: RawTls {
            insecure: settings.insecure_skip_tls_verify,
            cacert: own.cacert.clone(),
            cert: own.cert.clone(),
            key: own.key.clone(),
            min_version: settings.only_tls_13.then(|| "1.3".into()),
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

fn errands(program: &Program, settings: &Settings) -> Errands {
    let asked = |function: &str, is_wanted: bool, limit: Nanos| {
        (program.exports(function) && is_wanted).then_some(limit)
    };
    Errands {
        setup: asked("setup", settings.setup, settings.setup_timeout),
        teardown: asked("teardown", settings.teardown, settings.teardown_timeout),
    }
}

/// Summary, verdict, exit code.
fn finish(
    args: &ScriptArgs,
    config: &RunConfig,
    program: &Program,
    thresholds: &[Threshold],
    shown: files::Shown,
    ran: &ScriptRun,
) -> Result<Exit, Failure> {
    let (flags, mode) = (&args.flags, shown.mode);
    let end = files::end_of_test(program, thresholds, shown, ran);
    let judged = end.metrics.iter().flat_map(|metric| &metric.thresholds).all(|threshold| threshold.ok);
    let summed_up = flags.runtime.no_summary != Some(true);
    if summed_up {
        files::write_summary(config, program, mode, &end)?;
    }
    if let Some(path) = flags.runtime.summary_export.as_ref().filter(|_| summed_up) {
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

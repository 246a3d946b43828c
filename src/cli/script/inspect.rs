//! `squall inspect SCRIPT`: what the script asks for, as `k6 inspect` prints it.

use super::load::{self, Surroundings};
use crate::cli::exit::{Exit, Failure};
use crate::cli::script_args::InspectArgs;
use crate::cli::sink;
use crate::script::options::{Inspected, ScriptFlags};
use crate::secrets::Redactor;

pub(crate) fn execute(args: InspectArgs) -> Result<Exit, Failure> {
    let InspectArgs { script, execution_requirements, k6_strict, runtime, global } = args;
    let around = Surroundings { system: false, strict: k6_strict, secrets: Redactor::default() };
    let mut flags = ScriptFlags { runtime, global, ..ScriptFlags::default() };
    let inspected = load::open(&script, &mut flags, around)?.and_then(|opened| {
        if execution_requirements {
            let loaded = opened.consolidate(&flags)?;
            return Ok(Inspected::with_requirements(&loaded.options));
        }
        opened.own_options().map(Inspected::options)
    });
    match inspected {
        Ok(inspected) => sink::to_stdout(format!("{}\n", inspected.text()).as_bytes()),
        Err(exit) => Ok(exit),
    }
}

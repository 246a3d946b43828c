//! `--out`: the files that samples of a script's run go to.

use std::collections::VecDeque;

use anyhow::{Context, anyhow};

use super::{Options, files};
use crate::cli::exit::Failure;
use crate::cli::samples;
use crate::output::k6::points::{Outs, Stretch, Told};
use crate::output::k6::{OutSpec, SYSTEM_TAGS};
use crate::run::script::Errands;
use crate::script::program::Program;
use crate::stats::samples::Sink;

/// The outputs of samples that were asked for, for each part of the run.
pub(super) struct Outputs {
    outs: Option<Outs>,
    to_come: VecDeque<Stretch>,
}

impl Outputs {
    /// Opens the files of all `--out`, leaving what is in them until there is something to be written.
    ///
    /// # Errors
    /// When one of them means nothing, or cannot be written.
    pub(super) fn open(
        asked: &[String],
        program: &Program,
        options: &Options,
        errands: &Errands,
    ) -> Result<Outputs, Failure> {
        let mut opened = Vec::new();
        for text in asked {
            let spec = OutSpec::parse(text, |name| std::env::var(name).ok());
            let spec = spec.map_err(|why| Failure::usage(anyhow!(why)))?;
            let file = samples::stream(spec.path.as_deref());
            let file = file.with_context(|| format!("--out {text}: cannot write {}", spec.place()));
            opened.push((spec, file.map_err(Failure::run)?));
        }
        let setup = errands.setup.map(|_| Stretch::Setup);
        let teardown = errands.teardown.map(|_| Stretch::Teardown);
        let to_come = setup.into_iter().chain([Stretch::Load]).chain(teardown).collect();
        let outs = (!opened.is_empty()).then(|| Outs::new(told(program, options), opened));
        Ok(Outputs { outs, to_come })
    }

    /// That of the next part.
    pub(super) fn next_sink(&mut self) -> Option<Box<dyn Sink>> {
        let stretch = self.to_come.pop_front()?;
        Some(self.outs.as_ref()?.sink(stretch))
    }

    /// All parts are over.
    ///
    /// # Errors
    /// When the last of a file cannot be written.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Some(outs) = self.outs else { return Ok(()) };
        outs.finish().context("--out: cannot write the last of the samples").map_err(Failure::run)
    }
}

fn told(program: &Program, options: &Options) -> Told {
    let thresholds = options.thresholds.iter();
    let system = options.map.get("systemTags").and_then(|tags| tags.as_array());
    let has = |tag: &&str| system.is_none_or(|all| all.iter().any(|one| one.as_str() == Some(tag)));
    Told {
        declared: files::declared(program),
        thresholds: thresholds.map(|one| (one.selector.clone(), one.expression.clone())).collect(),
        tags: options.settings.tags.iter().cloned().collect(),
        left_out: SYSTEM_TAGS.into_iter().filter(|tag| !has(tag)).map(str::to_owned).collect(),
    }
}

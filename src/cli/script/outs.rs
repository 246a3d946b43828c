//! `--out`: the files that samples of a script's run go to.

use std::collections::VecDeque;

use anyhow::Context;

use super::files;
use crate::cli::exit::Failure;
use crate::cli::samples;
use crate::output::k6::OutSpec;
use crate::output::k6::points::{Outs, Stretch, Told};
use crate::run::script::Errands;
use crate::script::options::form::SYSTEM_TAGS;
use crate::script::options::{OptionsError, Settings};
use crate::script::program::Program;
use crate::stats::samples::Sink;
use crate::threshold::Threshold;

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
        settings: &Settings,
        thresholds: &[Threshold],
        errands: &Errands,
    ) -> Result<Outputs, Failure> {
        let mut opened = Vec::new();
        for text in asked {
            let spec = OutSpec::parse(text, |name| std::env::var(name).ok());
            let spec = spec.map_err(|why| Failure::of_options(OptionsError::usage(why)))?;
            let file = samples::stream(spec.path.as_deref());
            let file = file.with_context(|| format!("--out {text}: cannot write {}", spec.place()));
            opened.push((spec, file.map_err(Failure::run)?));
        }
        let setup = errands.setup.map(|_| Stretch::Setup);
        let teardown = errands.teardown.map(|_| Stretch::Teardown);
        let to_come = setup.into_iter().chain([Stretch::Load]).chain(teardown).collect();
        let outs = (!opened.is_empty()).then(|| Outs::new(told(program, settings, thresholds), opened));
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

fn told(program: &Program, settings: &Settings, thresholds: &[Threshold]) -> Told {
    let has = |tag: &&str| settings.system_tags.contains(*tag);
    Told {
        declared: files::declared(program),
        thresholds: thresholds.iter().map(|one| (one.selector.clone(), one.expression.clone())).collect(),
        tags: settings.tags.clone().into_iter().collect(),
        left_out: SYSTEM_TAGS.into_iter().filter(|tag| !has(tag)).map(str::to_owned).collect(),
    }
}

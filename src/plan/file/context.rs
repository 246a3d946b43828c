//! What all parts of the compilation share: the tree for places, and the problems found so far.

use super::error::{FileError, FileProblem};
use super::form::DurationForm;
use super::tree::{Node, Source};
use crate::plan::executors::SPAN_MAX;
use crate::plan::workload::Think;
use crate::units::{Nanos, parse_duration};

/// Collects problems by the path of what they are about.
pub(super) struct Context<'a> {
    pub(super) tree: &'a Node,
    pub(super) source: Source<'a>,
    problems: Vec<(usize, FileProblem)>,
}

impl<'a> Context<'a> {
    pub(super) fn new(tree: &'a Node, source: Source<'a>) -> Context<'a> {
        Context { tree, source, problems: Vec::new() }
    }

    /// Notes a problem at the deepest part of `path` that the file has.
    pub(super) fn add(&mut self, path: &[&str], message: impl Into<String>) {
        let at = self.place(path);
        self.problems.push((at, self.source.problem(at, message)));
    }

    /// True when nothing was noted.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The value, or `None` with its error noted.
    pub(super) fn note<T, E: std::fmt::Display>(&mut self, path: &[&str], result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error.to_string())).ok()
    }

    fn place(&self, path: &[&str]) -> usize {
        let mut node = self.tree;
        for key in path {
            match node.get(key) {
                Some(inner) => node = inner,
                None => break,
            }
        }
        node.at
    }

    /// Whether the file has anything at `path`.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        path.iter().try_fold(self.tree, |node, key| node.get(key)).is_some()
    }

    /// The keys of the table at `path`, in the order of the file.
    pub(super) fn keys(&self, path: &[&str]) -> Vec<String> {
        let node = path.iter().try_fold(self.tree, |node, key| node.get(key));
        node.map_or_else(Vec::new, |node| node.keys().map(str::to_owned).collect())
    }

    /// What is at `path`, with how its numbers are written and its keys in the order of the file.
    pub(super) fn node(&self, path: &[&str]) -> Option<&'a Node> {
        path.iter().try_fold(self.tree, |node, key| node.get(key))
    }

    /// Reads a duration; `None` when it is not given, or wrong and noted.
    pub(super) fn duration(&mut self, path: &[&str], form: Option<&DurationForm>) -> Option<Nanos> {
        let span = self.note(path, parse_duration(&text(form?)))?;
        if span > SPAN_MAX {
            self.add(path, "is longer than ten years: give less");
            return None;
        }
        Some(span)
    }

    /// Reads a duration that has a least value, as k6 has it for times that a run depends on.
    pub(super) fn at_least(
        &mut self,
        path: &[&str],
        form: Option<&DurationForm>,
        least: Nanos,
    ) -> Option<Nanos> {
        let span = self.duration(path, form)?;
        if span < least {
            let key = path.last().copied().unwrap_or_default();
            self.add(path, format!("`{key}` is {span}, but must be at least {least}"));
            return None;
        }
        Some(span)
    }

    /// Reads a pause: `1s`, or `1s..3s`.
    pub(super) fn think(&mut self, path: &[&str], form: Option<&DurationForm>) -> Think {
        let Some(form) = form else {
            return Think::None;
        };
        let text = text(form);
        let Some((low, high)) = text.split_once("..") else {
            return match self.duration(path, Some(form)) {
                None | Some(Nanos::ZERO) => Think::None,
                Some(span) => Think::Fixed(span),
            };
        };
        let bounds = (low.to_owned(), high.to_owned());
        let low = self.duration(path, Some(&DurationForm::Text(bounds.0)));
        let high = self.duration(path, Some(&DurationForm::Text(bounds.1)));
        match (low, high) {
            (Some(low), Some(high)) if low > high => {
                self.add(path, format!("`{text}` ends before it begins: write {high}..{low}"));
                Think::None
            }
            (Some(low), Some(high)) => Think::Between(low, high),
            _ => Think::None,
        }
    }

    /// Fails when anything was noted.
    pub(super) fn finish(mut self) -> Result<(), FileError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|(at, _)| *at);
        self.problems.dedup();
        Err(FileError { problems: self.problems.into_iter().map(|(_, problem)| problem).collect() })
    }
}

fn text(form: &DurationForm) -> String {
    match form {
        DurationForm::Text(text) => text.clone(),
        DurationForm::Seconds(number) => number.to_string(),
    }
}

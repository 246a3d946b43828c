//! Requests that are put together for one user: a step's own, and those that are made before they are sent.

use super::{Moves, Outcome, PlanFlow, PlanUser};
use crate::http::response::Expect;
use crate::http::url::Url;
use crate::plan::redirect;
use crate::plan::request_template::{Destination, RenderError, target_of};
use crate::plan::scope::Scope;
use crate::plan::workload::{OpenUrl, Step};
use crate::units::Nanos;

impl PlanFlow {
    /// Does `work` with what templates of the iteration can refer to.
    fn with_scope<T>(&self, user: &mut PlanUser, wall: Nanos, work: impl FnOnce(&mut Scope<'_>) -> T) -> T {
        let (mut values, mut rows): (&[_], &[u64]) = (&[], &[]);
        if let Some(extras) = &user.extras {
            (values, rows) = (&extras.values, &extras.rows);
        }
        work(&mut Scope {
            vu: u64::from(user.key.number) + 1,
            iteration: user.iteration,
            sequence: user.in_scenario,
            wall,
            rng: &mut user.rng,
            values,
            rows,
            data: &self.workload.data,
        })
    }

    /// A step's own request, without the jar's cookies.
    pub(super) fn render(
        &self,
        user: &mut PlanUser,
        step: &Step,
        to: Option<Destination<'_>>,
        wall: Nanos,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        self.with_scope(user, wall, |scope| step.request.render(to, out, scope))
    }

    /// The same into [`Extras::request`](super::Extras::request); where its path is not known beforehand, that is kept, too.
    pub(super) fn render_apart(
        &self,
        user: &mut PlanUser,
        step: &Step,
        to: Option<Destination<'_>>,
        wall: Nanos,
    ) -> Result<(), RenderError> {
        let mut request = std::mem::take(&mut user.extras.get_or_insert_default().request);
        let rendered = self.render(user, step, to, wall, &mut request);
        let extras = user.extras.get_or_insert_default();
        if to.is_some() || step.request.has_open_target() {
            extras.path.clear();
            extras.path.push_str(&path_of(target_of(&request)));
            user.made = rendered.is_ok();
        }
        extras.request = request;
        extras.wrong = None;
        rendered
    }

    /// Makes the request of a step of which something must be known before it is sent: where it goes, and what its response is like.
    #[cold]
    pub(super) fn make(&self, user: &mut PlanUser, at: usize, moves: &mut Moves<'_>) -> (u32, Expect) {
        let step = &self.workload.steps[at];
        let made = self.try_to_make(user, step, moves);
        let extras = user.extras.get_or_insert_default();
        user.made = true;
        extras.wrong = made.err();
        let is_head = extras.wrong.is_none() && extras.request.starts_with(b"HEAD ");
        (made.unwrap_or(step.origin), if is_head { Expect::Head } else { Expect::Normal })
    }

    fn try_to_make(
        &self,
        user: &mut PlanUser,
        step: &Step,
        moves: &mut Moves<'_>,
    ) -> Result<u32, RenderError> {
        let wall = moves.wall();
        let Some(open) = &step.open_url else {
            self.render_apart(user, step, None, wall)?;
            let extras = user.extras.get_or_insert_default();
            extras.path = path_of(target_of(&extras.request));
            return Ok(step.origin);
        };
        let (origin, url) = self.lead(user, step, open, moves)?;
        let authority = moves.url(origin).authority();
        let to = Destination { target: &url.target, authority: &authority };
        self.render_apart(user, step, Some(to), wall)?;
        if let Some(forward) = moves.forward(origin) {
            let extras = user.extras.get_or_insert_default();
            extras.request = forward.apply(&extras.request);
        }
        Ok(origin)
    }

    /// Where an open URL leads.
    fn lead(
        &self,
        user: &mut PlanUser,
        step: &Step,
        open: &OpenUrl,
        moves: &mut Moves<'_>,
    ) -> Result<(u32, Url), RenderError> {
        let mut text = Vec::new();
        self.with_scope(user, moves.wall(), |scope| open.template.render(&mut text, scope))?;
        if text.is_empty() {
            return Err(RenderError::Url);
        }
        let before = user.extras.as_ref().and_then(|extras| extras.before.as_ref());
        let (base, path) = match (open.origin, before) {
            (Some(named), _) => (named, "/"),
            (None, Some((origin, path))) => (*origin, path.as_str()),
            (None, None) => (step.origin, "/"),
        };
        let url = redirect::lead(&text, moves.url(base), path).ok_or(RenderError::Url)?;
        // What a response said must not lead where a redirect would not.
        let from =
            if open.template.uses_variables() { Some(before.map_or(step.origin, |at| at.0)) } else { None };
        let origin = moves.origin(&url, from).map_err(|_| RenderError::NotAllowed)?;
        Ok((origin, url))
    }

    /// Keeps where a request went.
    pub(super) fn keep_place(&self, user: &mut PlanUser, at: usize, outcome: &Outcome) {
        let path = user.path(&self.workload.steps[at]).to_owned();
        user.extras.get_or_insert_default().before = Some((outcome.origin, path));
    }
}

/// Path and query of a target, which may have scheme and authority for a proxy.
fn path_of(target: &[u8]) -> String {
    let target = String::from_utf8_lossy(target);
    if target.starts_with('/') {
        return target.into_owned();
    }
    let path = target.split_once("://").and_then(|(_, rest)| Some(&rest[rest.find('/')?..]));
    path.unwrap_or("/").to_owned()
}

//! Steps: where they go, what they send, and what becomes of the response.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;

use super::bind::Names;
use super::context::Context;
use super::form::{AuthForm, ChecksForm, ExtractForm, HeaderForm, PlanForm, StatusForm, StepForm, StepsForm};
use super::multipart;
use super::scenario::pairs;
use super::schema::suggestion;
use crate::http::response::Expect;
use crate::http::url::Url;
use crate::plan::check::Check;
use crate::plan::extract::{Extract, Source};
use crate::plan::limited_file;
use crate::plan::request_template::{Body, RequestSpec};
use crate::plan::status::StatusSet;
use crate::plan::workload::{Origin, Step};
use crate::units::Nanos;

/// As k6 has it.
pub(super) const REDIRECTS_DEFAULT: u32 = 10;
/// As the flag has it.
const TIMEOUT_DEFAULT: Nanos = Nanos::from_secs(10);
/// A request's length is 32 bits wide.
const BODY_MAX: u64 = 1 << 30;

/// What all steps share while they are compiled.
pub(super) struct Steps<'a> {
    pub(super) form: &'a PlanForm,
    pub(super) names: &'a Names,
    pub(super) base_dir: &'a Path,
    pub(super) origins: Vec<Origin>,
}

impl Steps<'_> {
    /// Reads the named origins.
    pub(super) fn read_origins(&mut self, cx: &mut Context<'_>) {
        for name in cx.keys(&["origins"]) {
            let Some(text) = self.form.origins.get(&name) else { continue };
            let path = ["origins", &name];
            let Some(text) = cx.note(&path, self.names.fill(text)) else { continue };
            let Some(url) = cx.note(&path, text.parse::<Url>()) else { continue };
            if url.target != "/" {
                cx.add(&path, format!("an origin has no path: write the `{}` in the steps", url.target));
            }
            self.add_origin(name.clone(), url);
        }
    }

    fn add_origin(&mut self, name: String, url: Url) -> u32 {
        self.origins.push(Origin { name, url: Url { target: "/".into(), ..url }, forward: None });
        self.origins.len() as u32 - 1
    }

    /// All steps, in the order of the file.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Vec<Step> {
        let form = self.form;
        let mut steps: Vec<Step> = Vec::new();
        match &form.steps {
            StepsForm::Table(table) => {
                for name in cx.keys(&["steps"]) {
                    let Some(step) = table.get(&name) else { continue };
                    if step.name.is_some() {
                        cx.add(
                            &["steps", &name, "name"],
                            format!("the name is `{name}` already: leave it out"),
                        );
                    }
                    steps.extend(self.step(&["steps", &name], &name, step, cx));
                }
            }
            StepsForm::List(list) => {
                for (i, step) in list.iter().enumerate() {
                    let (index, name) = (i.to_string(), step.name.as_ref().unwrap_or(&step.url));
                    let path = ["steps", index.as_str()];
                    if steps.iter().any(|other| &*other.name == name) {
                        cx.add(
                            &path,
                            format!("a step before it is called `{name}` too: give it a `name` of its own"),
                        );
                    }
                    steps.extend(self.step(&path, name, step, cx));
                }
            }
        }
        steps
    }

    fn step(&mut self, path: &[&str], name: &str, form: &StepForm, cx: &mut Context<'_>) -> Option<Step> {
        let at = |key| [path, &[key]].concat();
        let plan = self.form;
        let place = self.place(path, form, cx);
        let body = self.body(path, form, cx);
        let method =
            form.method.clone().unwrap_or_else(|| if body == Body::None { "GET" } else { "POST" }.into());
        let headers = self.headers(path, form, cx);
        let timeout = match (&form.timeout, &plan.timeout) {
            (Some(own), _) => cx.at_least(&at("timeout"), Some(own), Nanos(1)),
            (None, common) => cx.at_least(&["timeout"], common.as_ref(), Nanos(1)),
        };
        let expected = self.expected(path, form, cx);
        let checks = checks(path, form, cx);
        let extracts = self.extracts(path, form, cx);
        let think = cx.think(&at("think"), form.think.as_ref());
        let mut tags = pairs(&form.tags);
        tags.extend(form.group.iter().map(|group| ("group".to_owned(), group.clone())));
        let (origin, target) = place?;
        let request = RequestSpec {
            method,
            target,
            authority: self.origins[origin as usize].url.authority(),
            headers,
            body,
            close: plan.no_connection_reuse || plan.requests_per_connection == Some(1),
        };
        let expect = if request.method == "HEAD" { Expect::Head } else { Expect::Normal };
        let method = Arc::from(request.method.as_str());
        let request = match self.names.request(&request) {
            Ok(request) => request,
            Err(refusal) => {
                cx.add(&at(refusal.key), refusal.message);
                return None;
            }
        };
        Some(Step {
            name: name.into(),
            origin,
            method,
            url: self.shown(origin, form).into(),
            request,
            expect,
            timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
            expected,
            checks,
            extracts,
            redirects_max: form.max_redirects.or(plan.max_redirects).unwrap_or(REDIRECTS_DEFAULT),
            think,
            tags,
        })
    }

    /// The URL for k6's tag: absolute, with its templates.
    fn shown(&self, origin: u32, form: &StepForm) -> String {
        if form.url.contains("://") {
            return form.url.clone();
        }
        let url = &self.origins[origin as usize].url;
        format!("{}://{}{}", url.scheme.as_str(), url.authority(), form.url)
    }

    /// Origin and target. Only the latter may hold what differs between requests.
    fn place(&mut self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Option<(u32, String)> {
        let at = |key| [path, &[key]].concat();
        let text = if form.url.starts_with("{{") {
            // A constant may hold scheme and host.
            cx.note(&at("url"), self.names.fill(&form.url))?
        } else {
            form.url.clone()
        };
        if text.starts_with('/') {
            return Some((self.named_origin(path, form, cx)?, without_fragment(&text)));
        }
        if form.origin.is_some() {
            cx.add(&at("origin"), "the step's `url` is absolute: leave `origin` out, or the host");
        }
        let authority = text.find("://").map_or(0, |i| i + 3);
        let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |i| authority + i);
        let (origin, target) = text.split_at(end);
        let origin = cx.note(&at("url"), self.names.fill(origin))?;
        let url = cx.note(&at("url"), origin.parse::<Url>())?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = without_fragment(&format!("{slash}{target}"));
        let known = self.origins.iter().position(|o| o.url == url);
        let index = match known {
            Some(index) => index as u32,
            None => self.add_origin(url.authority(), url),
        };
        Some((index, target))
    }

    fn named_origin(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Option<u32> {
        let names: Vec<&str> = self.form.origins.keys().map(String::as_str).collect();
        let wanted = match (form.origin.as_deref(), names.as_slice()) {
            (Some(wanted), _) => wanted,
            (None, [only]) => only,
            (None, []) => {
                let message = "is a path, and there are no `origins`: write the whole URL, http://HOST/…";
                cx.add(&[path, &["url"]].concat(), format!("`{}` {message}", form.url));
                return None;
            }
            (None, _) => {
                let message = format!("which origin? Add `origin`, one of {}", names.join(", "));
                cx.add(&[path, &["url"]].concat(), message);
                return None;
            }
        };
        let found = self.origins.iter().position(|origin| origin.name == wanted);
        if found.is_none() && !names.contains(&wanted) {
            let message = format!("there is no origin `{wanted}`{}", suggestion(wanted, &names));
            cx.add(&[path, &["origin"]].concat(), message);
        }
        found.map(|index| index as u32)
    }

    fn body(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Body {
        let at = |key| [path, &[key]].concat();
        let given =
            [form.body.is_some(), form.body_file.is_some(), form.json.is_some(), form.multipart.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            cx.add(path, "has more than one of `body`, `bodyFile`, `json` and `multipart`: keep one");
            return Body::None;
        }
        if let Some(parts) = &form.multipart {
            let boundary = multipart::boundary(parts, self.content_type(form).as_deref());
            return multipart::body(&at("multipart"), parts, &boundary, self.base_dir, cx);
        }
        if let Some(name) = &form.body_file {
            let file = self.base_dir.join(name);
            let read = limited_file::read(&file, BODY_MAX);
            let read = read.map_err(|error| format!("cannot read `{}`: {error}", file.display()));
            return cx.note(&at("bodyFile"), read).map_or(Body::None, Body::Bytes);
        }
        let json = form.json.as_ref().map(|value| cx.json(&at("json")).unwrap_or_else(|| value.to_string()));
        json.or_else(|| form.body.clone()).map_or(Body::None, Body::Text)
    }

    /// The step's own headers first, in the order of the file, then the common ones, credentials and
    /// what the body needs, as far as the step does not have them.
    fn headers(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Vec<(String, String)> {
        let own = [path, &["headers"]].concat();
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut add_all = |name: &str, values: &[String]| {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                headers.extend(values.iter().map(|value| (name.to_owned(), value.clone())));
            }
        };
        for name in cx.keys(&own) {
            form.headers.get(&name).into_iter().for_each(|values| add_all(&name, lines(values)));
        }
        for name in cx.keys(&["headers"]) {
            self.form.headers.get(&name).into_iter().for_each(|values| add_all(&name, lines(values)));
        }
        let mut add = |name: &str, value: String| add_all(name, &[value]);
        if form.json.is_some() {
            add("Content-Type", "application/json".into());
        }
        if form.multipart.is_some() {
            add("Content-Type", "multipart/form-data".into());
        }
        let credentials = match (&form.auth, &self.form.auth) {
            (Some(own), _) => authorization(&[path, &["auth"]].concat(), own, cx),
            (None, Some(common)) => authorization(&["auth"], common, cx),
            (None, None) => None,
        };
        credentials.into_iter().for_each(|value| add("Authorization", value));
        self.form.user_agent.iter().for_each(|agent| add("User-Agent", agent.clone()));
        if let Some(parts) = &form.multipart {
            multipart::name_boundary(
                &mut headers,
                &multipart::boundary(parts, self.content_type(form).as_deref()),
            );
        }
        headers
    }

    /// The Content-Type that is given.
    fn content_type(&self, form: &StepForm) -> Option<String> {
        let mut all = form.headers.iter().chain(&self.form.headers);
        let (_, values) = all.find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
        lines(values).first().cloned()
    }

    fn expected(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> StatusSet {
        let text = match &form.expect_status {
            None => return StatusSet::default(),
            Some(StatusForm::Code(code)) => code.to_string(),
            Some(StatusForm::Text(text)) => text.clone(),
            Some(StatusForm::List(codes)) => codes.iter().map(u16::to_string).collect::<Vec<_>>().join(","),
        };
        cx.note(&[path, &["expectStatus"]].concat(), text.parse::<StatusSet>()).unwrap_or_default()
    }

    fn extracts(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Vec<Extract> {
        let mut extracts = Vec::new();
        for (name, extract) in &form.extract {
            let ExtractForm { json, header, regex, default } = extract;
            if [json, header, regex].into_iter().flatten().count() != 1 {
                cx.add(
                    &[path, &["extract", name]].concat(),
                    "give exactly one of `json`, `header` and `regex`",
                );
                continue;
            }
            let (key, source) = match (json, header, regex) {
                (Some(path), ..) => ("json", Source::Json(path.clone())),
                (_, Some(header), _) => ("header", Source::Header(header.clone())),
                (.., regex) => ("regex", Source::Regex(regex.clone().unwrap_or_default())),
            };
            let variable = self.names.variables.iter().position(|known| known == name).unwrap_or_default();
            let default = default.as_ref().map(|text| text.as_bytes().into());
            let compiled = Extract::compile(variable as u32, &source, default);
            extracts.extend(cx.note(&[path, &["extract", name, key]].concat(), compiled));
        }
        extracts
    }
}

/// A header's values, a line each.
fn lines(values: &HeaderForm) -> &[String] {
    match values {
        HeaderForm::One(value) => std::slice::from_ref(value),
        HeaderForm::Several(values) => values,
    }
}

fn checks(path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Vec<Check> {
    let base = [path, &["checks"]].concat();
    let mut checks = Vec::new();
    match &form.checks {
        None => {}
        Some(ChecksForm::List(list)) => {
            for (i, expression) in list.iter().enumerate() {
                let parsed = Check::parse(expression);
                checks.extend(cx.note(&[base.as_slice(), &[&i.to_string()]].concat(), parsed));
            }
        }
        Some(ChecksForm::Table(table)) => {
            for name in cx.keys(&base) {
                let Some(expression) = table.get(&name) else { continue };
                let check = cx.note(&[base.as_slice(), &[&name]].concat(), Check::parse(expression));
                checks.extend(check.map(|mut check| {
                    check.name = name.as_str().into();
                    check
                }));
            }
        }
    }
    checks
}

/// The value of an Authorization field.
fn authorization(path: &[&str], auth: &AuthForm, cx: &mut Context<'_>) -> Option<String> {
    match (&auth.basic, &auth.bearer) {
        (Some(basic), None) => {
            if basic.username.contains(':') {
                let message = "a user name of basic authentication holds no colon (RFC 7617)";
                cx.add(&[path, &["basic", "username"]].concat(), message);
            }
            let pair = format!("{}:{}", basic.username, basic.password);
            Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
        }
        (None, Some(token)) => Some(format!("Bearer {token}")),
        _ => {
            cx.add(path, "give exactly one of `basic` and `bearer`");
            None
        }
    }
}

/// A fragment is never sent (RFC 9110, 4.2.5).
fn without_fragment(target: &str) -> String {
    target.split('#').next().unwrap_or_default().to_owned()
}

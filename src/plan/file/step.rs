//! Steps: where they go, what they send, and what becomes of the response.

use std::path::Path;

use super::bind::{Names, key_of};
use super::context::Context;
use super::form::{
    AuthForm, ChecksForm, ConstantForm, ExtractForm, HeaderForm, PlanForm, StatusForm, StepForm, StepsForm,
};
use super::multipart;
use super::schema::suggestion;
use crate::http::response::Expect;
use crate::http::url::Url;
use crate::plan::check::Check;
use crate::plan::extract::{Extract, Source};
use crate::plan::limited_file;
use crate::plan::request_template::{RequestSpec, RequestTemplate};
use crate::plan::scope::Scope;
use crate::plan::status::StatusSet;
use crate::plan::template::{Constant, Place, Template};
use crate::plan::value::Value;
use crate::plan::workload::{OpenUrl, Origin, Step};
use crate::rng::Rng;
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
        if self.origins.is_empty() {
            self.first_origin(&steps, cx);
        }
        steps
    }

    fn step(&mut self, path: &[&str], name: &str, form: &StepForm, cx: &mut Context<'_>) -> Option<Step> {
        let at = |key| [path, &[key]].concat();
        let plan = self.form;
        let place = self.place(path, form, cx);
        let body = self.body(path, form, cx);
        let written = form.method.as_deref().unwrap_or(if body.is_none() { "GET" } else { "POST" });
        let method = cx.note(&at("method"), self.names.template(written, Place::Method));
        let headers = self.headers(path, form, cx);
        let timeout = match (&form.timeout, &plan.timeout) {
            (Some(own), _) => cx.at_least(&at("timeout"), Some(own), Nanos(1)),
            (None, common) => cx.at_least(&["timeout"], common.as_ref(), Nanos(1)),
        };
        let expected = self.expected(path, form, cx);
        let checks = self.checks(path, form, cx);
        let extracts = self.extracts(path, form, cx);
        let think = cx.think(&at("think"), form.think.as_ref());
        let tags = self.tags(path, form, cx);
        let (Some(place), Some(method)) = (place, method) else { return None };
        let shown_method = method.constant().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let authority = self.origins.get(place.origin as usize).map(|origin| origin.url.authority());
        let spec = RequestSpec {
            method,
            target: place.target,
            authority: authority.unwrap_or_default(),
            headers,
            body,
            close: plan.no_connection_reuse || plan.requests_per_connection == Some(1),
            open: place.open.is_some(),
        };
        let request = RequestTemplate::compile(&spec)
            .map_err(|error| cx.add(&at(key_of(&error)), error.to_string()))
            .ok()?;
        let method = shown_method.unwrap_or_else(|| written.to_owned());
        Some(Step {
            name: name.into(),
            origin: place.origin,
            open_url: place.open,
            expect: if method == "HEAD" { Expect::Head } else { Expect::Normal },
            method: method.into(),
            url: self.shown(place.origin, form).into(),
            request,
            timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
            expected,
            checks,
            extracts,
            redirects_max: form.max_redirects.or(plan.max_redirects).unwrap_or(REDIRECTS_DEFAULT),
            think,
            tags,
        })
    }

    /// Own tags; a template in one is filled in with what is known before the run.
    fn tags(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Vec<(String, String)> {
        let mut tags = Vec::new();
        for (name, value) in &form.tags {
            let value = cx.note(&[path, &["tags", name]].concat(), self.names.fill(value));
            tags.extend(value.map(|value| (name.clone(), value)));
        }
        let group = form.group.as_ref();
        let group = group.and_then(|group| cx.note(&[path, &["group"]].concat(), self.names.fill(group)));
        tags.extend(group.map(|group| ("group".to_owned(), group)));
        tags
    }

    /// The URL for k6's tag: absolute, with its templates.
    fn shown(&self, origin: u32, form: &StepForm) -> String {
        if !form.url.starts_with('/') {
            return form.url.clone();
        }
        let url = &self.origins[origin as usize].url;
        format!("{}://{}{}", url.scheme.as_str(), url.authority(), form.url)
    }

    /// Where it goes.
    fn place(&mut self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Option<WhereTo> {
        let at = |key| [path, &[key]].concat();
        // What begins with a value is a URL, in which a fragment is one.
        let place = if form.url.starts_with("{{") { Place::Url } else { Place::Target };
        let whole = cx.note(&at("url"), self.names.template(&form.url, place))?;
        let begin = String::from_utf8_lossy(whole.prefix()).into_owned();
        if begin.starts_with('/') {
            let origin = self.named_origin(path, form, cx)?;
            return Some(WhereTo { origin, target: whole.until(b'#'), open: None });
        }
        let authority = begin.find("://").map(|at| at + 3);
        let end = authority.and_then(|from| Some(from + begin[from..].find(['/', '?', '#'])?));
        if end.is_none() && whole.constant().is_none() {
            return self.open_place(path, form, cx);
        }
        if form.origin.is_some() {
            cx.add(&at("origin"), "the step's `url` is absolute: leave `origin` out, or the host");
        }
        let end = end.unwrap_or(begin.len());
        let url = cx.note(&at("url"), begin[..end].parse::<Url>())?;
        let rest = whole.without_prefix(end).until(b'#');
        let mut target = Template::of_bytes(if rest.prefix().starts_with(b"/") { b"" } else { b"/" });
        target.append(rest);
        let known = self.origins.iter().position(|o| o.url == url);
        let origin = match known {
            Some(index) => index as u32,
            None => self.add_origin(url.authority(), url),
        };
        Some(WhereTo { origin, target, open: None })
    }

    /// A URL that is known only when the request begins.
    fn open_place(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Option<WhereTo> {
        let url = [path, &["url"]].concat();
        let template = cx.note(&url, self.names.template(&form.url, Place::Url))?;
        if !template.prefix().is_empty() {
            // Whatever is filled in, this is how it begins.
            let example = String::from_utf8_lossy(&template.example()).into_owned();
            cx.note(&url, example.parse::<Url>())?;
        }
        let named = form.origin.is_some() || self.form.origins.len() == 1;
        let origin = if named { self.named_origin(path, form, cx)? } else { 0 };
        let open = OpenUrl { template, origin: form.origin.as_ref().map(|_| origin) };
        Some(WhereTo { origin, target: Template::of_bytes(b"/"), open: Some(open) })
    }

    /// Without any origin that the plan names: where the first row of its data leads.
    fn first_origin(&mut self, steps: &[Step], cx: &mut Context<'_>) {
        let Some(open) = steps.first().and_then(|step| step.open_url.as_ref()) else { return };
        let (mut text, data) = (Vec::new(), &self.names.data);
        let mut scope = Scope {
            vu: 1,
            iteration: 0,
            sequence: 0,
            wall: Nanos::ZERO,
            rng: &mut Rng::new(0),
            values: &[],
            rows: &vec![0; data.len()],
            data,
        };
        let rendered = open.template.render(&mut text, &mut scope).map_err(|error| error.to_string());
        let url = rendered.and_then(|()| {
            let text = String::from_utf8_lossy(&text);
            text.parse::<Url>().map_err(|error| format!("in the first row: {error}"))
        });
        match url {
            Ok(url) => drop(self.add_origin(url.authority(), url)),
            Err(_) if !cx.is_clean() => {}
            Err(error) => cx.add(
                &["steps"],
                format!("no step has a URL before the run, and there are no `origins`: {error}"),
            ),
        }
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

    fn body(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Option<Template> {
        let at = |key| [path, &[key]].concat();
        let given =
            [form.body.is_some(), form.body_file.is_some(), form.json.is_some(), form.multipart.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            cx.add(path, "has more than one of `body`, `bodyFile`, `json` and `multipart`: keep one");
            return None;
        }
        if let Some(parts) = &form.multipart {
            let boundary = multipart::boundary(parts, self.content_type(form).as_deref());
            return multipart::body(&at("multipart"), parts, &boundary, self.base_dir, self.names, cx);
        }
        if let Some(name) = &form.body_file {
            let name = cx.note(&at("bodyFile"), self.names.fill(name))?;
            let file = self.base_dir.join(name);
            let read = limited_file::read(&file, BODY_MAX);
            let read = read.map_err(|error| format!("cannot read `{}`: {error}", file.display()));
            return cx.note(&at("bodyFile"), read).map(|bytes| Template::of_bytes(&bytes));
        }
        if form.json.is_some() {
            let node = cx.node(&at("json"))?;
            return cx.note(&at("json"), self.names.json(node));
        }
        let text = form.body.as_ref()?;
        cx.note(&at("body"), self.names.template(text, Place::Body))
    }

    /// The step's own headers first, in the order of the file, then the common ones, credentials and
    /// what the body needs, as far as the step does not have them.
    fn headers(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Vec<(String, Template)> {
        let own = [path, &["headers"]].concat();
        let boundary = form
            .multipart
            .as_ref()
            .map(|parts| multipart::boundary(parts, self.content_type(form).as_deref()));
        let mut headers: Vec<(String, Template)> = Vec::new();
        for (base, given) in [(own.as_slice(), &form.headers), (&["headers"], &self.form.headers)] {
            for name in cx.keys(base) {
                if headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(&name)) {
                    continue;
                }
                let Some(values) = given.get(&name) else { continue };
                let at = [base, &[&name]].concat();
                for value in lines(values) {
                    let value = multipart::with_boundary(&name, value, boundary.as_deref());
                    let value = cx.note(&at, self.names.template(&value, Place::Header));
                    headers.extend(value.map(|value| (name.clone(), value)));
                }
            }
        }
        let mut add = |name: &str, value: Option<Template>| {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                headers.extend(value.map(|value| (name.to_owned(), value)));
            }
        };
        if form.json.is_some() {
            add("Content-Type", Some(Template::of_bytes(b"application/json")));
        }
        if let Some(boundary) = &boundary {
            let value = format!("multipart/form-data; boundary={boundary}");
            add("Content-Type", Some(Template::of_bytes(value.as_bytes())));
        }
        let credentials = match (&form.auth, &self.form.auth) {
            (Some(own), _) => self.authorization(&[path, &["auth"]].concat(), own, cx),
            (None, Some(common)) => self.authorization(&["auth"], common, cx),
            (None, None) => None,
        };
        add("Authorization", credentials);
        if let Some(agent) = &self.form.user_agent {
            add("User-Agent", cx.note(&["userAgent"], self.names.template(agent, Place::Header)));
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
            let (key, text) = match (json, header, regex) {
                (Some(path), ..) => ("json", path),
                (_, Some(header), _) => ("header", header),
                (.., Some(regex)) => ("regex", regex),
                _ => continue,
            };
            let at = [path, &["extract", name, key]].concat();
            let Some(text) = cx.note(&at, self.names.fill(text)) else { continue };
            let source = match key {
                "json" => Source::Json(text),
                "header" => Source::Header(text),
                _ => Source::Regex(text),
            };
            let variable = self.names.variables.iter().position(|known| known == name).unwrap_or_default();
            let at = [path, &["extract", name, "default"]].concat();
            let default = default.as_ref().and_then(|form| self.default(form, &at, cx));
            let compiled = Extract::compile(variable as u32, &source, default);
            extracts.extend(cx.note(&[path, &["extract", name, key]].concat(), compiled));
        }
        extracts
    }

    /// What stands for a value that is not found, constants filled in.
    fn default(&self, form: &ConstantForm, at: &[&str], cx: &mut Context<'_>) -> Option<Value> {
        let Constant { text, is_json } = Names::constant(form, at, cx);
        let text = cx.note(at, self.names.fill(&text))?;
        Some(Value { bytes: text.into_bytes().into(), is_json })
    }

    fn checks(&self, path: &[&str], form: &StepForm, cx: &mut Context<'_>) -> Vec<Check> {
        let base = [path, &["checks"]].concat();
        let mut checks = Vec::new();
        let mut add = |key: &str, name: &str, expression: &str, cx: &mut Context<'_>| {
            let at = [base.as_slice(), &[key]].concat();
            let Some(filled) = cx.note(&at, self.names.fill(expression)) else { return };
            checks.extend(cx.note(&at, Check::named(name.trim(), &filled)));
        };
        match &form.checks {
            None => {}
            Some(ChecksForm::List(list)) => {
                for (i, expression) in list.iter().enumerate() {
                    add(&i.to_string(), expression, expression, cx);
                }
            }
            Some(ChecksForm::Table(table)) => {
                for name in cx.keys(&base) {
                    let Some(expression) = table.get(&name) else { continue };
                    add(&name, &name, expression, cx);
                }
            }
        }
        checks
    }

    /// The value of an Authorization field.
    fn authorization(&self, path: &[&str], auth: &AuthForm, cx: &mut Context<'_>) -> Option<Template> {
        match (&auth.basic, &auth.bearer) {
            (Some(basic), None) => {
                if !basic.username.contains("{{") && basic.username.contains(':') {
                    let message = "a user name of basic authentication holds no colon (RFC 7617)";
                    cx.add(&[path, &["basic", "username"]].concat(), message);
                }
                let at = [path, &["basic"]].concat();
                cx.note(&at, self.names.basic(&basic.username, &basic.password))
            }
            (None, Some(token)) => {
                let text = format!("Bearer {token}");
                cx.note(&[path, &["bearer"]].concat(), self.names.template(&text, Place::Header))
            }
            _ => {
                cx.add(path, "give exactly one of `basic` and `bearer`");
                None
            }
        }
    }
}

/// Where a step goes.
struct WhereTo {
    /// Index into [`Steps::origins`].
    origin: u32,
    target: Template,
    /// What both are known by only when the request begins.
    open: Option<OpenUrl>,
}

/// A header's values, a line each.
fn lines(values: &HeaderForm) -> &[String] {
    match values {
        HeaderForm::One(value) => std::slice::from_ref(value),
        HeaderForm::Several(values) => values,
    }
}

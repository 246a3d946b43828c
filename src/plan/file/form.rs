//! A plan as it is written. The descriptions of the schema are the comments here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::plan::executors::ExecutorName;

/// A plan for squall: what to ask, who asks when, and what must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlanForm {
    /// Virtual users of the one scenario, where there are no `scenarios`.
    pub vus: Option<u64>,
    /// How long the one scenario lasts: with `vus`, constant-vus.
    pub duration: Option<DurationForm>,
    /// Iterations of all users of the one scenario together: with `vus`, shared-iterations.
    pub iterations: Option<u64>,
    /// The users of the one scenario over time: ramping-vus, from `vus` on.
    pub stages: Option<Vec<StageForm>>,
    /// Who does what when, by name; side by side.
    pub scenarios: BTreeMap<String, ScenarioForm>,
    /// What must hold, by metric: `http_req_duration = "p(95)<200"`.
    pub thresholds: BTreeMap<String, ThresholdsForm>,
    /// Where requests go, by name: `api = "http://localhost:8080"`.
    pub origins: BTreeMap<String, String>,
    /// What can be asked, by name or as a list.
    pub steps: StepsForm,
    /// Steps in order, by name. Without any, one flow holds all steps in the order of the file.
    pub flows: BTreeMap<String, Vec<String>>,
    /// Steps that are taken once, before the load; values that they give are there for all users.
    pub once: Option<Vec<String>>,
    /// Steps that each user takes once, before its first iteration; values and cookies that they give stay.
    pub setup: Option<Vec<String>>,
    /// Constants for templates; `--var NAME=VALUE` overrides them.
    pub variables: BTreeMap<String, ConstantForm>,
    /// Files with rows for templates, by name.
    pub data: BTreeMap<String, DataForm>,
    /// How long users keep the cookies they are given: `iteration`, `user`, or `false` for not at all (default: iteration).
    pub cookies: Option<CookiesForm>,
    /// Redirects to follow at most (default: 10).
    pub max_redirects: Option<u32>,
    /// Open a connection for each request.
    pub no_connection_reuse: bool,
    /// Close a user's connections after each iteration.
    #[serde(rename = "noVUConnectionReuse")]
    pub no_vu_connection_reuse: bool,
    /// Close a connection after so many requests.
    pub requests_per_connection: Option<u32>,
    /// Credentials for all steps that have none of their own.
    pub auth: Option<AuthForm>,
    /// Headers for all steps; a step's own come instead.
    pub headers: BTreeMap<String, HeaderForm>,
    /// How long a request may take (default: 10s).
    pub timeout: Option<DurationForm>,
    /// User-Agent; empty for none.
    pub user_agent: Option<String>,
    /// Seed of everything random.
    pub seed: Option<u64>,
    /// The editor's: which schema the file follows.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
}

/// How long users keep cookies.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CookiesForm {
    /// `false`: not at all; `true`: as k6 does, to the end of the iteration.
    Kept(bool),
    /// Until when.
    Until(CookiesUntil),
}

/// Until when users keep cookies.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum CookiesUntil {
    /// To the end of the iteration, as in k6.
    Iteration,
    /// As long as the user is there.
    User,
}

/// A duration: text such as `500ms`, `1m30s`, or a number of seconds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DurationForm {
    /// With its unit.
    Text(String),
    /// In seconds.
    Seconds(serde_json::Number),
}

/// A constant.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConstantForm {
    /// Text, used as it is.
    Text(String),
    /// A number, used as it is written.
    Number(serde_json::Number),
    /// `true` or `false`.
    Word(bool),
}

/// A stretch of time in which a load goes to its target in a straight line.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StageForm {
    /// How long it takes; 0 jumps.
    pub duration: DurationForm,
    /// Users, or arrivals per `timeUnit`, at its end.
    pub target: u64,
}

/// Who does what when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioForm {
    /// When users begin iterations.
    pub executor: ExecutorName,
    /// From the start of the run (default: 0s).
    pub start_time: Option<DurationForm>,
    /// How long iterations may go on after the end (default: 30s).
    pub graceful_stop: Option<DurationForm>,
    /// ramping-vus: how long a user that is one too many may go on (default: 30s).
    pub graceful_ramp_down: Option<DurationForm>,
    /// ramping-vus: users at the start (default: 1).
    #[serde(rename = "startVUs")]
    pub start_vus: Option<u64>,
    /// ramping-vus, ramping-arrival-rate: the way of the load.
    pub stages: Option<Vec<StageForm>>,
    /// Users (default: 1).
    pub vus: Option<u64>,
    /// constant-vus, constant-arrival-rate: how long.
    pub duration: Option<DurationForm>,
    /// shared-iterations: of all users together; per-vu-iterations: of each (default: 1).
    pub iterations: Option<u64>,
    /// shared-iterations, per-vu-iterations: no iteration begins after this (default: 10m).
    pub max_duration: Option<DurationForm>,
    /// constant-arrival-rate: iterations begun per `timeUnit`.
    pub rate: Option<u64>,
    /// What `rate`, `startRate` and targets are per (default: 1s).
    pub time_unit: Option<DurationForm>,
    /// ramping-arrival-rate: iterations begun per `timeUnit` at the start (default: 0).
    pub start_rate: Option<u64>,
    /// Arrival rates: users that are there from the start.
    #[serde(rename = "preAllocatedVUs")]
    pub pre_allocated_vus: Option<u64>,
    /// Arrival rates: users at most (default: `preAllocatedVUs`).
    #[serde(rename = "maxVUs")]
    pub max_vus: Option<u64>,
    /// constant-arrival-rate: how arrivals lie in time (default: uniform).
    pub arrivals: Option<ArrivalsName>,
    /// Arrival rates: how many arrivals may wait for a free user (default: 0, as in k6: they are dropped).
    pub max_backlog: Option<u64>,
    /// Tags for all its figures.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The one flow it walks.
    pub flow: Option<String>,
    /// Flows with their weights; each iteration draws one.
    pub flows: Option<BTreeMap<String, u32>>,
    /// Steps that each user takes once, before its first iteration (default: the plan's `setup`).
    pub setup: Option<Vec<String>>,
    /// Pause behind each iteration: `1s`, or `1s..3s`.
    pub think: Option<DurationForm>,
    /// From the beginning of an iteration to that of the user's next: `1s`, or `1s..3s`; one that takes longer is followed at once.
    pub pacing: Option<DurationForm>,
}

/// How arrivals lie in time.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalsName {
    /// Evenly.
    Uniform,
    /// As independent users would.
    Poisson,
}

/// One threshold, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ThresholdsForm {
    /// `p(95)<200`
    Expression(String),
    /// With what it does when it fails.
    Full(ThresholdItem),
    /// Several.
    List(Vec<ThresholdEntry>),
}

/// One of several thresholds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ThresholdEntry {
    /// `p(95)<200`
    Expression(String),
    /// With what it does when it fails.
    Full(ThresholdItem),
}

/// A threshold that may end the run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThresholdItem {
    /// `p(95)<200`
    pub threshold: String,
    /// End the run when it fails.
    #[serde(default)]
    pub abort_on_fail: bool,
    /// But not before so much time has passed.
    pub delay_abort_eval: Option<DurationForm>,
}

/// Steps by name, or in a list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StepsForm {
    /// By name.
    Table(BTreeMap<String, StepForm>),
    /// In order; each may have a `name`.
    List(Vec<StepForm>),
}

impl Default for StepsForm {
    fn default() -> StepsForm {
        StepsForm::List(Vec::new())
    }
}

/// One request, and what to make of its response.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepForm {
    /// Its name, in a list of steps (default: its URL).
    pub name: Option<String>,
    /// Method (default: GET, or POST with a body); may hold templates.
    pub method: Option<String>,
    /// Absolute, or a path on `origin`; may hold templates.
    pub url: String,
    /// Which of `origins` (default: the only one).
    pub origin: Option<String>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderForm>,
    /// Body; may hold templates.
    pub body: Option<String>,
    /// File with the body, relative to this one; sent as it is.
    pub body_file: Option<String>,
    /// Body as JSON; its texts may hold templates.
    pub json: Option<serde_json::Value>,
    /// Body as multipart/form-data, part by part (RFC 7578).
    pub multipart: Option<Vec<PartForm>>,
    /// Statuses that are as expected: `200`, `"200,404"`, `"2xx"` (default: 200-399).
    pub expect_status: Option<StatusForm>,
    /// How long it may take.
    pub timeout: Option<DurationForm>,
    /// Redirects to follow at most.
    pub max_redirects: Option<u32>,
    /// Pause behind it: `1s`, or `1s..3s`.
    pub think: Option<DurationForm>,
    /// Tags for its figures.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// k6's tag `group`.
    pub group: Option<String>,
    /// What its response must be: expressions, or expressions by name.
    pub checks: Option<ChecksForm>,
    /// Values to take from its response, by variable.
    #[serde(default)]
    pub extract: BTreeMap<String, ExtractForm>,
    /// Credentials.
    pub auth: Option<AuthForm>,
}

/// A header's value, or those of several lines of one name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HeaderForm {
    /// One line.
    One(String),
    /// Several lines, one behind the other.
    Several(Vec<String>),
}

/// A part of a multipart body: exactly one of `value` and `file`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartForm {
    /// The form field's name.
    pub name: Option<String>,
    /// Its value; may hold templates.
    pub value: Option<String>,
    /// File with its value, relative to this one; sent as it is.
    pub file: Option<String>,
    /// What the file is called in the request (default: not at all).
    pub file_name: Option<String>,
    /// What the part is, such as `text/csv` (default: not said).
    pub content_type: Option<String>,
}

/// Statuses.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StatusForm {
    /// One.
    Code(u16),
    /// A set, such as `200,404` or `2xx`.
    Text(String),
    /// Several.
    List(Vec<u16>),
}

/// Expressions, or expressions by name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ChecksForm {
    /// Each is its own name.
    List(Vec<String>),
    /// By name.
    Table(BTreeMap<String, String>),
}

/// Where a value is taken from: exactly one of `json`, `header` and `regex`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtractForm {
    /// A place in a JSON body, such as `items[0].id`.
    pub json: Option<String>,
    /// A header's name.
    pub header: Option<String>,
    /// A regular expression on the body; its first group, or the whole match.
    pub regex: Option<String>,
    /// Used when nothing is found; without it the iteration ends there.
    pub default: Option<ConstantForm>,
}

/// Credentials: exactly one of `basic` and `bearer`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthForm {
    /// User name and password (RFC 7617).
    pub basic: Option<BasicForm>,
    /// A token (RFC 6750); may hold templates.
    pub bearer: Option<String>,
}

/// User name and password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicForm {
    /// Holds no colon; may hold templates.
    pub username: String,
    /// May be empty; may hold templates.
    pub password: String,
}

/// A file with rows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataForm {
    /// Relative to this file.
    pub file: String,
    /// How it is written (default: by its ending).
    pub format: Option<DataFormat>,
    /// csv: what stands between fields (default: a comma; a tab in tsv).
    pub delimiter: Option<String>,
    /// csv: names of the columns, where no line of the file has them (default: the first line).
    pub columns: Option<Vec<String>>,
    /// Which row an iteration gets (default: sequential).
    pub order: Option<DataOrder>,
    /// What follows the last row (default: wrap).
    pub at_end: Option<DataEnd>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DataFormat {
    /// Comma-separated, or by `delimiter`.
    Csv,
    /// Separated by tabs.
    Tsv,
    /// An object a line.
    Jsonl,
    /// One array of objects.
    Json,
}

/// In which order rows are taken.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DataOrder {
    /// One after the other over all users.
    Sequential,
    /// Any, each as likely.
    Random,
    /// Each user has one of its own.
    Unique,
}

/// What follows the last row.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DataEnd {
    /// The first.
    Wrap,
    /// Nothing.
    Stop,
}

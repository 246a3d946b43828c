//! Scenarios as they are asked for: a plan's text, or flags. Whoever reads a failure can run them.

use std::fs;
use std::path::{Path, PathBuf};

use squall::http::request::Request;
use squall::load::Arrivals;
use squall::plan::file::{self, Format, Surroundings};
use squall::plan::flags::{FlagForm, from_flags};
use squall::plan::workload::Workload;
use squall::units::{Nanos, Rate};

use super::secs;

/// Where the files with rows are: in the system's place for what is temporary, the same in each run.
pub(crate) fn base_dir() -> PathBuf {
    std::env::temp_dir().join("squall-simulation")
}

/// Name of a file with so many rows of `id,name`, which is there from now on.
pub(crate) fn rows(count: u64) -> String {
    let name = format!("rows-{count}.csv");
    let path = base_dir().join(&name);
    if !path.exists() {
        let rows: String = (0..count).map(|n| format!("{n},\"name {n}\"\n")).collect();
        fs::create_dir_all(base_dir()).expect("a directory for rows");
        // Others may be about to write it too, and nobody may see half of it.
        let draft = base_dir().join(format!("{name}.{}", std::process::id()));
        fs::write(&draft, format!("id,name\n{rows}")).expect("rows are written");
        fs::rename(&draft, &path).expect("rows are in their place");
    }
    name
}

/// Compiles a plan's text; panics when it is not a good one.
pub(crate) fn compile(text: &str, seed: u64) -> Workload {
    let base_dir: &Path = &base_dir();
    let around = Surroundings {
        env: Default::default(),
        variables: Default::default(),
        base_dir,
        seed,
        seed_wins: true,
    };
    match file::compile("plan.toml", text, Format::Toml, &around) {
        Ok(compiled) => compiled.workload,
        Err(error) => panic!("the plan is not a good one: {error}\n{text}"),
    }
}

/// One request with a check, as flags ask for it.
#[derive(Clone, Debug)]
pub(crate) struct Flags {
    /// `-c`
    pub(crate) connections: u32,
    /// `-R`
    pub(crate) rate: Option<Rate>,
    /// `-n`
    pub(crate) requests: Option<u64>,
    /// `-d`
    pub(crate) duration: Option<Nanos>,
    /// `--max-backlog`
    pub(crate) max_backlog: u64,
    /// `--timeout`
    pub(crate) timeout: Nanos,
    /// `--max-redirects`
    pub(crate) redirects_max: u32,
    /// Length of the request's body.
    pub(crate) upload: usize,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            connections: 4,
            rate: None,
            requests: None,
            duration: None,
            max_backlog: 100_000,
            timeout: secs(2),
            redirects_max: 0,
            upload: 0,
        }
    }
}

impl Flags {
    pub(crate) fn workload(&self) -> Workload {
        let form = FlagForm {
            url: "http://a.test/".parse().expect("a URL"),
            request: Request {
                method: if self.upload > 0 { "POST".into() } else { "GET".into() },
                target: "/".into(),
                authority: "a.test".into(),
                headers: Vec::new(),
                body: vec![b'u'; self.upload],
            },
            stages: Vec::new(),
            vus: None,
            connections: self.connections,
            rate: self.rate,
            arrivals: Arrivals::Uniform,
            seed: 1,
            duration: self.duration,
            requests: self.requests,
            max_backlog: self.max_backlog,
            checks: vec!["status==200".into()],
            timeout: self.timeout,
            redirects_max: self.redirects_max,
            requests_max: None,
            cookies: false,
        };
        from_flags(form).unwrap_or_else(|problems| panic!("the flags are not good ones: {problems:?}"))
    }
}

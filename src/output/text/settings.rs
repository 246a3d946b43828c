//! What was run, where, and how.

use std::fmt;

use super::{Page, seconds};
use crate::report::Model;
use crate::units::human;

impl Page<'_> {
    pub(super) fn settings(&mut self) -> fmt::Result {
        self.heading("Settings")?;
        let model = self.model();
        self.line("model", model)?;
        let request = self.request();
        self.line("request", request)?;
        if let Some(routes) = self.routes() {
            self.line("connect", routes)?;
        }
        let length = self.length();
        self.line("run", length)?;
        let workers = self.workers();
        self.line("workers", workers)?;
        let machine = self.machine();
        self.line("machine", machine)?;
        if let Some(proxy) = &self.report.config.proxy {
            let from = self.report.config.proxy_from.as_deref().filter(|from| *from != "--proxy");
            let from =
                from.map(|from| format!(" (from {from}; --proxy '' goes without)")).unwrap_or_default();
            self.line("proxy", format!("{proxy}{from}"))?;
        }
        let facts = &self.report.environment;
        if let Some(note) = &facts.driver_note {
            self.line("note", note)?;
        }
        Ok(())
    }

    /// The routes that connections took, where they were chosen.
    fn routes(&self) -> Option<String> {
        let config = &self.report.config;
        let mut parts = Vec::new();
        parts.extend(config.unix_socket.as_ref().map(|path| format!("Unix socket {path}")));
        if !config.sources.is_empty() {
            parts.push(format!("from {}", config.sources.join(", ")));
        }
        parts.extend(config.resolve.iter().map(|entry| format!("resolve {entry}")));
        parts.extend(config.tcp_congestion.as_ref().map(|name| format!("congestion control {name}")));
        parts.extend(config.dns_ttl_s.map(|ttl| format!("names looked up again after {}", seconds(ttl))));
        if !config.allow_hosts.is_empty() {
            parts.push(format!("redirects allowed to {}", config.allow_hosts.join(", ")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn model(&self) -> String {
        let config = &self.report.config;
        let connections = plural(u64::from(config.connections), "connection");
        if let scenarios @ [_, ..] = self.report.scenarios.as_slice() {
            let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.executor.as_str()).collect();
            let open = if config.model == Model::Open { "open" } else { "closed" };
            let users = plural(u64::from(config.connections), "virtual user");
            return format!("{open}: {}; up to {users}", names.join(", "));
        }
        match config.model {
            Model::Closed => {
                format!("closed: {connections}, each waits for its response before it sends again")
            }
            Model::Open => format!(
                "open: {} arrivals/s, {}, on {connections}; up to {} may wait",
                human::per_second(config.rate_per_s.unwrap_or(0.0)),
                config.arrivals.as_deref().unwrap_or("uniform"),
                human::count(config.max_backlog.unwrap_or(0)),
            ),
        }
    }

    fn request(&self) -> String {
        let config = &self.report.config;
        let mut parts = vec![config.method.clone()];
        if !config.headers.is_empty() {
            parts.push(plural(config.headers.len() as u64, "header"));
        }
        if config.body_bytes > 0 {
            parts.push(format!("body {}", human::bytes(config.body_bytes)));
        }
        if config.pipeline > 1 {
            parts.push(format!("{} in flight per connection", config.pipeline));
        }
        parts.push(format!("timeout {}", seconds(config.timeout_s)));
        parts.join(", ")
    }

    fn length(&self) -> String {
        let config = &self.report.config;
        let mut ends = Vec::new();
        if let Some(span) = config.duration_s {
            ends.push(seconds(span).to_string());
        }
        if let Some(n) = config.requests {
            ends.push(plural(n, "request"));
        }
        let mut text = ends.join(" or ");
        if config.warmup_s > 0.0 {
            text += &format!(" after {} of warm-up", seconds(config.warmup_s));
        }
        format!("{text}, seed {}, begun {}", config.seed, self.report.started_at)
    }

    fn workers(&self) -> String {
        let config = &self.report.config;
        let cores: Vec<String> = config.cores.iter().map(usize::to_string).collect();
        let noun = if cores.len() == 1 { "core" } else { "cores" };
        format!(
            "{} on {noun} {}, driver {}, wait {}",
            config.threads,
            cores.join(","),
            self.report.environment.driver,
            self.report.generator.wait
        )
    }

    fn machine(&self) -> String {
        let facts = &self.report.environment;
        let mut parts = vec![format!("Linux {}", facts.kernel)];
        parts.extend(facts.cpu.clone());
        parts.push(plural(facts.cores as u64, "core"));
        parts.extend(facts.clocksource.as_ref().map(|source| format!("clock {source}")));
        parts.extend(facts.congestion_control.clone());
        parts.extend(facts.container.clone());
        if facts.target_on_this_host {
            parts.push("target on this host".into());
        }
        parts.join(", ")
    }
}

fn plural(n: u64, noun: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", human::count(n))
}

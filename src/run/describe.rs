//! The configuration in the words of others: as a request, as the report's settings and environment.

use super::backend::Backend;
use super::config::RunConfig;
use super::machine;
use crate::driver::TlsReadings;
use crate::http::request::Request;
use crate::load::{Arrivals, LoadModel, Schedule};
use crate::report::{ConfigSection, Environment, ErrorReasons, ErrorSample, Model, OriginEntry, TlsSection};
use crate::units::Nanos;
use crate::worker::{OriginUse, Reason};

pub(super) fn request(config: &RunConfig) -> Request {
    let authorization = config.authorization.iter().map(|value| ("Authorization".to_owned(), value.clone()));
    let mut request = Request {
        method: config.method.clone(),
        target: config.target.target.clone(),
        authority: config.target.authority(),
        headers: config.headers.iter().cloned().chain(authorization).collect(),
        body: config.body.to_vec(),
    };
    if let Some(forward) = config.routes.proxies.forward(&config.target) {
        request.target.insert_str(0, &forward.prefix);
        request.headers.extend(forward.authorization.map(|value| ("Proxy-Authorization".into(), value)));
    }
    request
}

pub(super) fn settings(config: &RunConfig) -> ConfigSection {
    let schedule: Option<&Schedule> = match &config.load {
        LoadModel::Closed => None,
        LoadModel::Open(schedule) => Some(schedule),
    };
    let arrivals = schedule.map(|schedule| match schedule.arrivals {
        Arrivals::Uniform => "uniform",
        Arrivals::Poisson => "poisson",
    });
    let dialing = &config.dialing;
    let (proxies, proxies_from) = proxies(config);
    ConfigSection {
        target: match &config.script {
            Some(script) => script.program.main().to_owned(),
            None => config.target.to_string(),
        },
        addresses: config.addresses.iter().map(ToString::to_string).collect(),
        model: if config.is_open() { Model::Open } else { Model::Closed },
        method: config.method.clone(),
        headers: headers(config),
        body_bytes: config.body.len() as u64,
        connections: config.connections,
        threads: config.cores.len() as u32,
        cores: config.cores.clone(),
        duration_s: config.duration.map(Nanos::as_secs_f64),
        requests: config.requests,
        rate_per_s: schedule.map(|schedule| schedule.rate.per_second()),
        arrivals: arrivals.map(Into::into),
        max_backlog: schedule.map(|_| config.max_backlog),
        pipeline: config.pipeline,
        timeout_s: config.timeout.as_secs_f64(),
        connect_timeout_s: config.connect_timeout.as_secs_f64(),
        unix_socket: dialing.unix_socket.as_ref().map(|path| path.display().to_string()),
        resolve: dialing.resolve.iter().map(ToString::to_string).collect(),
        sources: dialing.sources_given.clone(),
        tcp_congestion: dialing.congestion.clone(),
        dns_ttl_s: config.names.ttl.map(Nanos::as_secs_f64),
        allow_hosts: config.names.allowed.iter().map(ToString::to_string).collect(),
        proxy: proxies,
        proxy_from: proxies_from,
        warmup_s: config.warmup.as_secs_f64(),
        interval_s: config.interval.as_secs_f64(),
        max_series: config.max_series,
        drain_s: config.drain.as_secs_f64(),
        max_head_bytes: config.max_head as u64,
        max_body_bytes: config.workload.as_ref().map(|workload| workload.body_limit as u64),
        max_memory_bytes: config.max_memory,
        wait: config.wait.to_string(),
        driver: config.driver.to_string(),
        resend: config.resend,
        allow_invalid: config.allow_invalid,
        seed: config.seed,
    }
}

/// As they are sent; of the URL's credentials only that there are some.
fn headers(config: &RunConfig) -> Vec<String> {
    let shown = config.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    shown.chain(config.authorization.iter().map(|_| "Authorization: Basic ***".to_owned())).collect()
}

/// The proxies that lead to the origins, and who names them, with commas between.
fn proxies(config: &RunConfig) -> (Option<String>, Option<String>) {
    let planned =
        config.workload.iter().flat_map(|workload| workload.origins.iter().map(|origin| &origin.url));
    let used = config.routes.proxies.used(std::iter::once(&config.target).chain(planned));
    let (shown, from): (Vec<String>, Vec<&str>) = used.into_iter().unzip();
    let joined = |all: String| Some(all).filter(|all| !all.is_empty());
    (joined(shown.join(", ")), joined(from.join(", ")))
}

/// What was asked of TLS and what came of it; `readings` are the workers'.
pub(super) fn tls(config: &RunConfig, readings: impl Iterator<Item = TlsReadings>) -> TlsSection {
    let Some(choice) = &config.routes.tls else { return TlsSection::default() };
    let all = readings.fold(TlsReadings::default(), |all, one| TlsReadings {
        handshakes: all.handshakes + one.handshakes,
        resumed: all.resumed + one.resumed,
        agreed: all.agreed.or(one.agreed),
    });
    TlsSection {
        handshakes: all.handshakes,
        resumed: all.resumed,
        version: all.agreed.map(|agreed| agreed.version.into()),
        cipher_suite: all.agreed.map(|agreed| agreed.cipher_suite.into()),
        key_exchange: all.agreed.map(|agreed| agreed.group.into()),
        insecure: choice.insecure,
        cacert: choice.cacert.as_ref().map(|path| path.display().to_string()),
        client_certificate: choice.identity,
        resumption: choice.resumption,
        min_version: Some(choice.min_version.to_string()),
        timeout_s: Some(config.tls_timeout.as_secs_f64()),
    }
}

/// What lay behind errors, over all workers.
pub(super) fn reasons<'a>(met: impl Iterator<Item = &'a Reason>) -> ErrorReasons {
    let mut all = ErrorReasons::default();
    for reason in met {
        let (kind, text) = (reason.kind.key(), reason.cause.to_string());
        if !reason.of_requests {
            *all.of_connections.entry(text).or_default() += reason.count;
            continue;
        }
        let same = |sample: &&mut ErrorSample| sample.kind == kind && sample.reason == text;
        match all.of_requests.iter_mut().find(same) {
            Some(sample) => sample.count += reason.count,
            None => all.of_requests.push(ErrorSample {
                kind: kind.into(),
                reason: text,
                count: reason.count,
                excerpt: (!reason.excerpt.is_empty()).then(|| reason.excerpt.escape_ascii().to_string()),
            }),
        }
    }
    all
}

/// Where requests went, over all workers: the plan's origins in its order, then the others.
pub(super) fn origins<'a>(uses: impl Iterator<Item = &'a OriginUse>) -> Vec<OriginEntry> {
    let mut all: Vec<OriginEntry> = Vec::new();
    for origin in uses {
        let url = format!("{}://{}", origin.url.scheme.as_str(), origin.url.authority());
        let place = all.iter().position(|entry| entry.url == url).unwrap_or_else(|| {
            all.push(OriginEntry { url, planned: origin.planned, ..OriginEntry::default() });
            all.len() - 1
        });
        let entry = &mut all[place];
        entry.connections += origin.connections;
        entry.requests += origin.requests;
        if let Some(unreachable) = &origin.unreachable {
            entry.unreachable = Some(format!("{}: {}", unreachable.kind.key(), unreachable.cause));
        }
    }
    all.sort_by_key(|entry| !entry.planned); // stable
    all
}

pub(super) fn environment(config: &RunConfig, backend: &Backend) -> Environment {
    let facts = machine::facts();
    Environment {
        kernel: facts.kernel,
        cpu: facts.cpu_model,
        cores: facts.cores,
        clocksource: facts.clocksource,
        driver: backend.driver().into(),
        driver_note: backend.note.clone(),
        ring_features: backend.features.iter().map(|&feature| feature.into()).collect(),
        congestion_control: match &config.dialing {
            dialing if dialing.unix_socket.is_some() => None,
            dialing => dialing.congestion.clone().or(facts.congestion_control),
        },
        target_on_this_host: config.shared_host,
        container: facts.container,
    }
}

//! What is in force: options with k6's defaults in the place of what nobody said.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use ipnet::{Ipv4Subnets, Ipv6Subnets};
use serde_json::Value;

use super::error::{CONFIGURATION, OptionsError};
use super::form::{Options, SYSTEM_TAGS};
use super::network::{DnsPolicy, DnsSelect, HostPattern, HostTarget, NamePattern, TlsVersion};
use super::value::{Span, Whole};
use crate::units::Nanos;

/// The statistics of trends in the summary, unless asked otherwise.
pub const TREND_STATS: [&str; 6] = ["avg", "min", "med", "max", "p(90)", "p(95)"];
const MINUTE: Nanos = Nanos::from_secs(60);

/// The User-Agent of k6 1.1, unless asked otherwise.
const USER_AGENT: &str = "Grafana k6/1.1.0";

/// Options in force, beside scenarios and thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `setup()` is called.
    pub setup: bool,
    /// How long it may take.
    pub setup_timeout: Nanos,
    /// `teardown()` is called.
    pub teardown: bool,
    /// How long it may take.
    pub teardown_timeout: Nanos,
    /// An iteration of a user takes this long at least.
    pub min_iteration_duration: Nanos,
    /// Requests of `http.batch` at a time; `None`: all of them.
    pub batch: Option<u32>,
    /// Of these to one host.
    pub batch_per_host: Option<u32>,
    /// Requests a second of all users together, at most.
    pub rps: Option<NonZeroU32>,
    /// Redirects to follow at most.
    pub max_redirects: u32,
    /// Sent as `User-Agent` where a request gives none; `None`: not at all.
    pub user_agent: Option<String>,
    /// A request that fails throws.
    pub throw: bool,
    /// Bodies of responses are dropped unless a request asks for them.
    pub discard_response_bodies: bool,
    /// Cookies stay beyond an iteration.
    pub no_cookies_reset: bool,
    /// Connections end with each request.
    pub no_connection_reuse: bool,
    /// Connections end with each iteration.
    pub no_vu_connection_reuse: bool,
    /// Certificates are not checked.
    pub insecure_skip_tls_verify: bool,
    /// TLS 1.3 and no older version.
    pub only_tls_13: bool,
    /// Where hosts are to be found.
    pub hosts: BTreeMap<HostPattern, HostTarget>,
    /// Names that are not to be connected to.
    pub block_hostnames: Vec<NamePattern>,
    /// How long addresses of names are kept; `None`: for ever.
    pub dns_ttl: Option<Nanos>,
    /// The addresses that users send from: addresses and ranges with their length. Empty: the system's choice.
    pub local_ips: Vec<String>,
    /// Tags of all samples.
    pub tags: BTreeMap<String, String>,
    /// The tags that samples have by themselves.
    pub system_tags: BTreeSet<String>,
    /// Statistics of trends in the summary, as they are written.
    pub summary_trend_stats: Vec<String>,
    /// The unit of times in the summary, as it is written; empty: what fits.
    pub summary_time_unit: String,
}

impl Settings {
    /// What options come to.
    ///
    /// # Errors
    /// Values that are looked at this late: time-outs, addresses, names; with k6's exit code.
    pub fn new(options: &Options) -> Result<Settings, OptionsError> {
        let mut problems = Vec::new();
        let setup_timeout = positive("setupTimeout", options.setup_timeout, &mut problems);
        let teardown_timeout = positive("teardownTimeout", options.teardown_timeout, &mut problems);
        let local_ips = local_ips(options.local_ips.as_deref(), &mut problems);
        if !problems.is_empty() {
            return Err(OptionsError { exit: CONFIGURATION, problems });
        }
        let bound = |number: Option<Whole>, or: u32| match number {
            None => Some(or),
            Some(Whole(number)) => Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX)).filter(|n| *n > 0),
        };
        let is = |switch: Option<bool>| switch == Some(true);
        let agent = options.user_agent.clone().unwrap_or_else(|| USER_AGENT.into());
        Ok(Settings {
            setup: !is(options.no_setup),
            setup_timeout,
            teardown: !is(options.no_teardown),
            teardown_timeout,
            min_iteration_duration: options
                .min_iteration_duration
                .and_then(Span::nanos)
                .unwrap_or(Nanos::ZERO),
            batch: bound(options.batch, 20),
            batch_per_host: bound(options.batch_per_host, 6),
            rps: options
                .rps
                .and_then(|Whole(most)| NonZeroU32::new(u32::try_from(most.max(0)).unwrap_or(u32::MAX))),
            max_redirects: bound(options.max_redirects, 10).unwrap_or(0),
            user_agent: Some(agent).filter(|agent| !agent.is_empty()),
            throw: is(options.throw),
            discard_response_bodies: is(options.discard_response_bodies),
            no_cookies_reset: is(options.no_cookies_reset),
            no_connection_reuse: is(options.no_connection_reuse),
            no_vu_connection_reuse: is(options.no_vu_connection_reuse),
            insecure_skip_tls_verify: is(options.insecure_skip_tls_verify),
            only_tls_13: options.tls_version.and_then(|asked| asked.min) == Some(TlsVersion::Tls13),
            hosts: options.hosts.clone().unwrap_or_default(),
            block_hostnames: options.block_hostnames.clone().unwrap_or_default(),
            dns_ttl: dns_ttl(options.dns.ttl.as_deref())?,
            local_ips,
            tags: options.tags.clone().unwrap_or_default(),
            system_tags: options.system_tags.clone().unwrap_or_else(|| SYSTEM_TAGS.map(str::to_owned).into()),
            summary_trend_stats: match options.summary_trend_stats.as_deref() {
                None | Some([]) => TREND_STATS.map(str::to_owned).into(),
                Some(stats) => stats.to_vec(),
            },
            summary_time_unit: options.summary_time_unit.clone().unwrap_or_default(),
        })
    }

    /// Options with those defaults that k6 puts in by itself.
    pub fn over(&self, options: &Options) -> Options {
        Options {
            summary_trend_stats: Some(self.summary_trend_stats.clone()),
            system_tags: Some(self.system_tags.clone()),
            ..options.clone()
        }
    }

    /// The options as k6/execution shows them: JSON. What stood for scenarios is not there any more.
    pub(super) fn shown(&self, options: &Options) -> String {
        let mut all = serde_json::to_value(self.over(options)).unwrap_or_default();
        if let Some(all) = all.as_object_mut() {
            ["vus", "duration", "iterations", "stages"].iter().for_each(|key| drop(all.remove(*key)));
            all.insert("consoleOutput".into(), Value::Null);
            all.insert("localIPs".into(), options.local_ips.clone().into());
        }
        all.to_string()
    }

    /// Where a host is to be found, where `hosts` says so: by the entry that says most of it.
    pub fn address_of(&self, host: &str, port: u16) -> Option<HostTarget> {
        let fits = |entry: &HostPattern| entry.name.matches(host) && entry.port.is_none_or(|own| own == port);
        let says = |entry: &HostPattern| (entry.port.is_some(), !entry.name.is_wide(), entry.name.len());
        let entries = self.hosts.iter().filter(|(entry, _)| fits(entry));
        entries.max_by_key(|(entry, _)| says(entry)).map(|(_, target)| *target)
    }

    /// The pattern that blocks a host.
    pub fn blocks(&self, host: &str) -> Option<&NamePattern> {
        self.block_hostnames.iter().find(|pattern| pattern.matches(host))
    }
}

/// What would change what is sent, and is not carried out: a script that asks for it is not run as if it had not.
pub(super) fn not_there(options: &Options) -> Vec<String> {
    let mut problems = Vec::new();
    let mut refuse = |is_asked: bool, problem: &str| {
        if is_asked {
            problems.push(problem.to_owned());
        }
    };
    refuse(
        options.paused == Some(true),
        "`paused`: there is no REST API that a run could be resumed by: leave it out",
    );
    refuse(
        options.blacklist_ips.as_ref().is_some_and(|ranges| !ranges.is_empty()),
        "`blacklistIPs`: addresses are not blocked: leave the requests out, or name their hosts in `blockHostnames`",
    );
    refuse(
        options.tls_auth.as_ref().is_some_and(|all| !all.is_empty()),
        "`tlsAuth` is carried out by flags: --cert and --key give the certificate, for all hosts",
    );
    refuse(
        options.tls_cipher_suites.as_ref().is_some_and(|all| !all.is_empty()),
        "`tlsCipherSuites`: squall offers all of rustls: leave it out",
    );
    let segment = options.execution_segment.as_deref().unwrap_or_default();
    refuse(
        !matches!(segment, "" | "1" | "100%" | "0:1"),
        "`executionSegment` is a part of the test, and squall runs whole ones: leave it out, and divide rates and users by hand",
    );
    let sequence = options.execution_segment_sequence.as_deref().unwrap_or_default();
    refuse(
        !matches!(sequence, "" | "0,1"),
        "`executionSegmentSequence`: squall runs whole tests: leave it out",
    );
    let newest = options.tls_version.and_then(|asked| asked.max);
    refuse(
        newest.is_some_and(|newest| newest < TlsVersion::Tls13),
        "`tlsVersion` ends below TLS 1.3, which squall always offers: leave out `max`, or give { min: \"tls1.2\" }",
    );
    refuse(
        options.dns.select == Some(DnsSelect::First),
        "`dns.select` is first, and connections take turns among all addresses: leave it out, or name one in `hosts`",
    );
    refuse(
        options.dns.policy.is_some_and(|policy| !matches!(policy, DnsPolicy::PreferIpv4 | DnsPolicy::Any)),
        "`dns.policy`: give preferIPv4 or any, or name an address in `hosts`",
    );
    problems
}

/// What changes nothing of what is sent.
pub(super) fn without_effect(options: &Options) -> Vec<String> {
    let debugs = options.http_debug.as_deref().is_some_and(|text| !text.is_empty());
    let wide = options.hosts.iter().flatten().filter(|(host, _)| host.name.is_wide());
    let wide = wide.map(|(host, _)| format!("`hosts`: {host} is for http alone: name each host for https"));
    debugs
        .then(|| "`httpDebug` has no effect: requests are not shown".to_owned())
        .into_iter()
        .chain(wide)
        .collect()
}

/// Addresses, ranges with their length, and ranges with both ends, with commas.
fn local_ips(text: Option<&str>, problems: &mut Vec<String>) -> Vec<String> {
    let mut all = Vec::new();
    for part in text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((first, last)) = part.split_once('-') else {
            all.push(part.to_owned());
            continue;
        };
        match (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>()) {
            (Ok(IpAddr::V4(first)), Ok(IpAddr::V4(last))) if first <= last => {
                all.extend(Ipv4Subnets::new(first, last, 0).map(|range| range.to_string()));
            }
            (Ok(IpAddr::V6(first)), Ok(IpAddr::V6(last))) if first <= last => {
                all.extend(Ipv6Subnets::new(first, last, 0).map(|range| range.to_string()));
            }
            _ => problems.push(format!(
                "`localIPs`: `{part}` is no range: write addresses, or ranges as in 192.0.2.1-192.0.2.9 and 192.0.2.0/28"
            )),
        }
    }
    all
}

fn positive(key: &str, span: Option<Span>, problems: &mut Vec<String>) -> Nanos {
    let Some(span) = span else { return MINUTE };
    if span.0 <= 0 {
        problems.push(format!("`{key}` is {}: give more than 0s", crate::units::format_go_duration(span.0)));
    }
    span.nanos().unwrap_or(MINUTE)
}

fn dns_ttl(text: Option<&str>) -> Result<Option<Nanos>, OptionsError> {
    match text {
        None | Some("") => Ok(Some(Nanos::from_secs(300))),
        Some("inf") => Ok(None),
        Some(text) => Span::parse(text).ok().and_then(Span::nanos).map(Some).ok_or_else(|| {
            OptionsError::usage(format!("`dns.ttl` is `{text}`: give inf, 0 or a duration, as in \"5m\""))
        }),
    }
}

//! Which route a request target names.

use crate::units::Nanos;

/// The largest body that a request may ask for: 1 GiB.
pub(super) const BODY_MAX: u64 = 1 << 30;
/// The longest delay that a request may ask for: ten minutes.
const DELAY_MAX_MS: f64 = 600_000.0;

/// What a request asks for. Everything a route needs is parsed here, once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Route {
    /// `/`: a list of the routes.
    Index,
    /// `/load-test`: `{"status":"ok"}`, the cheapest response.
    LoadTest,
    /// `/bytes/N`: N bytes with a Content-Length.
    Bytes(u64),
    /// `/chunked/N`: N bytes in chunks.
    Chunked(u64),
    /// `/delay/MS`: a response after that many milliseconds.
    Delay(Nanos),
    /// `/status/CODE`: a response with that status.
    Status(u16),
    /// `/echo`: the request's body.
    Echo,
    /// `/close`: a response, then the end of the connection.
    Close,
    /// `/healthz`: whether the server lives. No faults are injected here.
    Healthz,
    /// `/metrics`: Prometheus text. No faults are injected here.
    Metrics,
    /// A known route with an argument out of bounds: the text says what is allowed.
    Invalid(&'static str),
    /// None of the above.
    Unknown,
}

impl Route {
    /// Parses a request target in origin or absolute form (RFC 9112 section 3.2); the query is
    /// ignored.
    pub(super) fn parse(target: &str) -> Route {
        let path = match target.find("://") {
            Some(scheme) if !target.starts_with('/') => {
                let rest = &target[scheme + 3..];
                rest.find('/').map_or("/", |slash| &rest[slash..])
            }
            _ => target,
        };
        let path = path.split(['?', '#']).next().unwrap_or(path);
        match path {
            "/" => return Route::Index,
            "/load-test" => return Route::LoadTest,
            "/echo" => return Route::Echo,
            "/close" => return Route::Close,
            "/healthz" => return Route::Healthz,
            "/metrics" => return Route::Metrics,
            _ => {}
        }
        let Some((name, argument)) = path.strip_prefix('/').and_then(|p| p.split_once('/')) else {
            return Route::Unknown;
        };
        match name {
            "bytes" => size(argument).map_or(Route::Invalid(SIZE_RULE), Route::Bytes),
            "chunked" => size(argument).map_or(Route::Invalid(SIZE_RULE), Route::Chunked),
            "delay" => delay(argument).map_or(Route::Invalid(DELAY_RULE), Route::Delay),
            "status" => status(argument).map_or(Route::Invalid(STATUS_RULE), Route::Status),
            _ => Route::Unknown,
        }
    }

    /// Whether latency and errors are injected here.
    pub(super) fn takes_faults(self) -> bool {
        !matches!(self, Route::Healthz | Route::Metrics)
    }

    /// The methods allowed here, as the value of an Allow header.
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Route::Index | Route::Bytes(_) | Route::Chunked(_) | Route::Healthz | Route::Metrics => {
                "GET, HEAD"
            }
            _ => "GET, HEAD, POST, PUT, PATCH, DELETE",
        }
    }
}

const SIZE_RULE: &str = "the size must be a whole number from 0 to 1073741824 (1 GiB)\n";
const DELAY_RULE: &str = "the delay must be a number of milliseconds from 0 to 600000\n";
const STATUS_RULE: &str = "the status must be a number from 200 to 999\n";

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn size(text: &str) -> Option<u64> {
    let size = is_number(text).then(|| text.parse().ok())??;
    (size <= BODY_MAX).then_some(size)
}

fn delay(text: &str) -> Option<Nanos> {
    let ms: f64 = is_number(text).then(|| text.parse().ok())??;
    // Rounded up, so that the response is never early.
    (ms <= DELAY_MAX_MS).then(|| Nanos((ms * 1e6).ceil() as u64))
}

/// 1xx cannot be asked for: such a status is never the last one (RFC 9110 section 15.2).
fn status(text: &str) -> Option<u16> {
    let code = is_number(text).then(|| text.parse().ok())??;
    (200..=999).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_parse() {
        for (target, route) in [
            ("/", Route::Index),
            ("/load-test", Route::LoadTest),
            ("/load-test?x=/bytes/9", Route::LoadTest),
            ("http://host:80/load-test", Route::LoadTest),
            ("http://host", Route::Index),
            ("/bytes/0", Route::Bytes(0)),
            ("/bytes/1073741824", Route::Bytes(BODY_MAX)),
            ("/chunked/77", Route::Chunked(77)),
            ("/delay/5", Route::Delay(Nanos::from_millis(5))),
            ("/delay/0.25", Route::Delay(Nanos::from_micros(250))),
            ("/status/503", Route::Status(503)),
            ("/echo", Route::Echo),
            ("/close", Route::Close),
            ("/healthz", Route::Healthz),
            ("/metrics", Route::Metrics),
            ("/nothing", Route::Unknown),
            ("/nothing/1", Route::Unknown),
            ("/load-test/", Route::Unknown),
            ("*", Route::Unknown),
        ] {
            assert_eq!(Route::parse(target), route, "{target}");
        }
        for target in [
            "/bytes/",
            "/bytes/-1",
            "/bytes/+1",
            "/bytes/1073741825",
            "/bytes/99999999999999999999",
            "/chunked/1/2",
            "/delay/1e3",
            "/delay/nan",
            "/delay/600001",
            "/status/100",
            "/status/1000",
        ] {
            assert!(matches!(Route::parse(target), Route::Invalid(_)), "{target}");
        }
    }
}

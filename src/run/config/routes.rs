//! The route to each origin: directly or through a proxy, in the open or through TLS.

pub(super) mod proxies;
pub(super) mod proxy;
pub(super) mod tls;

use self::proxies::Proxies;
use self::tls::TlsChoice;
use super::RawConfig;
use super::error::Problems;
use super::workers::host::Host;
use crate::http::url::Url;
use crate::plan::workload::Workload;
use crate::transport::Route;
use crate::transport::tls::Connector;

/// How the origins are reached.
#[derive(Clone, Debug)]
pub struct Routes {
    /// What lies between TCP and HTTP, for each origin of the workload; without one, for the target.
    pub to_origins: Vec<Route>,
    /// What was chosen for TLS; `None` where nothing is https, and nothing can become it.
    pub tls: Option<TlsChoice>,
    /// Makes TLS sessions; `None` where no origin is https, and the settings are those of nobody who asked for others.
    pub connector: Option<Connector>,
    /// The proxies that lead to them, and to others.
    pub proxies: Proxies,
}

impl Routes {
    /// Whose addresses are called for each origin of the workload, or without one for the target: its own, or the proxy's.
    pub(super) fn asked(&self, target: Option<&Url>, workload: Option<&Workload>) -> Vec<Url> {
        let called = |origin| self.proxies.of(origin).map_or(origin, |proxy| &proxy.url);
        origins(target, workload).into_iter().map(|origin| called(origin).clone()).collect()
    }
}

/// The origins of the workload; without one, the target.
fn origins<'a>(target: Option<&'a Url>, workload: Option<&'a Workload>) -> Vec<&'a Url> {
    match workload {
        Some(workload) => workload.origins.iter().map(|origin| &origin.url).collect(),
        None => target.into_iter().collect(),
    }
}

/// Reads what the flags say of it, and puts the workload's requests for the proxy, if there is one.
pub(super) fn routes(
    raw: &RawConfig,
    target: Option<&Url>,
    workload: Option<&mut Workload>,
    host: &impl Host,
    problems: &mut Problems,
) -> Routes {
    let open_ended = workload.as_ref().is_some_and(|workload| workload.follows_redirects());
    let origins = origins(target, workload.as_deref());
    // A Unix socket is where everything goes, whatever the environment says.
    let variable = |name: &str| host.variable(name).filter(|_| raw.connect.unix_socket.is_none());
    let proxies = proxies::proxies(raw.proxy.as_deref(), variable, &origins, open_ended, problems);
    let tunnel = |origin: &Url| proxies.connect(origin);
    let (to_origins, tls, connector) = tls::routes(&raw.tls, &origins, open_ended, tunnel, problems);
    if let Some(workload) = workload {
        proxies.forward_all(workload);
    }
    Routes { to_origins, tls, connector, proxies }
}

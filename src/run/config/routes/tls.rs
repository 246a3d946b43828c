//! How TLS is spoken, and to whom.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::RawTls;
use super::super::error::Problems;
use crate::http::url::{Scheme, Url};
use crate::plan::limited_file;
use crate::transport::Route;
use crate::transport::tls::{Connector, Identity, MinVersion, PeerName, Roots, TlsSettings, TlsSetupError};

/// More than any file of certificates has.
const PEM_MAX: u64 = 16 << 20;

impl RawTls {
    /// The first flag that was given.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("-k", self.insecure),
            ("--cacert", self.cacert.is_some()),
            ("--cert", self.cert.is_some()),
            ("--key", self.key.is_some()),
            ("--key-password", self.key_password.is_some()),
            ("--tls-min", self.min_version.is_some()),
            ("--tls-resumption", self.resumption),
            ("--tls-timeout", self.timeout.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}

/// What a run does about TLS.
#[derive(Clone, Debug)]
pub struct TlsChoice {
    /// Anyone is trusted.
    pub insecure: bool,
    /// The file with the roots, when they are not the system's.
    pub cacert: Option<PathBuf>,
    /// A certificate of our own is shown.
    pub identity: bool,
    /// Sessions are resumed.
    pub resumption: bool,
    /// Oldest version that is spoken.
    pub min_version: MinVersion,
}

/// The way to each of `origins`, and what was chosen for it; nothing where nothing is https.
///
/// With `open_ended` a redirect may lead from http to https: then there is a choice, and a connector where the flags ask
/// for one that is not the default.
pub(in crate::run::config) fn routes(
    raw: &RawTls,
    origins: &[&Url],
    open_ended: bool,
    tunnel: impl Fn(&Url) -> Option<Arc<[u8]>>,
    problems: &mut Problems,
) -> (Vec<Route>, Option<TlsChoice>, Option<Connector>) {
    let secure = origins.iter().any(|url| url.scheme == Scheme::Https);
    let direct = || origins.iter().map(|_| Route::default()).collect();
    if !secure && !open_ended {
        if let (Some(flag), false) = (raw.given(), origins.is_empty()) {
            let hint = if flag == "-k" { " (connections are kept alive unasked, ab's -k)" } else { "" };
            problems.add(flag, format!("is about TLS, and there is no https:// here{hint}: leave it out"));
        }
        return (direct(), None, None);
    }
    let choice = TlsChoice {
        insecure: raw.insecure,
        cacert: raw.cacert.clone(),
        identity: raw.cert.is_some(),
        resumption: raw.resumption,
        min_version: oldest(raw.min_version.as_deref(), problems),
    };
    if !secure && raw.given().is_none() {
        return (direct(), Some(choice), None);
    }
    let Some(connector) = connector(raw, &choice, problems) else { return (Vec::new(), None, None) };
    let routes = origins.iter().filter_map(|url| {
        if url.scheme == Scheme::Http {
            return Some(Route::default());
        }
        let name = problems.note("URL", PeerName::new(url.unzoned_host()))?;
        Some(Route { tunnel: tunnel(url), tls: Some((connector.clone(), name)) })
    });
    (routes.collect(), Some(choice), Some(connector))
}

fn connector(raw: &RawTls, choice: &TlsChoice, problems: &mut Problems) -> Option<Connector> {
    if raw.insecure && raw.cacert.is_some() {
        problems.add("-k", "does not go with --cacert: with -k nobody's certificate is looked at");
    }
    if raw.key.is_some() && raw.cert.is_none() {
        problems.add("--key", "needs --cert: the certificate that the key belongs to");
    }
    if raw.key_password.is_some() && raw.cert.is_none() {
        problems.add("--key-password", "needs --cert: the certificate whose key it opens");
    }
    let mut read = |flag, path: &Path| {
        let bytes =
            limited_file::read(path, PEM_MAX).map_err(|e| format!("cannot read `{}`: {e}", path.display()));
        problems.note(flag, bytes)
    };
    let roots = match &raw.cacert {
        _ if raw.insecure => Roots::Anyone,
        None => Roots::System,
        Some(path) => Roots::File(read("--cacert", path)?),
    };
    let identity = match &raw.cert {
        Some(cert) => Some(Identity {
            chain: read("--cert", cert)?,
            // As with curl, one file may hold both.
            key: raw.key.as_ref().map(|key| read("--key", key).ok_or(())).transpose().ok()?,
            password: match &raw.key_password {
                Some(path) => Some(first_line(read("--key-password", path)?)),
                None => None,
            },
        }),
        None => None,
    };
    let settings =
        TlsSettings { roots, identity, resumption: raw.resumption, min_version: choice.min_version };
    match Connector::new(&settings) {
        Ok(connector) => Some(connector),
        Err(error) => {
            problems.add(flag_of(&error, raw), error.to_string());
            None
        }
    }
}

/// Without its line end, as editors leave one.
fn first_line(mut file: Vec<u8>) -> Vec<u8> {
    let end = file.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    file.truncate(end.unwrap_or(file.len()));
    file
}

fn oldest(text: Option<&str>, problems: &mut Problems) -> MinVersion {
    if let Some(old @ ("1.0" | "1.1")) = text {
        problems.add("--tls-min", format!("TLS {old} is not spoken: leave it out for TLS 1.2 and 1.3"));
        return MinVersion::default();
    }
    problems.choice("--tls-min", text)
}

/// The flag whose value is at fault.
fn flag_of(error: &TlsSetupError, raw: &RawTls) -> &'static str {
    match error {
        TlsSetupError::Roots(_) => "--cacert",
        TlsSetupError::Chain(_) | TlsSetupError::Identity(_) => "--cert",
        TlsSetupError::Key(_) if raw.key.is_some() => "--key",
        TlsSetupError::Key(_) => "--cert",
        TlsSetupError::Password(_) => "--key-password",
        TlsSetupError::NoSystemRoots(_) | TlsSetupError::Other(_) => "URL",
    }
}

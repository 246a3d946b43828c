//! TLS by rustls (0.23, buffered API): this file and the folder below it are all that knows it.

mod certificate;
mod identity;
mod verify;

use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, HandshakeKind, PeerIncompatible, RootCertStore,
    version,
};

use self::verify::{Listed, Trust, Verifier};
use super::session::{Progress, Session};
use crate::driver::failure::{Detail, TlsFailure};
use crate::driver::{Alpn, TlsAgreed};

/// Sessions that a worker keeps for resumption, over all servers.
const SESSIONS_KEPT: usize = 1024;

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The certificates of the system (or of SSL_CERT_FILE and SSL_CERT_DIR).
    System,
    /// Those of a file with these bytes, PEM or DER.
    File(Vec<u8>),
    /// Anyone.
    Anyone,
}

/// Our own certificate and its key, as the bytes of files.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, then those of its issuers, in PEM; the certificate in DER; or PKCS#12, which has the key, too.
    pub chain: Vec<u8>,
    /// The private key, PKCS#8, PKCS#1 or SEC1, in PEM or DER; none: it is in the file of the certificate.
    pub key: Option<Vec<u8>>,
    /// What opens the key.
    pub password: Option<Vec<u8>>,
}

/// Oldest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// How TLS is to be spoken.
#[derive(Clone)]
pub struct TlsSettings {
    /// Whom to trust.
    pub roots: Roots,
    /// For servers that want to know who we are.
    pub identity: Option<Identity>,
    /// Let a later connection resume the session of an earlier one.
    pub resumption: bool,
    /// Oldest version.
    pub min_version: MinVersion,
}

/// Why the settings do not work.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// No root certificate in the system.
    #[error(
        "no root certificates were found on this system{0}: install them (Debian: ca-certificates), name a file \
         with --cacert, or use -k"
    )]
    NoSystemRoots(String),
    /// The file with the roots has no certificate, or a broken one.
    #[error("no certificate can be read: {0} (expected PEM, -----BEGIN CERTIFICATE-----, or DER)")]
    Roots(String),
    /// The file with our own certificate has none, or a broken one.
    #[error("no certificate can be read: {0} (expected PEM, -----BEGIN CERTIFICATE-----, DER or PKCS#12)")]
    Chain(String),
    /// A file has no private key, or one that cannot be read.
    #[error("the private key cannot be read: {0}")]
    Key(String),
    /// The password does not open it, or there is nothing to open.
    #[error("{0}")]
    Password(String),
    /// Certificate and key do not belong together, or are of no use.
    #[error("the certificate and the key cannot be used: {0}")]
    Identity(String),
    /// Anything else.
    #[error("TLS cannot be set up: {0}")]
    Other(String),
}

/// Makes sessions, all with the same settings.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    resumption: bool,
    min_version: MinVersion,
}

/// The name that a server's certificate must bear, and that it is told (SNI; RFC 6066, section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerName(ServerName<'static>);

impl PeerName {
    /// `host`: a name or an IP address without brackets. An address is not told.
    ///
    /// # Errors
    /// When it is neither.
    pub fn new(host: &str) -> Result<PeerName, TlsSetupError> {
        let name = ServerName::try_from(host.to_owned());
        name.map(PeerName).map_err(|e| TlsSetupError::Other(format!("`{host}`: {e}")))
    }
}

impl Connector {
    /// Reads the certificates and keys.
    ///
    /// # Errors
    /// See [`TlsSetupError`].
    pub fn new(settings: &TlsSettings) -> Result<Connector, TlsSetupError> {
        let provider = Arc::new(provider());
        let versions: &[_] = match settings.min_version {
            MinVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            MinVersion::Tls13 => &[&version::TLS13],
        };
        let other = |e: Error| TlsSetupError::Other(e.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions).map_err(other)?.dangerous();
        let verifier = Verifier { trust: trust(&settings.roots)?, provider: Arc::clone(&provider) };
        let builder = builder.with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let own = identity::certified(identity, &provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = sessions(settings.resumption);
        Ok(Connector {
            config: Arc::new(config),
            resumption: settings.resumption,
            min_version: settings.min_version,
        })
    }

    /// The same, with a session store of its own: workers share nothing.
    pub fn for_worker(&self) -> Connector {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = sessions(self.resumption);
        Connector { config: Arc::new(config), ..self.clone() }
    }

    /// Whether both are one and the same, not only alike.
    pub fn is(&self, other: &Connector) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }

    /// A new connection's session; its first bytes are waiting to be [sent](Session::flush).
    ///
    /// # Errors
    /// When not even a first message can be made (no randomness).
    pub fn session(&self, peer: &PeerName) -> Result<Box<dyn Session>, TlsFailure> {
        let connection = ClientConnection::new(Arc::clone(&self.config), peer.0.clone());
        let mut connection = connection.map_err(|e| failure(&e, self.min_version))?;
        connection.set_buffer_limit(None); // the transport hands over bounded pieces
        Ok(Box::new(RustlsSession(connection, self.min_version)))
    }
}

/// Suites with AES-128 come first, as browsers and Go have it: servers mostly take the client's first, and SHA-256, which is
/// part of them, has instructions of its own on common processors, SHA-384 mostly has not (a tenth of a handshake's CPU time).
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        let name = suite.suite().as_str().unwrap_or_default();
        let order = [name.starts_with("TLS13_"), name.contains("AES_128"), name.contains("AES_256")];
        order.map(|first| !first)
    });
    provider
}

fn sessions(kept: bool) -> Resumption {
    if kept { Resumption::in_memory_sessions(SESSIONS_KEPT) } else { Resumption::disabled() }
}

fn trust(roots: &Roots) -> Result<Trust, TlsSetupError> {
    let mut store = RootCertStore::empty();
    let whole = match roots {
        Roots::Anyone => return Ok(Trust::Anyone),
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs.iter().cloned());
            if store.is_empty() {
                let cause = found.errors.first().map(|e| format!(" ({e})")).unwrap_or_default();
                return Err(TlsSetupError::NoSystemRoots(cause));
            }
            found.certs
        }
        Roots::File(bytes) => {
            let all = identity::certificates(bytes).map_err(TlsSetupError::Roots)?;
            for certificate in &all {
                store.add(certificate.clone()).map_err(|e| TlsSetupError::Roots(e.to_string()))?;
            }
            all
        }
    };
    Ok(Trust::Listed(Listed { roots: store, whole: whole.into_iter().collect() }))
}

/// A connection, and the oldest version that it offers.
struct RustlsSession(ClientConnection, MinVersion);

impl Session for RustlsSession {
    fn receive(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> Result<Progress, TlsFailure> {
        let mut closed = false;
        while !wire.is_empty() && !closed {
            // It takes as much as it has room for, and says why when that is nothing.
            let taken = self.0.read_tls(&mut wire).map_err(|_| TlsFailure::Protocol)?;
            let state = self.0.process_new_packets();
            let mut reader = self.0.reader();
            while let Ok(chunk) = reader.fill_buf()
                && !chunk.is_empty()
            {
                plain.extend_from_slice(chunk);
                let len = chunk.len();
                reader.consume(len);
            }
            // What came before an error was good.
            closed = state.map_err(|e| failure(&e, self.1))?.peer_has_closed();
            if taken == 0 {
                break;
            }
        }
        Ok(Progress { established: !self.0.is_handshaking(), closed })
    }

    fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.0.writer().write_all(plain).map_err(|_| TlsFailure::Protocol)?;
        self.flush(wire);
        Ok(())
    }

    fn wants_to_send(&self) -> bool {
        self.0.wants_write()
    }

    fn flush(&mut self, wire: &mut Vec<u8>) {
        while self.0.wants_write() {
            if self.0.write_tls(wire).is_err() {
                return; // writing to memory does not fail
            }
        }
    }

    fn close(&mut self) {
        self.0.send_close_notify();
    }

    fn agreed(&self) -> Option<(TlsAgreed, bool)> {
        let resumed = self.0.handshake_kind()? == HandshakeKind::Resumed;
        let unnamed = "unnamed";
        let agreed = TlsAgreed {
            version: self.0.protocol_version()?.as_str().unwrap_or(unnamed),
            cipher_suite: self.0.negotiated_cipher_suite()?.suite().as_str().unwrap_or(unnamed),
            // A TLS 1.2 session that was resumed has no key exchange.
            group: match self.0.negotiated_key_exchange_group() {
                Some(group) => group.name().as_str().unwrap_or(unnamed),
                None => "none",
            },
        };
        Some((agreed, resumed))
    }

    fn alpn(&self) -> Alpn {
        Alpn::named(self.0.alpn_protocol())
    }
}

/// `oldest` is what was offered.
fn failure(error: &Error, oldest: MinVersion) -> TlsFailure {
    match error {
        Error::InvalidCertificate(certificate) => verify::found(error)
            .unwrap_or_else(|| TlsFailure::BadCertificate(Detail::of(&certificate.to_string()))),
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => TlsFailure::NoVersion { above_12: oldest == MinVersion::Tls13 },
        Error::AlertReceived(alert) => TlsFailure::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFailure::Incompatible,
        _ => TlsFailure::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_with_aes_128_come_first() {
        let provider = provider();
        let names: Vec<&str> =
            provider.cipher_suites.iter().map(|suite| suite.suite().as_str().unwrap()).collect();
        assert_eq!(names.len(), aws_lc_rs::default_provider().cipher_suites.len());
        assert_eq!(names[..2], ["TLS13_AES_128_GCM_SHA256", "TLS13_AES_256_GCM_SHA384"]);
        assert!(names[3].contains("AES_128") && names.last().unwrap().contains("CHACHA20"), "{names:?}");
    }

    #[test]
    fn settings_that_do_not_work_are_named() {
        let settings = |roots, identity| TlsSettings {
            roots,
            identity,
            resumption: false,
            min_version: MinVersion::Tls12,
        };
        let garbage = Roots::File(b"nothing".to_vec());
        let error = Connector::new(&settings(garbage, None)).unwrap_err();
        assert!(matches!(error, TlsSetupError::Roots(_)), "{error}");
        let empty = Identity { chain: Vec::new(), key: None, password: None };
        let error = Connector::new(&settings(Roots::Anyone, Some(empty))).unwrap_err();
        assert!(matches!(error, TlsSetupError::Chain(_)), "{error}");
    }

    #[test]
    fn a_first_message_waits_to_be_sent() {
        let settings = TlsSettings {
            roots: Roots::Anyone,
            identity: None,
            resumption: true,
            min_version: MinVersion::Tls13,
        };
        let connector = Connector::new(&settings).unwrap().for_worker();
        let mut session = connector.session(&PeerName::new("localhost").unwrap()).unwrap();
        let mut wire = Vec::new();
        assert!(session.wants_to_send() && session.agreed().is_none());
        session.flush(&mut wire);
        // A record of the handshake (RFC 8446, section 5.1), which names the host.
        assert_eq!(wire[0], 22);
        assert!(wire.windows(9).any(|nine| nine == b"localhost") && !session.wants_to_send());
        assert!(PeerName::new("::1").is_ok() && PeerName::new("not a name").is_err());
    }
}

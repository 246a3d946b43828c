//! Whether a server is believed to be the one that was meant.
//!
//! The rules are webpki's. Where it is stricter than curl, with what one makes with `openssl` for a test, it is done here: a certificate that
//! is itself among the trusted ones, one of version 1, one that is an authority, one without alternative names.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::certificate::{Certificate, Moment, RSA_LEAST, date, verifies};
use crate::driver::failure::{Detail, TlsFailure};

/// Authorities between a server's certificate and a trusted one, at most.
const DEPTH: usize = 5;

/// Whom to trust.
#[derive(Debug)]
pub(super) enum Trust {
    /// Anyone who owns the key that is shown, as far as that can be told.
    Anyone,
    /// Whom one of these has issued, and these themselves.
    Listed(Listed),
}

/// Certificates that are trusted.
#[derive(Debug)]
pub(super) struct Listed {
    /// As webpki wants them.
    pub(super) roots: RootCertStore,
    /// The same as they came.
    pub(super) whole: HashSet<CertificateDer<'static>>,
}

/// Judges servers for rustls.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
}

/// What is wrong with a certificate, on its way through rustls.
#[derive(Debug)]
struct Fault(TlsFailure);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

fn refused(failure: TlsFailure) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Fault(failure)))))
}

/// What a verifier has found wrong; `None` for errors that are not a verifier's.
pub(super) fn found(error: &Error) -> Option<TlsFailure> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<Fault>().map(|fault| fault.0)
        }
        _ => None,
    }
}

fn unusable(why: &str) -> TlsFailure {
    TlsFailure::BadCertificate(Detail::of(why))
}

/// One connection's question.
struct Question<'a> {
    leaf: &'a CertificateDer<'a>,
    others: &'a [CertificateDer<'a>],
    now: UnixTime,
}

impl Verifier {
    fn judge(&self, listed: &Listed, asked: &Question<'_>, name: &ServerName<'_>) -> Result<(), TlsFailure> {
        let known = &self.provider.signature_verification_algorithms;
        let parsed = ParsedCertificate::try_from(asked.leaf);
        let standard = parsed.as_ref().map_err(Error::clone).and_then(|leaf| {
            verify_server_cert_signed_by_trust_anchor(leaf, &listed.roots, asked.others, asked.now, known.all)
        });
        let read = || Certificate::read(asked.leaf).ok_or_else(|| unusable("it cannot be read"));
        if let Err(error) = standard {
            let leaf = read()?;
            if let Some(failure) = untimely(&leaf, asked.now, "the server's certificate") {
                return Err(failure);
            }
            let issued = || is_odd(&leaf) && self.is_issued(listed, asked, &leaf, DEPTH);
            if !listed.whole.contains(asked.leaf) && !issued() {
                return Err(explained(&error, listed, asked, &leaf, known));
            }
        }
        if !parsed.is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok()) {
            let leaf = read()?;
            if !leaf.is_for_by_common_name(name) {
                let detail = format!("{}, not for `{}`", leaf.bearers(), name.to_str());
                return Err(TlsFailure::NameMismatch(Detail::of(&detail)));
            }
        }
        Ok(())
    }

    /// Whether a way of signatures leads from `child` to a trusted certificate: for those that webpki does not look at.
    fn is_issued(
        &self,
        listed: &Listed,
        asked: &Question<'_>,
        child: &Certificate<'_>,
        depth: usize,
    ) -> bool {
        let known = &self.provider.signature_verification_algorithms;
        let signed =
            |issuer: &Certificate<'_>| child.names_as_issuer(issuer) && child.is_signed_by(issuer, known);
        if listed.whole.iter().filter_map(|der| Certificate::read(der)).any(|issuer| signed(&issuer)) {
            return true;
        }
        depth > 0
            && asked.others.iter().filter_map(|der| Certificate::read(der)).any(|issuer| {
                signed(&issuer)
                    && issuer.is_unbounded_authority()
                    && matches!(issuer.moment(asked.now), Moment::Within)
                    && self.is_issued(listed, asked, &issuer, depth - 1)
            })
    }

    /// What rustls says of a signature of the handshake; where it cannot say, what is known otherwise.
    fn owned(
        &self,
        said: Result<HandshakeSignatureValid, Error>,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Err(error @ Error::InvalidCertificate(_)) = said else { return said };
        let known = &self.provider.signature_verification_algorithms;
        let Some(leaf) = Certificate::read(cert) else { return Err(refused(unusable("it cannot be read"))) };
        if let Some(bits) = leaf.odd_rsa_key() {
            // Whoever trusts anyone loses nothing by a key that cannot be checked.
            return match &self.trust {
                Trust::Anyone => Ok(HandshakeSignatureValid::assertion()),
                Trust::Listed(_) if bits < RSA_LEAST => Err(refused(unusable(&format!(
                    "its RSA key has {bits} bits, and {RSA_LEAST} are the least"
                )))),
                Trust::Listed(_) => {
                    Err(refused(unusable(&format!("its RSA key has {bits} bits, which is too many"))))
                }
            };
        }
        let mut schemes = known.mapping.iter().filter(|(scheme, _)| *scheme == dss.scheme);
        let verified =
            schemes.any(|(_, algorithms)| verifies(leaf.key(), message, dss.signature(), algorithms));
        if verified { Ok(HandshakeSignatureValid::assertion()) } else { Err(error) }
    }
}

/// What webpki takes for no server's certificate at all.
fn is_odd(leaf: &Certificate<'_>) -> bool {
    leaf.is_version_1() || leaf.is_authority()
}

/// What is wrong with the time of the certificate that `whose` names.
fn untimely(certificate: &Certificate<'_>, now: UnixTime, whose: &str) -> Option<TlsFailure> {
    let detail = |what, at| Detail::of(&format!("{whose} {what} {}", date(at)));
    match certificate.moment(now) {
        Moment::Within => None,
        Moment::Before(from) => Some(TlsFailure::NotYetValid(detail("is not valid before", from))),
        Moment::After(to) => Some(TlsFailure::Expired(detail("expired on", to))),
    }
}

/// Why `leaf`, which is in its time, is not trusted.
fn explained(
    error: &Error,
    listed: &Listed,
    asked: &Question<'_>,
    leaf: &Certificate<'_>,
    known: &WebPkiSupportedAlgorithms,
) -> TlsFailure {
    let others: Vec<Certificate<'_>> = asked.others.iter().filter_map(|der| Certificate::read(der)).collect();
    let Error::InvalidCertificate(error) = error else { return unusable(&error.to_string()) };
    match error {
        CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. } => {
            let found = others.iter().find_map(|certificate| {
                let whose = format!("the certificate of {} in the server's chain", certificate.subject());
                untimely(certificate, asked.now, &whose)
            });
            found.unwrap_or_else(|| unusable(&error.to_string()))
        }
        CertificateError::InvalidPurposeContext { .. } => {
            unusable("it is not meant for servers (extended key usage)")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            unusable("it, or one that issued it, is signed in a way that is not safe, such as SHA-1")
        }
        CertificateError::Other(other) if !is_odd(leaf) => {
            unusable(&other.0.downcast_ref().map_or_else(|| other.to_string(), in_words))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_) => {
            if leaf.is_self_issued() {
                return TlsFailure::UnknownIssuer(Detail::of("is self-signed, and is not trusted here"));
            }
            match missing(listed, leaf, &others, known) {
                Some(detail) => TlsFailure::UnknownIssuer(Detail::of(&detail)),
                None if is_odd(leaf) => unusable(&format!(
                    "it is of X.509 version 1, or an authority; {} in its chain must then be an authority in its time, without name \
                     constraints",
                    leaf.issuer()
                )),
                None => unusable(&error.to_string()),
            }
        }
        other => unusable(&other.to_string()),
    }
}

/// What webpki has against a chain, as people say it (RFC 5280, section 6.1).
fn in_words(error: &webpki::Error) -> String {
    let words = match error {
        webpki::Error::UnsupportedCriticalExtension => "it has a critical extension that is not known",
        webpki::Error::NameConstraintViolation => {
            "one that issued it may not do so for its names (name constraints)"
        }
        webpki::Error::PathLenConstraintViolated => {
            "its chain is longer than one that issued it allows (path length)"
        }
        webpki::Error::EndEntityUsedAsCa => "it was issued by one that may issue none (CA:FALSE)",
        webpki::Error::UnsupportedCertVersion => {
            "one that issued it is of X.509 version 1, and not itself trusted"
        }
        other => return other.to_string(),
    };
    words.into()
}

/// Who is missing above `leaf`; `None` where all signatures are there.
fn missing(
    listed: &Listed,
    leaf: &Certificate<'_>,
    others: &[Certificate<'_>],
    known: &WebPkiSupportedAlgorithms,
) -> Option<String> {
    let unsigned = |of: &Certificate<'_>, whose: &str| {
        let issuer = of.issuer();
        if std::ptr::eq(of, leaf) {
            format!(
                "is not signed with the key of {whose} certificate of {issuer}, whom it names as its issuer"
            )
        } else {
            let subject = of.subject();
            format!(
                "has {subject} in its chain, which is not signed with the key of {whose} certificate of {issuer}"
            )
        }
    };
    let mut top = leaf;
    for _ in 0..=DEPTH {
        let roots: Vec<Certificate<'_>> =
            listed.whole.iter().filter_map(|der| Certificate::read(der)).collect();
        let mut named = roots.iter().filter(|root| top.names_as_issuer(root)).peekable();
        if named.peek().is_some() {
            return (!named.any(|root| top.is_signed_by(root, known))).then(|| unsigned(top, "the trusted"));
        }
        let mut named = others
            .iter()
            .filter(|_| !top.is_self_issued())
            .filter(|other| top.names_as_issuer(other))
            .peekable();
        if named.peek().is_none() {
            break;
        }
        match named.find(|other| top.is_signed_by(other, known)) {
            Some(next) => top = next,
            None => return Some(unsigned(top, "the accompanying")),
        }
    }
    Some(format!("was issued by {}, which is not trusted here", top.issuer()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Trust::Listed(listed) = &self.trust {
            self.judge(listed, &Question { leaf, others, now }, name).map_err(refused)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        self.owned(verify_tls12_signature(message, cert, dss, known), message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        self.owned(verify_tls13_signature(message, cert, dss, known), message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

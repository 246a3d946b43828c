//! What stands in a certificate (RFC 5280), by x509-parser: it reads version 1, too, which webpki does not.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime};
use time::OffsetDateTime;
use webpki::RawPublicKeyEntity;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name, X509Version};
use x509_parser::public_key::PublicKey;

/// Shortest RSA key, in bits, whose signatures are checked.
pub(super) const RSA_LEAST: usize = 2048;
/// Longest one.
const RSA_MOST: usize = 8192;
/// Names of a certificate that are shown.
const NAMES_SHOWN: usize = 5;
/// Longest name that is shown whole, in characters.
const NAME_SHOWN: usize = 200;

/// A certificate that was read.
pub(super) struct Certificate<'a>(X509Certificate<'a>);

/// Where a moment stands to the time for which a certificate is valid.
pub(super) enum Moment {
    Within,
    /// Before this, in seconds since 1970.
    Before(i64),
    /// After this, likewise.
    After(i64),
}

impl<'a> Certificate<'a> {
    /// `None` for what is no certificate.
    pub(super) fn read(der: &'a [u8]) -> Option<Certificate<'a>> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then_some(Certificate(certificate))
    }

    /// Its public key, as DER.
    pub(super) fn key(&self) -> &[u8] {
        self.0.public_key().raw
    }

    /// Bits of an RSA key that is too short or too long for its signatures to be checked.
    pub(super) fn odd_rsa_key(&self) -> Option<usize> {
        match self.0.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => {
                Some(key.key_size()).filter(|bits| !(RSA_LEAST..=RSA_MOST).contains(bits))
            }
            _ => None,
        }
    }

    pub(super) fn is_version_1(&self) -> bool {
        self.0.version() == X509Version::V1
    }

    pub(super) fn is_authority(&self) -> bool {
        self.0.is_ca()
    }

    /// An authority that may issue for any name.
    pub(super) fn is_unbounded_authority(&self) -> bool {
        let signs = !matches!(self.0.key_usage(), Ok(Some(usage)) if !usage.value.key_cert_sign());
        self.is_authority() && signs && matches!(self.0.name_constraints(), Ok(None))
    }

    /// It bears its own name as its issuer's.
    pub(super) fn is_self_issued(&self) -> bool {
        self.0.subject().as_raw() == self.0.issuer().as_raw()
    }

    /// Its issuer bears the name of `other`.
    pub(super) fn names_as_issuer(&self, other: &Certificate<'_>) -> bool {
        self.0.issuer().as_raw() == other.0.subject().as_raw()
    }

    /// Its signature was made with the key of `issuer`.
    pub(super) fn is_signed_by(&self, issuer: &Certificate<'_>, known: &WebPkiSupportedAlgorithms) -> bool {
        verifies(issuer.key(), self.0.tbs_certificate.as_ref(), &self.0.signature_value.data, known.all)
    }

    pub(super) fn issuer(&self) -> String {
        shown(self.0.issuer())
    }

    pub(super) fn subject(&self) -> String {
        shown(self.0.subject())
    }

    pub(super) fn moment(&self, now: UnixTime) -> Moment {
        let (now, validity) = (now.as_secs() as i64, self.0.validity());
        let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        match now {
            now if now < from => Moment::Before(from),
            now if now > to => Moment::After(to),
            _ => Moment::Within,
        }
    }

    /// The hosts and addresses that it is for (subjectAltName; RFC 5280, section 4.2.1.6), as people write them.
    fn alternative_names(&self) -> Vec<String> {
        let Ok(Some(names)) = self.0.subject_alternative_name() else { return Vec::new() };
        let written = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => Some(std::net::IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
                16 => Some(std::net::IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
                _ => None,
            },
            _ => None,
        };
        names.value.general_names.iter().filter_map(written).collect()
    }

    /// The last common name of its subject, which the host was written into before there were alternative names.
    fn common_name(&self) -> Option<&str> {
        self.0.subject().iter_common_name().last()?.as_str().ok()
    }

    /// True when it has no alternative names, and its common name is that of `peer`: as curl has it (RFC 6125, section 6.4.4).
    pub(super) fn is_for_by_common_name(&self, peer: &ServerName<'_>) -> bool {
        let Some(name) = self.common_name().filter(|_| self.alternative_names().is_empty()) else {
            return false;
        };
        let host = peer.to_str();
        let below = || {
            // A * stands for one label, and never for the last two.
            let parent = name.strip_prefix("*.").filter(|parent| parent.contains('.'))?;
            Some(parent.eq_ignore_ascii_case(host.split_once('.')?.1))
        };
        let is_name = matches!(peer, ServerName::DnsName(_));
        name.eq_ignore_ascii_case(&host) || is_name && below() == Some(true)
    }

    /// Whom it is for, as people write it.
    pub(super) fn bearers(&self) -> String {
        let mut names = self.alternative_names();
        if names.is_empty() {
            names.extend(self.common_name().map(str::to_owned));
        }
        if names.is_empty() {
            return "no host at all".into();
        }
        let more = names.len().saturating_sub(NAMES_SHOWN);
        let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| short(name)).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        shown.join(", ") + &more
    }
}

/// True when one of the `known` algorithms finds `signature` to be that of `message` by the public key `key` (DER).
pub(super) fn verifies(
    key: &[u8],
    message: &[u8],
    signature: &[u8],
    known: &[&dyn SignatureVerificationAlgorithm],
) -> bool {
    let key = SubjectPublicKeyInfoDer::from(key);
    let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
    known.iter().any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok())
}

/// A moment in seconds since 1970, as people write it.
pub(super) fn date(seconds: i64) -> String {
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        ),
        Err(_) => "a date beyond all".into(),
    }
}

fn shown(name: &X509Name<'_>) -> String {
    let text = name.to_string();
    if text.is_empty() { "nobody (an empty name)".into() } else { format!("`{}`", short(&text)) }
}

/// What comes from others is escaped, and cut.
fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(NAME_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(NAME_SHOWN).is_some() {
        cut.push('…');
    }
    cut
}

//! Options of names, addresses and TLS.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

/// Reads and writes a type as text.
macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(text: String) -> Result<$type, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}

/// A range of addresses: `10.0.0.0/8`. k6 takes none without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr(pub IpNet);

impl FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Cidr, String> {
        let range = text.parse::<IpNet>();
        let why =
            |_| format!("`{text}` is no range of addresses: write one with its length, as in 10.0.0.0/8");
        Ok(Cidr(range.map_err(why)?.trunc()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(Cidr);

/// A name, or all that end as it does: `*.example.com`. Letters stand for either case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    text: String,
}

impl FromStr for NamePattern {
    type Err = String;
    fn from_str(text: &str) -> Result<NamePattern, String> {
        let rest = text.strip_prefix('*').unwrap_or(text);
        if text.is_empty() || rest.contains('*') {
            return Err(format!(
                "`{text}` is no pattern of names: a * stands in front only, as in *.example.com"
            ));
        }
        Ok(NamePattern { text: text.to_owned() })
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl NamePattern {
    /// It may mean many names.
    pub fn is_wide(&self) -> bool {
        self.text.starts_with('*')
    }

    /// How long it is, in bytes.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it means this name.
    pub fn matches(&self, name: &str) -> bool {
        let (text, name) = (self.text.to_ascii_lowercase(), name.to_ascii_lowercase());
        text.strip_prefix('*').map_or_else(|| name == text, |end| name.ends_with(end))
    }
}

as_text!(NamePattern);

/// A key of `hosts`: a pattern of names, perhaps with a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    /// Which names.
    pub name: NamePattern,
    /// Only with this port.
    pub port: Option<u16>,
}

impl FromStr for HostPattern {
    type Err = String;
    fn from_str(text: &str) -> Result<HostPattern, String> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => {
                let port =
                    port.parse().map_err(|_| format!("`{text}`: `{port}` is no port: give 1 to 65535"))?;
                (name, Some(port))
            }
            None => (text, None),
        };
        Ok(HostPattern { name: name.parse()?, port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

as_text!(HostPattern);

/// Where a host is to be found: an address, perhaps with another port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostTarget {
    /// Address.
    pub ip: IpAddr,
    /// Port instead of the URL's.
    pub port: Option<u16>,
}

impl FromStr for HostTarget {
    type Err = String;
    fn from_str(text: &str) -> Result<HostTarget, String> {
        if let Ok(ip) = text.parse() {
            return Ok(HostTarget { ip, port: None });
        }
        let whole = text.parse::<SocketAddr>();
        let why = |_| format!("`{text}` is no address: write one, as in 192.0.2.1 or 192.0.2.1:8080");
        whole.map(|whole| HostTarget { ip: whole.ip(), port: Some(whole.port()) }).map_err(why)
    }
}

impl fmt::Display for HostTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

as_text!(HostTarget);

/// How names are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Dns {
    /// How long addresses are kept: `inf`, `0`, or a duration.
    pub ttl: Option<String>,
    /// Which of several.
    pub select: Option<DnsSelect>,
    /// Of which version.
    pub policy: Option<DnsPolicy>,
}

/// Which of several addresses is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "their names say it")]
pub enum DnsSelect {
    First,
    #[default]
    Random,
    RoundRobin,
}

/// Of which version of IP addresses are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[allow(missing_docs, reason = "their names say it")]
pub enum DnsPolicy {
    #[default]
    #[serde(rename = "preferIPv4")]
    PreferIpv4,
    #[serde(rename = "preferIPv6")]
    PreferIpv6,
    #[serde(rename = "onlyIPv4")]
    OnlyIpv4,
    #[serde(rename = "onlyIPv6")]
    OnlyIpv6,
    #[serde(rename = "any")]
    Any,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[allow(missing_docs, reason = "their names say it")]
pub enum TlsVersion {
    #[serde(rename = "tls1.0")]
    Tls10,
    #[serde(rename = "tls1.1")]
    Tls11,
    #[serde(rename = "tls1.2")]
    Tls12,
    #[serde(rename = "tls1.3")]
    Tls13,
}

/// Which versions of TLS: one, or from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "TlsVersionsForm")]
pub struct TlsVersions {
    /// The lowest.
    #[serde(serialize_with = "text_or_empty")]
    pub min: Option<TlsVersion>,
    /// The highest.
    #[serde(serialize_with = "text_or_empty")]
    pub max: Option<TlsVersion>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "is no version of TLS: write \"tls1.2\", or { min: \"tls1.2\", max: \"tls1.3\" }"
)]
enum TlsVersionsForm {
    One(TlsVersion),
    Range { min: Option<TlsVersion>, max: Option<TlsVersion> },
}

impl From<TlsVersionsForm> for TlsVersions {
    fn from(form: TlsVersionsForm) -> TlsVersions {
        match form {
            TlsVersionsForm::One(version) => TlsVersions { min: Some(version), max: Some(version) },
            TlsVersionsForm::Range { min, max } => TlsVersions { min, max },
        }
    }
}

/// As k6 writes what is open.
fn text_or_empty<S: serde::Serializer>(version: &Option<TlsVersion>, to: S) -> Result<S::Ok, S::Error> {
    match version {
        Some(version) => version.serialize(to),
        None => to.serialize_str(""),
    }
}

/// A certificate of one's own, and for which domains.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TlsAuth {
    /// Patterns of names; all of them where it is missing.
    pub domains: Option<Vec<NamePattern>>,
    /// PEM.
    #[serde(deserialize_with = "pem")]
    pub cert: String,
    /// PEM.
    #[serde(default)]
    pub key: String,
    /// What the key is locked with.
    pub password: Option<String>,
}

fn pem<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match text.contains("-----BEGIN ") {
        true => Ok(text),
        false => Err(D::Error::custom("holds no certificate in PEM: give its text, as open() reads it")),
    }
}

/// The names that Go has for suites of ciphers; those of TLS 1.3 last.
const SUITES: [&str; 25] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// Names of suites.
pub(super) fn cipher_suites<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let names: Option<Vec<String>> = Option::deserialize(from)?;
    match names.iter().flatten().find(|name| !SUITES.contains(&name.as_str())) {
        Some(name) => Err(D::Error::custom(format!(
            "there is no cipher suite `{name}`: name those of Go, as in TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        ))),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// k6 1.1.0: what `blockHostnames` blocks (error 1111), and what `hosts` leads elsewhere.
    #[test]
    fn names_and_addresses_are_matched_as_by_k6() {
        for (pattern, name, matches) in [
            ("*.a.b", "x.a.b", true),
            ("*.A.b", "X.a.B", true),
            ("*.a.b", "a.b", false),
            ("c.d", "c.d", true),
            ("c.d", "x.c.d", false),
            ("*", "anything", true),
        ] {
            assert_eq!(pattern.parse::<NamePattern>().unwrap().matches(name), matches, "{pattern} {name}");
        }
    }
}

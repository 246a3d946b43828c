//! What was agreed with TLS, and how often.

use serde::{Deserialize, Serialize};

/// TLS: what was asked for and what came of it. All empty where nothing is https and no redirect can lead to it. Durations
/// are in `latency.tls_handshake`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsSection {
    /// Handshakes that succeeded, over the whole run, connecting and warm-up included.
    pub handshakes: u64,
    /// Those that resumed an earlier session.
    pub resumed: u64,
    /// Version that the first one agreed on, such as `TLSv1_3`.
    pub version: Option<String>,
    /// Its cipher suite.
    pub cipher_suite: Option<String>,
    /// Its key exchange.
    pub key_exchange: Option<String>,
    /// Whether any certificate was trusted.
    pub insecure: bool,
    /// File with the roots; `null`: the system's.
    pub cacert: Option<String>,
    /// Whether a certificate of our own was on offer.
    pub client_certificate: bool,
    /// Whether sessions were kept for resumption.
    pub resumption: bool,
    /// Oldest version that was on offer: `1.2` or `1.3`.
    pub min_version: Option<String>,
    /// How long a handshake might take.
    pub timeout_s: Option<f64>,
}

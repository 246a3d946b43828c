//! Origins that no plan named: how a worker learns where they are.
//!
//! A worker never resolves a name itself, since that may take seconds. It asks through a bounded channel and looks for the
//! reply once a turn; what is on the other end (`run::names`) resolves, applies the limits of the run, and makes routes.

use crossbeam_channel::{Receiver, Sender};

use crate::driver::Endpoint;
use crate::http::url::Url;
use crate::plan::forward::Forwarding;
use crate::stats::outcome::ErrorKind;
use crate::transport::Route;
use crate::units::Nanos;

/// A worker wants to know where an origin is.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The worker's own number for the origin; comes back in the reply.
    pub origin: u32,
    /// Scheme, host and port of it.
    pub url: Url,
    /// What led there, for the rules about who may be reached: the origin whose response redirected.
    pub from: Url,
}

/// The reply to a [`Lookup`].
#[derive(Debug)]
pub struct Found {
    /// As in the [`Lookup`].
    pub origin: u32,
    /// Its addresses in the order of preference, never empty, each with the way to it; or why it cannot be reached.
    pub result: Result<Vec<(Endpoint, Route)>, Unreachable>,
    /// How long this may be believed; [`Nanos::MAX`] without `--dns-ttl`.
    pub ttl: Nanos,
}

/// Why an origin cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// As what its requests are counted.
    pub kind: ErrorKind,
    /// For people, with the way out.
    pub cause: String,
}

/// A worker's ends of the channels to the resolver.
#[derive(Clone, Debug)]
pub struct Names {
    /// Bounded by the number of origins that a worker may know, so that asking never waits.
    pub ask: Sender<Lookup>,
    /// Replies, in the order in which they were found.
    pub found: Receiver<Found>,
    /// How requests to http origins are put, whose first one may be made before the reply is there; `None` without a proxy.
    pub forwarding: Option<Forwarding>,
}

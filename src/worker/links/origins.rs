//! Where connections go: the origins of the plan, and those that turn up while load is sent.

use super::addresses::Addresses;
use super::rotation::Rotation;
use crate::driver::Endpoint;
use crate::http::url::Url;
use crate::plan::forward::Forward;
use crate::stats::outcome::ErrorKind;
use crate::units::Nanos;
use crate::worker::names::{Lookup, Names, Unreachable};

/// Origins that one worker knows at most, those of the plan not counted.
const FOUND_MAX: usize = 1_000;
/// Different addresses of an origin that are kept at most, over all replies of the resolver.
const ADDRESSES_MAX: usize = 256;
/// An origin that could not be found is not asked for again before this.
const ASK_AGAIN: Nanos = Nanos::from_secs(1);

/// An origin that the plan names, and where it is.
#[derive(Clone, Debug)]
pub struct OriginSpec {
    /// Scheme, host and port.
    pub url: Url,
    /// How requests to it are put for the proxy that forwards them.
    pub forward: Option<Forward>,
    /// The first of its endpoints at the driver, and how many it has: at least one.
    pub endpoints: (u32, u32),
}

/// What a worker says of an origin at its end.
#[derive(Clone, Debug)]
pub struct OriginUse {
    /// Scheme, host and port.
    pub url: Url,
    /// The plan names it.
    pub planned: bool,
    /// Connections that came about.
    pub connections: u64,
    /// Requests sent.
    pub requests: u64,
    /// Why it could not be reached, the last time that it could not.
    pub unreachable: Option<Unreachable>,
}

/// What is known of where an origin is.
enum Whereabouts {
    /// Its addresses.
    Known(Addresses),
    /// The resolver was asked.
    Asked,
    /// Not to be found; to be asked for again from then on.
    Unknown { kind: ErrorKind, ask_from: Nanos },
}

/// One origin.
pub(in crate::worker) struct Origin {
    pub(in crate::worker) url: Url,
    pub(in crate::worker) forward: Option<Forward>,
    whereabouts: Whereabouts,
    /// Until when the addresses may be believed; MAX without `--dns-ttl`.
    expires: Nanos,
    /// The resolver was asked while the addresses known are still in use.
    refreshing: bool,
    /// What led there.
    from: Option<Url>,
    /// Connections that wait for its addresses.
    pub(super) waiting: Vec<u32>,
    /// Its endpoints at the driver, over all replies.
    endpoints: Vec<(Endpoint, u32)>,
    pub(super) connections: u64,
    pub(super) requests: u64,
    unreachable: Option<Unreachable>,
}

/// What a connection that wants to be opened gets.
pub(super) enum NextAddress {
    /// This place among the addresses.
    At(u16),
    /// The addresses are being looked up.
    Wait,
    /// There is none.
    Unreachable(ErrorKind),
}

/// All origins of a worker.
pub(in crate::worker) struct Origins {
    all: Vec<Origin>,
    planned: usize,
    names: Option<Names>,
    /// Replies that are still to come.
    asked: u32,
    rotation: Rotation,
}

impl Origins {
    /// `ttl` is how long the addresses of `planned` may be believed, from `now` on.
    pub(super) fn new(
        planned: &[OriginSpec],
        names: Option<Names>,
        rotation: Rotation,
        ttl: Nanos,
        now: Nanos,
    ) -> Origins {
        let known = |spec: &OriginSpec| {
            let (first, count) = spec.endpoints;
            let addresses = Addresses::new((first..first + count).collect(), rotation);
            Origin {
                expires: if names.is_some() { now + ttl } else { Nanos::MAX },
                ..Origin::new(spec.url.clone(), spec.forward.clone(), Whereabouts::Known(addresses))
            }
        };
        Origins {
            all: planned.iter().map(known).collect(),
            planned: planned.len(),
            names,
            asked: 0,
            rotation,
        }
    }

    pub(in crate::worker) fn get(&self, origin: u32) -> &Origin {
        &self.all[origin as usize]
    }

    pub(super) fn get_mut(&mut self, origin: u32) -> &mut Origin {
        &mut self.all[origin as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// True while replies of the resolver are to come: they wake nobody.
    #[inline]
    pub(in crate::worker) fn is_waiting(&self) -> bool {
        self.asked > 0
    }

    /// The number of the origin of `url`, which a response of `from` has led to, if any has. One that is new is looked up when a connection to it is
    /// wanted.
    ///
    /// # Errors
    /// When there are too many, or none may be added.
    pub(in crate::worker) fn find(&mut self, url: &Url, from: Option<u32>) -> Result<u32, ErrorKind> {
        let same = |known: &Url| (known.scheme, &known.host, known.port) == (url.scheme, &url.host, url.port);
        if let Some(place) = self.all.iter().position(|origin| same(&origin.url)) {
            return Ok(place as u32);
        }
        if self.names.is_none() || self.all.len() >= self.planned + FOUND_MAX {
            return Err(ErrorKind::NotAllowed);
        }
        let mut url = url.clone();
        url.target = "/".into();
        let whereabouts = Whereabouts::Unknown { kind: ErrorKind::Dns, ask_from: Nanos::ZERO };
        let from = from.map(|from| self.all[from as usize].url.clone());
        let forwarding = self.names.as_ref().and_then(|names| names.forwarding.as_ref());
        let forward = forwarding.and_then(|forwarding| forwarding.to(&url));
        self.all.push(Origin { from, ..Origin::new(url, forward, whereabouts) });
        Ok(self.all.len() as u32 - 1)
    }

    /// Where the next connection to `origin` goes.
    pub(super) fn next_address(&mut self, origin: u32, now: Nanos) -> NextAddress {
        let place = &mut self.all[origin as usize];
        let stale = now >= place.expires && !place.refreshing;
        let ask = match &place.whereabouts {
            Whereabouts::Known(_) => stale,
            Whereabouts::Asked => false,
            Whereabouts::Unknown { ask_from, .. } => *ask_from <= now,
        };
        if ask {
            self.ask(origin);
        }
        let place = &mut self.all[origin as usize];
        match &mut place.whereabouts {
            Whereabouts::Known(addresses) => NextAddress::At(addresses.next(now)),
            Whereabouts::Asked => NextAddress::Wait,
            Whereabouts::Unknown { kind, .. } => NextAddress::Unreachable(*kind),
        }
    }

    fn ask(&mut self, origin: u32) {
        let Some(names) = &self.names else { return };
        let place = &mut self.all[origin as usize];
        let from = place.from.clone().unwrap_or_else(|| place.url.clone());
        // There is room for every origin's question; a resolver that has gone finds nothing.
        if names.ask.try_send(Lookup { origin, url: place.url.clone(), from }).is_err() {
            return;
        }
        self.asked += 1;
        if matches!(place.whereabouts, Whereabouts::Known(_)) {
            place.refreshing = true;
        } else {
            place.whereabouts = Whereabouts::Asked;
        }
    }

    /// The next reply of the resolver, if there is one: which origin, and what was found. `add` gives an endpoint a number at
    /// the driver.
    pub(super) fn take_found(
        &mut self,
        now: Nanos,
        mut add: impl FnMut(Endpoint, crate::transport::Route) -> u32,
    ) -> Option<u32> {
        let found = self.names.as_ref()?.found.try_recv().ok()?;
        self.asked = self.asked.saturating_sub(1);
        let place = &mut self.all[found.origin as usize];
        place.refreshing = false;
        match found.result {
            Ok(ways) => {
                let mut numbers = Vec::with_capacity(ways.len());
                for (endpoint, route) in ways {
                    let known = place.endpoints.iter().find(|(known, _)| *known == endpoint);
                    let number = match known {
                        Some((_, number)) => *number,
                        None if place.endpoints.len() < ADDRESSES_MAX => {
                            let number = add(endpoint.clone(), route);
                            place.endpoints.push((endpoint, number));
                            number
                        }
                        None => continue,
                    };
                    numbers.push(number);
                }
                place.expires = now + found.ttl;
                if !numbers.is_empty() {
                    place.whereabouts = Whereabouts::Known(Addresses::new(numbers, self.rotation));
                }
            }
            Err(unreachable) => {
                place.expires = now + ASK_AGAIN;
                place.whereabouts =
                    Whereabouts::Unknown { kind: unreachable.kind, ask_from: now + ASK_AGAIN };
                place.unreachable = Some(unreachable);
            }
        }
        Some(found.origin)
    }

    /// The addresses of an origin, where they are known.
    pub(super) fn addresses(&mut self, origin: u32) -> Option<&mut Addresses> {
        match &mut self.all[origin as usize].whereabouts {
            Whereabouts::Known(addresses) => Some(addresses),
            _ => None,
        }
    }

    /// What was done with each.
    pub(super) fn uses(&self) -> Vec<OriginUse> {
        let used = |(at, origin): (usize, &Origin)| OriginUse {
            url: origin.url.clone(),
            planned: at < self.planned,
            connections: origin.connections,
            requests: origin.requests,
            unreachable: origin.unreachable.clone(),
        };
        self.all.iter().enumerate().map(used).collect()
    }
}

impl Origin {
    fn new(url: Url, forward: Option<Forward>, whereabouts: Whereabouts) -> Origin {
        Origin {
            url,
            forward,
            whereabouts,
            expires: Nanos::MAX,
            refreshing: false,
            from: None,
            waiting: Vec::new(),
            endpoints: Vec::new(),
            connections: 0,
            requests: 0,
            unreachable: None,
        }
    }
}

//! What lies between TCP and HTTP: a proxy's tunnel, TLS, both or neither.
//!
//! A [`Transport`] is a [`Driver`] around another one, so that workers need not know: they connect, send plain
//! bytes and receive plain bytes. Routes without tunnel and TLS pass through it.
//!
//! ```text
//!  connect        Connected        2xx to CONNECT      handshake over
//! ────────▶ Reaching ─────▶ Tunnelling ─────▶ Shaking ─────▶ Open ─────▶ Ended (close_notify)
//!               └───────(no tunnel)─────────────▲  │ Reached to the worker   │ Connected to the worker
//!               └───────(neither)──────────────────┼────▶ Direct
//!                                                  ▼ failed: ConnectFailed
//! ```
//!
//! The last flight of the handshake waits for the end of the turn, since the first request mostly follows in the
//! same turn and then shares its packet.

mod connection;
pub mod session;
pub mod tls;
mod tunnel;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use connection::{Connection, Stage};
use session::Progress;
use tls::{Connector, PeerName};

use crate::driver::failure::{Failure, ProxyFailure, TlsFailure};
use crate::driver::{
    Alpn, Buffer, Completion, ConnId, Driver, DriverCounters, Endpoint, Event, PayloadId, TlsReadings, Wait,
};
use crate::units::Nanos;

/// How an endpoint's connections become what HTTP is spoken on.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// The CONNECT request that opens a tunnel through a proxy.
    pub tunnel: Option<Arc<[u8]>>,
    /// TLS, with the name that the server must prove.
    pub tls: Option<(Connector, PeerName)>,
}

impl Route {
    /// True when connections are what they are at the driver.
    pub fn is_direct(&self) -> bool {
        self.tunnel.is_none() && self.tls.is_none()
    }
}

/// A driver whose connections run through tunnels and TLS.
pub struct Transport<D> {
    inner: D,
    routes: Vec<Route>,
    /// What TLS is spoken by here, for each that routes have named: its store of sessions is this worker's own, and one
    /// store, however many routes there are.
    connectors: Vec<(Connector, Connector)>,
    payloads: Vec<Arc<[u8]>>,
    /// One for each slot; none before the first connection that is not direct, which most runs never have.
    connections: Vec<Connection>,
    slots: u32,
    /// Decrypted bytes of the completion in work.
    plain: Vec<u8>,
    /// `plain` holds the first bytes of this connection, which are handed out next.
    held: Option<ConnId>,
    /// Completions that follow from an earlier one.
    ready: VecDeque<Completion>,
    /// Slots whose session has bytes of its own to send by the end of the turn.
    owing: Vec<u32>,
    readings: TlsReadings,
}

impl<D: Driver> Transport<D> {
    /// Around `inner`, which has `slots` slots and the same `payloads`. `routes` are those of its endpoints.
    pub fn new(inner: D, slots: u32, payloads: Vec<Arc<[u8]>>, routes: Vec<Route>) -> Transport<D> {
        let mut transport = Transport {
            inner,
            routes: Vec::with_capacity(routes.len()),
            connectors: Vec::new(),
            payloads,
            connections: Vec::new(),
            slots,
            plain: Vec::new(),
            held: None,
            ready: VecDeque::new(),
            owing: Vec::new(),
            readings: TlsReadings::default(),
        };
        routes.into_iter().for_each(|route| transport.admit(route));
        transport
    }

    /// Appends a route, with the worker's own connector in place of the run's.
    fn admit(&mut self, route: Route) {
        let connectors = &mut self.connectors;
        let own = |(run, name): (Connector, PeerName)| {
            let known = connectors.iter().find(|(of, _)| of.is(&run)).map(|(_, own)| own.clone());
            let own = known.unwrap_or_else(|| {
                let own = run.for_worker();
                connectors.push((run, own.clone()));
                own
            });
            (own, name)
        };
        self.routes.push(Route { tls: route.tls.map(own), ..route });
    }

    #[inline]
    fn connection(&mut self, conn: ConnId) -> &mut Connection {
        &mut self.connections[conn.slot as usize]
    }

    /// What a completion of the inner driver means; `None`: nothing to the worker.
    fn translate(&mut self, completion: Completion) -> Option<Completion> {
        let Completion { conn, event } = completion;
        if self.connections.is_empty() {
            return Some(Completion { conn, event });
        }
        let connection = self.connection(conn);
        // What is stale is for the worker to count, what is direct passes.
        if connection.generation != conn.generation
            || matches!(connection.stage, Stage::Closed | Stage::Direct)
        {
            return Some(Completion { conn, event });
        }
        let event = match event {
            Event::Connected(_) => self.reached(conn)?,
            Event::Data(buffer) => {
                let event = self.data(conn, &buffer);
                self.inner.release(buffer);
                event?
            }
            Event::Sent => self.sent(conn)?,
            Event::Eof => self.ended(conn)?,
            Event::Failed(failure) if connection.is_open() => Event::Failed(failure),
            Event::Failed(failure) => self.give_up(conn, failure),
            Event::ConnectFailed(failure) => {
                connection.vacate();
                Event::ConnectFailed(failure)
            }
            other @ (Event::Reached | Event::Discarded(_)) => other,
        };
        Some(Completion { conn, event })
    }

    /// TCP stands.
    fn reached(&mut self, conn: ConnId) -> Option<Event> {
        let connection = &mut self.connections[conn.slot as usize];
        if let Some(request) = &self.routes[connection.endpoint as usize].tunnel {
            connection.stage = Stage::Tunnelling(Box::default());
            let draft = self.inner.draft(conn.slot);
            draft.clear();
            draft.extend_from_slice(request);
            connection.sending = true;
            self.inner.send(conn, PayloadId::DRAFT, request.len() as u32, true);
            return None;
        }
        Some(self.begin_tls(conn))
    }

    /// The way to the server is open: TLS begins, if there is any.
    fn begin_tls(&mut self, conn: ConnId) -> Event {
        let connection = &mut self.connections[conn.slot as usize];
        let Some((connector, name)) = &self.routes[connection.endpoint as usize].tls else {
            connection.stage = Stage::Direct;
            return Event::Connected(Alpn::None);
        };
        match connector.session(name) {
            Ok(session) => {
                connection.stage = Stage::Shaking(session);
                connection.pump(conn, &mut self.inner, &self.payloads);
                Event::Reached
            }
            Err(failure) => self.give_up(conn, Failure::Tls(failure)),
        }
    }

    fn data(&mut self, conn: ConnId, buffer: &Buffer) -> Option<Event> {
        let connection = &mut self.connections[conn.slot as usize];
        if let Stage::Tunnelling(tunnel) = &mut connection.stage {
            return match tunnel.receive(self.inner.bytes(buffer)) {
                Ok(None) => None,
                Ok(Some(rest)) => Some(self.tunnelled(conn, rest)),
                Err(failure) => Some(self.give_up(conn, Failure::Proxy(failure))),
            };
        }
        self.plain.clear();
        let shaking = matches!(connection.stage, Stage::Shaking(_));
        let result = connection.session()?.receive(self.inner.bytes(buffer), &mut self.plain);
        if !shaking {
            return self.opened(conn, result);
        }
        match result {
            Err(failure) => Some(self.give_up(conn, Failure::Tls(failure))),
            Ok(progress) if progress.established => Some(self.shaken(conn, progress.closed)),
            Ok(progress) if progress.closed => Some(self.give_up(conn, Failure::Tls(TlsFailure::Closed))),
            Ok(_) => {
                connection.pump(conn, &mut self.inner, &self.payloads);
                None
            }
        }
    }

    /// The proxy has opened the tunnel; `rest` are the first bytes out of it.
    fn tunnelled(&mut self, conn: ConnId, rest: Vec<u8>) -> Event {
        let event = self.begin_tls(conn);
        if !rest.is_empty() {
            if matches!(event, Event::Connected(_)) {
                self.plain = rest;
                self.held = Some(conn);
            } else {
                // In TLS the client speaks first.
                return self.give_up(conn, Failure::Tls(TlsFailure::Protocol));
            }
        }
        event
    }

    /// The handshake is over; `plain` may hold bytes already.
    fn shaken(&mut self, conn: ConnId, closed: bool) -> Event {
        let connection = &mut self.connections[conn.slot as usize];
        connection.open();
        let alpn = connection.session().map_or(Alpn::None, |session| session.alpn());
        if let Some((agreed, resumed)) = connection.session().and_then(|session| session.agreed()) {
            self.readings.handshakes += 1;
            self.readings.resumed += u64::from(resumed);
            self.readings.agreed.get_or_insert(agreed);
        }
        self.owing.push(conn.slot);
        if !self.plain.is_empty() {
            self.held = Some(conn);
        }
        if closed {
            self.connections[conn.slot as usize].ended = true;
            self.ready.push_back(Completion { conn, event: Event::Eof });
        }
        Event::Connected(alpn)
    }

    /// What bytes on an open connection meant: first what they decrypt to, then the end that came with them.
    fn opened(&mut self, conn: ConnId, result: Result<Progress, TlsFailure>) -> Option<Event> {
        let connection = &mut self.connections[conn.slot as usize];
        let end = match result {
            Ok(Progress { closed: false, .. }) => None,
            Ok(_) => Some(Event::Eof),
            Err(failure) => {
                connection.say_last_words(conn, &mut self.inner);
                Some(Event::Failed(Failure::Tls(failure)))
            }
        };
        connection.ended |= end.is_some();
        if self.plain.is_empty() {
            return end;
        }
        connection.unanswered = false;
        self.ready.extend(end.map(|event| Completion { conn, event }));
        Some(Event::Data(Buffer::outside(self.plain.len() as u32)))
    }

    fn sent(&mut self, conn: ConnId) -> Option<Event> {
        let connection = &mut self.connections[conn.slot as usize];
        connection.sending = false;
        if matches!(connection.stage, Stage::Tunnelling(_)) {
            return None;
        }
        connection.pump(conn, &mut self.inner, &self.payloads);
        connection.take_sent().then_some(Event::Sent)
    }

    /// TCP has ended.
    fn ended(&mut self, conn: ConnId) -> Option<Event> {
        let connection = self.connection(conn);
        match connection.stage {
            Stage::Tunnelling(_) => Some(self.give_up(conn, Failure::Proxy(ProxyFailure::Closed))),
            Stage::Shaking(_) => Some(self.give_up(conn, Failure::Tls(TlsFailure::Closed))),
            _ if connection.ended => None, // was said when close_notify came
            _ => Some(Event::Failed(Failure::Truncated)),
        }
    }

    /// The connection never came to stand.
    fn give_up(&mut self, conn: ConnId, failure: Failure) -> Event {
        let connection = &mut self.connections[conn.slot as usize];
        connection.say_last_words(conn, &mut self.inner);
        connection.vacate();
        self.inner.close(conn, false);
        Event::ConnectFailed(failure)
    }
}

/// A driver to which ways can be added while load is sent.
pub trait AddRoute: Driver {
    /// As [`Driver::add_endpoint`], with the way to it. Routes whose connectors are [the same](Connector::is) share one store
    /// of sessions, whenever they came.
    fn add_route(&mut self, endpoint: Endpoint, route: Route) -> u32;
}

/// Where every way is direct, workers meet the driver itself.
macro_rules! direct_only {
    ($($driver:ty),*) => {$(
        impl AddRoute for $driver {
            fn add_route(&mut self, endpoint: Endpoint, route: Route) -> u32 {
                debug_assert!(route.is_direct(), "tunnels and TLS need a transport");
                self.add_endpoint(endpoint)
            }
        }
    )*};
}

direct_only!(crate::driver::uring::UringDriver, crate::driver::epoll::EpollDriver);
#[cfg(any(test, feature = "simulation"))]
direct_only!(crate::driver::sim::SimDriver);

impl<D: Driver> AddRoute for Transport<D> {
    fn add_route(&mut self, endpoint: Endpoint, route: Route) -> u32 {
        let index = self.inner.add_endpoint(endpoint);
        debug_assert_eq!(index as usize, self.routes.len(), "a route for each endpoint");
        self.admit(route);
        index
    }
}

impl<D: Driver> Driver for Transport<D> {
    #[inline]
    fn now(&mut self) -> Nanos {
        self.inner.now()
    }

    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32 {
        self.add_route(endpoint, Route::default())
    }

    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        let route = &self.routes[endpoint as usize];
        if self.connections.is_empty() && !route.is_direct() {
            self.connections.resize_with(self.slots as usize, Connection::default);
        }
        if let Some(connection) = self.connections.get_mut(conn.slot as usize) {
            connection.connect(conn.generation, endpoint, route);
        }
        self.inner.connect(conn, endpoint);
    }

    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        match self.connections.get_mut(conn.slot as usize) {
            Some(connection) if connection.secure => {
                connection.queue(payload, len, notify);
                connection.pump(conn, &mut self.inner, &self.payloads);
            }
            _ => self.inner.send(conn, payload, len, notify),
        }
    }

    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        match self.connections.get_mut(slot as usize) {
            Some(connection) if connection.secure => &mut connection.draft,
            _ => self.inner.draft(slot),
        }
    }

    fn drafted(&self, slot: u32) -> &[u8] {
        match self.connections.get(slot as usize) {
            Some(connection) if connection.secure => &connection.draft,
            _ => self.inner.drafted(slot),
        }
    }

    fn discard(&mut self, conn: ConnId, bytes: u64) {
        // The kernel cannot tell how many bytes of TLS these are: they arrive as data, which is as well.
        let connection = self.connections.get(conn.slot as usize);
        // A connection that is older than the connections is direct.
        if connection.is_none_or(|connection| matches!(connection.stage, Stage::Direct | Stage::Closed)) {
            self.inner.discard(conn, bytes);
        }
    }

    fn close(&mut self, conn: ConnId, reset: bool) {
        if let Some(connection) = self.connections.get_mut(conn.slot as usize)
            && connection.generation == conn.generation
        {
            if !reset {
                connection.say_farewell(conn, &mut self.inner);
            }
            connection.vacate();
        }
        self.inner.close(conn, reset);
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        for slot in self.owing.drain(..) {
            let connection = &mut self.connections[slot as usize];
            let conn = ConnId { slot, generation: connection.generation };
            connection.pump(conn, &mut self.inner, &self.payloads);
        }
        self.inner.wait(wait)
    }

    #[inline]
    fn next(&mut self) -> Option<Completion> {
        if let Some(conn) = self.held.take() {
            let buffer = Buffer::outside(self.plain.len() as u32);
            return Some(Completion { conn, event: Event::Data(buffer) });
        }
        if let Some(completion) = self.ready.pop_front() {
            return Some(completion);
        }
        loop {
            let completion = self.inner.next()?;
            if let Some(completion) = self.translate(completion) {
                return Some(completion);
            }
        }
    }

    #[inline]
    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        if buffer.is_outside() { &self.plain[..buffer.len()] } else { self.inner.bytes(buffer) }
    }

    #[inline]
    fn release(&mut self, buffer: Buffer) {
        if !buffer.is_outside() {
            self.inner.release(buffer);
        }
    }

    fn counters(&self) -> DriverCounters {
        self.inner.counters()
    }

    fn tls(&self) -> TlsReadings {
        self.readings
    }
}

#[cfg(test)]
mod tests;

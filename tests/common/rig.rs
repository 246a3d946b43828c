//! A driver on a test bench: peers that behave as told, real or simulated, and a loop that hands
//! every completion to a closure.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use socket2::{Domain, SockAddr, Socket, Type};
use squall::driver::epoll::EpollDriver;
use squall::driver::failure::Failure;
use squall::driver::sim::{SimDriver, SimFaults, SimScript};
use squall::driver::uring::UringDriver;
use squall::driver::{Buffer, Completion, ConnId, Driver, DriverConfig, Endpoint, Event, PayloadId, Wait};
use squall::transport::tls::{Connector, MinVersion, PeerName, Roots, TlsSettings};
use squall::transport::{AddRoute, Route, Transport};
use squall::units::Nanos;

use super::pki::{Pki, close, serve_tls};

/// One request: every peer counts bytes, none reads them.
pub const REQUEST: &[u8] = b"GET /0123456789\n";

/// What the peer does with every connection.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers each request with these bytes.
    Respond(Arc<[u8]>),
    /// Answers so many requests, then closes.
    RespondThenEof(Arc<[u8]>, u64),
    /// Resets the connection instead of answering.
    Reset,
    /// Nobody listens.
    Refuse,
}

/// Builds a driver whose endpoint 0 behaves so; an error says why this host cannot have it.
pub type World = fn(DriverConfig, Behaviour) -> Result<Box<dyn Driver>, String>;

/// Builds a driver for endpoints that the test provides itself.
pub type Build = fn(DriverConfig) -> Result<Box<dyn Driver>, String>;

pub fn epoll(config: DriverConfig) -> Result<Box<dyn Driver>, String> {
    Ok(Box::new(EpollDriver::new(config).unwrap()))
}

pub fn uring(config: DriverConfig) -> Result<Box<dyn Driver>, String> {
    match UringDriver::new(config) {
        Ok(driver) => Ok(Box::new(driver)),
        Err(e) => Err(e.to_string()),
    }
}

pub fn epoll_world(config: DriverConfig, peer: Behaviour) -> Result<Box<dyn Driver>, String> {
    epoll(loopback(config, peer))
}

pub fn uring_world(config: DriverConfig, peer: Behaviour) -> Result<Box<dyn Driver>, String> {
    uring(loopback(config, peer))
}

pub fn sim_world(config: DriverConfig, peer: Behaviour) -> Result<Box<dyn Driver>, String> {
    let mut script = SimScript {
        request_len: Some(REQUEST.len() as u32),
        faults: SimFaults {
            short_sends: 0.2,
            split_responses: 0.5,
            buffer_starvation: 0.1,
            stale_completions: 0.5,
            ..SimFaults::default()
        },
        ..SimScript::default()
    };
    match peer {
        Behaviour::Respond(bytes) => script.responses = vec![bytes.to_vec()],
        Behaviour::RespondThenEof(bytes, count) => {
            script.responses = vec![bytes.to_vec()];
            script.faults.close_after_n = Some(count);
        }
        Behaviour::Reset => script.faults.reset_before_response = 1.0,
        Behaviour::Refuse => script.faults.connect_refused = 1.0,
    }
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let config = DriverConfig { endpoints: vec![endpoint(nowhere)], ..config };
    Ok(Box::new(SimDriver::new(config, script)))
}

fn loopback(config: DriverConfig, peer: Behaviour) -> DriverConfig {
    let addr = match peer {
        Behaviour::Refuse => {
            let (listener, addr) = listen();
            drop(listener);
            addr
        }
        Behaviour::Respond(bytes) => serve(move |mut stream| response(&mut stream, &bytes, u64::MAX)),
        Behaviour::RespondThenEof(bytes, n) => serve(move |mut stream| response(&mut stream, &bytes, n)),
        Behaviour::Reset => serve(|mut stream| {
            let mut request = vec![0; REQUEST.len()];
            if stream.read_exact(&mut request).is_ok() {
                let linger = Some(std::time::Duration::ZERO);
                Socket::from(stream).set_linger(linger).unwrap();
            }
        }),
    };
    DriverConfig { endpoints: vec![endpoint(addr)], ..config }
}

pub fn response(stream: &mut (impl Read + Write), bytes: &[u8], count: u64) {
    let mut request = vec![0; REQUEST.len()];
    for _ in 0..count {
        // The client closing in mid-response is part of some tests.
        if stream.read_exact(&mut request).is_err() || stream.write_all(bytes).is_err() {
            return;
        }
    }
}

pub fn tls_epoll_world(config: DriverConfig, peer: Behaviour) -> Result<Box<dyn Driver>, String> {
    let (config, route) = tls_loopback(config, peer);
    Ok(routed_epoll(config, vec![route])?)
}

pub fn tls_uring_world(config: DriverConfig, peer: Behaviour) -> Result<Box<dyn Driver>, String> {
    let (config, route) = tls_loopback(config, peer);
    Ok(routed_uring(config, vec![route])?)
}

/// Builds a transport for endpoints that the test provides itself, and the ways to them.
pub type Routed = fn(DriverConfig, Vec<Route>) -> Result<Box<dyn AddRoute>, String>;

pub fn routed_epoll(config: DriverConfig, routes: Vec<Route>) -> Result<Box<dyn AddRoute>, String> {
    let (slots, payloads) = (config.slots, config.payloads.clone());
    Ok(Box::new(Transport::new(EpollDriver::new(config).unwrap(), slots, payloads, routes)))
}

pub fn routed_uring(config: DriverConfig, routes: Vec<Route>) -> Result<Box<dyn AddRoute>, String> {
    let (slots, payloads) = (config.slots, config.payloads.clone());
    let inner = UringDriver::new(config).map_err(|e| e.to_string())?;
    Ok(Box::new(Transport::new(inner, slots, payloads, routes)))
}

/// As [`loopback`], behind TLS.
fn tls_loopback(config: DriverConfig, peer: Behaviour) -> (DriverConfig, Route) {
    let pki = Pki::new("authority");
    let server = pki.local().server();
    let addr = match peer {
        Behaviour::Refuse => {
            let (listener, addr) = listen();
            drop(listener);
            addr
        }
        Behaviour::Respond(bytes) => serve_tls(server, move |mut tls| response(&mut tls, &bytes, u64::MAX)),
        Behaviour::RespondThenEof(bytes, n) => serve_tls(server, move |mut tls| {
            response(&mut tls, &bytes, n);
            close(tls);
        }),
        Behaviour::Reset => serve_tls(server, |mut tls| {
            let mut request = vec![0; REQUEST.len()];
            if tls.read_exact(&mut request).is_ok() {
                let linger = Some(std::time::Duration::ZERO);
                Socket::from(tls.sock).set_linger(linger).unwrap();
            }
        }),
    };
    let config = DriverConfig { endpoints: vec![endpoint(addr)], ..config };
    (config, tls_route(&connector(&pki, false)))
}

/// Trusts this authority alone.
pub fn connector(pki: &Pki, resumption: bool) -> Connector {
    let roots = Roots::File(std::fs::read(pki.roots()).unwrap());
    let settings = TlsSettings { roots, identity: None, resumption, min_version: MinVersion::default() };
    Connector::new(&settings).unwrap()
}

/// TLS without a proxy.
pub fn tls_route(connector: &Connector) -> Route {
    Route { tunnel: None, tls: Some((connector.clone(), PeerName::new("127.0.0.1").unwrap())) }
}

/// Something that listens on loopback, with room for a thousand connects at once.
pub fn listen() -> (TcpListener, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    socket.listen(4096).unwrap();
    let listener = TcpListener::from(socket);
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Runs `peer` on a thread per connection. They end with their connections, and the accepting one
/// with the test process.
pub fn serve(peer: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let (listener, addr) = listen();
    let peer = Arc::new(peer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, peer) = (stream.unwrap(), Arc::clone(&peer));
            stream.set_nodelay(true).unwrap();
            let small = thread::Builder::new().stack_size(512 * 1024);
            small.spawn(move || peer(stream)).unwrap();
        }
    });
    addr
}

pub fn endpoint(addr: SocketAddr) -> Endpoint {
    Endpoint { addr: addr.into(), source: None, congestion: None }
}

/// `slots` connections; payload 0 is up to 16 requests.
pub fn config(slots: u32) -> DriverConfig {
    DriverConfig {
        slots,
        payloads: vec![REQUEST.repeat(16).into()],
        endpoints: Vec::new(),
        expect_large: true,
    }
}

/// `len` bytes in which no two places look alike for 4 GiB.
pub fn pattern(len: usize) -> Arc<[u8]> {
    let words = (0u32..).flat_map(|at| at.wrapping_mul(0x9e37_79b1).to_le_bytes());
    words.take(len).collect()
}

pub fn id(slot: u32, generation: u32) -> ConnId {
    ConnId { slot, generation }
}

/// Queues `count` requests as one silent send.
pub fn request(driver: &mut dyn Driver, conn: ConnId, count: usize) {
    let len = (count * REQUEST.len()) as u32;
    driver.send(conn, PayloadId(0), len, false);
}

/// A completion with the bytes copied out, so that the buffer is back already.
#[derive(PartialEq, Eq)]
pub enum Seen {
    Connected,
    ConnectFailed(Failure),
    Data(Vec<u8>),
    Discarded(u64),
    Sent,
    Eof,
    Failed(Failure),
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Connected => write!(f, "Connected"),
            Seen::ConnectFailed(failure) => write!(f, "ConnectFailed({failure:?})"),
            Seen::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Seen::Discarded(bytes) => write!(f, "Discarded({bytes})"),
            Seen::Sent => write!(f, "Sent"),
            Seen::Eof => write!(f, "Eof"),
            Seen::Failed(failure) => write!(f, "Failed({failure:?})"),
        }
    }
}

/// A driver, and buffers that it does not get back for now.
pub struct Rig<D: Driver + ?Sized = dyn Driver> {
    pub driver: Box<D>,
    /// Keep buffers instead of releasing them.
    pub hold: bool,
    held: Vec<Buffer>,
}

impl<D: Driver + ?Sized> Rig<D> {
    pub fn new(driver: Box<D>) -> Rig<D> {
        Rig { driver, hold: false, held: Vec::new() }
    }

    /// Gives every kept buffer back.
    pub fn let_go(&mut self) {
        self.hold = false;
        for buffer in self.held.drain(..) {
            self.driver.release(buffer);
        }
    }

    /// One turn: waits up to `span`, then hands out every completion.
    pub fn turn(&mut self, span: Nanos, mut each: impl FnMut(&mut D, ConnId, Seen)) {
        let until = self.driver.now() + span;
        self.driver.wait(Wait::Until { until, want: 1 }).unwrap();
        while let Some(Completion { conn, event }) = self.driver.next() {
            let seen = match event {
                Event::Reached => continue, // on the way to `Connected`
                Event::Connected(_) => Seen::Connected,
                Event::ConnectFailed(failure) => Seen::ConnectFailed(failure),
                Event::Data(buffer) => {
                    let bytes = self.driver.bytes(&buffer).to_vec();
                    assert!(!bytes.is_empty(), "an empty buffer");
                    if self.hold {
                        self.held.push(buffer);
                    } else {
                        self.driver.release(buffer);
                    }
                    Seen::Data(bytes)
                }
                Event::Discarded(bytes) => Seen::Discarded(bytes),
                Event::Sent => Seen::Sent,
                Event::Eof => Seen::Eof,
                Event::Failed(failure) => Seen::Failed(failure),
            };
            each(&mut *self.driver, conn, seen);
        }
    }

    /// Turns until `each` says that it is done, at most 20 s of the driver's time. What follows in
    /// the same turn is dropped.
    pub fn drive(&mut self, aim: &str, mut each: impl FnMut(&mut D, ConnId, Seen) -> bool) {
        let limit = self.driver.now() + Nanos::from_secs(20);
        let mut done = false;
        while !done {
            assert!(self.driver.now() < limit, "not within 20 s: {aim}");
            self.turn(Nanos::from_millis(50), |driver, conn, seen| {
                done = done || each(driver, conn, seen);
            });
        }
    }

    /// Opens one connection and waits until it stands.
    pub fn connected(&mut self, conn: ConnId, endpoint: u32) {
        self.driver.connect(conn, endpoint);
        self.drive("connect", |_, which, seen| {
            if which == conn {
                assert_eq!(seen, Seen::Connected);
            }
            which == conn
        });
    }
}

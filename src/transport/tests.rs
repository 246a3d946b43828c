use std::sync::LazyLock;

use proptest::prelude::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use super::*;
use crate::driver::scripted::{ScriptedDriver, Verb};
use tls::{MinVersion, Roots, TlsSettings};

mod ends;
mod ways;

const CONN: ConnId = ConnId { slot: 0, generation: 1 };
const CONNECT: &[u8] = b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n";
const STANDS: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// What the worker sees. Data that comes in several completions in a row is one.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Data(Vec<u8>),
    Event(Event),
}

const REACHED: Seen = Seen::Event(Event::Reached);
const SENT: Seen = Seen::Event(Event::Sent);
const EOF: Seen = Seen::Event(Event::Eof);

fn connected(alpn: Alpn) -> Seen {
    Seen::Event(Event::Connected(alpn))
}

fn failed(failure: Failure) -> Seen {
    Seen::Event(Event::Failed(failure))
}

fn connect_failed(failure: Failure) -> Seen {
    Seen::Event(Event::ConnectFailed(failure))
}

fn data(bytes: &[u8]) -> Seen {
    Seen::Data(bytes.to_vec())
}

/// A certificate for localhost that has issued itself.
static CERTIFICATE: LazyLock<CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| generate_simple_self_signed(vec!["localhost".into()]).unwrap());

fn connector(roots: Roots) -> Connector {
    let settings = TlsSettings { roots, identity: None, resumption: false, min_version: MinVersion::Tls12 };
    Connector::new(&settings).unwrap()
}

fn trusting() -> Connector {
    static TRUSTING: LazyLock<Connector> = LazyLock::new(|| connector(Roots::Anyone));
    TRUSTING.clone()
}

/// Through a tunnel or not, with TLS or without.
fn route(tunnel: bool, tls: Option<Connector>) -> Route {
    let name = PeerName::new("localhost").unwrap();
    Route { tunnel: tunnel.then(|| Arc::from(CONNECT)), tls: tls.map(|connector| (connector, name)) }
}

fn server() -> ServerConnection {
    let key = PrivateKeyDer::Pkcs8(CERTIFICATE.signing_key.serialize_der().into());
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![CERTIFICATE.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_half_rtt_data = true;
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    server.set_buffer_limit(None);
    server
}

/// A transport around a scripted driver, with a server of TLS at the other end.
struct Rig {
    transport: Transport<ScriptedDriver>,
    server: ServerConnection,
    /// What the server has read.
    read: Vec<u8>,
    /// Sends that the server has got.
    sends: usize,
}

impl Rig {
    /// With one payload, and a route for each endpoint.
    fn new(payload: &[u8], routes: Vec<Route>) -> Rig {
        let payloads = vec![Arc::from(payload)];
        let driver = ScriptedDriver::new(2, payloads.clone(), routes.len() as u32);
        let transport = Transport::new(driver, 2, payloads, routes);
        Rig { transport, server: server(), read: Vec::new(), sends: 0 }
    }

    fn told(&mut self) -> Vec<Verb> {
        self.transport.inner.told()
    }

    fn comes(&mut self, event: Event) -> Vec<Seen> {
        self.transport.inner.comes(CONN, event);
        self.see()
    }

    fn arrives(&mut self, bytes: &[u8]) -> Vec<Seen> {
        self.transport.inner.arrives(CONN, bytes);
        self.see()
    }

    /// All completions there are, as a worker takes them.
    fn see(&mut self) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        while let Some(Completion { conn, event }) = self.transport.next() {
            assert_eq!(conn, CONN);
            let Event::Data(buffer) = event else {
                all.push(Seen::Event(event));
                continue;
            };
            let bytes = self.transport.bytes(&buffer).to_vec();
            assert_eq!(bytes.len(), buffer.len());
            assert!(!bytes.is_empty(), "no driver lends nothing");
            self.transport.release(buffer);
            match all.last_mut() {
                Some(Seen::Data(before)) => before.extend(bytes),
                _ => all.push(Seen::Data(bytes)),
            }
        }
        assert!(self.transport.inner.has_all_back(), "a buffer was kept");
        all
    }

    /// The end of a turn.
    fn wait(&mut self) {
        self.transport.wait(Wait::Poll).unwrap();
    }

    /// Lets the server have what was sent, which the kernel acknowledges where it is asked to.
    fn server_reads(&mut self) {
        for verb in self.transport.inner.told() {
            let Verb::Send(bytes, notify) = verb else { continue };
            self.sends += 1;
            let mut wire = &bytes[..];
            while !wire.is_empty() {
                self.server.read_tls(&mut wire).unwrap();
                self.server.process_new_packets().unwrap();
                let mut reader = self.server.reader();
                while let Ok(chunk) = std::io::BufRead::fill_buf(&mut reader)
                    && !chunk.is_empty()
                {
                    self.read.extend_from_slice(chunk);
                    let len = chunk.len();
                    std::io::BufRead::consume(&mut reader, len);
                }
            }
            if notify {
                self.transport.inner.comes(CONN, Event::Sent);
            }
        }
    }

    /// What the server has to say, as bytes on the wire.
    fn server_writes(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut wire).unwrap();
        }
        wire
    }

    /// Turns of both sides until neither has anything to say; what arrives comes in pieces of such lengths, in turn.
    fn settle(&mut self, pieces: &[usize]) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        let mut pieces = pieces.iter().cycle();
        for _ in 0..1_000 {
            self.wait();
            let before = self.sends;
            self.server_reads();
            let wire = self.server_writes();
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.len().min(*pieces.next().expect("it goes round")));
                self.transport.inner.arrives(CONN, piece);
                rest = more;
            }
            for seen in self.see() {
                match (all.last_mut(), seen) {
                    (Some(Seen::Data(before)), Seen::Data(bytes)) => before.extend(bytes),
                    (_, seen) => all.push(seen),
                }
            }
            if self.sends == before && wire.is_empty() {
                return all;
            }
        }
        panic!("they never come to an end: {all:?}");
    }

    /// An open TLS connection to the first endpoint.
    fn open(payload: &[u8]) -> Rig {
        let mut rig = Rig::new(payload, vec![route(false, Some(trusting()))]);
        rig.transport.connect(CONN, 0);
        rig.told();
        assert_eq!(rig.comes(Event::Connected(Alpn::None)), [REACHED]);
        assert_eq!(rig.settle(&[1 << 20]), [connected(Alpn::Http11)]);
        rig.sends = 0;
        rig
    }

    /// The server says this; the wire's bytes, which have not arrived yet.
    fn says(&mut self, bytes: &[u8]) -> Vec<u8> {
        std::io::Write::write_all(&mut self.server.writer(), bytes).unwrap();
        self.server_writes()
    }
}

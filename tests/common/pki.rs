//! Certificates made for one test, and a TLS server of a few lines around any peer.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::rig::serve;

/// An authority, and what it has issued, as PEM files in a directory that goes with it.
pub struct Pki {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

/// Files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Issued {
    pub cert: PathBuf,
    pub key: PathBuf,
    der: (CertificateDer<'static>, Vec<u8>),
}

/// From when to when a certificate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Now,
    Past,
    Future,
}

impl Pki {
    /// An authority that nobody has heard of; its own certificate is in `ca.pem`.
    pub fn new(name: &str) -> Pki {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let cert = params.self_signed(&key).unwrap();
        fs::write(dir.path().join("ca.pem"), cert.pem()).unwrap();
        Pki { issuer: Issuer::new(params, key), dir }
    }

    /// The authority's certificate, for `--cacert`.
    pub fn roots(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Issues a certificate for these names and addresses.
    pub fn issue(&self, file: &str, names: &[&str], span: Span) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        match span {
            Span::Now => {}
            Span::Past => params.not_after = date_time_ymd(2020, 1, 1),
            Span::Future => params.not_before = date_time_ymd(2200, 1, 1),
        }
        let issued = params.signed_by(&key, &self.issuer).unwrap();
        let (cert, own) = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        fs::write(&cert, issued.pem()).unwrap();
        fs::write(&own, key.serialize_pem()).unwrap();
        Issued { cert, key: own, der: (issued.der().clone(), key.serialize_der()) }
    }

    /// For 127.0.0.1, ::1 and localhost.
    pub fn local(&self) -> Issued {
        self.issue("local", &["localhost", "127.0.0.1", "::1"], Span::Now)
    }
}

impl Issued {
    /// What a server that shows this certificate is configured by.
    pub fn server(&self) -> ServerConfig {
        let key = PrivateKeyDer::Pkcs8(self.der.1.clone().into());
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        builder.with_single_cert(vec![self.der.0.clone()], key).unwrap()
    }
}

/// The server's side of a connection.
pub type Tls = StreamOwned<ServerConnection, TcpStream>;

/// Runs `peer` on the server's side of each TLS connection, once its handshake is over.
pub fn serve_tls(config: ServerConfig, peer: impl Fn(Tls) + Send + Sync + 'static) -> SocketAddr {
    let config = Arc::new(config);
    serve(move |stream| {
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tls = StreamOwned::new(session, stream);
        while tls.conn.is_handshaking() {
            // A client that does not like us, or goes away, is part of some tests.
            if tls.conn.complete_io(&mut tls.sock).is_err() {
                return;
            }
        }
        peer(tls);
    })
}

/// Reads one head, byte by byte; `None` at the connection's end.
pub fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Says goodbye as TLS wants it, and waits for the client to go.
pub fn close(mut tls: Tls) {
    tls.conn.send_close_notify();
    let _ = tls.flush();
    let _ = tls.sock.shutdown(std::net::Shutdown::Write);
    let _ = tls.sock.read(&mut [0; 256]);
}

/// What a peer is spoken to through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Over {
    Tcp,
    Tls,
}

impl Over {
    pub const BOTH: [Over; 2] = [Over::Tcp, Over::Tls];

    /// What the binary must be told.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Over::Tcp => &[],
            Over::Tls => &["-k"],
        }
    }

    /// The URL of a server that listens at `addr`.
    pub fn url(self, addr: SocketAddr) -> String {
        match self {
            Over::Tcp => format!("http://{addr}/"),
            Over::Tls => format!("https://{addr}/"),
        }
    }
}

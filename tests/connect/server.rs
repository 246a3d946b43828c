//! A server on several addresses, or on a Unix socket, that remembers who came, what they asked, and how they left.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use socket2::{Domain, SockAddr, Socket, Type};
use squall::units::Nanos;

use crate::common::process::within;

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// The address that was called; none on a Unix socket.
    pub(crate) local: Option<IpAddr>,
    /// Who called.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) requests: u64,
    /// The Host header of the first request.
    pub(crate) host: String,
    /// None while it lasts; then the end of file, or an error.
    pub(crate) end: Option<Result<(), ErrorKind>>,
}

/// Everything that came so far.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Vec<Visit>>>);

impl Book {
    /// All visits, once every one of them is over.
    pub(crate) fn closed(&self) -> Vec<Visit> {
        let over = |visits: &[Visit]| visits.iter().all(|visit| visit.end.is_some());
        assert!(
            within(Nanos::from_secs(3), || over(&self.visits())),
            "connections stay open: {:?}",
            self.visits()
        );
        std::mem::take(&mut *self.lock())
    }

    fn visits(&self) -> Vec<Visit> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Visit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many visits there were of each kind, in the order of the kinds.
pub(crate) fn tally<K: Ord>(visits: &[Visit], kind: impl Fn(&Visit) -> K) -> Vec<(K, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    visits.iter().for_each(|visit| *counts.entry(kind(visit)).or_insert(0) += 1);
    counts.into_iter().collect()
}

fn listener(address: &SockAddr, backlog: i32) -> io::Result<Socket> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    if address.domain() == Domain::IPV6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(address)?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// Serves the same port on all of `addresses`; an error where one of them cannot be had here.
pub(crate) fn tcp(addresses: &[&str], body: usize) -> Result<(u16, Book), String> {
    let address = |text: &str, port| SocketAddr::new(text.parse().unwrap(), port);
    let open = |port| -> io::Result<Vec<TcpListener>> {
        let first = TcpListener::from(listener(&address(addresses[0], port).into(), 1024)?);
        let port = first.local_addr()?.port();
        let others =
            addresses[1..].iter().map(|text| Ok(listener(&address(text, port).into(), 1024)?.into()));
        std::iter::once(Ok(first)).chain(others).collect()
    };
    // A port that the kernel gave for the first address may be taken on another.
    let mut tries = (0..20).map(|_| open(0));
    let listeners = match tries.find(|tried| !matches!(tried, Err(e) if e.kind() == ErrorKind::AddrInUse)) {
        Some(opened) => opened.map_err(|e| format!("{addresses:?}: {e}"))?,
        None => return Err("no port is free on all addresses".into()),
    };
    let port = listeners[0].local_addr().unwrap().port();
    let book = Book::default();
    for listener in listeners {
        let book = book.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let (local, peer) = (stream.local_addr().unwrap().ip(), stream.peer_addr().unwrap().ip());
                receive(stream, Some((local, peer)), body, &book);
            }
        });
    }
    Ok((port, book))
}

/// Serves a Unix socket with room for `backlog` connects.
pub(crate) fn unix(path: &Path, backlog: i32, body: usize) -> Book {
    let _ = fs::remove_file(path);
    let socket = listener(&SockAddr::unix(path).unwrap(), backlog).unwrap();
    let book = Book::default();
    let visits = book.clone();
    thread::spawn(move || {
        loop {
            let (stream, _) = socket.accept().unwrap();
            receive(stream, None, body, &visits);
        }
    });
    book
}

/// Answers on a thread of its own until the client leaves.
fn receive(
    mut stream: impl Read + Write + Send + 'static,
    ends: Option<(IpAddr, IpAddr)>,
    body: usize,
    book: &Book,
) {
    let book = book.clone();
    let (local, peer) = ends.unzip();
    let at = {
        let mut visits = book.lock();
        visits.push(Visit { local, peer, requests: 0, host: String::new(), end: None });
        visits.len() - 1
    };
    let response = |close: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{close}Content-Length: {body}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; body]].concat()
    };
    // Asked to close, it says that it will, and leaves it to the client to be first.
    let (keep, close) = (response(""), response("Connection: close\r\n"));
    let small = thread::Builder::new().stack_size(128 << 10);
    let work = move || {
        let end = loop {
            let head = match head(&mut stream) {
                Ok(Some(head)) => head,
                Ok(None) => break Ok(()),
                Err(e) => break Err(e.kind()),
            };
            let mut visits = book.lock();
            visits[at].requests += 1;
            if visits[at].requests == 1 {
                visits[at].host = header(&head, "host: ");
            }
            drop(visits);
            let response = if header(&head, "connection: ") == "close" { &close } else { &keep };
            if let Err(e) = stream.write_all(response) {
                break Err(e.kind());
            }
        };
        book.lock()[at].end = Some(end);
    };
    small.spawn(work).unwrap();
}

/// One head, byte by byte; none at the end of file.
fn head(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) if head.is_empty() => return Ok(None),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => head.push(byte[0]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Some(String::from_utf8(head).unwrap()))
}

fn header(head: &str, name: &str) -> String {
    let found = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
    found.map(|line| line[name.len()..].to_owned()).unwrap_or_default()
}

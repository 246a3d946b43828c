//! A web server on loopback that sends those who ask for certain places elsewhere.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct Site {
    /// From host and path to a URL.
    redirects: Mutex<HashMap<String, String>>,
    /// Each connection ends with its first response.
    closes: AtomicBool,
}

pub(crate) struct Web {
    port: u16,
    site: Arc<Site>,
}

impl Web {
    /// On one port of all these addresses. Its threads end with the test's process.
    pub(crate) fn new(addresses: &[&str]) -> Web {
        let listeners = loop {
            let first = TcpListener::bind((addresses[0], 0)).unwrap();
            let port = first.local_addr().unwrap().port();
            let others = addresses[1..].iter().map(|address| TcpListener::bind((*address, port)));
            // Taken on another address: once more.
            if let Ok(others) = others.collect::<Result<Vec<_>, _>>() {
                break std::iter::once(first).chain(others).collect::<Vec<_>>();
            }
        };
        let port = listeners[0].local_addr().unwrap().port();
        let site = Arc::new(Site::default());
        for listener in listeners {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let (stream, site) = (stream.unwrap(), Arc::clone(&site));
                    thread::spawn(move || serve(stream, &site));
                }
            });
        }
        Web { port, site }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Who asks `host` (without port) for `path` is sent to `to`.
    pub(crate) fn redirects(&self, host: &str, path: &str, to: &str) {
        let from = format!("{host}:{}{path}", self.port);
        self.site.redirects.lock().unwrap().insert(from, to.into());
    }

    /// Connections end with their first response from now on.
    pub(crate) fn closes(&self) {
        self.site.closes.store(true, Ordering::Relaxed);
    }
}

fn serve(stream: TcpStream, site: &Site) {
    stream.set_nodelay(true).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut out = stream;
    loop {
        let head: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
        let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else { return };
        let host = head.iter().find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default();
        let to = site.redirects.lock().unwrap().get(&format!("{host}{path}")).cloned();
        let (status, more) = match to {
            Some(to) => ("302 Found", format!("Location: {to}\r\n")),
            None => ("200 OK", String::new()),
        };
        let closes = site.closes.load(Ordering::Relaxed);
        let close = if closes { "Connection: close\r\n" } else { "" };
        let response = format!("HTTP/1.1 {status}\r\n{more}{close}Content-Length: 2\r\n\r\nok");
        if out.write_all(response.as_bytes()).is_err() || closes {
            return;
        }
    }
}

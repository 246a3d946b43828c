//! Through HTTP proxies: tunnels for https, forwarding for http.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::common::nginx_tls::NginxTls;
use super::common::pki::head;
use super::common::plain::{self, Framing};
use super::common::rig::serve;
use super::common::run::{drivers, run};
use crate::common::skip::or_skip;

/// Heads of the requests that a proxy was sent.
type Heads = Arc<Mutex<Vec<String>>>;

/// A proxy: opens tunnels, forwards to the host of an absolute target, and wants `credentials`, if there are any.
fn proxy(credentials: Option<&'static str>) -> (SocketAddr, Heads) {
    let heads = Heads::default();
    let noted = Arc::clone(&heads);
    let addr = serve(move |mut client| {
        while let Some(request) = head(&mut client) {
            noted.lock().unwrap().push(request.clone());
            if let Some(wanted) = credentials
                && !request.contains(&format!("\r\nProxy-Authorization: Basic {wanted}\r\n"))
            {
                let _ = client
                    .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            let target = request.split(' ').nth(1).unwrap().to_owned();
            if request.starts_with("CONNECT ") {
                return tunnel(client, &target);
            }
            let rest = target.strip_prefix("http://").expect("an absolute target");
            let (host, path) = rest.split_at(rest.find('/').unwrap());
            forward(&mut client, host, &request.replacen(&target, path, 1));
        }
    });
    (addr, heads)
}

fn tunnel(mut client: TcpStream, authority: &str) {
    let Ok(mut server) = TcpStream::connect(authority) else {
        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
        return;
    };
    server.set_nodelay(true).unwrap();
    // In pieces: a head may be cut anywhere.
    client.write_all(b"HTTP/1.1 200 Conn").unwrap();
    client.write_all(b"ection established\r\nX: y\r\n\r\n").unwrap();
    let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut client, &mut server);
    let _ = server.shutdown(std::net::Shutdown::Both);
}

/// One request to the origin, whose response must have two bytes of body.
fn forward(client: &mut TcpStream, host: &str, request: &str) {
    let mut server = TcpStream::connect(host).unwrap();
    server.write_all(request.as_bytes()).unwrap();
    let response = head(&mut server).unwrap();
    let mut body = [0; 2];
    server.read_exact(&mut body).unwrap();
    let _ = client.write_all(&[response.as_bytes(), &body].concat());
}

#[test]
fn https_goes_through_a_tunnel() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    for driver in drivers() {
        for (engine, credentials) in [
            (&["-c", "4"][..], None),
            (&["--vus", "4"], Some("bWU6c2VjcmV0")),
            (&["-c", "2", "-p", "4"], None),
        ] {
            let (addr, heads) = proxy(credentials);
            let login = if credentials.is_some() { "me:secret@" } else { "" };
            let proxy = format!("http://{login}{addr}");
            let mark = format!("{driver}{}", engine.len() + usize::from(credentials.is_some()));
            let url = nginx.url("good", &format!("/?run={mark}."));
            let args =
                [engine, &["-n", "200", "--cacert", &roots, "--proxy", &proxy, "--driver", driver]].concat();
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (200, 0), "{}", done.stdout);
            assert_eq!(nginx.log(&format!("?run={mark}."), 200).len(), 200);
            let heads = heads.lock().unwrap();
            assert_eq!(heads.len() as u64, done.count("/connections/established"));
            let first = format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n", nginx.port("good"));
            assert!(heads.iter().all(|head| head.starts_with(&first)), "{heads:?}");
            assert_eq!(done.at("/config/proxy").as_str(), Some(format!("http://{addr}").as_str()));
            assert!(!done.stdout.contains("secret"), "{}", done.stdout);
        }
    }
}

#[test]
fn http_is_forwarded() {
    let (origin, _) = plain::start(Framing::Length, 2);
    for driver in drivers() {
        for engine in [&["-c", "2"][..], &["--vus", "2"]] {
            let (addr, heads) = proxy(Some("bWU6c2VjcmV0"));
            let proxy = format!("http://me:secret@{addr}");
            let url = format!("{origin}a?b=c");
            let args = [engine, &["-n", "100", "--proxy", &proxy, "--driver", driver]].concat();
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!(done.count("/status/200"), 100, "{}", done.stdout);
            let heads = heads.lock().unwrap();
            let first = format!("GET {url} HTTP/1.1\r\n");
            assert!(heads.iter().all(|head| head.starts_with(&first)), "{heads:?}");
        }
    }
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    for driver in drivers() {
        let (addr, _) = proxy(Some("other"));
        let proxy = format!("http://me:secret@{addr}");
        let args = ["-k", "--proxy", &proxy, "--driver", driver];
        let plain = run(&nginx.url("good", "/"), &[&args[..], &["-n", "5", "-c", "1"]].concat()).exits(1);
        assert!(plain.stderr.contains("wants credentials (status 407)"), "{}", plain.stderr);
        let users = run(&nginx.url("good", "/"), &[&args[..], &["-d", "300ms", "--vus", "2"]].concat());
        let users = users.balanced();
        assert!(users.failed() > 0);
        assert_eq!(users.count("/errors/proxy"), users.failed(), "{}", users.stdout);
    }
}

//! What is asked, and of whom: interfaces, abstract sockets, credentials in URLs, proxies of the environment, bodies from standard input and in
//! chunks. A server of a few lines remembers each request as it came.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::run::{Done, drivers, run, squall, start_command};
use crate::common::skip::skip;

/// Requests, each once.
type Seen = Arc<Mutex<Vec<String>>>;

/// Answers each request of a connection once it is whole; `/there` leads to `/here` at `host`.
fn answer(mut stream: impl Read + Write, seen: &Seen, host: &str) {
    let mut come = String::new();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        come.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        while let Some(end) = whole(&come) {
            let request: String = come.drain(..end).collect();
            let head = match request.contains("/there ") {
                true => format!("HTTP/1.1 302 Found\r\nLocation: http://{host}/here\r\n"),
                false => "HTTP/1.1 200 OK\r\n".to_owned(),
            };
            let mut all = seen.lock().unwrap();
            if !all.contains(&request) {
                all.push(request);
            }
            drop(all);
            if stream.write_all(format!("{head}Content-Length: 2\r\n\r\nok").as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Where the first request ends, if it is all there.
fn whole(come: &str) -> Option<usize> {
    let head = come.find("\r\n\r\n")? + 4;
    let lines = || come[..head].split("\r\n").filter_map(|line| line.split_once(": "));
    let length = |name: &str| lines().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    if length("Transfer-Encoding").is_some() {
        return come[head..].find("0\r\n\r\n").map(|at| head + at + 5);
    }
    let end = head + length("Content-Length").map_or(0, |text| text.parse().unwrap());
    (come.len() >= end).then_some(end)
}

/// On every address of this host; its port.
fn server() -> (u16, Seen) {
    let listener = TcpListener::bind("[::]:0").unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Seen::default());
    let noted = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, seen) = (stream.unwrap(), Arc::clone(&noted));
            // As the client wrote it: a server knows no zone of the client's.
            let own = stream.local_addr().unwrap().ip().to_string();
            let host = format!("[{}]:{port}", own.split('%').next().unwrap());
            thread::spawn(move || answer(stream, &seen, &host));
        }
    });
    (port, seen)
}

/// The one request that was seen.
fn only(seen: &Seen) -> String {
    let all = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

/// A link-local address of this host and its interface (proc_net(5), if_inet6).
fn link_local() -> Option<(String, String)> {
    let table = fs::read_to_string("/proc/net/if_inet6").ok()?;
    let row = table.lines().find(|line| line.starts_with("fe80"))?;
    let words: Vec<&str> = row.split_whitespace().collect();
    let groups: Vec<&str> = (0..8).map(|at| &words[0][at * 4..at * 4 + 4]).collect();
    Some((groups.join(":").parse::<std::net::Ipv6Addr>().ok()?.to_string(), words[5].to_owned()))
}

#[test]
fn a_link_local_address_is_called_on_its_interface_and_told_without_it() {
    let Some((address, interface)) = link_local() else {
        return skip("link-local addresses: this host has none");
    };
    let (port, seen) = server();
    for driver in drivers() {
        let url = format!("http://[{address}%25{interface}]:{port}/");
        let done = run(&url, &["-n", "20", "-c", "2", "--driver", driver]).exits(0).balanced();
        assert_eq!(done.completed(), 20);
        assert_eq!(done.at("/config/target"), url.as_str());
        assert!(only(&seen).contains(&format!("\r\nHost: [{address}]:{port}\r\n")));
        // A redirect to the same address, which the server knows no interface of, stays on it.
        let there = format!("http://[{address}%{interface}]:{port}/there");
        let done =
            run(&there, &["-n", "4", "-c", "1", "--max-redirects", "1", "--cookies", "--driver", driver]);
        let done = done.exits(0).balanced();
        assert_eq!((done.count("/status/200"), done.count("/status/302")), (4, 4), "{}", done.stdout);
        seen.lock().unwrap().clear();
    }
    for (url, said) in [
        (format!("http://[{address}]:{port}/"), format!("URL: `{address}` is a link-local address")),
        (
            format!("http://[{address}%25nowhere7]/"),
            "URL: there is no interface `nowhere7` here, but ".into(),
        ),
    ] {
        let done = run(&url, &["-n", "1"]).exits(2);
        assert!(done.stderr.contains(&said), "{}", done.stderr);
    }
}

#[test]
fn an_abstract_socket_is_written_with_an_at_sign() {
    let name = format!("squall-test-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, seen) = (stream.unwrap(), Arc::clone(&noted));
            thread::spawn(move || answer(stream, &seen, ""));
        }
    });
    let socket = format!("@{name}");
    for driver in drivers() {
        let args = ["--unix-socket", &socket, "-n", "40", "-c", "4", "--driver", driver];
        let done = run("http://app.invalid/x", &args).exits(0).balanced();
        assert_eq!(done.completed(), 40);
        assert_eq!(done.at("/config/unix_socket"), socket.as_str());
        assert!(only(&seen).starts_with("GET /x HTTP/1.1\r\nHost: app.invalid\r\n"));
    }
    let nobody = run("http://app.invalid/", &["--unix-socket", "@squall-nobody", "-n", "1"]).exits(1);
    assert!(
        nobody.stderr.contains("@squall-nobody") && nobody.stderr.contains("nobody listens on it"),
        "{}",
        nobody.stderr
    );
    let long = format!("@{}", "x".repeat(108));
    let refused = run("http://app.invalid/", &["--unix-socket", &long, "-n", "1"]).exits(2);
    assert!(refused.stderr.contains("at most 107"), "{}", refused.stderr);
    run("http://app.invalid/", &["--unix-socket", "@", "-n", "1"]).exits(2);
}

#[test]
fn credentials_of_the_url_are_sent_and_never_shown() {
    let (port, seen) = server();
    let url = format!("http://m%65:p%40ss@127.0.0.1:{port}/x");
    for engine in ["-c", "--vus"] {
        let done = run(&url, &["-n", "4", engine, "1"]).exits(0).balanced();
        assert!(only(&seen).contains("\r\nAuthorization: Basic bWU6cEBzcw==\r\n"));
        assert_eq!(done.at("/config/target"), format!("http://127.0.0.1:{port}/x").as_str());
        assert_eq!(done.at("/config/headers"), &serde_json::json!(["Authorization: Basic ***"]));
        let text = start_command(squall(&[&url, "-n", "4", "--allow-invalid"]).args([engine, "1"]))
            .finish()
            .exits(0);
        for secret in ["p%40ss", "p@ss", "bWU6cEBzcw"] {
            assert!(
                ![&done.stdout, &done.stderr, &text.stdout, &text.stderr]
                    .iter()
                    .any(|said| said.contains(secret))
            );
        }
    }
    for (url, more, said) in [
        (
            url.as_str(),
            &["-H", "authorization: Bearer x"][..],
            "-H: gives Authorization, and the URL has a user name: leave one out",
        ),
        (
            "http://me:%zz@127.0.0.1:1/",
            &[],
            "URL: the credentials hold a % that is not followed by two hex digits: write %25",
        ),
        ("me:secret@127.0.0.1:1/", &[], "URL: `127.0.0.1:1/` has no scheme: write http://127.0.0.1:1/"),
    ] {
        let done = run(url, &[&["-n", "1"], more].concat()).exits(2);
        assert_eq!(done.stderr.trim_end(), format!("squall: {said}"));
    }
}

/// With these variables of the environment, and no others about proxies.
fn with(variables: &[(&str, &str)], args: &[&str]) -> Done {
    let mut command = squall(args);
    for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"]
    {
        command.env_remove(name);
    }
    start_command(command.envs(variables.iter().copied())).finish()
}

#[test]
fn proxies_of_the_environment_are_honoured_and_said() {
    let (port, seen) = server();
    let proxy = format!("http://me:secret@127.0.0.1:{port}");
    let json = ["-n", "4", "-c", "1", "--format", "json", "--allow-invalid"];
    for engine in [&[][..], &["--check", "status==200"]] {
        let args = [&["http://app.invalid:81/x"], &json[..], engine].concat();
        let done = with(&[("http_proxy", &proxy)], &args).exits(0).balanced();
        let head = only(&seen);
        assert!(head.starts_with("GET http://app.invalid:81/x HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{head}");
        assert_eq!(done.at("/config/proxy"), format!("http://127.0.0.1:{port}").as_str());
        assert_eq!(done.at("/config/proxy_from"), "http_proxy");
    }
    let text =
        with(&[("all_proxy", &proxy)], &["http://app.invalid/", "-n", "4", "-c", "1", "--allow-invalid"])
            .exits(0);
    let line = format!("proxy         http://127.0.0.1:{port} (from all_proxy; --proxy '' goes without)");
    assert!(text.stdout.contains(&line) && !text.stdout.contains("secret"), "{}", text.stdout);
    seen.lock().unwrap().clear();
    // This host is called directly; so is what is left out, which then has no address.
    let local = format!("http://127.0.0.1:{port}/own");
    let done =
        with(&[("http_proxy", "http://127.0.0.1:1")], &[&[local.as_str()], &json[..]].concat()).exits(0);
    assert_eq!(done.at("/config/proxy"), &serde_json::Value::Null);
    assert!(only(&seen).starts_with("GET /own HTTP/1.1\r\n"));
    for (variables, more) in [
        (&[("http_proxy", proxy.as_str()), ("NO_PROXY", "x.example,invalid")][..], &[][..]),
        (&[("http_proxy", proxy.as_str())], &["--proxy", ""]),
        (&[("HTTP_PROXY", proxy.as_str()), ("https_proxy", proxy.as_str())], &[]),
    ] {
        let done = with(variables, &[&["http://app.invalid/"], &json[..], more].concat()).exits(1);
        assert!(done.stderr.contains("cannot resolve `app.invalid`"), "{}", done.stderr);
    }
    let refused =
        with(&[("ALL_PROXY", "socks5h://p:1080")], &[&["https://app.invalid/"], &json[..]].concat()).exits(2);
    assert_eq!(
        refused.stderr.trim_end(),
        "squall: ALL_PROXY: names no proxy that can be used: `socks5h` proxies are not spoken to: give an HTTP proxy, \
         http://HOST:PORT, or go without one (--proxy '')"
    );
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn a_body_may_come_from_standard_input_and_go_in_chunks() {
    let (port, seen) = server();
    let url = format!("http://127.0.0.1:{port}/x");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "hello").unwrap();
    for (more, sent) in [
        (&["-c", "1"][..], "Content-Length: 5\r\n\r\nhello"),
        (&["--vus", "1"], "Content-Length: 5\r\n\r\nhello"),
        (&["-c", "1", "-H", "Transfer-Encoding: chunked"], "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        (&["--vus", "1", "-H", "transfer-encoding: chunked"], "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let mut command = squall(&[&url, "-n", "4", "--body-file", "-", "--allow-invalid"]);
        command.args(more).stdin(Stdio::from(fs::File::open(file.path()).unwrap()));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let request = only(&seen);
        assert!(request.starts_with("POST /x ") && request.ends_with(sent), "{request:?}");
    }
    for (given, said) in [
        (
            &["-H", "Transfer-Encoding: gzip"][..],
            "-H: Transfer-Encoding `gzip` cannot be sent: give `chunked`, or leave it out for a body with Content-Length",
        ),
        (
            &["-H", "Transfer-Encoding: chunked", "-H", "Content-Length: 5"],
            "-H: Transfer-Encoding and Content-Length are both given: leave one out",
        ),
    ] {
        let done = run(&url, &[&["-n", "1", "--body", "hello"], given].concat()).exits(2);
        assert_eq!(done.stderr.trim_end(), format!("squall: {said}"));
    }
}

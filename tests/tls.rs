//! The real binary over TLS: against nginx with certificates of all sorts, and against servers that break it.

mod common;

#[path = "tls/broken.rs"]
mod broken;
#[path = "tls/made.rs"]
mod made;
#[path = "tls/proxies.rs"]
mod proxies;

use common::nginx_tls::{Line, NginxTls};
use common::run::{Done, drivers, run, squall, start_command};
use common::skip::or_skip;

fn logged(nginx: &NginxTls, done: &Done, mark: &str) -> Vec<Line> {
    let lines = nginx.log(&format!("?run={mark}."), done.completed());
    assert_eq!(lines.len() as u64, done.completed(), "{mark}: responses in the log and counted");
    lines
}

fn connections(lines: &[Line]) -> usize {
    let mut all: Vec<u64> = lines.iter().map(|line| line.connection).collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

#[test]
fn counts_equal_the_access_log_in_every_model() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    for driver in drivers() {
        for (name, args) in [
            ("n", &["-n", "3000", "-c", "20"][..]),
            ("deep", &["-n", "3000", "-c", "7", "-p", "8"]),
            ("two", &["-n", "3001", "-c", "9", "-t", "2"]),
            ("open", &["-n", "1001", "-c", "20", "-R", "4000"]),
            ("d", &["-d", "500ms", "-c", "20"]),
            ("check", &["-d", "500ms", "-c", "20", "--check", "body contains 'ok'"]),
            ("tls12", &["-n", "2000", "-c", "10"]),
        ] {
            let server = if name == "tls12" { name } else { "good" };
            let mark = format!("{driver}-{name}");
            let url = nginx.url(server, &format!("/?run={mark}."));
            let args = [args, &["--driver", driver, "--cacert", &roots]].concat();
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!(done.failed(), 0, "{mark}: {}", done.stdout);
            let lines = logged(&nginx, &done, &mark);
            assert!(lines.iter().all(|line| line.status == 200 && line.alpn == "http/1.1"), "{lines:?}");
            let version = if name == "tls12" { "TLSv1.2" } else { "TLSv1.3" };
            assert!(lines.iter().all(|line| line.protocol == version));
            assert_eq!(
                done.at("/tls/version").as_str(),
                Some(if name == "tls12" { "TLSv1_2" } else { "TLSv1_3" })
            );
            let handshakes = done.count("/tls/handshakes");
            assert_eq!(handshakes, done.count("/connections/established"), "{mark}");
            assert_eq!(handshakes, done.count("/latency/tls_handshake/count"), "{mark}");
            assert!(done.number("/latency/tls_handshake/min_us") > 0.0);
            if let Some(wanted) = done.at("/config/requests").as_u64() {
                assert_eq!(done.completed(), wanted, "{mark}");
            }
        }
    }
}

#[test]
fn a_name_is_told_and_an_address_is_not() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    for (host, told) in [("localhost", "localhost"), ("127.0.0.1", "-")] {
        let url = format!("https://{host}:{}/?run={host}.", nginx.port("good"));
        let done = run(&url, &["-n", "10", "-c", "2", "--cacert", &roots]).exits(0).balanced();
        let lines = logged(&nginx, &done, host);
        assert!(lines.iter().all(|line| line.server_name == told), "{lines:?}");
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_named() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    for driver in drivers() {
        for (server, kind, part) in [
            ("expired", "tls_expired", "the server's certificate expired on 2020-01-01 00:00:00 UTC"),
            ("future", "tls", "the server's certificate is not valid before 2200-01-01 00:00:00 UTC"),
            ("other", "tls_name_mismatch", "is for other.example, not for `127.0.0.1`"),
            ("stranger", "tls_unknown_issuer", "was issued by `CN=a stranger`, which is not trusted here"),
            ("tls11", "tls", "the server speaks neither TLS 1.2 nor 1.3"),
        ] {
            let url = nginx.url(server, "/");
            let common = ["--driver", driver, "--cacert", &roots];
            let plain = run(&url, &[&["-n", "10", "-c", "2"], &common[..]].concat()).exits(1);
            assert!(plain.stderr.contains(part), "{server}: {}", plain.stderr);
            assert!(plain.stderr.contains("cannot connect to https://"), "{}", plain.stderr);
            // Virtual users count each attempt, as k6 does.
            let args = [&["-d", "300ms", "--vus", "2"], &common[..]].concat();
            let users = run(&url, &args).balanced();
            assert_eq!(users.completed(), 0, "{server}");
            assert!(users.failed() > 0, "{server}");
            assert_eq!(users.count(&format!("/errors/{kind}")), users.failed(), "{server}: {}", users.stdout);
            // With -k none of this matters, but the version does.
            let args = ["-n", "10", "-c", "2", "-k", "--driver", driver];
            let trusting = run(&url, &args);
            let wanted = if server == "tls11" { Some(1) } else { Some(0) };
            assert_eq!(trusting.code, wanted, "{server}: {}", trusting.stderr);
        }
    }
}

#[test]
fn a_server_that_wants_to_know_us_is_shown_our_certificate() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let (roots, url) = (nginx.pki.roots(), nginx.url("mutual", "/?run=mutual."));
    let (cert, key) = (nginx.client.cert.display().to_string(), nginx.client.key.display().to_string());
    let shown = run(&url, &["-n", "50", "-c", "5", "--cacert", &roots, "--cert", &cert, "--key", &key]);
    let shown = shown.exits(0).balanced();
    assert_eq!(shown.at("/tls/client_certificate"), true);
    let lines = logged(&nginx, &shown, "mutual");
    assert!(lines.iter().all(|line| line.status == 200 && line.client.contains("CN=client")), "{lines:?}");
    // One file may hold both, as with curl.
    let both = nginx.pki.path("both.pem");
    std::fs::write(&both, [std::fs::read(&cert).unwrap(), std::fs::read(&key).unwrap()].concat()).unwrap();
    let both = both.display().to_string();
    run(&url, &["-n", "5", "-c", "1", "--cacert", &roots, "--cert", &both]).exits(0).balanced();
    // nginx lets strangers in, to tell them with a status that they are not welcome.
    let stranger = run(&nginx.url("mutual", "/"), &["-n", "5", "-c", "1", "--cacert", &roots]).exits(0);
    assert_eq!(stranger.count("/status/400"), 5);
}

#[test]
fn sessions_are_resumed_only_when_asked() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    for server in ["good", "tls12"] {
        for (flag, resumes) in [(None, false), (Some("--tls-resumption"), true)] {
            let mark = format!("{server}-{resumes}");
            let url = nginx.url(server, &format!("/?run={mark}."));
            let mut args = vec!["-n", "200", "-c", "4", "--no-keepalive", "--cacert", &roots, "-t", "1"];
            args.extend(flag);
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (200, 0), "{}", done.stdout);
            let lines = logged(&nginx, &done, &mark);
            assert_eq!(connections(&lines), 200, "each request has a connection of its own");
            let resumed = lines.iter().filter(|line| line.resumed).count() as u64;
            assert_eq!(done.count("/tls/resumed"), resumed, "{mark}");
            assert_eq!(done.count("/tls/handshakes"), 200, "{mark}");
            // The first on each connection cannot.
            assert!(if resumes { resumed >= 190 } else { resumed == 0 }, "{mark}: {resumed}");
        }
    }
}

#[test]
fn a_session_is_resumed_from_another_address_too() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    let fixed = ["-n", "200", "-c", "4", "-t", "1", "--no-keepalive", "--tls-resumption", "--cacert", &roots];
    // 32 endpoints, of which each would have to do a whole handshake first if it had sessions of its own.
    let args = [&fixed[..], &["--source", "127.0.5.0/27"]].concat();
    let done = run(&nginx.url("good", "/"), &args).exits(0).balanced();
    let resumed = done.count("/tls/resumed");
    assert!(resumed >= 190, "{resumed} of 200");
}

#[test]
fn the_oldest_version_can_be_set() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    run(&nginx.url("good", "/"), &["-n", "5", "-c", "1", "--cacert", &roots, "--tls-min", "1.3"]).exits(0);
    let refused =
        run(&nginx.url("tls12", "/"), &["-n", "5", "-c", "1", "--cacert", &roots, "--tls-min", "1.3"]);
    let refused = refused.exits(1);
    assert!(
        refused.stderr.contains("the server does not speak TLS 1.3: leave --tls-min out"),
        "{}",
        refused.stderr
    );
}

#[test]
fn large_bodies_come_and_go_whole() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    for driver in drivers() {
        let url = nginx.url("good", "/big");
        let done = run(&url, &["-n", "40", "-c", "4", "--cacert", &roots, "--driver", driver]).exits(0);
        let done = done.balanced();
        assert_eq!(done.count("/status/200"), 40);
        assert!(done.count("/throughput/received_bytes") >= 40 * (3 << 20));
    }
}

#[test]
fn a_trace_of_k6s_metrics_has_the_handshake() {
    let Some(nginx) = or_skip(NginxTls::start()) else { return };
    let roots = nginx.pki.roots();
    let threshold = "http_req_tls_handshaking:max>0";
    let args = ["-n", "50", "-c", "5", "--threshold", threshold, "--no-keepalive", "--cacert", &roots];
    run(&nginx.url("good", "/"), &args).exits(0).balanced();
}

#[test]
fn what_cannot_be_is_said_before_any_load() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let empty = file.path().display().to_string();
    for (args, parts) in [
        (&["http://127.0.0.1:1/", "-k"][..], ["-k", "no https://"]),
        (&["http://127.0.0.1:1/", "--cacert", &empty], ["--cacert", "leave it out"]),
        (&["https://127.0.0.1:1/", "--cacert", "/nowhere.pem"], ["--cacert", "/nowhere.pem"]),
        (&["https://127.0.0.1:1/", "--cacert", &empty], ["--cacert", "holds none"]),
        (&["https://127.0.0.1:1/", "-k", "--cert", &empty], ["--cert", "holds none"]),
        (&["https://127.0.0.1:1/", "-k", "--key", &empty], ["--key", "needs --cert"]),
        (&["https://127.0.0.1:1/", "--tls-min", "1.1"], ["--tls-min", "TLS 1.1 is not spoken: leave it out"]),
        (&["https://127.0.0.1:1/", "--tls-min", "2"], ["--tls-min", "1.2, 1.3"]),
        (&["https://127.0.0.1:1/", "-k", "--key-password", &empty], ["--key-password", "needs --cert"]),
        (&["https://127.0.0.1:1/", "-k", "--tls-timeout", "0"], ["--tls-timeout", "above zero"]),
        (&["https://127.0.0.1:1/", "-k", "--cacert", &empty], ["-k", "does not go with"]),
        (
            &["http://127.0.0.1:1/", "--proxy", "socks5://x"],
            ["--proxy", "`socks5` proxies are not spoken to"],
        ),
    ] {
        let done = start_command(&mut squall(args)).finish().exits(2);
        for part in parts {
            assert!(done.stderr.contains(part), "{args:?}: {}", done.stderr);
        }
    }
}

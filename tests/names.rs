//! Names that are looked up while load is sent, through the real binary: hosts that redirects lead to, names that stop resolving,
//! name servers that hang, and addresses that do not answer.

mod common;
#[path = "names/name_server.rs"]
mod name_server;
#[path = "names/web.rs"]
mod web;

use std::fs;
use std::path::Path;

use common::run::{Done, drivers, run, squall, start_command};
use common::skip::or_skip;
use squall::units::Nanos;

use name_server::{NameServer, Reply};
use web::Web;

/// A plan whose users ask `url`, over and over.
fn plan(at: &Path, url: &str, load: &str) -> String {
    let path = at.join("plan.toml");
    fs::write(&path, format!("{load}\n[steps.one]\nurl = \"{url}\"\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs squall with `names` as its only name server. `None`, and says so, where that cannot be had.
fn with(names: &NameServer, args: &[&str]) -> Option<Done> {
    let mut command = squall(args);
    command.args(["--format", "json", "--allow-invalid"]);
    or_skip(name_server::only(&mut command, names))?;
    Some(start_command(&mut command).finish())
}

fn name_server() -> Option<NameServer> {
    or_skip(NameServer::new())
}

/// Errors of one kind, of requests or of connections.
fn errors(done: &Done, key: &str, kind: &str) -> u64 {
    done.at(key)[kind].as_u64().unwrap_or(0)
}

#[test]
fn a_redirect_leads_to_a_host_that_only_the_name_server_knows() {
    let Some(names) = name_server() else { return };
    let web = Web::new(&["127.0.0.1", "127.0.0.2"]);
    names.says("shop.test", Reply::Address([127, 0, 0, 1]));
    names.says("pay.test", Reply::Address([127, 0, 0, 2]));
    web.redirects("shop.test", "/", &format!("http://pay.test:{}/done", web.port()));
    let home = tempfile::tempdir().unwrap();
    for driver in drivers() {
        let url = format!("http://shop.test:{}/", web.port());
        let plan = plan(home.path(), &url, "vus = 3\niterations = 60");
        let Some(done) = with(&names, &["run", &plan, "--driver", driver, "-t", "1"]) else { return };
        let done = done.exits(0).balanced();
        assert_eq!((done.completed(), done.failed()), (120, 0), "{driver}");
        // Both connections of a user are kept.
        assert_eq!(done.count("/connections/established"), 6, "{driver}");
        let origins = done.at("/origins").as_array().unwrap();
        assert!(origins.iter().any(|o| o["url"].as_str().unwrap().contains("pay.test")), "{origins:?}");
    }
}

#[test]
fn a_user_who_was_led_elsewhere_leaves_others_their_place() {
    let web = Web::new(&["127.0.0.1"]);
    let port = web.port();
    web.redirects("127.0.0.1", "/", &format!("http://localhost:{port}/done"));
    let home = tempfile::tempdir().unwrap();
    let load = "[scenarios.s]\nexecutor = \"ramping-vus\"\nstartVUs = 1\n\
                stages = [{ duration = \"300ms\", target = 1 }, { duration = \"1ms\", target = 8 }, { duration = \"500ms\", target = 8 }]";
    let plan = plan(home.path(), &format!("http://127.0.0.1:{port}/"), load);
    let done = run(&plan, &["-t", "1"]).exits(0).balanced();
    assert_eq!(done.failed(), 0);
    assert_eq!(done.count("/connections/established"), 16, "two for each user");
}

#[test]
fn a_name_that_stops_resolving_is_counted_and_the_run_goes_on() {
    let Some(names) = name_server() else { return };
    let web = Web::new(&["127.0.0.1"]);
    names.says("shop.test", Reply::Address([127, 0, 0, 1]));
    web.closes();
    let url = format!("http://shop.test:{}/", web.port());
    for engine in ["-c", "--vus"] {
        for driver in drivers() {
            names.says("shop.test", Reply::Address([127, 0, 0, 1]));
            names.says_later("shop.test", Nanos::from_millis(700), Reply::NoSuchName);
            let args =
                [&url, "--driver", driver, "-t", "1", "-d", "1500ms", "--dns-ttl", "200ms", engine, "2"];
            let Some(done) = with(&names, &args) else { return };
            let done = done.balanced();
            assert!(done.completed() > 100, "{driver} {engine}: {}", done.completed());
            // Plain runs lose connection attempts by it, users their requests.
            let of = if engine == "-c" { "/connections/errors" } else { "/errors" };
            assert!(errors(&done, of, "dns") > 0, "{driver} {engine}: {}", done.at(of));
            let origin = &done.at("/origins")[0];
            assert!(origin["unreachable"].as_str().is_some_and(|why| why.contains("shop.test")), "{origin}");
        }
    }
}

#[test]
fn a_name_server_that_hangs_stops_nobody_else() {
    let Some(names) = name_server() else { return };
    let web = Web::new(&["127.0.0.1"]);
    names.says("shop.test", Reply::Address([127, 0, 0, 1]));
    names.says("gone.test", Reply::Silence);
    names.says("none.test", Reply::NoSuchName);
    let port = web.port();
    web.redirects("shop.test", "/gone", &format!("http://gone.test:{port}/"));
    web.redirects("shop.test", "/none", &format!("http://none.test:{port}/"));
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("plan.toml");
    let part = |name: &str| {
        format!(
            "[steps.{name}]\nurl = \"http://shop.test:{port}/{name}\"\n[scenarios.{name}]\nexecutor = \"constant-vus\"\n\
             vus = 1\nduration = \"1s\"\ngracefulStop = \"12s\"\nflow = \"{name}\"\n"
        )
    };
    let flows = "[flows]\ngone = [\"gone\"]\nnone = [\"none\"]\nhere = [\"here\"]\n";
    let steps = ["gone", "none", "here"].map(part);
    fs::write(&path, format!("{flows}{}", steps.concat())).unwrap();
    let Some(done) = with(&names, &["run", path.to_str().unwrap(), "-t", "1"]) else { return };
    let done = done.balanced();
    assert!(done.completed() > 500, "the third user was held up: {}", done.completed());
    assert!(errors(&done, "/errors", "dns") > 0, "{}", done.at("/errors"));
    assert!(errors(&done, "/errors", "dns_timeout") > 0, "{}", done.at("/errors"));
}

/// Nobody listens at the second address: the first attempt of whoever comes to it goes on to the next, and is no failure.
#[test]
fn the_next_address_is_tried_within_one_attempt() {
    let web = Web::new(&["127.0.0.1"]);
    let port = web.port();
    let entry = format!("h.test:{port}:127.0.0.9,127.0.0.1");
    for driver in drivers() {
        for engine in [["-c", "6"], ["--vus", "6"]] {
            let fixed = ["--driver", driver, "-t", "1", "-d", "200ms", "--resolve", &entry];
            let done = run(&format!("http://h.test:{port}/"), &[&fixed[..], &engine].concat()).exits(0);
            let done = done.balanced();
            assert!(done.completed() > 0 && done.failed() == 0);
            assert_eq!(done.count("/connections/failed_attempts"), 0, "{driver} {engine:?}");
            assert_eq!(done.count("/connections/established"), 6);
        }
    }
}

use clap::error::ErrorKind;

use super::*;
use crate::run::config::{RawConnect, RawTls};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    super::parse(&argv)
}

fn run(line: &str) -> RunArgs {
    match parse(line).unwrap().command {
        Some(Command::Run(run)) => *run,
        other => panic!("{other:?}"),
    }
}

fn raw(line: &str) -> RawConfig {
    run(line).raw
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_url_is_a_run_wherever_the_flags_stand() {
    let expected = raw("squall run http://h/p -c 5 -d 2s -H A:b");
    assert_eq!(expected.url, "http://h/p");
    assert_eq!(expected.connections, Some(5));
    for line in [
        "squall http://h/p -c 5 -d 2s -H A:b",
        "squall -c 5 -d 2s -H A:b http://h/p",
        "squall -c5 -d2s http://h/p --header A:b",
        "squall run --connections=5 http://h/p --duration 2s -H A:b",
    ] {
        assert_eq!(raw(line), expected, "{line}");
    }
}

#[test]
fn every_flag_arrives() {
    let line = "squall http://h/ -c 1 -t 2 --cores 1,3-5 -d 3s -n 4 --drain 3s --max-head 5k --max-body 6M --max-memory 1GiB -R 5k --arrivals poisson --seed 6 -p 7 -m PUT \
                -H A:b -H C:d --body-file f --timeout 8s --warmup 9s --wait spin --max-backlog 10 --driver epoll \
                --show-secrets --allow-invalid --stage 1s:2 --stage 3s:4 --vus 5 --check a --threshold b --max-redirects 6 \
                --no-keepalive --resend --cookies --var c=d -k --cacert ca --cert ce --key ke --key-password kp --tls-min 1.3 --tls-resumption \
                --tls-timeout 7s --proxy p \
                --unix-socket s --resolve r --resolve q --source 1,2 --source 3 \
                --tcp-congestion t --interval 2s --max-series 8 --dns-ttl 9s --allow-host u --allow-host v";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        raw(line),
        RawConfig {
            url: "http://h/".into(),
            connections: Some(1),
            threads: Some(2),
            cores: text("1,3-5"),
            duration: text("3s"),
            requests: Some(4),
            drain: text("3s"),
            max_head: text("5k"),
            max_body: text("6M"),
            max_memory: text("1GiB"),
            rate: text("5k"),
            arrivals: text("poisson"),
            seed: Some(6),
            pipeline: Some(7),
            method: text("PUT"),
            headers: vec!["A:b".into(), "C:d".into()],
            body: None,
            body_file: Some("f".into()),
            timeout: text("8s"),
            connect_timeout: None,
            connect: RawConnect {
                unix_socket: Some("s".into()),
                resolve: vec!["r".into(), "q".into()],
                sources: vec!["1,2".into(), "3".into()],
                congestion: text("t"),
                dns_ttl: text("9s"),
                allow_hosts: vec!["u".into(), "v".into()],
            },
            tls: RawTls {
                insecure: true,
                cacert: Some("ca".into()),
                cert: Some("ce".into()),
                key: Some("ke".into()),
                key_password: Some("kp".into()),
                min_version: text("1.3"),
                resumption: true,
                timeout: text("7s"),
            },
            proxy: text("p"),
            warmup: text("9s"),
            interval: text("2s"),
            max_series: Some(8),
            wait: text("spin"),
            max_backlog: Some(10),
            driver: text("epoll"),
            show_secrets: true,
            allow_invalid: true,
            stages: vec!["1s:2".into(), "3s:4".into()],
            vus: Some(5),
            checks: vec!["a".into()],
            thresholds: vec!["b".into()],
            max_redirects: Some(6),
            no_keepalive: true,
            resend: true,
            requests_per_connection: None,
            cookies: true,
            vars: vec!["c=d".into()],
        }
    );
    assert_eq!(raw("squall http://h/ --body x").body, text("x"));
    assert_eq!(raw("squall http://h/ --body -1").body, text("-1"));
    let run = run("squall http://h/ -L --format json -o f -q");
    assert!(run.latency && run.quiet);
    assert_eq!((run.format, run.output), (Format::Json, Some("f".into())));
}

#[test]
fn subcommands_take_only_their_own() {
    assert!(matches!(parse("squall demo -d 1s").unwrap().command, Some(Command::Demo(_))));
    assert!(matches!(parse("squall man").unwrap().command, Some(Command::Man)));
    let line = "squall target --listen 127.0.0.1:0 --threads 2 --cores 0,1 --latency exp:5ms --error-rate 0.1 \
                --stall 1s/5s --seed 3";
    let Some(Command::Target(args)) = parse(line).unwrap().command else {
        panic!("not a target");
    };
    assert_eq!((args.threads, args.seed, args.error_rate), (Some(2), 3, 0.1));
    assert!(args.latency.is_some() && args.stall.is_some());
    for line in [
        "squall target http://h/",
        "squall target --error-rate 1.5",
        "squall target --latency slow",
        "squall demo -R 5",
        "squall -c 5 run http://h/",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn nonsense_is_a_usage_error() {
    for (line, kind) in [
        ("squall", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("squall run", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("squall http://h/ -c many", ErrorKind::ValueValidation),
        ("squall http://h/ -c -5", ErrorKind::UnknownArgument),
        ("squall http://h/ -t 10s", ErrorKind::ValueValidation),
        ("squall http://h/ -k yes", ErrorKind::UnknownArgument),
        ("squall http://h/ -q 100", ErrorKind::UnknownArgument),
        ("squall http://h/ --wait forever", ErrorKind::InvalidValue),
        ("squall http://h/ --body a --body-file b", ErrorKind::ArgumentConflict),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (kind, 2), "{line}");
    }
}

//! Certificates and keys as people make them with `openssl`: what is taken, and what is said of the rest.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::process::{Group, find, free_port, listens, within};
use crate::common::run::{run, squall, start_command};
use crate::common::skip::or_skip;
use squall::units::Nanos;

/// Files that openssl makes, and servers that show them.
struct Openssl {
    dir: TempDir,
}

const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA_1024: &[&str] = &["-newkey", "rsa:1024"];

impl Openssl {
    /// With the authority `ca`, another one of the same name, `twin`, and `sub`, which `ca` has issued.
    fn new() -> Result<Openssl, String> {
        find("openssl")?;
        let made = Openssl { dir: tempfile::tempdir().unwrap() };
        for name in ["ca", "twin"] {
            made.self_signed(name, "/CN=ca", EC);
        }
        let sub = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,digitalSignature\nsubjectAltName=DNS:localhost";
        made.issued("sub", ("/CN=sub", EC), "ca", Some(sub), &[]);
        Ok(made)
    }

    fn path(&self, file: &str) -> String {
        self.dir.path().join(file).display().to_string()
    }

    fn openssl(&self, args: &[&str]) {
        let done = Command::new("openssl")
            .current_dir(self.dir.path())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// NAME.pem and NAME.key, as `openssl req -x509` makes them.
    fn self_signed(&self, name: &str, subject: &str, key: &[&str]) {
        let (pem, own) = (format!("{name}.pem"), format!("{name}.key"));
        let rest = ["-nodes", "-keyout", &own, "-out", &pem, "-days", "9", "-subj", subject];
        self.openssl(&[&["req", "-x509"], key, &rest].concat());
    }

    /// NAME.pem and NAME.key, as `openssl x509 -req -CA` makes them; without extensions version 1.
    fn issued(
        &self,
        name: &str,
        own: (&str, &[&str]),
        issuer: &str,
        extensions: Option<&str>,
        more: &[&str],
    ) {
        let [pem, key, request, extra] = ["pem", "key", "csr", "ext"].map(|end| format!("{name}.{end}"));
        let rest = ["-nodes", "-keyout", &key, "-out", &request, "-subj", own.0];
        self.openssl(&[&["req"], own.1, &rest].concat());
        let (by, by_key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        let mut args =
            vec!["x509", "-req", "-in", &request, "-CA", &by, "-CAkey", &by_key, "-CAcreateserial"];
        args.extend(["-out", &pem, "-days", "9"].into_iter().chain(more.iter().copied()));
        if let Some(text) = extensions {
            fs::write(self.dir.path().join(&extra), text).unwrap();
            args.extend(["-extfile", &extra]);
        }
        self.openssl(&args);
        let version = if extensions.is_some() { "Version: 3" } else { "Version: 1" };
        let shown = Command::new("openssl")
            .args(["x509", "-noout", "-text", "-in", &self.path(&pem)])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&shown.stdout).contains(version), "{name} is not of {version}");
    }

    /// A server that shows the certificates of `file`, and its URL.
    fn serve(&self, file: &str, key: &str, more: &[&str]) -> (Group, String) {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let args = ["s_server", "-accept", &address, "-cert", file, "-cert_chain", file, "-key", key];
        let mut command = Command::new("openssl");
        command
            .current_dir(self.dir.path())
            .args(args)
            .args(["-cipher", "ALL:@SECLEVEL=0", "-www", "-quiet"])
            .args(more);
        let group = Group::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        assert!(within(Nanos::from_secs(10), || listens(port)), "openssl s_server {file}");
        (group, format!("https://localhost:{port}/"))
    }
}

const LOCALHOST: Option<&str> = Some("subjectAltName=DNS:localhost");

#[test]
fn certificates_are_taken_as_by_curl() {
    let Some(made) = or_skip(Openssl::new()) else { return };
    let local = ("/CN=localhost", EC);
    made.issued("v1", local, "ca", None, &[]);
    made.issued("cn", local, "ca", Some("basicConstraints=CA:FALSE"), &[]);
    made.issued("wild", ("/CN=*.host.example", EC), "ca", None, &[]);
    made.issued("below", local, "sub", LOCALHOST, &[]);
    made.issued("v1below", local, "sub", None, &[]);
    made.issued("weak", ("/CN=localhost", RSA_1024), "ca", LOCALHOST, &[]);
    made.issued("sha1", local, "ca", LOCALHOST, &["-sha1"]);
    made.self_signed("self", "/CN=localhost", EC);
    made.self_signed("self-rsa", "/CN=localhost", &["-newkey", "rsa:2048"]);
    for name in ["below", "v1below"] {
        let chain =
            [&format!("{name}.pem"), "sub.pem"].map(|file| fs::read(made.path(file)).unwrap()).concat();
        fs::write(made.path(&format!("{name}-chain.pem")), chain).unwrap();
    }
    made.openssl(&["x509", "-in", "self.pem", "-outform", "DER", "-out", "self.der"]);
    // What is shown, with which key, what is trusted (none: -k), and what the server is told.
    for (shown, key, trusted, more) in [
        ("v1.pem", "v1.key", None, &[][..]),
        ("v1.pem", "v1.key", None, &["-tls1_2"]),
        ("weak.pem", "weak.key", None, &[]),
        ("weak.pem", "weak.key", None, &["-tls1_2"]),
        ("sha1.pem", "sha1.key", None, &[]),
        ("self.pem", "self.key", None, &[]),
        ("v1.pem", "v1.key", Some("ca.pem"), &[]),
        ("v1.pem", "v1.key", Some("ca.pem"), &["-tls1_2"]),
        ("v1.pem", "v1.key", Some("v1.pem"), &[]),
        ("cn.pem", "cn.key", Some("ca.pem"), &[]),
        ("self.pem", "self.key", Some("self.pem"), &[]),
        ("self.pem", "self.key", Some("self.der"), &[]),
        ("self-rsa.pem", "self-rsa.key", Some("self-rsa.pem"), &["-tls1_2"]),
        ("sub.pem", "sub.key", Some("ca.pem"), &[]),
        ("sub.pem", "sub.key", Some("sub.pem"), &[]),
        ("below.pem", "below.key", Some("sub.pem"), &[]),
        ("below-chain.pem", "below.key", Some("ca.pem"), &[]),
        ("v1below-chain.pem", "v1below.key", Some("ca.pem"), &[]),
    ] {
        let (_server, url) = made.serve(shown, key, more);
        let roots = trusted.map(|file| made.path(file));
        let trust = roots.as_deref().map_or(vec!["-k"], |file| vec!["--cacert", file]);
        let done = run(&url, &[&["-n", "2", "-c", "1"], &trust[..]].concat());
        assert_eq!(done.code, Some(0), "{shown} {trusted:?} {more:?}: {}", done.stderr);
        assert_eq!((done.completed(), done.failed()), (2, 0), "{shown} {trusted:?} {more:?}");
    }
    let (_server, url) = made.serve("wild.pem", "wild.key", &[]);
    let url = url.replace("localhost", "a.host.example");
    let port = url.trim_end_matches('/').rsplit_once(':').unwrap().1;
    let there = format!("a.host.example:{port}:127.0.0.1");
    let args = ["-n", "2", "-c", "1", "--cacert", &made.path("ca.pem"), "--resolve", &there];
    run(&url, &args).exits(0).balanced();
}

#[test]
fn what_keeps_a_certificate_from_being_trusted_is_said() {
    let Some(made) = or_skip(Openssl::new()) else { return };
    let local = ("/CN=localhost", EC);
    made.issued("v1", local, "ca", None, &[]);
    made.issued("below", local, "sub", LOCALHOST, &[]);
    made.issued("twins", local, "twin", LOCALHOST, &[]);
    made.issued("weak", ("/CN=localhost", RSA_1024), "ca", LOCALHOST, &[]);
    made.issued("sha1", local, "ca", LOCALHOST, &["-sha1"]);
    made.issued(
        "client",
        local,
        "ca",
        Some("subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth"),
        &[],
    );
    made.issued("other", local, "ca", Some("subjectAltName=DNS:a.example,DNS:*.b.example,IP:10.0.0.1"), &[]);
    made.issued("old-cn", ("/CN=*.com", EC), "ca", None, &[]);
    made.issued(
        "critical",
        local,
        "ca",
        Some("subjectAltName=DNS:localhost\n1.2.3.4=critical,ASN1:NULL"),
        &[],
    );
    made.issued("plain", ("/CN=plain", EC), "ca", LOCALHOST, &[]);
    made.issued("by-plain", local, "plain", LOCALHOST, &[]);
    let narrow =
        "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\nnameConstraints=permitted;DNS:a.example";
    made.issued("narrow", ("/CN=narrow", EC), "ca", Some(narrow), &[]);
    made.issued("by-narrow", local, "narrow", LOCALHOST, &[]);
    made.issued("v1-by-narrow", local, "narrow", None, &[]);
    made.issued(
        "new-sub",
        ("/CN=sub", EC),
        "twin",
        Some("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign"),
        &[],
    );
    made.issued("by-new-sub", local, "new-sub", LOCALHOST, &[]);
    for (leaf, chained) in [
        ("by-plain", "plain"),
        ("by-narrow", "narrow"),
        ("v1-by-narrow", "narrow"),
        ("by-new-sub", "sub"),
        ("by-new-sub", "new-sub"),
    ] {
        let chain = [leaf, chained].map(|name| fs::read(made.path(&format!("{name}.pem"))).unwrap()).concat();
        fs::write(made.path(&format!("{leaf}+{chained}.pem")), chain).unwrap();
    }
    made.self_signed("self", "/CN=localhost", EC);
    let bad = "the server's certificate cannot be trusted:";
    let all_the_same = "(-k connects all the same)";
    let trust = "(--cacert names a file with the certificate to trust, -k connects all the same)";
    for (shown, kind, said) in [
        ("self", "tls_unknown_issuer", format!("the server's certificate is self-signed, and is not trusted here {trust}")),
        ("below", "tls_unknown_issuer", format!("the server's certificate was issued by `CN=sub`, which is not trusted here {trust}")),
        (
            "twins",
            "tls_unknown_issuer",
            format!(
                "the server's certificate is not signed with the key of the trusted certificate of `CN=ca`, whom it names as its \
                 issuer {trust}"
            ),
        ),
        (
            "weak",
            "tls",
            "the server's certificate cannot be trusted: its RSA key has 1024 bits, and 2048 are the least (-k connects all the same)"
                .into(),
        ),
        (
            "sha1",
            "tls",
            "the server's certificate cannot be trusted: it, or one that issued it, is signed in a way that is not safe, such as \
             SHA-1 (-k connects all the same)"
                .into(),
        ),
        (
            "critical",
            "tls",
            format!("{bad} it has a critical extension that is not known {all_the_same}"),
        ),
        (
            "by-plain+plain",
            "tls",
            format!("{bad} it was issued by one that may issue none (CA:FALSE) {all_the_same}"),
        ),
        (
            "by-narrow+narrow",
            "tls",
            format!("{bad} one that issued it may not do so for its names (name constraints) {all_the_same}"),
        ),
        (
            "v1-by-narrow+narrow",
            "tls",
            format!(
                "{bad} it is of X.509 version 1, or an authority; `CN=narrow` in its chain must then be an authority in its time, \
                 without name constraints {all_the_same}"
            ),
        ),
        (
            "by-new-sub+sub",
            "tls_unknown_issuer",
            format!(
                "the server's certificate is not signed with the key of the accompanying certificate of `CN=sub`, whom it names as its \
                 issuer {trust}"
            ),
        ),
        (
            "by-new-sub+new-sub",
            "tls_unknown_issuer",
            format!(
                "the server's certificate has `CN=sub` in its chain, which is not signed with the key of the trusted certificate of \
                 `CN=ca` {trust}"
            ),
        ),
        (
            "client",
            "tls",
            "the server's certificate cannot be trusted: it is not meant for servers (extended key usage) (-k connects all the same)"
                .into(),
        ),
        (
            "other",
            "tls_name_mismatch",
            "the server's certificate is for a.example, *.b.example, 10.0.0.1, not for `localhost` (--resolve gives a name an \
             address of your choice, -k connects all the same)"
                .into(),
        ),
        (
            "old-cn",
            "tls_name_mismatch",
            "the server's certificate is for *.com, not for `localhost` (--resolve gives a name an address of your choice, -k \
             connects all the same)"
                .into(),
        ),
    ] {
        let (_server, url) = made.serve(&format!("{shown}.pem"), &format!("{}.key", shown.split('+').next().unwrap()), &[]);
        let roots = made.path("ca.pem");
        let done = run(&url, &["-n", "2", "-c", "1", "--cacert", &roots]).exits(1);
        assert!(done.stderr.trim_end().ends_with(&said), "{shown}: {}", done.stderr);
        let users = run(&url, &["-d", "300ms", "--vus", "1", "--cacert", &roots]);
        assert_eq!(users.count(&format!("/errors/{kind}")), users.failed(), "{shown}: {}", users.stdout);
        assert!(users.failed() > 0, "{shown}");
    }
    let (_server, url) = made.serve("self.pem", "self.key", &["-tls1"]);
    let done = run(&url, &["-n", "2", "-c", "1", "-k"]).exits(1);
    assert!(
        done.stderr.contains("neither TLS 1.2 nor 1.3, and squall speaks nothing older"),
        "{}",
        done.stderr
    );
}

/// Makes the client's certificate `me`, of version 1, in every form that there is, with the password `pass word`.
fn in_all_forms(made: &Openssl) {
    made.issued("me", ("/CN=me", &["-newkey", "rsa:2048"]), "ca", None, &[]);
    made.issued("you", ("/CN=you", EC), "ca", None, &[]);
    made.issued("weak", ("/CN=weak", RSA_1024), "ca", None, &[]);
    let password = ["-passout", "pass:pass word"];
    let pkcs8 = |out: &str, more: &[&str]| {
        made.openssl(&[&["pkcs8", "-topk8", "-in", "me.key", "-out", out], more, &password].concat());
    };
    pkcs8("me.enc", &[]);
    pkcs8("me.enc3des", &["-v2", "des3"]);
    pkcs8("me.scrypt", &["-scrypt", "-scrypt_N", "1024"]);
    pkcs8("me.encder", &["-outform", "DER"]);
    made.openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "me.key", "-outform", "DER", "-out", "me.p8"]);
    made.openssl(&["rsa", "-in", "me.key", "-traditional", "-outform", "DER", "-out", "me.p1"]);
    made.openssl(&["ec", "-in", "you.key", "-outform", "DER", "-out", "you.sec1"]);
    made.openssl(&["x509", "-in", "you.pem", "-outform", "DER", "-out", "you.der"]);
    made.openssl(
        &[&["rsa", "-in", "me.key", "-traditional", "-aes128", "-out", "me.old"], &password[..]].concat(),
    );
    made.openssl(&["x509", "-in", "me.pem", "-outform", "DER", "-out", "me.der"]);
    let p12 = |out: &str, more: &[&str]| {
        let args =
            ["pkcs12", "-export", "-in", "me.pem", "-inkey", "me.key", "-certfile", "ca.pem", "-out", out];
        made.openssl(&[&args, more].concat());
    };
    p12("me.p12", &password);
    p12(
        "old.p12",
        &[
            "-keypbe",
            "PBE-SHA1-3DES",
            "-certpbe",
            "PBE-SHA1-3DES",
            "-macalg",
            "sha1",
            "-passout",
            "pass:pass word",
        ],
    );
    p12("open.p12", &["-passout", "pass:"]);
    let both = ["me.pem", "me.enc"].map(|file| fs::read(made.path(file)).unwrap()).concat();
    fs::write(made.path("both.pem"), both).unwrap();
    for file in ["me.pem", "me.enc"] {
        let lines = fs::read_to_string(made.path(file)).unwrap().replace('\n', "\r\n");
        fs::write(made.path(&format!("windows-{file}")), format!("\u{feff}{lines}")).unwrap();
    }
    made.openssl(&[
        "req", "-x509", "-newkey", "rsa-pss", "-nodes", "-keyout", "pss.key", "-out", "pss.pem", "-subj",
        "/CN=pss",
    ]);
    fs::write(made.path("password"), "pass word\r\n").unwrap();
    fs::write(made.path("wrong"), "password").unwrap();
    made.openssl(&["crl2pkcs7", "-nocrl", "-certfile", "me.pem", "-out", "me.p7b"]);
}

#[test]
fn our_own_certificate_and_key_are_read_in_every_form() {
    let Some(made) = or_skip(Openssl::new()) else { return };
    in_all_forms(&made);
    made.self_signed("server", "/CN=localhost", EC);
    let (_server, url) = made.serve(
        "server.pem",
        "server.key",
        &["-Verify", "2", "-CAfile", "ca.pem", "-verify_return_error"],
    );
    let args = |cert: &str, key: Option<&str>, password: bool| {
        let mut args: Vec<String> = ["-n", "2", "-c", "1", "-k", "--cert"].map(str::to_owned).to_vec();
        args.push(made.path(cert));
        args.extend(key.into_iter().flat_map(|key| ["--key".into(), made.path(key)]));
        args.extend(password.then(|| ["--key-password".into(), made.path("password")]).into_iter().flatten());
        args
    };
    for (cert, key, password) in [
        ("me.pem", Some("me.key"), false),
        ("me.der", Some("me.p8"), false),
        ("me.der", Some("me.p1"), false),
        ("me.pem", Some("me.enc"), true),
        ("me.pem", Some("me.enc3des"), true),
        ("me.pem", Some("me.scrypt"), true),
        ("me.pem", Some("me.encder"), true),
        ("both.pem", None, true),
        ("windows-me.pem", Some("windows-me.enc"), true),
        ("you.der", Some("you.sec1"), false),
        ("me.p12", None, true),
        ("old.p12", None, true),
        ("open.p12", None, false),
    ] {
        let args = args(cert, key, password);
        let done = run(&url, &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
        assert_eq!(done.at("/tls/client_certificate"), true);
    }
    // It does want one.
    let without = run(&url, &["-n", "2", "-c", "1", "-k"]);
    assert!(without.code == Some(1) || without.completed() == 0, "{}", without.stdout);
}

#[test]
fn what_is_wrong_with_our_own_is_said_before_any_load() {
    let Some(made) = or_skip(Openssl::new()) else { return };
    in_all_forms(&made);
    let file = |name: &str| made.path(name);
    for (args, said) in [
        (
            &["--cert", "me.pem", "--key", "me.enc"][..],
            "--key: the private key cannot be read: it is encrypted: --key-password names a file with the password",
        ),
        (
            &["--cert", "both.pem"],
            "--cert: the private key cannot be read: it is encrypted: --key-password names a file with the password",
        ),
        (
            &["--cert", "me.pem", "--key", "me.enc", "--key-password", "wrong"],
            "--key-password: the password does not open the key: give that of the key",
        ),
        (
            &["--cert", "me.pem", "--key", "me.key", "--key-password", "password"],
            "--key-password: the key is not encrypted: leave --key-password out",
        ),
        (
            &["--cert", "me.pem", "--key", "me.old", "--key-password", "password"],
            "--key: the private key cannot be read: it is encrypted in the form of old OpenSSL, which is not read: `openssl pkcs8 \
             -topk8 -in FILE -out NEW` writes it anew",
        ),
        (
            &["--cert", "me.p12"],
            "--cert: the certificate and the key cannot be used: the PKCS#12 file does not open without a password: --key-password \
             names a file with the password",
        ),
        (
            &["--cert", "me.p12", "--key-password", "wrong"],
            "--cert: the certificate and the key cannot be used: the password does not open the PKCS#12 file",
        ),
        (
            &["--cert", "me.p12", "--key", "me.key", "--key-password", "password"],
            "--key: the private key cannot be read: --cert is PKCS#12, which has the key in it: leave --key out",
        ),
        (
            &["--cert", "me.pem", "--key", "you.key"],
            "--cert: the certificate and the key cannot be used: the key is not that of the first certificate",
        ),
        (
            &["--cert", "weak.pem", "--key", "weak.key"],
            "--cert: the certificate and the key cannot be used: the RSA key has 1024 bits, and 2048 to 8192 are what can be signed with",
        ),
        (
            &["--cert", "pss.pem", "--key", "pss.key"],
            "--cert: the certificate and the key cannot be used: the key is none of RSA, ECDSA (P-256, P-384, P-521) and Ed25519: give \
             one that is",
        ),
        (
            &["--cert", "me.pem"],
            "--cert: the private key cannot be read: the file holds none, but `CERTIFICATE`",
        ),
        (
            &["--cert", "me.p7b", "--key", "me.key"],
            "--cert: no certificate can be read: the file holds PKCS#7, which `openssl pkcs7 -print_certs -in FILE -out NEW` takes apart \
             (expected PEM, -----BEGIN CERTIFICATE-----, DER or PKCS#12)",
        ),
        (
            &["--cert", "me.p8", "--key", "me.key"],
            "--cert: no certificate can be read: the file is binary, but no certificate in DER (expected PEM, -----BEGIN \
             CERTIFICATE-----, DER or PKCS#12)",
        ),
        (
            &["--cert", "me.pem", "--key", "me.der"],
            "--key: the private key cannot be read: the file is binary, but no key in DER (PKCS#8, PKCS#1 or SEC1)",
        ),
    ] {
        let named: Vec<String> = args
            .iter()
            .map(|arg| if Path::new(&file(arg)).is_file() { file(arg) } else { (*arg).to_owned() })
            .collect();
        let words: Vec<&str> = named.iter().map(String::as_str).collect();
        let done = start_command(&mut squall(&[&["https://127.0.0.1:1/", "-k"], &words[..]].concat()))
            .finish()
            .exits(2);
        assert_eq!(done.stderr.trim_end(), format!("squall: {said}"), "{args:?}");
    }
}

//! curl's options: what each does to a request, or why it cannot be imported.

use self::Meaning::{Ignored, Refused};

/// What an option does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Agent,
    Bearer,
    Compressed,
    Cookie,
    Data,
    DataBinary,
    DataRaw,
    DataUrlencode,
    Form,
    FormString,
    Get,
    Globoff,
    Head,
    Header,
    Json,
    Location,
    MaxRedirects,
    MaxTime,
    Next,
    PathAsIs,
    Range,
    Referer,
    Request,
    RequestTarget,
    Upload,
    Url,
    UrlQuery,
    User,
    /// Changes nothing that a plan knows; takes a value or not.
    Ignored(bool),
    /// Cannot be done; why, or what else to do.
    Refused(&'static str),
}

const AUTH: &str = "only basic and bearer authentication are known";
const OF_RUN: &str = "leave it out here, and give it to `squall run` with the plan";
const PROXY: &str =
    "leave it out here; `squall run` knows HTTP proxies, with --proxy http://USER:PASSWORD@HOST:PORT";
const FILES: &str = "give the options themselves";
const VALUES: &str = "write the values where they are used";
const BODY: &str = "it changes the body while it is sent: write the body as it is to be";
const ANSWER: &str = "a plan has no files of earlier responses: give the header itself, with -H";

/// (letter or NUL, long name, meaning).
const OPTIONS: &[(char, &str, Meaning)] = &[
    ('A', "user-agent", Meaning::Agent),
    ('\0', "oauth2-bearer", Meaning::Bearer),
    ('\0', "compressed", Meaning::Compressed),
    ('b', "cookie", Meaning::Cookie),
    ('d', "data", Meaning::Data),
    ('\0', "data-ascii", Meaning::Data),
    ('\0', "data-binary", Meaning::DataBinary),
    ('\0', "data-raw", Meaning::DataRaw),
    ('\0', "data-urlencode", Meaning::DataUrlencode),
    ('F', "form", Meaning::Form),
    ('\0', "form-string", Meaning::FormString),
    ('G', "get", Meaning::Get),
    ('g', "globoff", Meaning::Globoff),
    ('I', "head", Meaning::Head),
    ('H', "header", Meaning::Header),
    ('\0', "json", Meaning::Json),
    ('L', "location", Meaning::Location),
    ('\0', "location-trusted", Meaning::Location),
    ('\0', "max-redirs", Meaning::MaxRedirects),
    ('m', "max-time", Meaning::MaxTime),
    (':', "next", Meaning::Next),
    ('\0', "path-as-is", Meaning::PathAsIs),
    ('r', "range", Meaning::Range),
    ('e', "referer", Meaning::Referer),
    ('X', "request", Meaning::Request),
    ('\0', "request-target", Meaning::RequestTarget),
    ('T', "upload-file", Meaning::Upload),
    ('\0', "url", Meaning::Url),
    ('\0', "url-query", Meaning::UrlQuery),
    ('u', "user", Meaning::User),
    ('\0', "anyauth", Refused(AUTH)),
    ('\0', "aws-sigv4", Refused(AUTH)),
    ('\0', "digest", Refused(AUTH)),
    ('\0', "negotiate", Refused(AUTH)),
    ('\0', "ntlm", Refused(AUTH)),
    ('\0', "ntlm-wb", Refused(AUTH)),
    ('n', "netrc", Refused(AUTH)),
    ('\0', "netrc-file", Refused(AUTH)),
    ('\0', "cacert", Refused(OF_RUN)),
    ('E', "cert", Refused(OF_RUN)),
    ('\0', "key", Refused(OF_RUN)),
    ('x', "proxy", Refused(OF_RUN)),
    ('\0', "unix-socket", Refused(OF_RUN)),
    ('\0', "abstract-unix-socket", Refused(OF_RUN)),
    ('U', "proxy-user", Refused(PROXY)),
    ('\0', "preproxy", Refused(PROXY)),
    ('\0', "proxy1.0", Refused(PROXY)),
    ('\0', "socks4", Refused(PROXY)),
    ('\0', "socks4a", Refused(PROXY)),
    ('\0', "socks5", Refused(PROXY)),
    ('\0', "socks5-hostname", Refused(PROXY)),
    ('K', "config", Refused(FILES)),
    ('\0', "variable", Refused(VALUES)),
    ('C', "continue-at", Refused("give -H 'Range: bytes=FROM-'")),
    ('\0', "crlf", Refused(BODY)),
    ('\0', "etag-compare", Refused(ANSWER)),
    ('z', "time-cond", Refused(ANSWER)),
];

/// What changes nothing that a plan knows: without a value, and with one. A letter stands before its name and `/`.
const FLAGS: &str = "a/append basic ca-native cert-status compressed-ssh create-dirs q/disable disable-eprt \
    disable-epsv disallow-username-in-url doh-cert-status doh-insecure f/fail fail-early fail-with-body false-start follow \
    form-escape ftp-create-dirs ftp-pasv ftp-pret ftp-skip-pasv-ip ftp-ssl-ccc ftp-ssl-control haproxy-protocol http0.9 \
    0/http1.0 http1.1 http2 http2-prior-knowledge http3 http3-only ignore-content-length i/include show-headers k/insecure \
    4/ipv4 6/ipv6 j/junk-session-cookies l/list-only mail-rcpt-allowfails M/manual metalink mptcp netrc-optional \
    no-alpn N/no-buffer no-clobber no-keepalive no-npn no-progress-meter no-sessionid out-null Z/parallel \
    parallel-immediate post301 post302 post303 #/progress-bar proxy-anyauth proxy-basic proxy-ca-native proxy-digest \
    proxy-http2 proxy-insecure proxy-negotiate proxy-ntlm proxy-ssl-allow-beast proxy-ssl-auto-client-cert \
    proxy-tlsv1 p/proxytunnel raw J/remote-header-name O/remote-name remote-name-all R/remote-time remove-on-error \
    retry-all-errors retry-connrefused sasl-ir S/show-error s/silent skip-existing socks5-basic socks5-gssapi \
    socks5-gssapi-nec ssl ssl-allow-beast ssl-auto-client-cert ssl-no-revoke ssl-reqd ssl-revoke-best-effort 2/sslv2 \
    3/sslv3 styled-output suppress-connect-headers tcp-fastopen tcp-nodelay tftp-no-options tls-earlydata 1/tlsv1 \
    tlsv1.0 tlsv1.1 tlsv1.2 tlsv1.3 tr-encoding trace-ids trace-time B/use-ascii v/verbose V/version xattr";
const VALUED: &str = "alt-svc capath cert-type ciphers connect-timeout connect-to c/cookie-jar create-file-mode \
    crlfile curves delegation dns-interface dns-ipv4-addr dns-ipv6-addr dns-servers doh-url D/dump-header ech egd-file engine \
    etag-save expect100-timeout ftp-account ftp-alternative-to-user ftp-method P/ftp-port ftp-ssl-ccc-mode \
    happy-eyeballs-timeout-ms haproxy-clientip h/help hostpubmd5 hostpubsha256 hsts interface ip-tos ipfs-gateway \
    keepalive-cnt keepalive-time key-type krb libcurl limit-rate local-port login-options mail-auth mail-from \
    mail-rcpt max-filesize noproxy o/output output-dir parallel-max parallel-max-host pass pinnedpubkey proto \
    proto-default proto-redir proxy-cacert proxy-capath proxy-cert proxy-cert-type proxy-ciphers proxy-crlfile \
    proxy-header proxy-key proxy-key-type proxy-pass proxy-pinnedpubkey proxy-service-name proxy-tls13-ciphers \
    proxy-tlsauthtype proxy-tlspassword proxy-tlsuser pubkey Q/quote random-file rate resolve retry retry-delay \
    retry-max-time sasl-authzid service-name sigalgs socks5-gssapi-service Y/speed-limit y/speed-time stderr \
    t/telnet-option tftp-blksize tls-max tls13-ciphers tlsauthtype tlspassword tlsuser trace trace-ascii trace-config \
    upload-flags vlan-priority w/write-out";

/// All options: letter, long name, meaning.
fn all() -> impl Iterator<Item = (Option<char>, &'static str, Meaning)> {
    let letter = |letter: char| (letter != '\0').then_some(letter);
    let named = OPTIONS.iter().map(move |(short, long, meaning)| (letter(*short), *long, *meaning));
    let plain = |list: &'static str, takes_value: bool| {
        list.split_whitespace().map(move |word| match word.split_once('/') {
            Some((short, long)) => (short.chars().next(), long, Ignored(takes_value)),
            None => (None, word, Ignored(takes_value)),
        })
    };
    named.chain(plain(FLAGS, false)).chain(plain(VALUED, true))
}

impl Meaning {
    pub(super) fn takes_value(self) -> bool {
        use Meaning::{Compressed, Get, Globoff, Head, Location, Next, PathAsIs};
        !matches!(
            self,
            Compressed | Get | Globoff | Head | Location | Next | PathAsIs | Ignored(false) | Refused(_)
        )
    }
}

/// `-X`.
pub(super) fn letter(letter: char) -> Option<Meaning> {
    all().find(|(short, ..)| *short == Some(letter)).map(|(.., meaning)| meaning)
}

/// What `--NAME` means, and false for `--no-NAME`. Names may be cut short where only one is meant, as curl has it.
///
/// # Errors
/// What is wrong with the name.
pub(super) fn long(name: &str) -> Result<(Meaning, bool), String> {
    let unknown = || format!("`--{}` is no option that is known here: leave it out", name.escape_debug());
    if let Some((.., meaning)) = all().find(|(_, long, _)| *long == name) {
        return Ok((meaning, true));
    }
    if let Some(positive) = name.strip_prefix("no-") {
        let found = all().find(|(_, long, meaning)| *long == positive && !meaning.takes_value());
        return found.map(|(.., meaning)| (meaning, false)).ok_or_else(unknown);
    }
    let negative = format!("no-{name}");
    if let Some((.., meaning)) = all().find(|(_, long, _)| *long == negative) {
        return Ok((meaning, false));
    }
    let begun: Vec<_> = all().filter(|(_, long, _)| !name.is_empty() && long.starts_with(name)).collect();
    match begun.as_slice() {
        [] => Err(unknown()),
        [(.., meaning)] => Ok((*meaning, true)),
        several => {
            let names: Vec<String> = several.iter().map(|(_, long, _)| format!("--{long}")).collect();
            Err(format!("`--{name}` may be {}: write it out", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::skip::or_skip;

    #[test]
    fn every_option_of_curl_is_known() {
        let Some(output) = or_skip(Command::new("curl").args(["--help", "all"]).output()) else { return };
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut count = 0;
        for line in help.lines().filter(|line| line.trim_start().starts_with('-')) {
            let (short, rest) = line.split_at(4);
            let mut words = rest.trim().split(' ');
            let name = words.next().unwrap().trim_start_matches("--");
            let takes_value = words.next().is_some_and(|word| word.starts_with(['<', '[']));
            let (meaning, on) = long(name).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(on, "{line}");
            assert!(
                matches!(meaning, Refused(_)) || meaning.takes_value() == takes_value,
                "{line}: {meaning:?}"
            );
            if let Some(short) = short.trim().strip_prefix('-').and_then(|short| short.chars().next()) {
                assert_eq!(letter(short), Some(meaning), "{line}");
            }
            count += 1;
        }
        assert!(count > 200, "{count}: {help}");
    }

    #[test]
    fn names_are_unique_and_may_be_cut_short() {
        let mut names: Vec<&str> = all().map(|(_, long, _)| long).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        let mut letters: Vec<char> = all().filter_map(|(short, ..)| short).collect();
        letters.sort_unstable();
        assert!(letters.windows(2).all(|pair| pair[0] != pair[1]), "{letters:?}");
        assert_eq!(long("user-ag"), Ok((Meaning::Agent, true)));
        assert_eq!(long("no-compressed"), Ok((Meaning::Compressed, false)));
        assert_eq!(long("keepalive"), Ok((Ignored(false), false)));
        assert!(long("no-header").unwrap_err().contains("is no option"));
        let error = long("data-").unwrap_err();
        assert!(
            error.contains("may be --data-ascii, --data-binary, --data-raw, --data-urlencode: write it out"),
            "{error}"
        );
        assert!(long("").is_err() && long("frob").is_err());
    }
}

//! Help for users of other load generators, whose letters mean something else.

use std::ffi::OsString;

use super::args::is_subcommand;

/// What to write instead, when a refused command line looks like another tool's.
pub(super) fn hint(argv: &[OsString]) -> Option<String> {
    let words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).take_while(|word| *word != "--").collect();
    if let Some(command) = misplaced(&words) {
        return Some(subcommand_first(command));
    }
    words.iter().enumerate().find_map(|(i, word)| {
        let (flag, value) = split(word, words.get(i + 1).copied());
        about(flag, value)
    })
}

/// What to write where a subcommand's name stands in the URL's place.
pub(super) fn subcommand_first(command: &str) -> String {
    format!("a subcommand comes before its flags: squall {command} …")
}

/// A subcommand after flags that are not its own.
fn misplaced<'a>(words: &[&'a str]) -> Option<&'a str> {
    let first = words.first().filter(|first| first.starts_with('-'));
    first.and_then(|_| words.iter().copied().find(|word| is_subcommand(word)))
}

/// `-q100` and `-q 100` are the same, as are `--rate=5` and `--rate 5`.
fn split<'a>(word: &'a str, next: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, next), |(flag, value)| (flag, Some(value)));
    }
    match word.char_indices().nth(2) {
        Some((end, _)) if word.starts_with('-') => (&word[..end], Some(&word[end..])),
        _ => (word, next),
    }
}

fn about(flag: &str, value: Option<&str>) -> Option<String> {
    let number = |text: &str| text.parse::<f64>().is_ok();
    Some(match (flag, value) {
        ("-t", Some(value)) if !value.bytes().all(|b| b.is_ascii_digit()) => format!(
            "-t is the number of workers; how long the run takes is -d {value}, how long a request may take \
             --timeout {value}"
        ),
        ("-q", Some(value)) if number(value) => {
            format!("-q is --quiet and takes no value; {value} arrivals per second are -R {value}")
        }
        ("-z", value) => {
            format!("how long the run takes is -d{}", value.map(|v| format!(" {v}")).unwrap_or_default())
        }
        ("-T", Some(value)) => format!("a content type is given with -H 'Content-Type: {value}'"),
        ("-D", Some(value)) => format!("a request body from a file is --body-file {value}"),
        ("-X", Some(value)) => format!("the method is -m {value}"),
        ("-p", Some(value)) if !number(value) => {
            format!("-p is the number of requests in flight per connection; a body from a file is --body-file {value}")
        }
        ("-a" | "-A", Some(_)) => {
            "credentials are given as a header: -H \"Authorization: Basic $(printf %s USER:PASSWORD | base64)\"".into()
        }
        ("-u" | "--stages", _) => {
            "virtual users are --vus N, and each stage is --stage TIME:TARGET".into()
        }
        ("--disable-keepalive", _) => "a connection for each request is --no-keepalive".into(),
        ("--interface" | "--local-ips" | "--local-address" | "--bind-address" | "-B", _) => {
            "local addresses for the connections are --source ADDR,ADDR or a range such as 10.0.0.0/28".into()
        }
        ("--connect-to", _) => "an address for a name is --resolve HOST:PORT:ADDR; for a Unix socket --unix-socket PATH".into(),
        ("--socketPath" | "--socket-path" | "--abstract-unix-socket", _) => {
            "a Unix socket is --unix-socket PATH, and must have a path".into()
        }
        ("--no-tui", _) => "without the live line it is -q, or standard error to a file".into(),
        ("--out", _) => "every sample as a line of JSON is --samples FILE; a report in JSON is --format json".into(),
        ("-s" | "--script", _) => {
            "there are no Lua scripts; see --help for what a request can be made of".into()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<String> {
        let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        hint(&argv)
    }

    #[test]
    fn letters_of_other_tools_are_explained() {
        for (line, part) in [
            ("squall -t 10s http://x/", "--timeout 10s"),
            ("squall -t10s http://x/", "-d 10s"),
            ("squall -q 100 http://x/", "-R 100"),
            ("squall http://x/ -q100", "-R 100"),
            ("squall -z 30s http://x/", "-d 30s"),
            ("squall -T text/plain http://x/", "Content-Type: text/plain"),
            ("squall -D body.json http://x/", "--body-file body.json"),
            ("squall -s wrk.lua http://x/", "Lua"),
            ("squall -X PUT http://x/", "-m PUT"),
            ("squall -p body.json http://x/", "--body-file body.json"),
            ("squall -A me:secret http://x/", "Authorization"),
            ("squall -u 10 http://x/", "--vus"),
            ("squall --disable-keepalive http://x/", "--no-keepalive"),
            ("squall -c 5 run http://x/", "squall run"),
            ("squall --interface eth0 http://x/", "--source"),
            ("squall -B 10.0.0.1 http://x/", "--source"),
            ("squall --local-ips=10.0.0.1-10.0.0.9 http://x/", "--source"),
            ("squall --connect-to x:80:y:81 http://x/", "--resolve"),
            ("squall --socketPath /run/a http://x/", "--unix-socket"),
            ("squall --out json=all.json http://x/", "--samples FILE"),
        ] {
            let hint = of(line).unwrap_or_default();
            assert!(hint.contains(part), "{line}: {hint}");
        }
    }

    #[test]
    fn what_is_right_gets_no_hint() {
        for line in [
            "squall",
            "squall -q http://x/",
            "squall -t 2 -c 5 -p 16 http://x/",
            "squall --bogus http://x/",
            "squall http://x/ -- -k",
            "squall -\u{e9}\u{e9} http://x/",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}

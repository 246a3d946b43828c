//! Where in a workload what a plan says has its place.

use super::*;

#[test]
fn values_tags_and_rows_find_their_places() {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"name,word\nann,x\nbob,y\n").unwrap();
    let plan = |vus: u32| {
        format!(
            r#"
variables.team = "t1"
once = ["first"]
setup = ["login"]
data.users = {{ file = "{}", order = "unique" }}
[steps.first]
url = "http://h/first"
[steps.login]
url = "http://h/login/{{{{ data.users.word }}}}"
extract = {{ b = {{ json = "$.b" }}, a = {{ header = "X-A" }}, c = {{ regex = "c=(.)" }} }}
[steps.use]
url = "http://h/{{{{ a }}}}/{{{{ b }}}}/{{{{ c }}}}"
tags = {{ team = "{{{{ team }}}}", kind = "x" }}
group = "of {{{{ team }}}}"
auth.basic = {{ username = "{{{{ data.users.name }}}}", password = "p" }}
[scenarios.s]
executor = "constant-vus"
vus = {vus}
duration = 5
"#,
            file.path().display()
        )
    };
    let workload = toml(&plan(2)).workload;
    let [first, login, used] = workload.steps.as_slice() else { panic!("three steps") };
    assert_eq!(first.request.constant().map(|bytes| bytes.starts_with(b"GET /first ")), Some(true));
    let variable = |name: &str| workload.variables.iter().position(|known| known == name).unwrap() as u32;
    let wanted = ["a", "b", "c"].map(variable);
    let mut extracted: Vec<u32> = login.extracts.iter().map(|extract| extract.variable).collect();
    extracted.sort_unstable_by_key(|variable| workload.variables[*variable as usize].clone());
    assert_eq!(extracted, wanted);
    let tags = |of: &[(&str, &str)]| -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(used.tags, tags(&[("kind", "x"), ("team", "t1"), ("group", "of t1")]));
    let (mut text, mut rng) = (Vec::new(), crate::rng::Rng::new(1));
    let values =
        ["a", "b", "c"].map(|name| (variable(name), crate::plan::value::Value::text(name.as_bytes())));
    let mut known = vec![None; 3];
    values.into_iter().for_each(|(at, value)| known[at as usize] = Some(value));
    let mut scope = crate::plan::scope::Scope {
        vu: 2,
        iteration: 0,
        sequence: 0,
        wall: Nanos::ZERO,
        rng: &mut rng,
        values: &known,
        rows: &[1],
        data: &workload.data,
    };
    used.request.render(None, &mut text, &mut scope).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("GET /a/b/c HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("Authorization: Basic Ym9iOnA=\r\n"), "bob:p, in {text}");
    let flow = |index: Option<u32>| workload.flows[index.unwrap() as usize].steps.clone();
    assert_eq!(flow(workload.once.flow), [0]);
    assert_eq!(flow(workload.scenarios[0].setup), [1]);
    assert_eq!(flow(workload.scenarios[0].flows.first().map(|(flow, _)| *flow)), [2]);
    assert_eq!((workload.max_vus(), workload.follows_redirects(), workload.is_open()), (2, true, false));
    refused(&plan(3), &[(5, "2 rows are not enough for 3 users")]);
}

#[test]
fn limits_of_executors_are_known() {
    for (body, max_vus, duration_s, counted, open) in [
        ("executor = \"constant-vus\"\nvus = 3\nduration = 4", 3, 4, false, false),
        (
            "executor = \"ramping-vus\"\nstages = [{ duration = 5, target = 7 }, { duration = 2, target = 1 }]",
            7,
            7,
            false,
            false,
        ),
        ("executor = \"shared-iterations\"\nvus = 2\niterations = 9\nmaxDuration = 8", 2, 8, true, false),
        ("executor = \"per-vu-iterations\"\nvus = 6\niterations = 9\nmaxDuration = 3", 6, 3, true, false),
        (
            "executor = \"constant-arrival-rate\"\nrate = 1\nduration = 9\npreAllocatedVUs = 4\nmaxVUs = 5",
            5,
            9,
            false,
            true,
        ),
    ] {
        let executor = executor(body);
        assert_eq!(
            (executor.max_vus(), executor.duration()),
            (max_vus, Nanos::from_secs(duration_s)),
            "{body}"
        );
        assert_eq!((executor.is_counted(), executor.is_open()), (counted, open), "{body}");
        assert!(body.contains(executor.name()), "{body}");
    }
    let none = toml("maxRedirects = 0\nvus = 1\nduration = 1\nsteps.a.url = \"http://h/\"").workload;
    assert!(!none.follows_redirects());
}

#[test]
fn problems_are_told_with_line_and_column() {
    let error = compile("p.toml", "vus = 1\n  vsu = 2\n", Format::Toml, &around()).unwrap_err();
    let places: Vec<(usize, usize)> = error.problems.iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(2, 3)]);
    let at = |delimiter: &str| format!("{STEP}[data.u]\nfile = \"u.csv\"\ndelimiter = {delimiter:?}\n");
    for bad in ["ab", "\"", "\n", "é"] {
        refused(&at(bad), &[(4, "a delimiter is one character")]);
    }
    let colon = format!(
        "{STEP}[steps.a]\nurl = \"http://h/\"\nauth.basic = {{ username = \"a:b\", password = \"\" }}\n"
    );
    refused(&colon, &[(4, "holds no colon")]);
}

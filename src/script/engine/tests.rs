use super::vu::Vu;
use crate::script::console::Console;
use crate::script::core::{Facts, Job, JobEnd, Pause};
use crate::script::program::{Program, ScriptError};
use crate::script::tags::TagSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

fn program(source: &str) -> Arc<Program> {
    Program::new(Path::new("/nowhere/test.js"), Some(Arc::from(source)), Vec::new(), false, Console::stderr())
}

fn user(program: &Arc<Program>) -> Vu {
    Vu::new(program, Facts { vu: 1, scenario: Some(0), ..Facts::default() }, TagSet::default()).unwrap()
}

fn iterate(vu: &mut Vu) -> Pause {
    vu.run(Job::Iteration(Rc::from("default")))
}

#[test]
fn an_iteration_runs_and_ends() {
    let program = program(
        "import { check } from 'k6'; export default function () { check(1, { one: (v) => v === 1, no: false }); }",
    );
    let mut vu = user(&program);
    assert_eq!(iterate(&mut vu), Pause::Idle);
    assert_eq!(vu.core().take_end(), Some(JobEnd::Done(None)));
    let mut given = Vec::new();
    vu.core().drain_given(|one| given.push((one.value, one.own[0].1.to_string())));
    assert_eq!(given, [(1.0, "one".to_owned()), (0.0, "no".to_owned())]);
}

#[test]
fn a_second_user_is_made_from_bytecode() {
    let program =
        program("let n = 0; export default function () { n += 1; if (n > 1) throw new Error('again'); }");
    let (mut one, mut other) = (user(&program), user(&program));
    for vu in [&mut one, &mut other] {
        iterate(vu);
        assert_eq!(vu.core().take_end(), Some(JobEnd::Done(None)));
    }
    iterate(&mut one);
    let Some(JobEnd::Threw(thrown)) = one.core().take_end() else { panic!("it throws") };
    assert!(
        thrown.text.starts_with("Error: again\n\tat default (file:///nowhere/test.js:1:"),
        "{}",
        thrown.text
    );
}

#[test]
fn a_pause_suspends() {
    let program = program("import { sleep } from 'k6'; export default function () { sleep(0.5); }");
    let mut vu = user(&program);
    assert_eq!(iterate(&mut vu), Pause::Waits);
    assert!(vu.core().wakes_at().is_some());
    assert!(!vu.core().has_what_it_wants(true, crate::clock::now()), "it waits for the time alone");
    assert_eq!(vu.go_on(), Pause::Idle);
    assert_eq!(vu.core().take_end(), Some(JobEnd::Done(None)));
}

#[test]
fn endless_loops_are_sliced_and_can_be_stopped() {
    for body in [
        "while (true) {}",
        "for (;;) { try { for (;;) {} } catch (e) { } finally { continue; } }",
        "new Promise(() => { while (true) {} })",
        "const f = () => { f(); }; for (;;) { try { f(); } catch (e) {} }",
        "/(a+)+$/.test('a'.repeat(60) + 'b')",
        "[5,4,3,2,1].sort(() => { for (;;) {} })",
    ] {
        let program = program(&format!("export default function () {{ {body} }}"));
        let mut vu = user(&program);
        assert_eq!(iterate(&mut vu), Pause::Slice, "{body}");
        for _ in 0..5 {
            assert_eq!(vu.go_on(), Pause::Slice, "{body}");
        }
        vu.stop();
        // It can be used again, and dropped in the middle.
        assert_eq!(iterate(&mut vu), Pause::Slice, "{body}");
    }
}

#[test]
fn a_stopped_user_catches_nothing_and_gives_no_figures() {
    let program = program(
        "import { sleep } from 'k6'; import { Counter } from 'k6/metrics'; const c = new Counter('cc');
         export default function () { try { sleep(10); } catch (e) { c.add(1); } finally { c.add(1); } }",
    );
    let mut vu = user(&program);
    assert_eq!(iterate(&mut vu), Pause::Waits);
    vu.stop();
    vu.core().drain_given(|_| panic!("nothing is given"));
    assert_eq!(iterate(&mut vu), Pause::Waits);
}

#[test]
fn deep_recursion_is_an_exception() {
    let program = program("export default function () { const f = (n) => 1 + f(n + 1); f(0); }");
    let mut vu = user(&program);
    while iterate(&mut vu) == Pause::Slice {}
    let Some(JobEnd::Threw(thrown)) = vu.core().take_end() else { panic!("it throws") };
    assert!(thrown.text.starts_with("RangeError") || thrown.text.contains("stack"), "{}", thrown.text);
}

#[test]
fn module_code_that_throws_is_an_error_with_its_place() {
    let program = program("\n\nthrow new Error('no');");
    let error = Vu::new(&program, Facts::default(), TagSet::default()).err();
    let Some(ScriptError::Exception(text)) = error else { panic!("{error:?}") };
    assert!(text.contains("Error: no") && text.contains("test.js:3:"), "{text}");
    let error = Vu::new(&self::program("let ="), Facts::default(), TagSet::default()).err();
    let Some(ScriptError::Exception(text)) = error else { panic!("{error:?}") };
    assert!(text.contains("SyntaxError") && text.contains("test.js:1:"), "{text}");
}

#[test]
fn async_functions_and_timers_are_awaited() {
    let program = program(
        "import { Counter } from 'k6/metrics'; const c = new Counter('cc');
         export default async function () { await new Promise((done) => setTimeout(done, 1)); c.add(2); setTimeout(() => c.add(3), 1); }",
    );
    let mut vu = user(&program);
    let mut pause = iterate(&mut vu);
    while pause != Pause::Idle {
        crate::clock::sleep(crate::units::Nanos::from_millis(1));
        pause = vu.go_on();
    }
    let mut sum = 0.0;
    vu.core().drain_given(|one| sum += one.value);
    assert_eq!((vu.core().take_end(), sum), (Some(JobEnd::Done(None)), 5.0));
}

/// Runs one iteration of two users: the second one is made of what the first has left.
fn both(source: &str) {
    let program = program(source);
    for mut vu in [user(&program), user(&program)] {
        assert_eq!(iterate(&mut vu), Pause::Idle);
        assert_eq!(vu.core().take_end(), Some(JobEnd::Done(None)), "{source}");
    }
}

#[test]
fn all_users_have_what_the_script_imports() {
    both(
        "import http, { get, CookieJar as Jar, TLS_1_2 } from 'k6/http'; import { check as c, sleep, fail } from 'k6';
         export default function () {
             const functions = [get, Jar, c, sleep, fail, http['g' + 'et'], http.batch, http.file, http.CookieJar, setTimeout, console.log];
             if (functions.some((one) => typeof one !== 'function')) { throw new Error('one is missing'); }
             if (TLS_1_2 !== 'tls1.2' || http.OCSP_STATUS_GOOD !== 'good') { throw new Error('a text is missing'); }
             if (!(new Jar() instanceof http.CookieJar) || Object.keys(http).length !== 33) { throw new Error('no jar'); }
             http.mine = 1; http.CookieJar = 2; __ITER = 3; __ENV.X = 'x';
             if (http.mine + http.CookieJar + __ITER !== 6 || __ENV.X !== 'x') { throw new Error('not set'); }
         }",
    );
    for all in ["import * as http from 'k6/http';", "import * /* all */ as http from 'k6/http';"] {
        both(&format!(
            "{all} export default function () {{
                 if (typeof http['p' + 'ost'] !== 'function') {{ throw new Error('none'); }}
             }}"
        ));
    }
    both(
        "export default async function () { const http = await import('k6/http'); if (!http['p' + 'ut']) { throw new Error('none'); } }",
    );
}

#[test]
fn random_numbers_can_be_seeded_again() {
    both(
        "import { randomSeed } from 'k6';
         export default function () {
             const draw = () => { randomSeed(7); return Math.random(); };
             if (draw() !== draw()) { throw new Error('others'); }
         }",
    );
}

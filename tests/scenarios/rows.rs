//! Which rows iterations get, whatever the number of workers.

use super::common::recorder::Recorder;
use super::{Plan, count};

/// The queries that came, in order of their numbers.
fn numbers(server: &Recorder) -> Vec<u64> {
    let number = |target: &str| target.rsplit('=').next().and_then(|text| text.parse().ok());
    let mut all: Vec<u64> = server.take().iter().filter_map(|asked| number(asked.target())).collect();
    all.sort_unstable();
    all
}

fn lines(count: u64) -> String {
    (0..count).fold("n\n".into(), |text, n| format!("{text}{n}\n"))
}

const EACH: [&str; 2] = ["shared-iterations", "per-vu-iterations"];

/// C2: users of two workers that do not get on equally fast.
#[test]
fn rows_in_order_come_once_each_over_all_workers() {
    let server = Recorder::plain();
    for executor in EACH {
        for end in ["wrap", "stop"] {
            let iterations = if executor == "shared-iterations" { 9 } else { 3 };
            let plan = Plan::new(&format!(
                "data.ids = {{ file = \"ids.csv\", atEnd = \"{end}\" }}\n\
                 steps.a.url = \"http://{}/?n={{{{ data.ids.n }}}}\"\n\
                 [scenarios.s]\nexecutor = \"{executor}\"\nvus = 3\niterations = {iterations}\n",
                server.addr
            ))
            .with("ids.csv", &lines(9));
            let (code, report) = plan.run(&["--allow-invalid", "-t", "2"]);
            assert_eq!(code, Some(0), "{report}");
            assert_eq!(numbers(&server), (0..9).collect::<Vec<_>>(), "{executor}, {end}");
        }
    }
}

/// The number of an iteration that is taken from what all users share: as k6's iterationInTest.
#[test]
fn shared_iterations_are_numbered_without_gaps() {
    let server = Recorder::plain();
    let plan = Plan::new(&format!(
        "vus = 3\niterations = 20\nsteps.a.url = \"http://{}/?n={{{{ sequence }}}}\"\n",
        server.addr
    ));
    let (code, _) = plan.run(&["--allow-invalid", "-t", "2"]);
    assert_eq!((code, numbers(&server)), (Some(0), (0..20).collect()));
}

/// C3: also where a scenario has several flows, only those that name a row take one.
#[test]
fn what_names_no_row_takes_none() {
    let server = Recorder::plain();
    let plan = Plan::new(&format!(
        "origins.s = \"http://{}\"\ndata.rows = {{ file = \"rows.csv\", atEnd = \"stop\" }}\n\
         steps.other.url = \"/other\"\nsteps.row.url = \"/?n={{{{ data.rows.n }}}}\"\n\
         [flows]\nother = [\"other\"]\nrow = [\"row\"]\n\
         [scenarios.a]\nexecutor = \"per-vu-iterations\"\niterations = 30\nflow = \"other\"\n\
         [scenarios.b]\nexecutor = \"shared-iterations\"\niterations = 40\nvus = 2\n\
         startTime = \"300ms\"\nflows = {{ other = 1, row = 1 }}\n",
        server.addr
    ))
    .with("rows.csv", &lines(3));
    let (code, report) = plan.run(&["--allow-invalid", "-t", "2"]);
    assert_eq!((code, numbers(&server)), (Some(0), vec![0, 1, 2]));
    assert_eq!(count(&report, "/scenarios/0/iterations/completed"), 30);
}

/// What has run out leaves the rows of other sets to those that come for them.
#[test]
fn a_set_that_has_run_out_uses_up_no_other() {
    let server = Recorder::plain();
    let plan = Plan::new(&format!(
        "origins.s = \"http://{}\"\n\
         data.long = {{ file = \"long.csv\", atEnd = \"stop\" }}\n\
         data.short = {{ file = \"short.csv\", atEnd = \"stop\" }}\n\
         steps.both.url = \"/?m={{{{ data.short.n }}}}&n={{{{ data.long.n }}}}\"\n\
         steps.rest.url = \"/?n={{{{ data.long.n }}}}\"\n\
         [flows]\nboth = [\"both\"]\nrest = [\"rest\"]\n\
         [scenarios.a]\nexecutor = \"per-vu-iterations\"\niterations = 9\nflow = \"both\"\n\
         [scenarios.b]\nexecutor = \"shared-iterations\"\niterations = 9\nstartTime = \"300ms\"\nflow = \"rest\"\n",
        server.addr
    ))
    .with("long.csv", &lines(6))
    .with("short.csv", &lines(2));
    let (code, _) = plan.run(&["--allow-invalid", "-t", "1"]);
    assert_eq!((code, numbers(&server)), (Some(0), (0..6).collect()));
}

/// Users of other scenarios need no row of their own, and do not push others off theirs.
#[test]
fn each_user_that_takes_rows_has_its_own() {
    let server = Recorder::plain();
    let plan = Plan::new(&format!(
        "origins.s = \"http://{}\"\ndata.own = {{ file = \"own.csv\", order = \"unique\" }}\n\
         steps.other.url = \"/other\"\nsteps.row.url = \"/?n={{{{ data.own.n }}}}\"\n\
         [flows]\nother = [\"other\"]\nrow = [\"row\"]\n\
         [scenarios.a]\nexecutor = \"per-vu-iterations\"\nvus = 5\nflow = \"other\"\n\
         [scenarios.b]\nexecutor = \"per-vu-iterations\"\nvus = 3\niterations = 2\nflow = \"row\"\n",
        server.addr
    ))
    .with("own.csv", &lines(3));
    let (code, report) = plan.run(&["--allow-invalid", "-t", "2"]);
    assert_eq!((code, numbers(&server)), (Some(0), vec![0, 0, 1, 1, 2, 2]), "{report}");
}

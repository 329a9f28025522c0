//! Suites, runtimes and machines that do not do as they should: what the run says of each.

use std::time::Duration;

use bellwether::{
    model::{
        Blame, Cause, CellOutcome, Class, EventKind, ExitCode, Expectation, Phase, SpecOutcome,
        Tracker,
    },
    profile::{Expect, Overrides},
};

use futures_util::future::join_all;
use jiff::civil::{Date, date};
use tokio::sync::OnceCell;

use crate::world::{Ran, World, left, one_lane, sources::BEHAVIOURS};

/// The run of each of these behaviours. They run side by side, once: most of a run is waiting.
pub async fn ran(behaviour: &str) -> &'static Ran {
    static RUNS: OnceCell<Vec<(&str, Ran)>> = OnceCell::const_new();
    let runs = RUNS.get_or_init(|| async {
        let behaviours = BEHAVIOURS
            .into_iter()
            .filter(|name| *name != "does-not-build");
        join_all(behaviours.chain([NOTHING]).map(async |name| {
            let world = World::kept(name);
            let overrides = match name {
                NOTHING => Overrides {
                    focus: Some("nothing is called so".to_owned()),
                    ..one_lane("main")
                },
                behaviour => one_lane(behaviour),
            };
            let mut profile = world.profile(&overrides);
            if name == "hang" {
                profile.suites[0].timeout = Duration::from_secs(3);
            }
            let ran = world.run_profile(profile).await;
            assert_eq!(left::processes(&world.folder), [""; 0], "{name}");
            (name, ran)
        }))
        .await
    });
    let (_, ran) = runs
        .await
        .iter()
        .find(|(name, _)| *name == behaviour)
        .unwrap();
    ran
}

const NOTHING: &str = "nothing-selected";

fn cause(ran: &Ran) -> &Cause {
    match &ran.cell().outcome {
        CellOutcome::Stopped { cause } => cause,
        other => panic!("{other:?}"),
    }
}

/// A run of one lane in which a spec fails, with an entry for this failure.
async fn with_known_failure(spec: &str, expires: Date) -> (World, Ran) {
    let world = World::shared();
    let mut profile = world.profile(&one_lane("one-fail"));
    profile.expect.push(Expect {
        expectation: Expectation {
            spec: spec.to_owned(),
            message: Some("to equal".to_owned()),
            outcomes: vec![SpecOutcome::Failed],
            reason: "a file has other words".to_owned(),
            tracker: Tracker::Link("https://example.org/issues/7".to_owned()),
            expires,
        },
        nodes: Vec::new(),
        sandboxers: vec!["runc".to_owned()],
        suites: Vec::new(),
        pairings: Vec::new(),
    });
    let ran = world.run_profile(profile).await;
    // What is judged again later is judged the same.
    assert_eq!(ran.again(&world).await.cells, ran.summary.cells);
    (world, ran)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_is_expected_fails_no_run_until_it_expires() {
    let (_world, ran) = with_known_failure(".", date(2999, 1, 1)).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Passed);
    assert_eq!(ran.summary.exit, ExitCode::Passed);
    assert_eq!(
        ran.outcomes(),
        ["unexpected-pass", "expected-failure", "unexpected-pass"]
    );
    let verdict = ran.text("verdict.json");
    assert!(verdict.contains("1 failed as expected"), "{verdict}");
    assert!(verdict.contains("2 specs passed although"), "{verdict}");
    let junit = ran.text("junit.xml");
    assert!(
        !junit.contains("<failure") && junit.contains("<skipped"),
        "{junit}"
    );
    assert!(ran.text("report.html").contains("a file has other words"));

    let (_world, ran) = with_known_failure(".", date(2020, 1, 1)).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
    assert_eq!(ran.summary.exit, ExitCode::Failed);
    assert!(
        ran.text("verdict.json")
            .contains("so 1 failure counts again")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_spec_fails_the_run_with_its_text() {
    let ran = ran("one-fail").await;
    assert_eq!(ran.cell().outcome, CellOutcome::Failed);
    assert_eq!(ran.summary.exit, ExitCode::Failed);
    assert_eq!(ran.outcomes(), ["passed", "failed", "passed"]);
    assert!(
        ran.cell().disagreements.is_empty(),
        "{:?}",
        ran.cell().disagreements
    );
    let failure = ran.cell().specs[1].failure.as_ref().unwrap();
    assert!(
        failure
            .text
            .contains("<string>: abc\nto equal\n    <string>: def"),
        "{failure:?}"
    );
    assert_eq!(
        failure.location.as_deref(),
        Some("k8s.io/kubernetes/test/e2e_node/empty_dir.go:99")
    );
    assert!(ran.text("report.html").contains("&lt;string&gt;: def"));
    assert!(ran.text("junit.xml").contains("to equal"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_told_from_a_failure() {
    let ran = ran("panic").await;
    assert_eq!(
        (&ran.cell().outcome, ran.summary.exit),
        (&CellOutcome::Failed, ExitCode::Failed)
    );
    assert_eq!(ran.outcomes(), ["passed", "panicked", "passed"]);
    assert!(
        ran.cell().disagreements.is_empty(),
        "{:?}",
        ran.cell().disagreements
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_set_up_stops_the_suite_before_its_specs() {
    let ran = ran("before-suite-failure").await;
    let cause = cause(ran);
    assert_eq!(cause.phase, Phase::SuiteStart);
    assert!(
        cause.summary.contains("the services did not start"),
        "{cause:#?}"
    );
    assert_eq!(ran.outcomes(), ["not-run"; 3]);
    assert!(!matches!(ran.summary.exit, ExitCode::Passed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_suite_keeps_what_it_finished() {
    let ran = ran("killed-midway").await;
    let cause = cause(ran);
    assert_eq!(cause.phase, Phase::Spec);
    assert!(cause.summary.contains("killed"), "{cause:#?}");
    let line = &cause.evidence[0];
    assert!(
        line.file == "exit.json" && line.text.contains("\"signal\":9"),
        "{line}"
    );
    assert_eq!(ran.outcomes(), ["passed", "not-run", "not-run"]);
    assert_eq!(ran.cell().counts.passed, 1);
    assert_ne!(ran.summary.exit, ExitCode::Passed);
    let reason = ran.cell().specs[1].reason.as_deref().unwrap();
    assert!(reason.contains("it began and did not end"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_that_hangs_meets_its_deadline() {
    let ran = ran("hang").await;
    let cause = cause(ran);
    assert_eq!(
        (cause.phase, cause.class),
        (Phase::Spec, Class::SuiteTimeout)
    );
    assert_eq!(ran.outcomes(), ["passed", "not-run", "not-run"]);
    assert_ne!(ran.summary.exit, ExitCode::Passed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_junit_file_is_not_green() {
    let ran = ran("truncated-junit").await;
    assert_ne!(ran.cell().outcome, CellOutcome::Passed);
    assert_ne!(ran.summary.exit, ExitCode::Passed);
    assert_eq!(
        ran.outcomes(),
        ["passed"; 3],
        "what the other evidence says is kept"
    );
    let said = ran.cell().disagreements.join("\n");
    assert!(said.contains("the JUnit file is cut off"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_that_lies_is_found_out() {
    for (behaviour, words) in [
        (
            "lies-in-exit",
            "the suite says exit status 0, though 1 failed",
        ),
        ("lies-in-junit", "JUnit says passed"),
    ] {
        let ran = ran(behaviour).await;
        assert_eq!(
            (&ran.cell().outcome, ran.summary.exit),
            (&CellOutcome::Failed, ExitCode::Failed)
        );
        assert_eq!(ran.cell().specs[1].outcome, SpecOutcome::Failed);
        let said = ran.cell().disagreements.join("\n");
        assert!(said.contains(words), "{behaviour}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_selected_is_no_tests_and_not_green() {
    let ran = ran(NOTHING).await;
    assert_eq!(ran.cell().outcome, CellOutcome::NoTests);
    assert_eq!(ran.summary.exit, ExitCode::Incomplete);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_powers_off_keeps_what_was_finished() {
    let world = World::shared();
    let machines = world.machines.clone();
    world.watch(move |_, event| {
        if matches!(event.kind, EventKind::SpecFinished { .. }) {
            machines.controls()[0].power_off();
        }
    });
    let ran = world.run(&one_lane("hang")).await;
    let cause = cause(&ran);
    assert_eq!((cause.phase, cause.class), (Phase::Spec, Class::Infra));
    assert!(cause.summary.contains("powered itself off"), "{cause:#?}");
    assert_eq!(ran.outcomes(), ["passed", "not-run", "not-run"]);
    let reason = ran.cell().specs[2].reason.as_deref().unwrap();
    assert!(reason.contains("powered itself off"), "{reason}");
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_ends_is_told_with_its_last_words() {
    let world = World::shared();
    let mut overrides = one_lane("main");
    overrides
        .sources
        .push(("containerd".to_owned(), "crashes".to_owned()));
    let ran = world.run(&overrides).await;
    let cause = cause(&ran);
    assert_eq!(
        (cause.phase, cause.blame),
        (Phase::RuntimeReady, Blame::Runtime)
    );
    let quoted = cause
        .evidence
        .iter()
        .any(|line| line.text.contains("grpc.v1.cri: cannot load"));
    assert!(quoted, "{cause:#?}");
    assert_eq!(ran.outcomes(), ["not-run"; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_network_ends_the_start_of_the_suite() {
    let world = World::shared();
    let machines = world.machines.clone();
    world.watch(move |_, event| {
        let starts = EventKind::PhaseStarted {
            phase: Phase::SuiteStart,
        };
        if event.kind == starts {
            let root = &machines.controls()[0].root;
            std::fs::write(root.join("run/containerd/no-network"), "").unwrap();
        }
    });
    let began = std::time::Instant::now();
    let ran = world.run(&one_lane("never-ready")).await;
    let CellOutcome::Stopped { cause } = &ran.cell().outcome else {
        panic!("{:?}", ran.cell().outcome)
    };
    assert_eq!(cause.phase, Phase::SuiteStart);
    assert!(cause.summary.contains("no network"), "{cause:?}");
    assert!(began.elapsed() < std::time::Duration::from_secs(55));
}

//! Runs in which all goes well.

use bellwether::{
    model::{CellOutcome, ExitCode, StepOutcome},
    run::{
        record::RunRecord,
        state::{LaneState, RunState},
    },
};
use camino::Utf8Path;

use crate::world::{Ran, World, left, main_pairing};

fn steps(ran: &Ran) -> Vec<StepOutcome> {
    let state = RunState::load(ran.folder.path()).unwrap();
    assert_eq!(state.steps.len(), 8, "{:#?}", state.steps);
    state
        .steps
        .into_iter()
        .map(|step| step.outcome.unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pass_and_a_second_run_builds_nothing() {
    let world = World::fresh();
    let ran = world.run(&main_pairing()).await;
    for cell in &ran.summary.cells {
        assert_eq!(cell.outcome, CellOutcome::Passed, "{cell:#?}");
        assert_eq!((cell.counts.planned, cell.counts.passed), (3, 3));
        assert!(cell.disagreements.is_empty(), "{:?}", cell.disagreements);
        assert!(
            cell.specs
                .iter()
                .all(|spec| spec.started_at.is_some() && spec.ended_at.is_some())
        );
    }
    let lanes: Vec<&str> = ran
        .summary
        .cells
        .iter()
        .map(|cell| cell.lane.id.as_str())
        .collect();
    assert_eq!(
        lanes,
        [
            "main.plain.runc.conformance",
            "main.plain.other.conformance"
        ]
    );
    assert_eq!(ran.summary.exit, ExitCode::Passed);
    assert!(
        steps(&ran)
            .iter()
            .all(|outcome| *outcome == StepOutcome::Built)
    );
    documents(&ran);
    no_secret(ran.folder.path());
    the_events_tell_the_summary(&world, &ran).await;

    let again = world.run(&main_pairing()).await;
    assert_eq!(again.summary.exit, ExitCode::Passed);
    assert!(
        steps(&again)
            .iter()
            .all(|outcome| *outcome == StepOutcome::Cached)
    );
    assert_eq!(world.machines.started(), 4);
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

fn documents(ran: &Ran) {
    let record: RunRecord = ran.folder.read_json("run.json").unwrap();
    let [candidate] = record.candidates.as_slice() else {
        panic!("{:?}", record.candidates)
    };
    let versions: Vec<(&str, &str)> = candidate
        .revisions
        .iter()
        .map(|(name, revision)| (name.as_str(), revision.version.as_str()))
        .collect();
    let expected = [
        ("cni", "v1.9.0"),
        ("containerd", "v2.2.0"),
        ("kubernetes", "v1.36.0"),
        ("runc", "v1.4.0"),
    ];
    assert_eq!(versions, expected);
    assert!(record.plan.is_some() && record.environment.is_some());
    let verdict: serde_json::Value = ran.folder.read_json("verdict.json").unwrap();
    assert_eq!(
        verdict["blocking"].as_array().unwrap().len(),
        2,
        "{verdict:#}"
    );
    let page = ran.text("report.html");
    assert!(page.contains("main.plain.other.conformance") && page.contains("v1.36.0"));
    let junit =
        bellwether::evidence::junit::read(ran.text("junit.xml").as_bytes(), "junit.xml").unwrap();
    assert!(!junit.truncated);
    let cases = junit
        .cases
        .iter()
        .filter(|case| case.name.contains("should restart a container"));
    assert_eq!(cases.count(), 2);
    let finished: serde_json::Value = ran.folder.read_json("prow/finished.json").unwrap();
    assert_eq!(finished["passed"], true, "{finished}");
    for name in [
        "prow/started.json",
        "prow/artifacts/junit_main.plain.runc.conformance_01.xml",
    ] {
        ran.text(name);
    }
    let attempt = "main.plain.runc.conformance/1";
    for name in [
        "suite.log",
        "exit.json",
        "ignition.json",
        "junit_bw_01.xml",
        "ginkgo/report.json",
        "journal.log",
    ] {
        assert!(
            !ran.text(&format!("{attempt}/{name}")).is_empty(),
            "{name} is empty"
        );
    }
}

/// The fold of the events holds what the summary says, and the run's folder gives the same summary again.
async fn the_events_tell_the_summary(world: &World, ran: &Ran) {
    let state = RunState::load(ran.folder.path()).unwrap();
    assert_eq!(state.exit, Some(ran.summary.exit));
    assert_eq!(
        (state.started_at.is_some(), state.ended_at),
        (true, ran.summary.ended_at)
    );
    let told: Vec<_> = state
        .lanes
        .iter()
        .map(|lane: &LaneState| (&lane.lane, lane.outcome.as_ref()))
        .collect();
    let said: Vec<_> = ran
        .summary
        .cells
        .iter()
        .map(|cell| (&cell.lane.id, Some(&cell.outcome)))
        .collect();
    assert_eq!(told, said);
    for (lane, cell) in state.lanes.iter().zip(&ran.summary.cells) {
        let told: Vec<_> = lane
            .finished
            .iter()
            .map(|spec| (&spec.name, spec.outcome))
            .collect();
        let said: Vec<_> = cell
            .specs
            .iter()
            .map(|spec| (&spec.name, spec.outcome))
            .collect();
        assert_eq!(told, said);
        assert_eq!(lane.planned.len(), cell.counts.planned as usize);
        assert!(lane.running.is_empty());
    }
    assert_eq!(ran.again(world).await, ran.summary);
    let kept = ran.folder.read_json("summary.json").unwrap();
    assert_eq!(ran.summary, kept);
}

/// The suite's log has a token, and a run's folder is published.
fn no_secret(folder: &Utf8Path) {
    for entry in folder.read_dir_utf8().unwrap().flatten() {
        if entry.path().is_dir() {
            no_secret(entry.path());
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("AbCd_EfGh-012345"), "{}", entry.path());
        assert!(!text.contains("PRIVATE KEY"), "{}", entry.path());
        if entry.file_name() == "suite.log" {
            assert!(
                text.contains("--bearer-token=[redacted]"),
                "the token was there: {text}"
            );
        }
    }
}

//! Runs that are stopped or killed: what was finished is kept, nothing is left running.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bellwether::{
    evidence::EvidenceDir,
    model::{CellOutcome, EventKind, ExitCode, Phase, SpecOutcome},
    profile::Overrides,
    run::{
        self,
        state::{LaneState, RunState},
        store::Store,
    },
};
use camino::Utf8Path;

use crate::world::{Ran, World, left, one_lane};

/// Tells the child process which world to run.
const CHILD: &str = "BELLWETHER_IT_CHILD";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_ends_at_once_and_keeps_what_it_finished() {
    let world = World::shared();
    let cancel = world.cancel.clone();
    let cancelled = std::sync::Arc::new(std::sync::Mutex::new(None));
    let at = cancelled.clone();
    world.watch(move |_, event| {
        if matches!(event.kind, EventKind::SpecFinished { .. }) {
            *at.lock().unwrap() = Some(Instant::now());
            cancel.cancel();
        }
    });
    let ran = world.run(&one_lane("hang")).await;
    let took = cancelled.lock().unwrap().unwrap().elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    left::none_within(&world.folder, Duration::from_millis(500));
    assert_eq!(ran.summary.exit, ExitCode::Interrupted);
    let state = RunState::load(ran.folder.path()).unwrap();
    assert_eq!(state.interrupted.as_deref(), Some(run::CTRL_C));
    assert_eq!(ran.outcomes(), ["passed", "not-run", "not-run"]);
    assert!(
        matches!(ran.cell().outcome, CellOutcome::Reduced { .. }),
        "{:?}",
        ran.cell().outcome
    );
    let kept: bellwether::model::RunSummary = ran.folder.read_json("summary.json").unwrap();
    assert_eq!(kept, ran.summary);
    assert!(ran.text("report.html").contains("Ctrl-C"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_cancelled_in_a_build_leaves_no_compiler() {
    let world = World::shared();
    let cancel = world.cancel.clone();
    world.watch(move |_, event| {
        if matches!(&event.kind, EventKind::StepStarted { step, .. } if step.as_str() == "build.containerd.main") {
            let cancel = cancel.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                cancel.cancel();
            });
        }
    });
    let started = Instant::now();
    let ran = world.run(&slow_build()).await;
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(ran.summary.exit, ExitCode::Interrupted);
    assert!(
        matches!(ran.cell().outcome, CellOutcome::NotRun { .. }),
        "{:?}",
        ran.cell().outcome
    );
    left::none_within(&world.folder, Duration::from_millis(500));
}

#[test]
fn a_kill_in_a_build_leaves_nothing_running() {
    let killed = Killed::when(&slow_build(), |state| {
        state
            .steps
            .iter()
            .any(|step| step.step.as_str() == "build.containerd.main" && step.started_at.is_some())
    });
    let ran = killed.recovered();
    assert!(
        matches!(ran.cell().outcome, CellOutcome::NotRun { .. }),
        "{:?}",
        ran.cell().outcome
    );
    assert_eq!(ran.summary.exit, ExitCode::Incomplete);
}

#[test]
fn a_kill_in_a_boot_leaves_nothing_running() {
    let mut overrides = one_lane("main");
    overrides
        .sources
        .push(("containerd".to_owned(), "slow-start".to_owned()));
    let killed = Killed::when(&overrides, in_phase(Phase::RuntimeReady));
    let ran = killed.recovered();
    assert_eq!(ran.outcomes(), ["not-run"; 3]);
    assert_eq!(ran.summary.exit, ExitCode::Incomplete);
}

#[test]
fn a_kill_in_a_suite_keeps_what_was_finished() {
    let killed = Killed::when(&one_lane("hang"), |state| {
        state
            .lanes
            .iter()
            .any(|lane| lane.finished.len() == 1 && lane.running.len() == 1)
    });
    let ran = killed.recovered();
    assert_eq!(ran.outcomes(), ["passed", "not-run", "not-run"]);
    assert_eq!(ran.cell().specs[0].outcome, SpecOutcome::Passed);
    assert_eq!(ran.summary.exit, ExitCode::Incomplete);
    let reason = ran.cell().specs[1].reason.as_deref().unwrap();
    assert!(reason.contains("it began and did not end"), "{reason}");
    // Its leases and locks went with it.
    let after = block_on(killed.world.run(&one_lane("main")));
    assert_eq!(after.summary.exit, ExitCode::Passed);
}

fn in_phase(phase: Phase) -> impl Fn(&RunState) -> bool {
    move |state| {
        let there = |lane: &LaneState| lane.phase().is_some_and(|(now, _)| now == phase);
        state.lanes.iter().any(there)
    }
}

fn slow_build() -> Overrides {
    let mut overrides = one_lane("main");
    overrides
        .sources
        .push(("containerd".to_owned(), "slow-build".to_owned()));
    overrides
}

/// A world whose bellwether was killed with `kill -9`.
struct Killed {
    world: World,
}

impl Killed {
    /// Runs a world in a process of its own, and kills that process when its events say `moment`.
    fn when(overrides: &Overrides, moment: impl Fn(&RunState) -> bool) -> Self {
        let world = World::shared();
        let store = Store::open(&world.state).unwrap();
        let arguments = [
            world.folder.as_str(),
            world.sources.as_str(),
            world.cache.as_str(),
        ]
        .map(str::to_owned);
        let sources = overrides
            .sources
            .iter()
            .map(|(name, revision)| format!("{name}={revision}"));
        let world_of_child: Vec<String> = arguments.into_iter().chain(sources).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "interrupted::the_child"])
            .env(CHILD, world_of_child.join("\n"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !store
            .runs()
            .unwrap()
            .iter()
            .any(|(_, run)| RunState::load(run.path()).is_ok_and(|state| moment(&state)))
        {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "the moment never came"
            );
            assert!(
                child.try_wait().unwrap().is_none(),
                "the child ended too early"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        // A run that lives is nobody else's.
        assert!(recover(&store).is_empty());
        // What it started then is running now.
        std::thread::sleep(Duration::from_millis(300));
        child.kill().unwrap();
        child.wait().unwrap();
        Self { world }
    }

    /// What the next start makes of it. Everything that the killed process started must be gone by then.
    fn recovered(&self) -> Ran {
        left::none_within(&self.world.folder, Duration::from_secs(3));
        let store = Store::open(&self.world.state).unwrap();
        let recovered = recover(&store);
        let [folder] = recovered.as_slice() else {
            panic!("{} runs", recovered.len())
        };
        let state = RunState::load(folder.path()).unwrap();
        let why = state.interrupted.unwrap();
        assert!(why.contains("ended without finishing it"), "{why}");
        let summary = folder.read_json("summary.json").unwrap();
        let ran = Ran {
            folder: folder.clone(),
            summary,
        };
        assert!(
            ran.text("report.html")
                .contains("main.plain.runc.conformance")
        );
        assert!(recover(&store).is_empty(), "once is enough");
        ran
    }
}

fn recover(store: &Store) -> Vec<EvidenceDir> {
    block_on(run::recover(store)).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work)
}

/// Not a test of its own: the process that [`Killed`] starts and kills.
#[test]
fn the_child() {
    let Ok(arguments) = std::env::var(CHILD) else {
        return;
    };
    let arguments: Vec<&str> = arguments.lines().collect();
    let [folder, sources, cache, revisions @ ..] = arguments.as_slice() else {
        panic!("{arguments:?}")
    };
    let revisions = revisions.iter().filter_map(|text| text.split_once('='));
    let overrides = Overrides {
        sources: revisions
            .map(|(name, revision)| (name.to_owned(), revision.to_owned()))
            .collect(),
        ..one_lane("main")
    };
    let world = World::of_parent(
        Utf8Path::new(folder),
        Utf8Path::new(sources),
        Utf8Path::new(cache),
    );
    block_on(world.run(&overrides));
}

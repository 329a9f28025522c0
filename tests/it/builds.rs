//! Sources and builds: what moves, what breaks, what is made once.

use bellwether::{
    model::{Blame, CellOutcome, Class, EventKind, ExitCode, Origin, Phase, StepOutcome},
    profile::Overrides,
    run::{Finished, record::RunRecord, state::RunState},
};

use crate::world::{
    World, left, main_pairing, one_lane,
    sources::{change, commit, git},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_source_stops_only_the_lanes_that_need_it() {
    let world = World::shared();
    let overrides = Overrides {
        sources: vec![("containerd".to_owned(), "broken".to_owned())],
        sandboxers: vec!["runc".to_owned()],
        ..Overrides::default()
    };
    let ran = world.run(&overrides).await;
    let [main, control] = ran.summary.cells.as_slice() else {
        panic!("{:?}", ran.summary.cells)
    };
    let CellOutcome::Stopped { cause } = &main.outcome else {
        panic!("{:?}", main.outcome)
    };
    assert_eq!(
        (cause.phase, cause.class, cause.blame),
        (Phase::Build, Class::Build, Blame::Runtime)
    );
    let line = &cause.evidence[0];
    assert_eq!(line.file, "steps/build.containerd.main.log");
    assert!(
        line.text.contains("main.sh") && line.text.contains("end of file"),
        "{line}"
    );
    let log = ran.text(line.file.as_str());
    assert_eq!(
        log.lines().nth(line.line as usize - 1).unwrap().trim(),
        line.text
    );
    assert_eq!(
        (control.lane.pairing.as_str(), &control.outcome),
        ("control", &CellOutcome::Passed)
    );
    assert_eq!(ran.summary.exit, ExitCode::Build);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compilers_first_error_is_the_cause() {
    let world = World::shared();
    let ran = world.run(&one_lane("does-not-build")).await;
    let CellOutcome::Stopped { cause } = &ran.cell().outcome else {
        panic!("{:?}", ran.cell().outcome)
    };
    assert_eq!(
        (cause.phase, cause.blame),
        (Phase::Build, Blame::Kubernetes)
    );
    assert!(
        cause.evidence[0].text.contains("'nosuch' undeclared"),
        "{cause:#?}"
    );
    assert_eq!(ran.summary.exit, ExitCode::Build);
    assert_eq!(world.machines.started(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_cannot_be_reached_stops_the_run_in_resolve() {
    let world = World::shared();
    let gone = world.folder.join("gone.git").into_string();
    for place in [gone.as_str(), "http://127.0.0.1:1/gone.git"] {
        let overrides = Overrides {
            sources: vec![("containerd".to_owned(), place.to_owned())],
            ..main_pairing()
        };
        let ran = world.run(&overrides).await;
        assert_eq!(ran.summary.cells.len(), 2);
        for cell in &ran.summary.cells {
            let CellOutcome::Stopped { cause } = &cell.outcome else {
                panic!("{:?}", cell.outcome)
            };
            assert_eq!(
                (cause.phase, cause.blame),
                (Phase::Resolve, Blame::Environment)
            );
            let says = |text: &str| cause.summary.contains(text);
            assert!(
                says("containerd") && says(place) && says("cannot be reached"),
                "{cause:#?}"
            );
        }
        assert_eq!(ran.summary.exit, ExitCode::Infra);
        assert!(ran.text("report.html").contains("gone.git"));
    }
    assert_eq!(world.machines.started(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_at_once_share_their_builds() {
    let world = World::fresh();
    let other = World::beside(&world);
    let (one, two) = (one_lane("main"), one_lane("main"));
    let (one, two) = tokio::join!(world.run(&one), other.run(&two));
    let outcomes = |ran: &crate::world::Ran| -> Vec<StepOutcome> {
        assert_eq!(ran.cell().outcome, CellOutcome::Passed, "{:#?}", ran.cell());
        let state = RunState::load(ran.folder.path()).unwrap();
        state
            .steps
            .into_iter()
            .map(|step| step.outcome.unwrap())
            .collect()
    };
    let (one, two) = (outcomes(&one), outcomes(&two));
    for (one, two) in one.iter().zip(&two) {
        let built = [one, two]
            .iter()
            .filter(|outcome| ***outcome == StepOutcome::Built)
            .count();
        assert_eq!(built, 1, "{one:?} {two:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_changed_runs_only_what_moved() {
    let world = World::fresh();
    let profile = || world.profile(&one_lane("one-fail"));
    let runs = || std::fs::read_dir(world.state.join("runs")).unwrap().count();
    let Finished::Ran {
        folder: first,
        summary,
    } = world.finish(profile(), true).await
    else {
        panic!("there was no earlier run")
    };
    assert_eq!(summary.exit, ExitCode::Failed);
    let Finished::Unchanged { folder, exit } = world.finish(profile(), true).await else {
        panic!("nothing moved")
    };
    assert_eq!((folder.path(), exit), (first.path(), ExitCode::Failed));
    assert_eq!(
        (runs(), world.machines.started()),
        (1, 1),
        "it leaves nothing"
    );

    let kubernetes = world.sources.join("kubernetes");
    git(&kubernetes, &["checkout", "-q", "one-fail"]);
    change(&kubernetes, "behaviour", "all-pass\n");
    let Finished::Ran { summary, .. } = world.finish(profile(), true).await else {
        panic!("kubernetes moved")
    };
    assert_eq!(summary.exit, ExitCode::Passed);
    assert_eq!(runs(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_changed_does_not_take_a_part_for_the_whole() {
    let world = World::shared();
    let part = world.run(&one_lane("main")).await;
    assert_eq!(part.summary.exit, ExitCode::Passed);
    // The same candidate, and a lane that never ran.
    let whole = world.profile(&main_pairing());
    let Finished::Ran { summary, .. } = world.finish(whole, true).await else {
        panic!("one lane's verdict stands for two")
    };
    assert_eq!(summary.cells.len(), 2);
    let again = world.finish(world.profile(&main_pairing()), true).await;
    assert!(matches!(again, Finished::Unchanged { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_changed_runs_again_what_was_interrupted() {
    let mut world = World::shared();
    let cancel = world.cancel.clone();
    world.watch(move |_, event| {
        if matches!(event.kind, EventKind::MachineStarted { .. }) {
            cancel.cancel();
        }
    });
    let stopped = world.run(&one_lane("main")).await;
    assert_eq!(stopped.summary.exit, ExitCode::Interrupted);
    world.start_over();
    let Finished::Ran { summary, .. } = world.finish(world.profile(&one_lane("main")), true).await
    else {
        panic!("an interrupted run is no verdict")
    };
    assert_eq!(summary.exit, ExitCode::Passed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_force_push_is_built_and_noted() {
    let world = World::fresh();
    let first = world.run(&one_lane("one-fail")).await;
    assert_eq!(first.summary.exit, ExitCode::Failed);
    let kubernetes = world.sources.join("kubernetes");
    git(&kubernetes, &["checkout", "-q", "one-fail"]);
    git(&kubernetes, &["reset", "-q", "--hard", "main"]);
    std::fs::write(kubernetes.join("README"), "another history\n").unwrap();
    commit(&kubernetes, "rewritten");
    let second = world.run(&one_lane("one-fail")).await;
    assert_eq!(second.summary.exit, ExitCode::Passed);
    let record: RunRecord = second.folder.read_json("run.json").unwrap();
    let note = record.notes.join("\n");
    assert!(
        note.contains("kubernetes: `one-fail` was force-pushed"),
        "{note}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_can_be_a_folder_for_once() {
    let world = World::shared();
    let folder = world.folder.join("my-runc");
    std::fs::create_dir_all(&folder).unwrap();
    let from = crate::world::sources::fixtures().join("build/mini-runc");
    for name in ["Makefile", "runc.sh"] {
        std::fs::copy(from.join(name), folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("runc.sh"), "#!/bin/sh\necho mine\n").unwrap();
    let mut overrides = one_lane("main");
    overrides
        .sources
        .push(("runc".to_owned(), folder.to_string()));
    let machines = world.machines.clone();
    let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let kept = said.clone();
    world.watch(move |_, event| {
        if matches!(event.kind, EventKind::SuiteExited { .. }) {
            let runc = machines.controls()[0]
                .root
                .join("opt/bellwether/runtime/bin/runc");
            *kept.lock().unwrap() = std::fs::read_to_string(runc).unwrap();
        }
    });
    let ran = world.run(&overrides).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Passed);
    assert!(matches!(
        ran.summary.candidates[0].revisions["runc"].origin,
        Origin::Path { .. }
    ));
    assert_eq!(
        *said.lock().unwrap(),
        "#!/bin/sh\necho mine\n",
        "it is what the guest has"
    );
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

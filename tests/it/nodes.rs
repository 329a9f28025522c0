//! Nodes that are saved once and restored for every run after.

use std::sync::atomic::Ordering;

use bellwether::{
    build::cache::{Cache, Kind},
    model::{CellOutcome, ExitCode, NodeStart},
    profile::{CriLifecycle, SuiteKind},
};
use camino::{Utf8Path, Utf8PathBuf};

use crate::world::{Ran, World, left, machine::MEMORY, one_lane};

fn start(ran: &Ran) -> &NodeStart {
    assert_eq!(ran.cell().outcome, CellOutcome::Passed, "{:#?}", ran.cell());
    assert_eq!(ran.summary.exit, ExitCode::Passed);
    ran.cell().start.as_ref().unwrap()
}

fn snapshots(cache: &Utf8Path) -> Vec<Utf8PathBuf> {
    let listed = Cache::open(cache).unwrap().list().unwrap();
    listed
        .into_iter()
        .filter(|entry| entry.manifest.kind == Kind::Snapshot)
        .map(|entry| cache.join("entries").join(entry.manifest.digest.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_whose_machine_was_lost_runs_again_once() {
    let mut world = World::fresh();
    world.cold = true;
    world.machines.boots_dead.store(1, Ordering::SeqCst);
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Passed, "{:#?}", ran.cell());
    assert_eq!((ran.cell().attempts, world.machines.started()), (2, 2));
    let [note] = ran.cell().notes.as_slice() else {
        panic!("{:?}", ran.cell().notes);
    };
    assert!(
        note.starts_with("attempt 1 was lost in ") && note.contains("the guest powered itself off"),
        "{note}"
    );
    let events = ran.text("main.plain.runc.conformance/1/events.jsonl");
    assert!(events.contains(r#""event":"attempt-stopped""#), "{events}");
    assert!(ran.text("report.html").contains("attempt 1 was lost"));

    world.machines.boots_dead.store(9, Ordering::SeqCst);
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(ran.summary.exit, ExitCode::Infra);
    assert_eq!((ran.cell().attempts, world.machines.started()), (2, 4));
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_booted_once_and_restored_until_its_snapshot_breaks() {
    let mut world = World::fresh();
    let overrides = one_lane("main");
    world.cold = true;
    let cold = world.run(&overrides).await;
    assert!(matches!(
        start(&cold),
        NodeStart::Booted { broken: None, .. }
    ));
    assert_eq!(snapshots(&world.cache), [""; 0], "a cold run saves nothing");

    world.cold = false;
    let first = world.run(&overrides).await;
    assert!(matches!(
        start(&first),
        NodeStart::Booted { broken: None, .. }
    ));
    let [snapshot] = snapshots(&world.cache).try_into().unwrap();
    let events = first.text("main.plain.runc.conformance/1/events.jsonl");
    assert!(events.contains(r#""event":"node-saved""#), "{events}");

    let second = world.run(&overrides).await;
    assert!(matches!(start(&second), NodeStart::Restored { .. }));
    assert_eq!(world.machines.restored(), 1);
    assert!(
        second
            .text("report.html")
            .contains("restored from snapshot")
    );
    // The images were imported before the node was saved.
    let log = second
        .folder
        .file("main.plain.runc.conformance/1/import.log");
    assert!(!log.exists());

    world.cold = true;
    world.run(&overrides).await;
    assert_eq!(world.machines.restored(), 1, "a cold run restores nothing");

    world.cold = false;
    let memory = std::fs::OpenOptions::new()
        .write(true)
        .open(snapshot.join(MEMORY));
    memory.unwrap().set_len(1000).unwrap();
    let third = world.run(&overrides).await;
    let why = start(&third).broken().unwrap();
    assert!(
        why.starts_with("its memory is not what was saved: 1000 bytes"),
        "{why}"
    );
    assert_eq!(world.machines.restored(), 1);
    assert!(
        third
            .text("report.html")
            .contains("snapshot was broken because")
    );
    let fourth = world.run(&overrides).await;
    assert!(
        matches!(start(&fourth), NodeStart::Restored { .. }),
        "saved again"
    );
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

/// The snapshot is whole, and what comes out of it is not a node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_gives_no_node_is_replaced_by_a_boot() {
    let world = World::fresh();
    let overrides = one_lane("main");
    world.run(&overrides).await;
    world.machines.restores_dead.store(true, Ordering::SeqCst);
    let ran = world.run(&overrides).await;
    let why = start(&ran).broken().unwrap();
    assert!(why.contains("powered itself off"), "{why}");
    assert_eq!(world.machines.started(), 3);
    let attempt = ran.folder.file("main.plain.runc.conformance/1");
    let aside = std::fs::read_to_string(attempt.join("failed-restore/console.log.txt")).unwrap();
    assert!(aside.contains("powered on"));
    assert_eq!(snapshots(&world.cache).len(), 1, "the new boot was saved");
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

/// A node that was made for a suite without Kubernetes gets it while it runs, and is then saved with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubernetes_is_plugged_into_a_node_that_was_ready_without_it() {
    let world = World::fresh();
    let conformance = world.profile(&one_lane("main"));
    let mut lifecycle = conformance.clone();
    lifecycle.suites[0].kind = SuiteKind::CriLifecycle(CriLifecycle {
        focus: vec!["says who and how it is".to_owned()],
        skip: Vec::new(),
    });
    let ran = world.run_profile(lifecycle.clone()).await;
    assert!(matches!(
        start(&ran),
        NodeStart::Booted { plugged: None, .. }
    ));
    let plan = ran.text("run.json");
    assert!(!plan.contains("build.kubernetes"), "nothing waits for it");
    let [base] = snapshots(&world.cache).try_into().unwrap();

    let first = world.run_profile(conformance.clone()).await;
    let NodeStart::Restored {
        plugged: Some(_),
        broken: None,
        ..
    } = start(&first)
    else {
        panic!("{:?}", start(&first))
    };
    let log = first.text("main.plain.runc.conformance/1/import.log");
    assert!(log.contains("1 of 1 images imported"), "{log}");
    let second = world.run_profile(conformance.clone()).await;
    assert!(matches!(
        start(&second),
        NodeStart::Restored { plugged: None, .. }
    ));

    // The one without Kubernetes is still the one that its own suite starts from, and the next best.
    let whole = snapshots(&world.cache).into_iter().find(|one| *one != base);
    std::fs::remove_file(whole.unwrap().join(MEMORY)).unwrap();
    let third = world.run_profile(conformance).await;
    let NodeStart::Restored {
        plugged: Some(_),
        broken: Some(why),
        ..
    } = start(&third)
    else {
        panic!("{:?}", start(&third))
    };
    assert!(why.starts_with("its memory is not what was saved"), "{why}");
    let again = world.run_profile(lifecycle).await;
    assert!(matches!(
        start(&again),
        NodeStart::Restored { plugged: None, .. }
    ));
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

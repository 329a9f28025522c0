//! Nodes that are saved once and restored for every run after.

use std::sync::atomic::Ordering;

use bellwether::{
    build::cache::{Cache, Kind},
    model::{CellOutcome, ExitCode, NodeStart},
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

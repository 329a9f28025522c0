//! A lane under the other kind of runtime: the same way from its source to its verdict.

use bellwether::{
    model::{CellOutcome, ExitCode},
    runtime::identity::Identity,
};

use crate::world::{World, left};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_under_cri_o_passes_and_its_identity_is_proven() {
    let world = World::shared();
    let ran = world.run_profile(world.crio_profile()).await;
    let cell = ran.cell();
    assert_eq!(cell.outcome, CellOutcome::Passed);
    assert_eq!(ran.summary.exit, ExitCode::Passed);
    let file = |name: &str| ran.text(&format!("{}/1/{name}", cell.lane.id));
    // Every image tar of the Kubernetes disk went through skopeo.
    let import = file("import.log");
    assert!(import.ends_with(" images imported\n"), "{import}");
    let identity: Identity = serde_json::from_str(&file("identity.json")).unwrap();
    assert_eq!(identity.runtime.as_deref(), Some("runc"));
    assert_eq!(identity.monitor.unwrap().path, "/usr/bin/conmon");
    let what: Vec<&str> = identity
        .proofs
        .iter()
        .map(|proof| proof.what.as_str())
        .collect();
    assert!(
        what.contains(&"it left runc's state in /run/runc"),
        "{what:?}"
    );
    // The suite was told of CRI-O, and of nothing else.
    let journal = file("journal.log");
    assert!(journal.contains("Starting CRI-O"), "{journal}");
    let ignition = file("ignition.json");
    assert!(ignition.contains("crio.service") && !ignition.contains("containerd"));
    assert_eq!(left::processes(&world.folder), [""; 0]);
}

//! Who serves a lane's pods, and what is said when it is not who the lane says, or when nobody can.

use std::os::unix::fs::PermissionsExt as _;

use bellwether::{
    model::{Blame, Cause, CellOutcome, Class, EventKind, Phase},
    runtime::identity::Identity,
};

use crate::world::{Ran, World, left, one_lane};

/// Another runtime: it keeps its state as crun does and calls itself crun.
const CRUN: &str = r#"#!/bin/sh
root=
before=
for word; do
	[ "$before" != --root ] || root=$word
	before=$word
done
case " $* " in
*' create '*) mkdir -p "$root/$word" && : > "$root/$word/status" ;;
*' delete '*) rm -rf "${root:?}/$word" ;;
*' start '*) ;;
*) echo 'crun version 1.21' ;;
esac
"#;

/// The lane's own runtime, told to say another version than its build did: only its digest is wrong.
const PATCHED: &str = r#"#!/bin/sh
root=
before=
for word; do
	[ "$before" != --root ] || root=$word
	before=$word
done
case " $* " in
*' create '*) mkdir -p "$root/$word" && : > "$root/$word/state.json" ;;
*) echo 'runc version 1.4.0' ;;
esac
"#;

const BROKEN: &str = r#"#!/bin/sh
case " $* " in
*' create '*)
	echo 'Error: failed to create container
 
Caused by:
    0: cannot make the cgroup manager
    1: v2 cgroup feature is required, but was not enabled during compile time' >&2
	exit 1
	;;
*) echo 'runc version 1.4.0' ;;
esac
"#;

/// Runs one lane on a machine whose runc is changed before the canary. What the run left lies in the world.
async fn with_runc(text: &'static str) -> (World, Ran) {
    let world = World::shared();
    let machines = world.machines.clone();
    world.watch(move |_, event| {
        let ready = EventKind::PhaseStarted {
            phase: Phase::RuntimeReady,
        };
        if event.kind == ready {
            for control in machines.controls() {
                let file = control.root.join("opt/bellwether/runtime/bin/runc");
                std::fs::remove_file(&file).unwrap();
                std::fs::write(&file, text).unwrap();
                let executable = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(&file, executable).unwrap();
            }
        }
    });
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(left::processes(&world.folder), [""; 0]);
    (world, ran)
}

/// The cause that stopped its only cell before any spec, and the line it quotes, which is really there.
fn stopped(ran: &Ran) -> &Cause {
    let cell = ran.cell();
    let CellOutcome::Stopped { cause } = &cell.outcome else {
        panic!("{:?}", cell.outcome)
    };
    assert_eq!(cause.phase, Phase::RuntimeReady);
    assert!(cell.specs.iter().all(|spec| !spec.outcome.is_failure()));
    let log = ran.text(&format!("{}/1/canary.log", cell.lane.id));
    for line in cause
        .evidence
        .iter()
        .filter(|line| line.file == "canary.log")
    {
        assert_eq!(
            log.lines().nth(line.line as usize - 1),
            Some(line.text.as_str())
        );
    }
    assert_eq!(cause.evidence[0].file, "canary.log");
    cause
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_s_identity_is_written_down_and_nothing_of_the_canary_stays() {
    let world = World::shared();
    let ran = world.run(&one_lane("main")).await;
    assert_eq!(ran.cell().outcome, CellOutcome::Passed);
    let id = &ran.cell().lane.id;
    let identity: Identity =
        serde_json::from_str(&ran.text(&format!("{id}/1/identity.json"))).unwrap();
    assert_eq!(identity.runtime.as_deref(), Some("runc"));
    assert_eq!(identity.binary.path, "/opt/bellwether/runtime/bin/runc");
    assert!(
        identity
            .binary
            .version
            .as_deref()
            .unwrap()
            .starts_with("runc version 1.4.0")
    );
    let what: Vec<&str> = identity
        .proofs
        .iter()
        .map(|proof| proof.what.as_str())
        .collect();
    assert!(
        what.contains(&"the monitor executed /opt/bellwether/runtime/bin/runc"),
        "{what:?}"
    );
    assert!(
        what.contains(&"/opt/bellwether/runtime/bin/runc is what the build runc made"),
        "{what:?}"
    );
    assert!(
        what.contains(&"it left runc's state in /run/containerd/runc/k8s.io"),
        "{what:?}"
    );
    for control in world.machines.controls() {
        for left in [
            "run/containerd/runc/k8s.io",
            "run/bellwether-canary",
            "run/bellwether-canary.sums",
        ] {
            assert!(!control.root.join(left).exists(), "{left}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_runtime_in_its_place_stops_the_cell() {
    let (_world, ran) = with_runc(CRUN).await;
    let cause = stopped(&ran);
    let words = "The lane says runc, the pod was served by crun: it left crun's state in /run/containerd/runc/k8s.io";
    assert!(cause.summary.starts_with(words), "{}", cause.summary);
    assert_eq!(
        (cause.class, cause.blame),
        (Class::Environment, Blame::NodeImage)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_build_of_the_same_runtime_stops_it_too() {
    let (_world, ran) = with_runc(PATCHED).await;
    let words = "The lane says runc, the pod was served by another runc: /opt/bellwether/runtime/bin/runc is not what the build runc made";
    assert_eq!(stopped(&ran).summary, words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_fails_is_stopped_with_the_sandboxer_s_own_words() {
    let (_world, ran) = with_runc(BROKEN).await;
    let cause = stopped(&ran);
    let words = "The canary pod cannot run: /opt/bellwether/runtime/bin/runc create ends with exit status 1: v2 cgroup feature is required, but was not enabled during compile time";
    assert_eq!(cause.summary, words);
    assert_eq!(
        (cause.class, cause.blame),
        (Class::RuntimeDown, Blame::Sandboxer)
    );
    let own = "direct create stderr:     1: v2 cgroup feature is required, but was not enabled during compile time";
    assert!(
        cause.evidence.iter().any(|line| line.text == own),
        "{:?}",
        cause.evidence
    );
}

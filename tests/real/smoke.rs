//! A run without a fault says so.

use bellwether::{model::CellOutcome, verdict::Verdict};

use crate::{
    cli::{Bench, Running, wanted},
    fault, trees,
    world::one_machine,
};

#[test]
fn a_clean_run_is_passed() {
    if !wanted() {
        return;
    }
    let _one = one_machine();
    let bench = Bench::new("smoke");
    bench.profile(&fault::clean_profile());
    let running = bench.start("runc");
    passes(&bench, running);
}

/// The nightly profile itself, with its git sources at hand: the projects' own make targets build them.
#[test]
fn the_containerd_profile_passes_on_local_trees() {
    if !wanted() {
        return;
    }
    let _one = one_machine();
    let bench = Bench::new("containerd-profile");
    let sources: Vec<String> = trees::make(bench.path())
        .iter()
        .map(|(name, tree)| format!("{name}={}@main", tree.display()))
        .collect();
    let mut arguments = vec!["containerd", "--pairing", "main", "--node", "plain"];
    arguments.extend(["--suite", "conformance", "--sandboxer", "runc"]);
    arguments.extend(["--focus", fault::QUICK]);
    for source in &sources {
        arguments.extend(["--source", source]);
    }
    let running = bench.run(&arguments);
    passes(&bench, running);
}

fn passes(bench: &Bench, mut running: Running) {
    let status = running.wait(|| {});
    println!("{status} after {:?}", running.began.elapsed());
    bench.print_talk();
    let verdict: Verdict = bench.verdict();
    let [lane] = &verdict.blocking[..] else {
        panic!("one lane: {:?}", verdict.blocking);
    };
    assert_eq!(status.code(), Some(0));
    assert_eq!(lane.outcome, CellOutcome::Passed);
    assert_eq!((lane.counts.planned, lane.counts.passed), (1, 1));
    assert!(lane.failures.is_empty() && lane.common.is_none());
    assert!(lane.disagreements.is_empty(), "{:?}", lane.disagreements);
    assert!(bench.machines().is_empty());
}

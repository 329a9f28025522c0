//! A run without a fault says so.

use bellwether::{model::CellOutcome, verdict::Verdict};

use crate::{
    cli::{Bench, wanted},
    fault,
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
    let mut running = bench.start("runc");
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

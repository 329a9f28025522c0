//! What the queries say of small histories.

use super::world::{Night, World, at, id, night};
use crate::{
    history::{ChangeKind, HistoryError, Index, query::Window},
    model::{Accelerator, SpecOutcome},
};

const RUNC: &str = "main.plain.runc.e2e";
const CRUN: &str = "main.plain.crun.e2e";
const STABLE: &str = "stable.plain.runc.e2e";

fn window(nights: u32) -> Window {
    Window::last(nights, at(5))
}

fn world() -> (World, Index) {
    let world = World::of(&[
        night(0, &[(RUNC, "....s"), (CRUN, "....s")]),
        night(1, &[(RUNC, "..f.s"), (CRUN, "!")]),
        night(2, &[(RUNC, "....s"), (CRUN, ".F..s")]),
        night(3, &[(RUNC, ".F.es"), (CRUN, ".F..s")]),
        night(5, &[(RUNC, ".F..s"), (CRUN, ".G..s."), (STABLE, "...")]),
    ]);
    let index = world.index();
    (world, index)
}

fn spec(at: u32) -> String {
    format!("[sig-node] Pods spec {at} works")
}

#[test]
fn the_grid_has_holes_where_no_run_was() {
    let (_world, index) = world();
    let grid = index.grid(None, window(6)).unwrap();
    let signs = |name: &str| -> Vec<&str> {
        let lane = grid
            .lanes
            .iter()
            .find(|lane| lane.lane.lane == name)
            .unwrap();
        let cells = lane.cells.iter();
        cells
            .map(|cell| cell.as_ref().map_or("", |it| it.outcome))
            .collect()
    };
    assert_eq!(
        signs(RUNC),
        ["passed", "failed", "passed", "failed", "", "failed"]
    );
    assert_eq!(
        signs(CRUN),
        ["passed", "stopped", "failed", "failed", "", "failed"]
    );
    assert_eq!(signs(STABLE), ["", "", "", "", "", "passed"]);
    assert_eq!(index.grid(Some("other"), window(6)).unwrap().lanes, []);
}

#[test]
fn a_lane_is_red_since_its_first_conclusive_failure() {
    let (_world, index) = world();
    let health = index.lane_health(None, window(6), at(6)).unwrap();
    let order: Vec<&str> = health.iter().map(|it| it.lane.lane.as_str()).collect();
    assert_eq!(order, [CRUN, RUNC, STABLE], "the longest red first");
    // The night on which the machine did not boot says nothing about the product.
    assert_eq!(health[0].red_since.as_ref().unwrap().run, id(2).to_string());
    assert_eq!(health[0].red_seconds, Some(4 * 86_400));
    assert_eq!((health[0].inconclusive, health[0].cells), (1, 5));
    assert_eq!(health[1].red_since.as_ref().unwrap().run, id(3).to_string());
    assert_eq!(
        health[1].last_green.as_ref().unwrap().run,
        id(2).to_string()
    );
    assert!(health[2].red_since.is_none() && health[2].red_seconds.is_none());
}

#[test]
fn a_lane_page_shows_what_did_not_pass() {
    let (_world, index) = world();
    let lane = index.lane(None, "crun").unwrap();
    let page = index.lane_page(&lane, window(6), false, 0, 10).unwrap();
    assert_eq!((page.total, page.quiet, page.specs.len()), (6, 5, 1));
    assert_eq!(page.specs[0].spec, spec(1));
    assert_eq!((page.specs[0].failed, page.specs[0].ran), (3, 4));
    let (passed, failed) = (Some(SpecOutcome::Passed), Some(SpecOutcome::Failed));
    assert_eq!(
        page.specs[0].outcomes,
        [passed, None, failed, failed, failed]
    );
    assert_eq!(page.stops.len(), 1);
    assert_eq!(page.stops[0].spec, "[boot]");
    let all = index.lane_page(&lane, window(6), true, 4, 10).unwrap();
    assert_eq!(all.specs.len(), 2, "the second page of six");
    assert!(
        matches!(index.lane(None, "main"), Err(HistoryError::Ambiguous { fits, .. }) if fits.len() == 2)
    );
    assert!(matches!(
        index.lane(None, "none"),
        Err(HistoryError::Unknown { .. })
    ));
}

#[test]
fn a_spec_has_its_last_good_and_its_first_bad_night() {
    let (_world, index) = world();
    let history = index.spec_history(&spec(1), window(30)).unwrap();
    let lane = &history.lanes[1];
    assert_eq!(
        (lane.lane.lane.as_str(), lane.failed, lane.ran),
        (RUNC, 2, 5)
    );
    assert_eq!(lane.last_good.as_ref().unwrap().run, id(2).to_string());
    assert_eq!(lane.first_bad.as_ref().unwrap().run, id(3).to_string());
    assert_eq!(lane.p50_ms["kvm"], 2000);
    assert_eq!(history.clusters.len(), 2, "one message, and another one");
    assert_eq!(index.find_spec("spec 1 works").unwrap(), spec(1));
    assert!(matches!(
        index.find_spec("Pods spec"),
        Err(HistoryError::Ambiguous { .. })
    ));
}

#[test]
fn clusters_hold_what_has_one_cause() {
    let (_world, index) = world();
    let clusters = index.clusters(None, window(6)).unwrap();
    let sizes: Vec<(u32, u32, usize)> = clusters
        .iter()
        .map(|it| (it.runs, it.failures, it.lanes.len()))
        .collect();
    // One message on two specs and both lanes; another one; the stop. The expected failure is in none.
    assert_eq!(sizes, [(4, 5, 2), (1, 1, 1), (1, 1, 1)]);
    let page = index.cluster(&clusters[0].cluster).unwrap();
    assert_eq!(page.first.unwrap().run, id(1).to_string());
    assert_eq!((page.members.len(), page.more), (5, false));
    assert_eq!(page.by_lane[RUNC], 3);
}

#[test]
fn a_flake_is_confirmed_or_passed_with_the_same_candidate() {
    let mut nights: Vec<Night> = ["..", "f.", ".F", "..", "F."]
        .into_iter()
        .zip(0..)
        .map(|(specs, day)| night(day, &[(RUNC, specs)]))
        .collect();
    // On days 2 and 3 nothing moved: the second spec failed, and passed.
    nights[3].commit = 2;
    let world = World::of(&nights);
    let flakes = world.index().flakes(None, None, window(6)).unwrap();
    let said: Vec<_> = flakes
        .iter()
        .map(|it| (it.spec.clone(), it.confirmed, it.mixed, it.failed, it.ran))
        .collect();
    assert_eq!(said, [(spec(0), 1, 0, 2, 5), (spec(1), 0, 1, 1, 5)]);
    assert!(flakes[0].interval.0 < 0.2 && 0.2 < flakes[0].interval.1);
}

#[test]
fn candidates_say_what_moved() {
    let (_world, index) = world();
    let rows = index.candidates(None, at(9), 20).unwrap();
    let main: Vec<_> = rows
        .iter()
        .filter(|it| it.candidate.pairing == "main")
        .collect();
    assert_eq!(main.len(), 5);
    assert_eq!(main[0].changes[0].words, "v1.37.0-0003 → v1.37.0-0005");
    assert_eq!(main[4].changes, []);
    let page = index
        .candidate_page(&main[0].candidate.digest.as_str()[..10])
        .unwrap();
    assert_eq!(
        page.previous.as_ref().unwrap().digest,
        main[1].candidate.digest
    );
    assert_eq!(
        page.cells.len(),
        3,
        "the stable pairing had the same inputs"
    );
    assert!(matches!(
        index.candidate_page("zz"),
        Err(HistoryError::Unknown { .. })
    ));
}

#[test]
fn compatibility_names_the_last_good_pair() {
    let (_world, index) = world();
    let all = index.compatibility(None, window(30)).unwrap();
    assert_eq!(all.pairings, ["main", "stable"]);
    let runc = all.rows.iter().find(|row| row.sandboxer == "runc").unwrap();
    let main = runc.pairs[0].as_ref().unwrap();
    assert_eq!(main.last_good_sources["kubernetes"], "v1.37.0-0002");
    assert_eq!(main.broken_since.as_ref().unwrap().run, id(3).to_string());
    assert_eq!(main.passing["kubernetes"].oldest.version, "v1.37.0-0000");
    assert_eq!(main.passing["kubernetes"].newest.version, "v1.37.0-0002");
    assert!(runc.pairs[1].as_ref().unwrap().broken_since.is_none());
    let crun = all.rows.iter().find(|row| row.sandboxer == "crun").unwrap();
    assert!(crun.pairs[1].is_none(), "no such lane");
}

#[test]
fn two_runs_differ_in_seven_kinds() {
    let lane = RUNC;
    let mut nights: Vec<Night> = (0..6)
        .map(|day| night(day, &[(lane, "........")]))
        .collect();
    nights.push(night(7, &[(lane, "..FFF.. .")]));
    nights.push(night(8, &[(lane, ".f.GF-...")]));
    let world = World::of(&nights);
    let index = world.index();
    let run = |day| index.find_run(&id(day).to_string()).unwrap();
    let all = index.compare(&run(7), &run(8), None).unwrap();
    let count = |kind| all.counts.get(&kind).copied().unwrap_or(0);
    assert_eq!(count(ChangeKind::Flaky), 1);
    assert_eq!(count(ChangeKind::Fixed), 1);
    assert_eq!(count(ChangeKind::StillFailing), 2);
    assert_eq!(count(ChangeKind::Missing), 1);
    assert_eq!(count(ChangeKind::Added), 1);
    assert_eq!(count(ChangeKind::NewFailure) + count(ChangeKind::Slower), 0);
    assert_eq!(all.lanes[0].unchanged, 3);
    let changes = all.groups.iter().flat_map(|group| &group.changes);
    let other: Vec<&str> = changes
        .filter(|it| it.other_cause)
        .map(|it| it.spec.as_str())
        .collect();
    assert_eq!(other, [spec(3)]);
    assert_eq!(all.moved["main"][0].source, "kubernetes");
    let back = index.compare(&run(8), &run(7), None).unwrap();
    assert_eq!(back.counts[&ChangeKind::NewFailure], 1);
}

#[test]
fn emulation_is_never_compared_with_kvm() {
    let mut slow = night(1, &[(RUNC, "...")]);
    slow.accelerator = Accelerator::Tcg;
    let world = World::of(&[night(0, &[(RUNC, "...")]), slow]);
    let index = world.index();
    let runs = index.runs(None, at(9), 9).unwrap();
    let all = index.compare(&runs[1], &runs[0], None).unwrap();
    assert_eq!(all.times_not_compared, [RUNC]);
    let lane = index.lane(None, RUNC).unwrap();
    let trends = index.lane_trends(&lane, window(30)).unwrap();
    let total: Vec<_> = trends.iter().filter(|it| it.measure == "total").collect();
    assert_eq!(total.len(), 2);
    assert!(total.iter().all(|it| it.points.len() == 1));
    let boot = trends.iter().find(|it| it.measure == "phase boot").unwrap();
    assert_eq!(boot.points[0].ms, 10_000);
    let history = index.spec_history(&spec(0), window(30)).unwrap();
    assert_eq!(
        history.lanes[0].p50_ms.keys().collect::<Vec<_>>(),
        ["kvm", "tcg"]
    );
}

#[test]
fn one_box_finds_everything() {
    let (_world, index) = world();
    assert_eq!(
        index.search("running pod").unwrap().messages.len(),
        2,
        "all of the words"
    );
    assert_eq!(
        index.search("CRUN\" OR text:*").unwrap().messages.len(),
        0,
        "no query language"
    );
    assert_eq!(index.search("crun").unwrap().lanes.len(), 1);
    assert_eq!(index.search("spec 3").unwrap().specs, [spec(3)]);
    let run = id(3).to_string();
    assert_eq!(index.search(&run[..18]).unwrap().runs.len(), 1);
    let commit = format!("{:040x}", 3);
    assert_eq!(index.search(&commit).unwrap().revisions[0].1.len(), 1);
    assert_eq!(index.search(" ").unwrap(), index.search("\"").unwrap());
}

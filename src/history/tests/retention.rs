//! What goes, and what stays of it.

use super::world::{World, at, id, night, summary};
use crate::{
    history::{self, Pin, Policy, TOMBSTONE, query::Window},
    model::RunSummary,
};

const LANE: &str = "main.plain.runc.e2e";

#[test]
fn what_is_of_interest_keeps_its_details() {
    // Green, green, red, red, red.
    let nights: Vec<_> = ["..", "..", ".F", ".F", ".F"]
        .into_iter()
        .zip(0..)
        .map(|(specs, day)| night(day, &[(LANE, specs)]))
        .collect();
    let world = World::of(&nights);
    let index = world.index();
    let now = at(400);
    let why = "issue 7 links to it".to_owned();
    history::pin(
        &world.folder(3),
        Some(&Pin {
            why: why.clone(),
            at: now,
        }),
    )
    .unwrap();
    let facts = history::survey(&index, &world.archive, now).unwrap();
    let stays: Vec<Option<String>> = facts.iter().map(|it| it.stays.clone()).collect();
    assert_eq!(
        stays,
        [
            None,
            Some(format!("it is the last green run of {LANE}")),
            Some(format!("it is the first red run of {LANE}")),
            Some(why),
            Some(format!("it is the newest run of {LANE}")),
        ]
    );
    let doomed = history::plan(
        &facts,
        Policy {
            days: 90,
            bytes: None,
        },
        now,
    );
    assert_eq!(doomed.len(), 1);
    assert_eq!(doomed[0].run, id(0).to_string());
    assert!(doomed[0].bytes > 4096);
}

#[test]
fn details_go_and_a_tombstone_says_when_and_why() {
    let world = World::of(&[night(0, &[(LANE, "..Fs.")])]);
    let folder = world.folder(0);
    let whole = summary(&night(0, &[(LANE, "..Fs.")]));
    world.index();
    let doomed = history::Doomed {
        run: id(0).to_string(),
        folder: folder.path().to_owned(),
        started: at(0),
        bytes: 5000,
        why: "older than 90 days".to_owned(),
    };
    assert!(history::apply(&world.archive, &doomed, at(100)).unwrap());
    let tombstone: history::Tombstone = folder.read_json(TOMBSTONE).unwrap();
    assert_eq!(
        (tombstone.why.as_str(), tombstone.bytes),
        ("older than 90 days", 5000)
    );
    let mut left: Vec<String> = fs_err::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        [".lock", "history.json", "pruned.json", "summary.json"]
    );
    // The summary has its failures; the rest comes back from what history keeps.
    let mut read: RunSummary = folder.read_json("summary.json").unwrap();
    assert_eq!(read.cells[0].specs.len(), 1);
    world.archive.whole(&folder, &mut read).unwrap();
    let sorted = |summary: &RunSummary| {
        let mut specs: Vec<_> = summary.cells[0]
            .specs
            .iter()
            .map(|spec| (spec.name.clone(), spec.outcome, spec.failure.clone()))
            .collect();
        specs.sort_by(|a, b| a.0.cmp(&b.0));
        specs
    };
    assert_eq!(sorted(&read), sorted(&whole));
    // A second time nothing is left to do.
    let index = world.index();
    let facts = history::survey(&index, &world.archive, at(100)).unwrap();
    assert_eq!(facts[0].bytes, 0);
}

#[test]
fn a_run_that_lives_is_left_alone() {
    let world = World::of(&[night(0, &[(LANE, "..")])]);
    let file = std::fs::File::create(world.folder(0).file(".lock")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let facts = history::survey(&world.index(), &world.archive, at(900)).unwrap();
    assert_eq!(facts[0].stays.as_deref(), Some("a living process holds it"));
}

#[test]
fn windows_count_nights() {
    let window = Window::last(3, "2026-03-01T23:59:59Z".parse().unwrap());
    let days: Vec<String> = window.days().iter().map(ToString::to_string).collect();
    assert_eq!(days, ["2026-02-27", "2026-02-28", "2026-03-01"]);
}

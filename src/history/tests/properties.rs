//! What holds for every history.

use proptest::prelude::*;

use super::world::{Night, World, night};
use crate::{
    history::{Archive, Index, by_signature, query::Window, reindex, update},
    model::Accelerator,
};

const LANES: [&str; 3] = [
    "main.plain.runc.e2e",
    "main.plain.crun.e2e",
    "stable.plain.runc.e2e",
];

fn nights() -> impl Strategy<Value = Vec<Night>> {
    let cell = prop_oneof![9 => "[.]{0,3}[.FfGes-]{0,5}[.]{0,3}", 1 => Just("!".to_owned())];
    let lanes = prop::collection::vec(cell, 1..=3);
    prop::collection::vec((lanes, any::<bool>(), 0_u32..3), 1..6).prop_map(|nights| {
        let nights = nights.into_iter().enumerate();
        nights
            .map(|(day, (cells, kvm, commit))| Night {
                commit,
                accelerator: if kvm {
                    Accelerator::Kvm
                } else {
                    Accelerator::Tcg
                },
                lanes: LANES.into_iter().zip(cells).collect(),
                ..night(i64::try_from(day).unwrap(), &[])
            })
            .collect()
    })
}

fn take(index: &mut Index, archive: &Archive, days: impl Iterator<Item = i64>, world: &World) {
    for day in days {
        let directory = world.directory(day);
        let run = archive.read(&directory).unwrap();
        let names = |digest: &_| Ok(archive.list(digest)?.as_ref().clone());
        index.ingest(&run, "", &names, &by_signature).unwrap();
    }
}

/// Every answer, as text.
fn answers(index: &Index) -> String {
    let window = Window {
        until: "2026-01-08".parse().unwrap(),
        nights: 30,
    };
    let now = super::world::at(8);
    let mut out = Vec::new();
    let mut add = |value: serde_json::Value| out.push(value.to_string());
    let json = |it: &dyn erased::Json| it.json();
    add(json(&index.grid(None, window).unwrap()));
    add(json(&index.lane_health(None, window, now).unwrap()));
    add(json(&index.clusters(None, window).unwrap()));
    add(json(&index.flakes(None, None, window).unwrap()));
    add(json(&index.candidates(None, now, 50).unwrap()));
    add(json(&index.compatibility(None, window).unwrap()));
    add(json(&index.search("timed out").unwrap()));
    for lane in index.lanes(None).unwrap() {
        add(json(&index.lane_page(&lane, window, true, 0, 100).unwrap()));
        add(json(&index.lane_trends(&lane, window).unwrap()));
    }
    for at in 0..11 {
        let name = format!("[sig-node] Pods spec {at} works");
        if let Ok(history) = index.spec_history(&name, window) {
            add(json(&history));
        }
    }
    let runs = index.runs(None, now, 50).unwrap();
    for run in &runs {
        add(json(&index.run_page(run).unwrap()));
        add(json(&index.compare(&runs[0], run, None).unwrap()));
    }
    out.join("\n")
}

/// The first line in which two answers differ.
fn differing(a: &str, b: &str) -> Option<(String, String)> {
    let mut lines = a.lines().zip(b.lines());
    let found = lines.find(|(a, b)| a != b)?;
    Some((found.0.to_owned(), found.1.to_owned()))
}

/// Any answer as JSON.
mod erased {
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_and_repetition_change_nothing(nights in nights(), seed in any::<u64>()) {
        let world = World::of(&nights);
        let forward = world.index();
        let dump = forward.dump().unwrap();
        let said = answers(&forward);
        let mut days: Vec<i64> = nights.iter().map(|night| night.day).collect();
        days.sort_by_key(|day| (u64::try_from(*day).unwrap() + 1).wrapping_mul(seed | 1));
        let again = days.iter().rev().chain(&days).copied();
        let other = World::new();
        let mut index = Index::open(other.state()).unwrap();
        take(&mut index, &world.archive, again, &world);
        prop_assert_eq!(index.dump().unwrap(), dump.clone());
        prop_assert_eq!(differing(&answers(&index), &said), None);
        // Taken in again by the directories: nothing is new.
        let updated = world.update();
        prop_assert_eq!((updated.new, updated.changed, updated.forgotten), (0, 0, 0));
    }

    #[test]
    fn what_is_pruned_is_still_answered(nights in nights(), keep in 0_usize..3) {
        let world = World::of(&nights);
        let index = world.index();
        let (dump, said) = (index.dump().unwrap(), answers(&index));
        for night in nights.iter().skip(keep) {
            let doomed = crate::history::Doomed {
                run: super::world::id(night.day).to_string(),
                folder: world.folder(night.day).path().to_owned(),
                started: super::world::at(night.day),
                bytes: 1,
                why: "a test".to_owned(),
            };
            prop_assert!(crate::history::apply(&world.archive, &doomed, super::world::at(9)).unwrap());
        }
        reindex(&Archive::at(world.state())).unwrap();
        let index = Index::open(world.state()).unwrap();
        prop_assert_eq!(index.dump().unwrap(), dump);
        prop_assert_eq!(differing(&answers(&index), &said), None);
    }

    #[test]
    fn counts_are_those_of_the_results(nights in nights()) {
        let world = World::of(&nights);
        let index = world.index();
        // A rollup never says anything else than a recount.
        let mut statement = index.connection.prepare(
            "SELECT cell.id, cell.planned, cell.failed, cell.passed, cell.expected FROM cell JOIN vector ON vector.cell = cell.id",
        ).unwrap();
        let rows = statement.query_map([], |row| Ok([
            row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?,
        ])).unwrap();
        for row in rows {
            let [cell, planned, failed, passed, expected] = row.unwrap();
            let mut counted = [0; 4];
            index.each_vector(crate::history::query::statements::VECTOR_OF_CELL, [cell], |packed| {
                for outcome in packed.outcomes(index.list(packed.list)?.len())? {
                    counted[0] += 1;
                    counted[1] += i64::from(outcome.is_failure());
                    counted[2] += i64::from(outcome == crate::model::SpecOutcome::Passed);
                    counted[3] += i64::from(outcome == crate::model::SpecOutcome::ExpectedFailure);
                }
                Ok(())
            }).unwrap();
            prop_assert_eq!(counted, [planned, failed, passed, expected]);
        }
    }
}

#[test]
fn a_run_that_changed_is_taken_in_again_and_one_that_is_gone_is_forgotten() {
    let lane = LANES[0];
    let world = World::of(&[night(0, &[(lane, "..F")]), night(1, &[(lane, "...")])]);
    let mut index = world.index();
    world.put(&night(0, &[(lane, "....")]));
    fs_err::remove_dir_all(world.folder(1).path()).unwrap();
    let updated = update(&mut index, &Archive::at(world.state())).unwrap();
    assert_eq!((updated.new, updated.changed, updated.forgotten), (0, 1, 1));
    let fresh = World::of(&[night(0, &[(lane, "....")])]);
    assert_eq!(index.dump().unwrap(), fresh.index().dump().unwrap());
}

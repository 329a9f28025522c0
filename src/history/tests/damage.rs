//! Torn directories, foreign folders, damaged and locked indexes.

use std::time::Duration;

use super::world::{World, id, night};
use crate::history::{Archive, FILE, HistoryError, Index, reindex, update};

const LANE: &str = "main.plain.runc.e2e";

#[test]
fn what_cannot_be_read_is_skipped_with_the_reason() {
    let world = World::of(&[night(0, &[(LANE, "..F")]), night(1, &[(LANE, "...")])]);
    let good = World::of(&[night(0, &[(LANE, "..F")])])
        .index()
        .dump()
        .unwrap();
    // Torn, foreign, another run's, and not finished.
    let torn = world.folder(1);
    let text = fs_err::read(torn.file("summary.json")).unwrap();
    fs_err::write(torn.file("summary.json"), &text[..text.len() / 2]).unwrap();
    let runs = world.state().join("runs");
    fs_err::create_dir(runs.join("lost+found")).unwrap();
    let copy = runs.join(id(5).to_string());
    fs_err::create_dir(&copy).unwrap();
    let summary = world.folder(0).file("summary.json");
    fs_err::copy(summary, copy.join("summary.json")).unwrap();
    fs_err::create_dir(runs.join(id(6).to_string())).unwrap();
    let mut index = Index::open(world.state()).unwrap();
    for _ in 0..2 {
        let updated = update(&mut index, &Archive::at(world.state())).unwrap();
        let why: Vec<&str> = updated.skipped.iter().map(|it| it.why.as_str()).collect();
        assert_eq!(why.len(), 3, "{why:?}");
        assert_eq!(why[0], "its name is no run id");
        assert!(why[1].contains("summary.json does not parse"), "{}", why[1]);
        assert!(why[2].contains("holds another run"), "{}", why[2]);
        assert_eq!(updated.unfinished, 1);
        assert_eq!(index.dump().unwrap(), good);
    }
    let done = reindex(&Archive::at(world.state())).unwrap();
    assert_eq!((done.new, done.skipped.len()), (1, 3));
}

#[test]
fn a_torn_packed_document_is_made_again() {
    let world = World::of(&[night(0, &[(LANE, "..F")])]);
    let wanted = world.index().dump().unwrap();
    let packed = world.folder(0).file("history.json");
    let text = fs_err::read_to_string(&packed).unwrap();
    for torn in [&text[..text.len() / 2], "{}", ""] {
        fs_err::write(&packed, torn).unwrap();
        reindex(&Archive::at(world.state())).unwrap();
        assert_eq!(Index::open(world.state()).unwrap().dump().unwrap(), wanted);
    }
    // A list of specs that is gone, too.
    fs_err::remove_dir_all(world.archive.lists()).unwrap();
    reindex(&Archive::at(world.state())).unwrap();
    assert_eq!(Index::open(world.state()).unwrap().dump().unwrap(), wanted);
}

#[test]
fn a_damaged_index_says_how_to_mend_it() {
    let world = World::of(&[night(0, &[(LANE, "..F")])]);
    let wanted = world.index().dump().unwrap();
    let file = world.state().join(FILE);
    fs_err::write(
        &file,
        "this is no database, but long enough to be taken for one at first sight",
    )
    .unwrap();
    for end in ["-wal", "-shm"] {
        let _ = fs_err::remove_file(format!("{file}{end}"));
    }
    let error = Index::open(world.state()).unwrap_err();
    assert!(matches!(error, HistoryError::Corrupt { .. }), "{error}");
    assert!(error.hints()[0].contains("bellwether history reindex"));
    reindex(&world.archive).unwrap();
    assert_eq!(Index::open(world.state()).unwrap().dump().unwrap(), wanted);
}

#[test]
fn a_newer_index_is_not_touched() {
    let world = World::of(&[night(0, &[(LANE, "..")])]);
    let index = world.index();
    index
        .connection
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    drop(index);
    let error = Index::open(world.state()).unwrap_err();
    assert!(
        matches!(error, HistoryError::Newer { found: 99, .. }),
        "{error}"
    );
    assert!(Index::open_read(world.state()).is_err());
    assert!(error.is_damage());
    reindex(&world.archive).unwrap();
    assert!(Index::open(world.state()).is_ok());
}

#[test]
fn a_locked_index_is_busy_and_readers_go_on() {
    let world = World::of(&[night(0, &[(LANE, "..F")])]);
    let index = world.index();
    let dump = index.dump().unwrap();
    index.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reader = Index::open_read(world.state()).unwrap();
    assert_eq!(reader.dump().unwrap(), dump);
    world.put(&night(1, &[(LANE, "..")]));
    let mut other = Index::open(world.state()).unwrap();
    other.connection.busy_timeout(Duration::ZERO).unwrap();
    let error = update(&mut other, &world.archive).unwrap_err();
    assert!(matches!(error, HistoryError::Busy { .. }), "{error}");
    assert!(!error.hints().is_empty());
    index.connection.execute_batch("COMMIT").unwrap();
    assert_eq!(update(&mut other, &world.archive).unwrap().new, 1);
}

#[test]
fn a_reindex_is_seen_by_those_who_have_the_index_open() {
    let world = World::of(&[night(0, &[(LANE, "..F")])]);
    let reader = world.index();
    world.put(&night(1, &[(LANE, "...")]));
    reindex(&world.archive).unwrap();
    assert_eq!(reader.runs(None, super::world::at(9), 9).unwrap().len(), 2);
}

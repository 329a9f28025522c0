//! Each migration over a filled index.

use rusqlite::Connection;
use rusqlite_migration::Migrations;

use super::world::{World, night};
use crate::history::{FILE, Index, schema::MIGRATIONS};

#[test]
fn every_step_is_taken_over_a_filled_index() {
    let world = World::of(&[
        night(0, &[("main.plain.runc.e2e", "..F.")]),
        night(1, &[("main.plain.runc.e2e", "..G.")]),
    ]);
    let wanted = world.index().dump().unwrap();
    for version in 1..=MIGRATIONS.len() {
        // The rows of the newest index, in one of that version.
        let old = world.state().join(format!("old-{version}"));
        fs_err::create_dir(&old).unwrap();
        let mut connection = Connection::open(old.join(FILE)).unwrap();
        let migrations = Migrations::from_slice(MIGRATIONS);
        migrations.to_version(&mut connection, version).unwrap();
        let from = world.state().join(FILE);
        connection
            .execute("ATTACH ?1 AS new", [from.as_str()])
            .unwrap();
        let tables: Vec<String> = {
            let mut statement = connection
                .prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%' AND name NOT LIKE '%\\_words%' ESCAPE '\\'")
                .unwrap();
            let names = statement.query_map([], |row| row.get(0)).unwrap();
            names.map(Result::unwrap).collect()
        };
        assert!(tables.len() > 15, "{tables:?}");
        for table in tables {
            let sql = format!("INSERT INTO main.{table} SELECT * FROM new.{table}");
            connection.execute(&sql, []).unwrap();
        }
        drop(connection);
        let index = Index::open(&old).unwrap();
        assert_eq!(index.dump().unwrap(), wanted, "from version {version}");
        let found = index.search("timed waiting").unwrap();
        assert_eq!(found.messages.len(), 1, "from version {version}");
        assert_eq!(index.search("Pods spec 2").unwrap().specs.len(), 1);
    }
}

#[test]
fn migrations_are_valid() {
    Migrations::from_slice(MIGRATIONS).validate().unwrap();
}

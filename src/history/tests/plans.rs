//! What SQLite would do for each statement of a page.

use super::world::{World, night};
use crate::history::query::statements;

/// Tables that grow with runs and results. Lanes and profiles are few.
const GROWING: [&str; 14] = [
    "run",
    "cell",
    "vector",
    "nonpass",
    "phase",
    "attempt",
    "step",
    "spec",
    "message",
    "cluster",
    "candidate",
    "revision",
    "run_candidate",
    "list_spec",
];

#[test]
fn no_page_reads_a_whole_table_or_sorts_one_aside() {
    let world = World::of(&[night(0, &[("main.plain.runc.e2e", "..F.")])]);
    let index = world.index();
    let mut wrong = Vec::new();
    for (name, sql) in statements::ALL {
        let mut statement = index
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let count = statement.parameter_count();
        let parameters = rusqlite::params_from_iter(vec![rusqlite::types::Value::Null; count]);
        let lines = statement
            .query_map(parameters, |row| row.get::<_, String>(3))
            .unwrap();
        let lines: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(!lines.is_empty(), "{name} has no plan");
        for line in lines {
            let scans = GROWING.iter().any(|table| {
                line == format!("SCAN {table}") || line.starts_with(&format!("SCAN {table} "))
            });
            if scans || line.contains("TEMP B-TREE") {
                wrong.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(statements::ALL.len() > 30);
}

#[test]
fn there_is_no_index_of_results_by_spec() {
    // It would make each ingest touch a page for every spec.
    let world = World::new();
    let index = world.index();
    let mut statement = index
        .connection
        .prepare("SELECT name FROM pragma_table_info('vector')")
        .unwrap();
    let columns = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let columns: Vec<String> = columns.map(Result::unwrap).collect();
    assert_eq!(columns, ["cell", "list", "outcomes", "durations"]);
}

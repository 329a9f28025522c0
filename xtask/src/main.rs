//! Chores of the repository: `cargo xtask schema [--check]`, `cargo xtask proto [--check]`, `cargo xtask bench [NAME…]`.

mod bench;
mod history;
mod proto;
mod restore;
mod schema;
mod triage;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask schema [--check]
       cargo xtask proto [--check]
       cargo xtask bench [NAME…]
       cargo xtask bench triage [--eval DIR]

  schema           writes docs/*.schema.json
  schema --check   says whether they are current, and changes nothing
  proto [--check]  the same for proto/runtime.v1.rs, from proto/api.proto
  bench            measures what docs/benchmarks.md states, and writes it; NAMEs choose
  bench history    measures the index over 5,000,000 results, and prints what docs/history.md states
  bench triage     prints the tables of docs/triage-quality.md; use it with --release";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["schema"] => schema::write(),
        ["schema", "--check"] => schema::check(),
        ["proto"] => proto::write(),
        ["proto", "--check"] => proto::check(),
        ["bench", "history"] => history::in_release().map_err(|error| error.to_string()),
        [history::HERE] => history::measure().map_err(|error| error.to_string()),
        ["bench", "triage", rest @ ..] => triage::run(rest).map_err(|error| error.to_string()),
        ["bench", names @ ..] => bench::run(names).map_err(|error| error.to_string()),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

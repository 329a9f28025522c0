//! Chores of the repository: `cargo xtask schema [--check]`.

mod schema;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask schema [--check]

  schema           writes docs/profile.schema.json
  schema --check   says whether it is current, and changes nothing";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["schema"] => schema::write(),
        ["schema", "--check"] => schema::check(),
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

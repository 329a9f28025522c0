mod confirm;
mod documents;
mod expected;
mod faults;
mod outcomes;
mod pack;
mod samples;
mod specs;
mod texts;

use std::{fs, io::Read as _, path::Path};

use super::Artifacts;
use crate::model::{Phase, Stop, StopKind};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/verdict");

/// The files of a recorded attempt, without their `.gz`.
fn sample(name: &str) -> Vec<(String, String)> {
    let folder = Path::new(FIXTURES).join("samples").join(name);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(fs::File::open(&path).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        files.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), text));
    }
    assert!(!files.is_empty(), "{name} is empty");
    files
}

fn artifacts(files: &[(String, String)]) -> Artifacts {
    Artifacts::from_pairs(
        files
            .iter()
            .map(|(name, text)| (name.clone(), text.clone())),
    )
}

fn stop(phase: Phase, kind: StopKind, said: &str) -> Stop {
    Stop {
        phase,
        kind,
        said: said.to_owned(),
        line: None,
    }
}

//! `RUN`, `RUN/LANE` and `RUN/LANE/SPEC`.

use crate::{
    evidence::EvidenceDir,
    history::Archive,
    model::{LaneId, RunSummary, SpecName},
    report::words,
    run::store::{Store, StoreError},
};

use super::CliError;

/// A run and what follows it in the text.
#[derive(Debug)]
pub struct Target {
    /// The run's directory.
    pub run: EvidenceDir,
    /// What follows the first slash after the run, if anything.
    pub rest: Option<String>,
}

/// Finds the run that `text` begins with. A run can be a path, so the shortest beginning that is a run counts.
///
/// # Errors
/// When none is a run, or it fits several.
pub fn target(store: &Store, text: &str) -> Result<Target, CliError> {
    let ends = text
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([text.len()]);
    for end in ends {
        match store.find(&text[..end]) {
            Ok(run) => {
                let rest = text[end..]
                    .strip_prefix('/')
                    .filter(|rest| !rest.is_empty());
                return Ok(Target {
                    run,
                    rest: rest.map(str::to_owned),
                });
            }
            Err(StoreError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let first = text.split('/').next().unwrap_or_default();
    let said = if first.is_empty() { text } else { first };
    Err(StoreError::Unknown(said.to_owned()).into())
}

/// The run alone.
///
/// # Errors
/// As [`target`], and when something follows it.
pub fn run(store: &Store, text: &str) -> Result<EvidenceDir, CliError> {
    let Target { run, rest } = target(store, text)?;
    match rest {
        None => Ok(run),
        Some(_) => Err(CliError::Form {
            text: text.to_owned(),
            form: "RUN",
        }),
    }
}

/// The lane that `text` names: its id, or a part of its id that no other lane has.
///
/// # Errors
/// When none or several fit.
pub fn lane<'a>(
    run: &str,
    lanes: impl IntoIterator<Item = &'a LaneId>,
    text: &str,
) -> Result<LaneId, CliError> {
    let lanes: Vec<_> = lanes.into_iter().collect();
    if let Some(lane) = lanes.iter().find(|lane| lane.as_str() == text) {
        return Ok((*lane).clone());
    }
    let fits: Vec<_> = lanes
        .iter()
        .filter(|lane| lane.as_str().contains(text))
        .collect();
    match fits.as_slice() {
        [one] => Ok((**one).clone()),
        _ => Err(CliError::NoLane {
            run: run.to_owned(),
            text: text.to_owned(),
            lanes: if fits.is_empty() {
                lanes
            } else {
                fits.into_iter().copied().collect()
            }
            .into_iter()
            .cloned()
            .collect(),
        }),
    }
}

/// The spec that `text` names: its handle, its whole name, or a part of it that no other spec has.
///
/// # Errors
/// When none or several fit.
pub fn spec<'a>(
    lane: &LaneId,
    specs: impl IntoIterator<Item = &'a SpecName>,
    text: &str,
) -> Result<SpecName, CliError> {
    let specs: Vec<_> = specs.into_iter().collect();
    let exact = |name: &&&SpecName| name.0 == text || words::spec_handle(name) == text;
    if let Some(name) = specs.iter().find(exact) {
        return Ok((**name).clone());
    }
    let fits: Vec<_> = specs
        .into_iter()
        .filter(|name| !text.is_empty() && name.0.contains(text))
        .cloned()
        .collect();
    match fits.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(CliError::NoSpec {
            lane: lane.clone(),
            text: text.to_owned(),
            fits,
        }),
    }
}

/// How messages call a run: the part of its id that commands take.
#[must_use]
pub fn name_of(run: &EvidenceDir) -> String {
    let name = run.path().file_name().unwrap_or(run.path().as_str());
    name.parse()
        .map_or_else(|_| name.to_owned(), words::short_run)
}

/// The run's summary.
///
/// # Errors
/// When it has none yet, or it does not parse.
pub fn summary(run: &EvidenceDir) -> Result<RunSummary, CliError> {
    if !run.file("summary.json").exists() {
        return Err(CliError::NoSummary { run: name_of(run) });
    }
    let mut summary = run.read_json("summary.json")?;
    // Of a run whose details were pruned, the specs that passed are in what history keeps.
    let state = run.path().parent().and_then(|runs| runs.parent());
    if let Some(Err(error)) = state.map(|state| Archive::at(state).whole(run, &mut summary)) {
        tracing::warn!("{error}");
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use fs_err as fs;

    use super::*;

    const ID: &str = "019a9f00-0000-7000-8000-00000000000a";

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        let run = EvidenceDir::create_run(&store.runs_folder(), ID.parse().unwrap()).unwrap();
        fs::write(run.file("events.jsonl"), "").unwrap();
        (folder, store)
    }

    #[test]
    fn a_run_may_be_an_id_a_word_or_a_path_and_what_follows_stays_whole() {
        let (_folder, store) = store();
        let path = format!("{}/{ID}", store.runs_folder());
        for run in [ID, "019a9f00", "latest", path.as_str()] {
            let found = target(&store, &format!("{run}/lane/[sig-a] a/b c")).unwrap();
            assert!(found.run.path().as_str().ends_with(ID), "{run}");
            assert_eq!(found.rest.as_deref(), Some("lane/[sig-a] a/b c"), "{run}");
            assert_eq!(target(&store, run).unwrap().rest, None);
            assert_eq!(target(&store, &format!("{run}/")).unwrap().rest, None);
        }
        assert!(target(&store, "nothing/lane").is_err());
        assert!(target(&store, "").is_err());
    }

    #[test]
    fn lanes_and_specs_are_found_by_a_part_that_only_they_have() {
        let ids = ["main.plain.runc.x", "main.plain.crun.x", "main.swap.crun.x"];
        let lanes = ids.map(|id| LaneId(id.to_owned()));
        assert_eq!(lane("r", &lanes, "runc").unwrap(), lanes[0]);
        assert_eq!(lane("r", &lanes, ids[1]).unwrap(), lanes[1]);
        let error = lane("r", &lanes, "crun").unwrap_err();
        assert_eq!(
            error.hints(),
            ["one of: main.plain.crun.x, main.swap.crun.x"]
        );

        let specs = ["a b", "a b c"].map(|name| SpecName(name.to_owned()));
        let handle = words::spec_handle(&specs[1]);
        for (text, found) in [("a b", 0), ("b c", 1), (handle.as_str(), 1)] {
            assert_eq!(spec(&lanes[0], &specs, text).unwrap(), specs[found]);
        }
        assert!(spec(&lanes[0], &specs, "a").is_err());
        assert!(spec(&lanes[0], &specs, "").is_err());
    }
}

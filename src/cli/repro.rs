//! `bellwether repro`: one spec of an earlier run again, on the same candidate and node.

use std::io::IsTerminal as _;

use camino::Utf8Path;
use clap::Args;

use super::{CliError, Globals, run as run_command, target};
use crate::{
    evidence::EvidenceDir,
    machine,
    model::{Candidate, ExitCode, LaneId, Origin, RunSummary, SpecName},
    process,
    profile::{Profile, SourceKind, SuiteKind},
    run::{
        Finished, Request,
        record::{self, RunRecord},
    },
};

/// Run a spec of an earlier run again on the same candidate and node, and enter the machine when it fails
///
/// Takes the earlier run's profile, that one lane and that spec alone. If all that its candidate was built from is still in
/// the cache, the node image included, it is exactly that candidate; else its sources are pinned to what ran, and what
/// moved since (such as packages of the node image) is named. When the spec fails, a shell on its machine is opened, as by
/// `bellwether ssh`; the machine stays up until it is powered off.
#[derive(Debug, Args)]
pub struct ReproArgs {
    /// A run, one of its lanes, and a spec: the handle that `show` prints, or a part of its name
    #[arg(value_name = "RUN/LANE/SPEC")]
    target: String,
    /// Run it again and again on one machine until it fails
    #[arg(long)]
    until_failure: bool,
    /// How often at most; it stops at the first failure
    #[arg(long, default_value_t = 1, value_name = "N")]
    times: u32,
    /// Open no shell, only print how to enter
    #[arg(long)]
    no_shell: bool,
    /// Take the machine down afterwards
    #[arg(long)]
    no_keep: bool,
}

/// Runs the subcommand. Ends with the run's exit code, or becomes the shell.
///
/// # Errors
/// When there is no such spec, or the run cannot be recorded.
pub async fn run(args: ReproArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let store = globals.store()?;
    let target::Target { run, rest } = target::target(&store, &args.target)?;
    let Some((lane_text, spec_text)) = rest.as_deref().and_then(|rest| rest.split_once('/')) else {
        return Err(CliError::Form {
            text: args.target,
            form: "RUN/LANE/SPEC",
        });
    };
    let summary = target::summary(&run)?;
    let name = target::name_of(&run);
    let lanes = summary.cells.iter().map(|cell| &cell.lane.id);
    let lane = target::lane(&name, lanes, lane_text)?;
    let spec = spec_of(&summary, &lane, spec_text)?;
    let record: RunRecord = run.read_json(record::FILE)?;
    let mut profile = pinned(&record, &lane, &spec);
    for suite in &mut profile.suites {
        suite.repeat = args.times.max(1);
    }

    let printer = globals.printer();
    printer.say(&format!("{spec} in {lane}"));
    let request = Request {
        keep: !args.no_keep,
        cold: false,
        until_failure: args.until_failure || args.times > 1,
        confirm: false,
        candidates: Some(candidates(&record, &profile)),
        if_changed: false,
        id: None,
        command: std::env::args().collect(),
        profile,
    };
    let Finished::Ran { folder, summary } = run_command::execute(request, globals).await? else {
        return Ok(ExitCode::Passed);
    };
    for moved in moved(&record.candidates, &summary.candidates) {
        printer.say(&format!("not the same candidate: {moved}"));
    }
    run_command::show(&folder, &summary, globals)?;
    let shell = !args.no_shell && !printer.json && std::io::stdin().is_terminal();
    if shell && let Some(entry) = failing(&folder, &summary, store.root())? {
        printer.say(&format!("entering the machine: {entry}"));
        return Err(CliError::Io(process::replace_with(&entry)));
    }
    Ok(summary.exit)
}

/// How to enter the machine of a lane that is not green, if it is up.
fn failing(
    folder: &EvidenceDir,
    summary: &RunSummary,
    state: &Utf8Path,
) -> Result<Option<String>, CliError> {
    let red = summary
        .cells
        .iter()
        .filter(|cell| cell.attempts > 0 && !cell.outcome.is_green());
    for cell in red {
        let attempt = folder.attempt(&cell.lane.id, cell.attempts);
        if let Some(record) = machine::find(state, attempt.path())? {
            return Ok(Some(record.ssh_command));
        }
    }
    Ok(None)
}

/// The candidates that the profile's pairings had.
fn candidates(record: &RunRecord, profile: &Profile) -> Vec<Candidate> {
    let wanted = |candidate: &&Candidate| {
        let mut pairings = profile.pairings.iter();
        pairings.any(|pairing| pairing.name == candidate.pairing)
    };
    record.candidates.iter().filter(wanted).cloned().collect()
}

fn spec_of(summary: &RunSummary, lane: &LaneId, text: &str) -> Result<SpecName, CliError> {
    let specs = summary
        .cells
        .iter()
        .filter(|cell| cell.lane.id == *lane)
        .flat_map(|cell| &cell.specs)
        .map(|spec| &spec.name);
    target::spec(lane, specs, text)
}

/// The run's profile with this lane alone, its sources at what ran, and nothing but this spec.
fn pinned(record: &RunRecord, lane: &LaneId, spec: &SpecName) -> Profile {
    let mut profile = record.profile.clone();
    if let Some(lane) = record.lanes.iter().find(|other| other.id == *lane) {
        profile
            .pairings
            .retain(|pairing| pairing.name == lane.pairing);
        profile.nodes.retain(|node| node.name == lane.node);
        // Sandboxers stay: their packages are part of the node image.
        profile.suites.retain(|suite| suite.name == lane.suite);
        for suite in &mut profile.suites {
            suite.nodes.retain(|node| *node == lane.node);
            suite
                .sandboxers
                .retain(|sandboxer| *sandboxer == lane.sandboxer);
            suite.pairings.retain(|pairing| *pairing == lane.pairing);
            *suite = suite.with_specs(std::slice::from_ref(spec));
            (suite.shards, suite.repeat) = (1, 1);
            suite.kind.selection().1.clear();
            if let SuiteKind::Ginkgo(ginkgo) = &mut suite.kind {
                ginkgo.label_filter = None;
            }
        }
    }
    // One failing spec is the question, not a rate over many runs.
    profile.gates.clear();
    // It is asked whether it fails, not whether that is expected.
    profile.expect.clear();
    for pairing in &mut profile.pairings {
        pairing.selects.clear();
    }
    let pairing = profile.pairings.first().map(|pairing| pairing.name.clone());
    let candidate = record
        .candidates
        .iter()
        .find(|candidate| Some(&candidate.pairing) == pairing.as_ref());
    for (name, revision) in candidate.iter().flat_map(|candidate| &candidate.revisions) {
        let Some(source) = profile.sources.get_mut(name) else {
            continue;
        };
        match (&mut source.kind, &revision.origin) {
            (SourceKind::Git { reference, .. }, Origin::Git { commit, .. }) => {
                reference.clone_from(commit);
            }
            (SourceKind::GoModule { version, .. }, Origin::GoModule { version: ran, .. })
            | (SourceKind::Crate { version, .. }, Origin::Crate { version: ran, .. }) => {
                version.clone_from(ran);
            }
            // A folder is what it is now; `moved` says so when that is something else.
            _ => {}
        }
    }
    profile
}

/// What is not as it was, in words.
fn moved(then: &[Candidate], now: &[Candidate]) -> Vec<String> {
    let mut words = Vec::new();
    for new in now {
        let Some(old) = then.iter().find(|old| old.pairing == new.pairing) else {
            continue;
        };
        for (name, revision) in &new.revisions {
            if old
                .revisions
                .get(name)
                .is_some_and(|o| o.identity() != revision.identity())
            {
                words.push(format!("source {name} is {} now", revision.version));
            }
        }
        for (name, image) in &new.node_images {
            if old
                .node_images
                .get(name)
                .is_some_and(|o| o.digest != image.digest)
            {
                words.push(format!("node image {name} is {} now", image.version));
            }
        }
        for (tool, version) in &new.toolchains {
            if old.toolchains.get(tool).is_some_and(|o| o != version) {
                words.push(format!("{tool} is {version} now"));
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::SCHEMA_VERSION,
        plan,
        profile::{self, Overrides},
    };

    fn summary() -> RunSummary {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
        EvidenceDir::at(root.join("tests/fixtures/report/run-failed"))
            .read_json("summary.json")
            .unwrap()
    }

    /// A record of the shipped profile, with what the recorded run resolved.
    fn record() -> RunRecord {
        let summary = summary();
        let profile = profile::load("quickstart", &Overrides::default()).unwrap();
        let mut candidates = summary.candidates;
        candidates[0].pairing.clone_from(&profile.pairings[0].name);
        RunRecord {
            schema: SCHEMA_VERSION,
            run: summary.run,
            started_at: summary.started_at,
            command: Vec::new(),
            lanes: plan::lanes_of(&profile),
            profile,
            candidates,
            notes: Vec::new(),
            plan: None,
            environment: None,
        }
    }

    #[test]
    fn the_profile_is_pinned_to_what_ran() {
        let record = record();
        let spec = SpecName("[sig-storage] EmptyDir should support (root,0644,tmpfs)".to_owned());
        let mut lanes = record.lanes.iter();
        let lane = lanes.rfind(|lane| lane.suite == "conformance").unwrap();
        let profile = pinned(&record, &lane.id, &spec);
        assert_eq!(plan::lanes_of(&profile), std::slice::from_ref(lane));
        let SuiteKind::Ginkgo(ginkgo) = &profile.suites[0].kind else {
            panic!("the quickstart's suite is a Ginkgo binary");
        };
        let focus = regex::Regex::new(&ginkgo.focus[0]).unwrap();
        assert!(focus.is_match(&format!("E2eNode Suite {spec}")));
        assert!(!focus.is_match(&format!("{spec} [Slow]")));
        assert!(
            profile::compile_go_regex(&ginkgo.focus[0]).is_ok(),
            "Go must take it too"
        );
        let SourceKind::GoModule { version, .. } = &profile.sources["kubernetes"].kind else {
            panic!("the quickstart takes modules");
        };
        assert_eq!(version, "v1.36.3");
    }

    #[test]
    fn what_moved_is_named() {
        let then = summary().candidates;
        assert!(moved(&then, &then).is_empty());
        let mut now = then.clone();
        now[0]
            .toolchains
            .insert("go".to_owned(), "go1.27.0".to_owned());
        let image = now[0].node_images.get_mut("debian-13").unwrap();
        image.digest.0 = "0".repeat(64);
        assert_eq!(
            moved(&then, &now),
            [
                "node image debian-13 is trixie, Release of 2026-11-14 now",
                "go is go1.27.0 now"
            ]
        );
    }

    #[test]
    fn a_spec_is_found_by_the_handle_that_is_printed() {
        let summary = summary();
        let lane = &summary.cells[1].lane.id;
        let failed = crate::report::words::failures(&summary.cells[1])
            .next()
            .unwrap();
        let handle = crate::report::words::spec_handle(&failed.name);
        assert_eq!(spec_of(&summary, lane, &handle).unwrap(), failed.name);
    }
}

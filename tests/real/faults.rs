//! Plants each fault of `tests/faults` in a real run and compares the verdict with what the fault expects.
//!
//! `BELLWETHER_FAULTS` chooses: `all` (also when it is not set), names with commas, or `rotate:N` for N of them, others
//! every day.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    sync::LazyLock,
    time::{Instant, SystemTime},
};

use bellwether::{
    model::{Cause, CellOutcome, EvidenceLine, SpecOutcome},
    verdict::{Artifact, LaneVerdict, Rules},
};
use jiff::Timestamp;
use regex::Regex;

use crate::{
    cli::{Bench, wanted},
    fault::{self, ACTS, Fault, Layer},
    world::one_machine,
};

#[test]
fn planted_faults_are_named_right() {
    if !wanted() {
        return;
    }
    let _one = one_machine();
    let mut wrong = Vec::new();
    let mut table = String::new();
    for (name, fault) in chosen() {
        println!("=== {name}: {}", fault.what);
        let bench = Bench::new(&name);
        let began = Instant::now();
        let seen = run(&bench, &fault);
        let mut complaints = seen.complaints;
        let left = bench.machines();
        if !left.is_empty() {
            complaints.push(format!("machines are left: {left:?}"));
        }
        let said = if complaints.is_empty() { "ok" } else { "WRONG" };
        let row = format!(
            "| {name} | {} | {} | {} | {said} |",
            seen.words,
            seen.delay,
            began.elapsed().as_secs()
        );
        println!("{row}");
        writeln!(table, "{row}").unwrap();
        if !complaints.is_empty() {
            println!("{}", complaints.join("\n"));
            bench.print_talk();
            wrong.push(name);
        }
    }
    println!(
        "\n| fault | verdict | effect to report, s | whole run, s | |\n|---|---|---|---|---|\n{table}"
    );
    assert!(wrong.is_empty(), "wrong: {}", wrong.join(", "));
}

/// Faults by name, as `BELLWETHER_FAULTS` asks.
fn chosen() -> BTreeMap<String, Fault> {
    let mut faults = fault::all();
    let asked = std::env::var("BELLWETHER_FAULTS").unwrap_or_else(|_| "all".to_owned());
    if let Some(count) = asked.strip_prefix("rotate:") {
        let count: usize = count.parse().expect("BELLWETHER_FAULTS=rotate:N");
        let days = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86400;
        let seed = std::env::var("BELLWETHER_SEED").map_or(days, |seed| seed.parse().unwrap());
        let names = picked(faults.keys().cloned().collect(), count, seed);
        println!(
            "seed {seed} (BELLWETHER_SEED={seed} picks the same): {}",
            names.join(", ")
        );
        faults.retain(|name, _| names.contains(name));
    } else if asked != "all" {
        let names: Vec<&str> = asked.split(',').map(str::trim).collect();
        for name in &names {
            assert!(faults.contains_key(*name), "there is no fault {name}");
        }
        faults.retain(|name, _| names.contains(&name.as_str()));
    }
    faults
}

/// `count` of `names`, by the seed alone.
fn picked(mut names: Vec<String>, count: usize, seed: u64) -> Vec<String> {
    let mut state = seed;
    let mut picked = Vec::new();
    while picked.len() < count && !names.is_empty() {
        // Knuth's MMIX generator; its high bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let index = (state >> 33) as usize % names.len();
        picked.push(names.remove(index));
    }
    picked
}

#[test]
fn a_seed_picks_the_same_faults_and_another_seed_others() {
    let names = || (0..20).map(|n| format!("f{n}")).collect::<Vec<_>>();
    let one = picked(names(), 3, 20_777);
    assert_eq!(one, picked(names(), 3, 20_777));
    assert_eq!(one.len(), 3);
    let mut seen: Vec<String> = (0..60).flat_map(|day| picked(names(), 3, day)).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 20, "every fault has its day");
    assert_eq!(picked(names(), 99, 1).len(), 20);
}

struct Seen {
    words: String,
    delay: String,
    complaints: Vec<String>,
}

/// How far each live log had grown, and when.
#[derive(Default)]
struct Growth(BTreeMap<&'static str, Vec<(u64, Timestamp)>>);

impl Growth {
    fn look(&mut self, attempt: &Path) {
        for file in [
            "console.log",
            "journal.log",
            "ignition.journal",
            "suite.log",
        ] {
            let size = fs::metadata(attempt.join(file)).map_or(0, |file| file.len());
            let sizes = self.0.entry(file).or_default();
            if sizes.last().map_or(0, |(last, _)| *last) != size {
                sizes.push((size, Timestamp::now()));
            }
        }
    }

    /// When the host had this much of the file.
    fn when(&self, file: &str, offset: u64) -> Option<Timestamp> {
        let sizes = self.0.get(file)?;
        sizes
            .iter()
            .find(|(size, _)| *size >= offset)
            .map(|(_, at)| *at)
    }
}

fn run(bench: &Bench, fault: &Fault) -> Seen {
    fault.plant(bench.path());
    let mut running = bench.start(&fault.sandboxer);
    let mut growth = Growth::default();
    let status = running.wait(|| {
        if let Some(attempt) = bench.attempt() {
            growth.look(&attempt);
        }
    });
    let reported = Timestamp::now();
    let verdict = bench.verdict();
    let [lane] = &verdict.blocking[..] else {
        panic!("one lane: {:?}", verdict.blocking);
    };
    let attempt = bench.attempt();
    let mut complaints = match &attempt {
        Some(attempt) => compare(fault, lane, attempt),
        None => vec!["there was no attempt".to_owned()],
    };
    if status.code().is_none_or(|code| code == 0 || code == 2) {
        complaints.push(format!("{status}"));
    }
    let effect = attempt.and_then(|attempt| effect(fault, &attempt, &growth));
    if effect.is_none() && has_voice(fault) {
        complaints.push("nothing shows that the fault took effect".to_owned());
    }
    let words = match cause(lane) {
        Some(cause) => format!(
            "{} in {}, {}, {}: {} ({})",
            lane.outcome.name(),
            cause.phase,
            cause.class,
            cause.blame,
            cause.summary.replace('|', "/"),
            cause.evidence.first().map_or("", |line| line.file.as_str()),
        ),
        None => lane.words.clone(),
    };
    Seen {
        words,
        delay: effect.map_or("not seen live".to_owned(), |effect| {
            format!(
                "{:.1}",
                (reported - effect).total(jiff::Unit::Second).unwrap()
            )
        }),
        complaints,
    }
}

/// Whether the planting script runs late enough for the journal's stream to carry its words.
fn has_voice(fault: &Fault) -> bool {
    matches!(
        fault.layer,
        Layer::GuestScriptBeforeSuite | Layer::GuestScriptDuringSuite
    )
}

/// When the host could first know: the first live line that shows the fault, or what the planting script said if no live
/// log shows it. A guest that dies of the fault may take the script's word with it, hence either is enough.
fn effect(fault: &Fault, attempt: &Path, growth: &Growth) -> Option<Timestamp> {
    let journal = fs::read(attempt.join("journal.log")).unwrap_or_default();
    let acts = journal
        .windows(ACTS.len())
        .position(|window| window == ACTS.as_bytes())
        .and_then(|offset| growth.when("journal.log", offset as u64));
    let pattern = Rules::shipped()
        .get(&fault.expect.rule)
        .map(|rule| &rule.pattern);
    let shown = growth.0.keys().filter_map(|file| {
        let text = fs::read(attempt.join(file)).ok()?;
        let log = Artifact::new(*file, String::from_utf8_lossy(&text));
        let mut lines = log.lines();
        let line = lines.find(|line| pattern.is_some_and(|p| p.is_match(&line.said().message)))?;
        let before = text.split_inclusive(|byte| *byte == b'\n');
        let offset: usize = before.take(line.number as usize).map(<[u8]>::len).sum();
        growth.when(file, offset as u64)
    });
    shown.min().or(acts)
}

/// What the lane says went wrong: the stop's cause, what all failed specs share, or the first failure's.
fn cause(lane: &LaneVerdict) -> Option<&Cause> {
    match &lane.outcome {
        CellOutcome::Stopped { cause } => Some(cause),
        _ => lane.common.as_ref().or_else(|| {
            let mut causes = lane.failures.iter().filter_map(|spec| spec.cause.as_ref());
            causes.next()
        }),
    }
}

fn compare(fault: &Fault, lane: &LaneVerdict, attempt: &Path) -> Vec<String> {
    let expect = &fault.expect;
    let mut complaints = Vec::new();
    let mut wants = |right: bool, what: String| {
        if !right {
            complaints.push(what);
        }
    };
    let outcome = lane.outcome.name();
    wants(
        expect.outcome.iter().any(|wanted| wanted == outcome),
        format!("outcome {outcome}, not {:?}", expect.outcome),
    );
    let Some(cause) = cause(lane) else {
        complaints.push(format!("no cause: {:?}", lane.failures));
        return complaints;
    };
    wants(
        expect.phase.contains(&cause.phase),
        format!("phase {}, not {:?}", cause.phase, expect.phase),
    );
    wants(
        cause.class == expect.class,
        format!("class {}, not {}", cause.class, expect.class),
    );
    wants(
        cause.blame == expect.blame,
        format!("blame {}, not {}", cause.blame, expect.blame),
    );
    wants(
        cause.summary.contains(&expect.cause_contains),
        format!(
            "`{}` does not say `{}`",
            cause.summary, expect.cause_contains
        ),
    );
    wants(
        cause.rule.as_deref() == Some(expect.rule.as_str()),
        format!("rule {:?}, not {}", cause.rule, expect.rule),
    );
    wants(!cause.evidence.is_empty(), "no evidence".to_owned());
    if let Some(line) = cause.evidence.first() {
        let file = line.file.file_name().unwrap_or_default();
        wants(
            expect.evidence_file.is_empty() || expect.evidence_file.iter().any(|name| name == file),
            format!("evidence in {}, not {:?}", line.file, expect.evidence_file),
        );
    }
    for line in &cause.evidence {
        wants(holds(attempt, line), format!("not there: {line}"));
    }
    if fault.layer == Layer::GuestScriptDuringSuite {
        let finished = fs::read_to_string(attempt.join("events.jsonl")).unwrap_or_default();
        let kept = finished.contains("spec-finished") && lane.counts.passed > 0;
        wants(kept, format!("finished specs are lost: {:?}", lane.counts));
        let not_run = lane.counts.not_run
            + lane
                .failures
                .iter()
                .filter(|spec| spec.outcome == SpecOutcome::Interrupted)
                .count() as u32;
        wants(
            not_run > 0,
            format!("nothing was cut short: {:?}", lane.counts),
        );
    }
    complaints
}

/// Whether the file really says this in this line.
fn holds(attempt: &Path, line: &EvidenceLine) -> bool {
    static COLOUR: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").unwrap());
    let Ok(bytes) = fs::read(attempt.join(&line.file)) else {
        return false;
    };
    let text = String::from_utf8_lossy(&bytes);
    let Some(raw) = text.lines().nth((line.line as usize).saturating_sub(1)) else {
        return false;
    };
    let raw = COLOUR.replace_all(raw, "");
    let message = serde_json::from_str::<serde_json::Value>(&raw)
        .ok()
        .and_then(|entry| Some(entry["MESSAGE"].as_str()?.to_owned()))
        .unwrap_or_else(|| raw.to_string());
    // Quotes are shortened to one line with single spaces.
    let single = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = single(&message);
    let wanted = line.text.lines().next().unwrap_or_default();
    let wanted = single(wanted.trim_end_matches('…'));
    // A machine's own alarms name the sender before the message, which the file may have elsewhere in the line.
    let bare = wanted.split_once(": ").map_or(&*wanted, |(_, bare)| bare);
    !wanted.is_empty() && (message.contains(&wanted) || message.contains(bare))
}

//! The corpus of planted node e2e failures: made from causes by a seeded generator, and how well rules know it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixtures must fail"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{LazyLock, Mutex, PoisonError},
};

use bellwether::{
    model::{Blame, Class},
    triage::{Failure, attribute::simulate::Dice, cluster},
    verdict::class_of_text,
};
use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// How often each cause appears.
const APPEARANCES: usize = 5;

#[derive(Deserialize)]
struct Causes {
    cause: Vec<Cause>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cause {
    id: String,
    class: Class,
    blame: Blame,
    #[serde(default)]
    tests: Vec<String>,
    messages: Vec<String>,
    #[serde(default)]
    outputs: Vec<String>,
    /// Recorded files, below tests/fixtures/verdict.
    #[serde(default)]
    evidence: Vec<String>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Record {
    id: String,
    suite: String,
    test: String,
    message: String,
    output: String,
    lane: String,
    cause: String,
    class: Class,
    blame: Blame,
}

const NODES: [&str; 6] = [
    "worker-b",
    "n7",
    "ip-10-0-3-8",
    "fcos-42",
    "bw-node",
    "tmp-7-x2",
];
const LANES: [&str; 5] = [
    "main.plain.runc.conformance",
    "main.plain.crun.conformance",
    "control.plain.runc.conformance",
    "main.swap.runc.serial",
    "k8s-stable.plain.runsc.conformance",
];
const VERSIONS: [&str; 4] = [
    "v1.36.3",
    "v1.37.0-alpha.1",
    "v1.35.6",
    "v1.38.0-alpha.0.12+gabcdef0123456",
];
const NOISE: [&str; 5] = [
    "I1120 12:03:01.100001     873 kubelet.go:2537] \"SyncLoop ADD\" source=\"api\" pods=[\"other-71/pod-bxk2q\"]",
    "I1120 12:03:01.100001     873 reconciler_common.go:251] \"operationExecutor.VerifyControllerAttachedVolume started for volume\"",
    "STEP: Destroying namespace \"other-4312\" for this suite. @ 11/20/26 11:36:55.001",
    "I1120 12:03:01.100001     873 pod_startup_latency_tracker.go:104] \"Observed pod startup duration\" podStartSLOduration=1.004s",
    "time=\"2026-11-20T11:06:33Z\" level=info msg=\"ImageCreate event name:\\\"registry.k8s.io/pause:3.10.1\\\"\"",
];

fn hex(dice: &mut Dice, length: usize) -> String {
    pick_from(dice, b"0123456789abcdef", length)
}

fn pick_from(dice: &mut Dice, letters: &[u8], length: usize) -> String {
    (0..length)
        .map(|_| char::from(letters[dice.below(letters.len())]))
        .collect()
}

/// Compiled once.
fn compiled(pattern: &'static str) -> Regex {
    static KNOWN: LazyLock<Mutex<BTreeMap<&'static str, Regex>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known
        .entry(pattern)
        .or_insert_with(|| Regex::new(pattern).unwrap())
        .clone()
}

/// The same words on another node at another time.
fn elsewhere(dice: &mut Dice, text: &str) -> String {
    let day = 1 + dice.below(28);
    let month = 1 + dice.below(12);
    let (hour, minute) = (dice.below(24), dice.below(60));
    let names = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let node = NODES[dice.below(NODES.len())];
    let version = VERSIONS[dice.below(VERSIONS.len())];
    let moved = dice.below(40);
    let pid = 600 + dice.below(60_000);
    let mut text = text.to_owned();
    let mut change = |pattern: &'static str, with: &mut dyn FnMut(&Captures<'_>) -> String| {
        let pattern = compiled(pattern);
        text = pattern
            .replace_all(&text, |found: &Captures<'_>| with(found))
            .into_owned();
    };
    change(
        r"\b([IWEF])\d{4} \d\d:\d\d:(\d\d\.\d{6})( +)\d+ ",
        &mut |m| {
            format!(
                "{}{month:02}{day:02} {hour:02}:{minute:02}:{}{}{pid} ",
                &m[1], &m[2], &m[3]
            )
        },
    );
    change(r"Nov 20 \d\d:\d\d:(\d\d)", &mut |m| {
        format!(
            "{} {day:2} {hour:02}:{minute:02}:{}",
            names[month - 1],
            &m[1]
        )
    });
    change(r"2026-11-20([T ])\d\d:\d\d:(\d\d)", &mut |m| {
        format!(
            "2026-{month:02}-{day:02}{}{hour:02}:{minute:02}:{}",
            &m[1], &m[2]
        )
    });
    change(r"11/20/26 \d\d:\d\d:(\d\d)", &mut |m| {
        format!("{month:02}/{day:02}/26 {hour:02}:{minute:02}:{}", &m[1])
    });
    change(r#""__REALTIME_TIMESTAMP": "\d+""#, &mut |_| {
        format!(
            r#""__REALTIME_TIMESTAMP": "17{:014}""#,
            60_000_000_000_000 + day * 1_000_003
        )
    });
    change(r"\b(?:node1|vm1)\b", &mut |_| node.to_owned());
    change(r"v1\.36\.3", &mut |_| version.to_owned());
    change(r"(?m)^\[ *\d+\.(\d{6})\]", &mut |m| {
        format!("[{:5}.{}]", 30 + moved * 7, &m[1])
    });
    change(r"\[654\]|\[678\]|\[613\]", &mut |_| format!("[{pid}]"));
    change(r"(_test|/\w+)\.go:(\d+)", &mut |m| {
        let line: usize = m[2].parse().unwrap();
        format!("{}.go:{}", &m[1], line + moved)
    });
    change(r"(\d+)\.(\d{3})s\b", &mut |m| {
        format!("{}.{:03}s", &m[1], (moved * 23) % 1000)
    });
    change(r"\b[0-9a-f]{64}\b", &mut |_| hex(dice, 64));
    change(
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        &mut |_| {
            let parts = [8, 4, 4, 4, 12].map(|length| hex(dice, length));
            parts.join("-")
        },
    );
    change(r"\b0xc[0-9a-f]{9}\b", &mut |_| {
        format!("0xc{}", hex(dice, 9))
    });
    change(r"\b([a-z][a-z-]+)-(\d{2,4})\b([/\]:\x22])", &mut |m| {
        format!("{}-{}{}", &m[1], 10 + dice.below(9_900), &m[3])
    });
    change(
        r"-([bcdfghjklmnpqrstvwxz2456789]{5})\b([\x22/])",
        &mut |m| {
            format!(
                "-{}{}",
                pick_from(dice, b"bcdfghjklmnpqrstvwxz2456789", 5),
                &m[2]
            )
        },
    );
    text
}

/// Other lines before and after.
fn among(dice: &mut Dice, text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for _ in 0..dice.below(4) {
        lines.insert(0, NOISE[dice.below(NOISE.len())]);
    }
    for _ in 0..dice.below(3) {
        lines.push(NOISE[dice.below(NOISE.len())]);
    }
    lines.join("\n")
}

fn made() -> &'static [Record] {
    static MADE: LazyLock<Vec<Record>> = LazyLock::new(make);
    &MADE
}

fn make() -> Vec<Record> {
    let text = fs::read_to_string(format!("{FIXTURES}/triage/causes.toml")).unwrap();
    let causes: Causes = toml::from_str(&text).unwrap();
    let mut dice = Dice::new(20_261_120);
    let mut records = Vec::new();
    for cause in causes.cause {
        let mut outputs = cause.outputs.clone();
        for name in &cause.evidence {
            outputs.push(fs::read_to_string(format!("{FIXTURES}/verdict/{name}")).unwrap());
        }
        for appearance in 0..APPEARANCES {
            let of = |list: &[String]| list.get(appearance % list.len().max(1)).cloned();
            let output = of(&outputs).unwrap_or_default();
            let output = if output.is_empty() {
                output
            } else {
                among(&mut dice, &output)
            };
            let message = of(&cause.messages).unwrap();
            let coloured = dice.below(6) == 0;
            let message = if coloured {
                message.replace("[FAILED]", "\u{1b}[38;5;9m[FAILED]\u{1b}[0m")
            } else {
                message
            };
            records.push(Record {
                id: format!("n{}", hex(&mut dice, 12)),
                suite: "E2eNode Suite".to_owned(),
                test: of(&cause.tests).unwrap_or_default(),
                message: elsewhere(&mut dice, &message),
                output: elsewhere(&mut dice, &output),
                lane: LANES[dice.below(LANES.len())].to_owned(),
                cause: cause.id.clone(),
                class: cause.class,
                blame: cause.blame,
            });
        }
    }
    // Not one cause after the other.
    for index in (1..records.len()).rev() {
        records.swap(index, dice.below(index + 1));
    }
    records
}

fn lines(records: &[Record]) -> String {
    records
        .iter()
        .map(|record| serde_json::to_string(record).unwrap() + "\n")
        .collect()
}

/// `BLESS=1` writes it.
#[test]
fn the_corpus_is_what_its_causes_make() {
    let path = Path::new(FIXTURES).join("triage/node-e2e.jsonl");
    let made = lines(made());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == made,
        "run it with BLESS=1"
    );
}

#[test]
fn it_has_enough_causes_and_appearances() {
    let mut causes: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in made() {
        causes.entry(&record.cause).or_default().push(record);
    }
    assert!(causes.len() >= 30, "{}", causes.len());
    for (cause, records) in &causes {
        assert!(records.len() >= 4, "{cause}");
        let mut texts: Vec<_> = records
            .iter()
            .map(|r| (&r.test, &r.message, &r.output))
            .collect();
        texts.sort();
        texts.dedup();
        assert!(texts.len() >= 4, "{cause}: {} differ", texts.len());
    }
    let several = causes
        .values()
        .filter(|records| records.iter().any(|record| record.test != records[0].test));
    assert!(several.count() >= 10, "causes that hit several tests");
}

#[test]
fn rules_know_the_class_of_almost_all() {
    let records = made();
    let (mut right, mut silent, mut blamed) = (0_usize, 0_usize, (0_usize, 0_usize));
    let mut wrong = Vec::new();
    for record in records {
        let hit = class_of_text(&record.message, &record.output);
        let class = hit.as_ref().map_or(Class::Unknown, |hit| hit.class);
        if class == record.class {
            right += 1;
        } else {
            wrong.push(format!(
                "{}: {class}, {:?}",
                record.cause,
                hit.as_ref().map(|hit| &hit.rule)
            ));
        }
        if matches!(class, Class::Unknown | Class::NoEvidence) {
            silent += 1;
        }
        // Whose an assertion is shows in the matrix, not in its words.
        if record.class != Class::Assertion {
            blamed.1 += 1;
            blamed.0 += usize::from(hit.is_some_and(|hit| hit.blame == record.blame));
        }
    }
    wrong.sort();
    wrong.dedup();
    println!(
        "{right} of {} right, {silent} silent, {blamed:?} blamed right",
        records.len()
    );
    assert!(
        right * 100 >= records.len() * 95,
        "{right} of {}: {wrong:#?}",
        records.len()
    );
    assert!(silent * 10 <= records.len(), "{silent} silent");
    assert!(blamed.0 * 100 >= blamed.1 * 90, "{blamed:?}: {wrong:#?}");
}

/// Pairs of one cause that share a cluster, of all pairs that share one and of all pairs of one cause.
#[test]
fn one_cause_is_one_cluster() {
    let records = made();
    let failures: Vec<Failure> = records
        .iter()
        .map(|record| Failure {
            id: record.id.clone(),
            suite: record.suite.clone(),
            test: record.test.clone(),
            message: record.message.clone(),
            output: record.output.clone(),
            rule: class_of_text(&record.message, &record.output).and_then(|hit| hit.cause()),
            ..Failure::default()
        })
        .collect();
    let clustering = cluster(&failures, &[]);
    let of: Vec<&str> = (0..failures.len())
        .map(|index| clustering.cluster_of(index).unwrap().id.as_str())
        .collect();
    let (mut together, mut true_pairs, mut both) = (0_u32, 0_u32, 0_u32);
    let mut wrong: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut missed: BTreeMap<&str, u32> = BTreeMap::new();
    for (index, one) in records.iter().enumerate() {
        for (other_index, other) in records.iter().enumerate().skip(index + 1) {
            let (same, joined) = (one.cause == other.cause, of[index] == of[other_index]);
            true_pairs += u32::from(same);
            together += u32::from(joined);
            both += u32::from(same && joined);
            if joined && !same {
                let mut pair = [one.cause.as_str(), other.cause.as_str()];
                pair.sort_unstable();
                *wrong.entry((pair[0], pair[1])).or_default() += 1;
            }
            if same && !joined {
                *missed.entry(&one.cause).or_default() += 1;
            }
        }
    }
    let precision = f64::from(both) / f64::from(together.max(1));
    let recall = f64::from(both) / f64::from(true_pairs);
    let f1 = 2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE);
    println!("pair precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}");
    println!("joined and should not be: {wrong:#?}\napart and should not be: {missed:#?}");
    assert!(f1 >= 0.90, "{f1:.3}");
}

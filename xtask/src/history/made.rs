//! A history that never was: every night each lane has a run, and some specs fail.

use std::collections::{BTreeMap, btree_map::Entry};

use bellwether::{
    history::{
        packed::{
            self, PACKER, PackedAttempt, PackedCandidate, PackedCell, PackedFailure, PackedRun,
        },
        query::Window,
        vector,
    },
    model::{
        Accelerator, CellOutcome, Digest, ExitCode, Lane, LaneCounts, Origin, Phase, Revision,
        Role, RunId, SpecOutcome,
    },
};
use camino::Utf8Path;
use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{LANES, NIGHTS, Result, SPECS};

/// The same numbers each time.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn share(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }
}

/// Writes all runs as their directories keep them for ever, and the lists of specs.
pub fn fill(state: &Utf8Path) -> Result<BTreeMap<Digest, Vec<String>>> {
    let mut lists = BTreeMap::new();
    fs_err::create_dir_all(state.join("specs"))?;
    for number in 0..LANES * NIGHTS {
        let (run, list) = night(number, 0.003);
        let digest = packed::list_digest(&list);
        if let Entry::Vacant(new) = lists.entry(digest) {
            let text = serde_json::to_vec(&list)?;
            let file = format!("{}.json", new.key());
            fs_err::write(state.join("specs").join(file), text)?;
            new.insert(list);
        }
        let folder = state.join("runs").join(run.run.to_string());
        fs_err::create_dir_all(&folder)?;
        fs_err::write(folder.join(packed::FILE), serde_json::to_vec(&run)?)?;
    }
    // Runs that come in later have their lists, too.
    for number in (LANES * NIGHTS..LANES * NIGHTS + 1000).step_by(LANES) {
        let list = night(number, 0.0).1;
        lists.insert(packed::list_digest(&list), list);
    }
    Ok(lists)
}

pub fn window(nights: u32) -> Window {
    let until: Date = Date::constant(2026, 7, 27);
    Window { until, nights }
}

pub fn started(number: usize) -> Timestamp {
    let first = Date::constant(2026, 1, 1).to_zoned(jiff::tz::TimeZone::UTC);
    let first = first.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    let (night, lane) = ((number / LANES) as i64, (number % LANES) as i64);
    first + SignedDuration::from_hours(24 * night) + SignedDuration::from_mins(lane)
}

pub fn run_id(number: usize) -> RunId {
    let millis = u64::try_from(started(number).as_millisecond()).unwrap_or(0);
    RunId(uuid::Builder::from_unix_timestamp_millis(millis, &[1; 10]).into_uuid())
}

pub fn spec_name(at: usize) -> String {
    let words = [
        "Pods",
        "Secrets",
        "ConfigMap",
        "EmptyDir",
        "Probes",
        "Security Context",
        "Downward API",
    ];
    let word = words[at % words.len()];
    format!(
        "[sig-node] {word} when something of the kind {at:04} is asked for should do as the documentation says [NodeConformance]"
    )
}

pub fn signature(kind: usize) -> String {
    format!("failed: timed out waiting for the condition of kind {kind}")
}

pub fn candidate(pairing: &str, night: usize) -> PackedCandidate {
    let revisions = ["kubernetes", "containerd"].map(|source| {
        let commit = Digest::of(format!("{source} {pairing} {night}").as_bytes()).0;
        let revision = Revision {
            source: source.to_owned(),
            version: format!("v1.37.0-{}", &commit[..9]),
            origin: Origin::Git {
                url: format!("https://example.org/{source}"),
                reference: "main".to_owned(),
                commit: commit[..40].to_owned(),
            },
            date: Some(started(night * LANES)),
            link: None,
        };
        (source.to_owned(), revision)
    });
    PackedCandidate {
        digest: Digest::of(format!("{pairing} {night}").as_bytes()),
        pairing: pairing.to_owned(),
        revisions: BTreeMap::from(revisions),
        node_images: BTreeMap::from([("debian-13".to_owned(), "20260101".to_owned())]),
        sandboxers: BTreeMap::from([("runc".to_owned(), "1.4".to_owned())]),
        arch: "amd64".to_owned(),
    }
}

/// One run of one lane: each night brings a fresh candidate, each month a new list.
pub fn night(number: usize, failing: f64) -> (PackedRun, Vec<String>) {
    let (night, lane) = (number / LANES, number % LANES);
    let mut dice =
        Dice(0x2545_f491_4f6c_dd1d ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let month = night / 30;
    let list: Vec<String> = (0..SPECS)
        .map(|at| spec_name(if at == 7 { SPECS + month } else { at }))
        .collect();
    let mut list = list;
    list.sort();
    let (mut outcomes, mut millis, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (at, name) in list.iter().enumerate() {
        let roll = dice.share();
        let weight: f64 = if failing > 1.0 || at % 20 == 0 {
            15.0
        } else {
            0.25
        };
        // Some skip always, some now and then; what fails is mostly a few specs.
        let outcome = if at % 11 == lane % 11 || roll > 0.97 {
            SpecOutcome::Skipped
        } else if roll < failing * weight {
            SpecOutcome::Failed
        } else {
            SpecOutcome::Passed
        };
        let ms = if outcome == SpecOutcome::Skipped {
            0
        } else {
            300 + (dice.share() * dice.share() * 60_000.0) as u64
        };
        if outcome == SpecOutcome::Failed {
            let kind = at / 20;
            failures.push(PackedFailure {
                spec: name.clone(),
                outcome: Some(outcome),
                ms,
                message: format!(
                    "timed out waiting {kind} for the condition, pod number {}",
                    dice.below(40)
                ),
                signature: signature(kind),
                cluster: None,
                confirmation: Some(
                    (if dice.share() < 0.3 {
                        "flaky"
                    } else {
                        "deterministic"
                    })
                    .to_owned(),
                ),
            });
        }
        outcomes.push(outcome);
        millis.push(ms);
    }
    let count = |wanted: SpecOutcome| outcomes.iter().filter(|it| **it == wanted).count() as u32;
    let counts = LaneCounts {
        planned: SPECS as u32,
        passed: count(SpecOutcome::Passed),
        failed: count(SpecOutcome::Failed),
        skipped: count(SpecOutcome::Skipped),
        ..LaneCounts::default()
    };
    let (pairing, node) = (
        ["main", "stable"][lane % 2],
        ["plain", "swap"][lane / 2 % 2],
    );
    let sandboxer = ["runc", "crun", "youki", "gvisor", "kuasar"][lane / 4 % 5];
    let outcome = if counts.failed > 0 {
        CellOutcome::Failed
    } else {
        CellOutcome::Passed
    };
    let phases = [
        (Phase::Boot, 9_000),
        (Phase::Provision, 21_000),
        (Phase::RuntimeReady, 3_000),
        (Phase::Spec, 1_800_000),
        (Phase::Collect, 5_000),
    ];
    let phases = phases.map(|(phase, ms)| (phase, ms + dice.below(2_000) as u64));
    let cell = PackedCell {
        lane: Lane {
            id: Lane::id_of(pairing, node, sandboxer, "conformance"),
            pairing: pairing.to_owned(),
            node: node.to_owned(),
            sandboxer: sandboxer.to_owned(),
            handler: sandboxer.to_owned(),
            suite: "conformance".to_owned(),
            role: Role::Blocking,
        },
        outcome,
        counts,
        ms: 1_900_000,
        suite_ms: 1_800_000,
        start: None,
        identity: None,
        attempts: vec![PackedAttempt {
            attempt: 1,
            confirm: false,
            outcome: "failed".to_owned(),
            ms: 1_900_000,
        }],
        phases: BTreeMap::from(phases),
        list: packed::list_digest(&list),
        specs: SPECS,
        outcomes: PackedCell::text(&vector::pack_outcomes(&outcomes)),
        durations: PackedCell::text(&vector::pack_millis(&millis)),
        failures,
    };
    let run = PackedRun {
        packer: PACKER,
        run: run_id(number),
        profile: "containerd".to_owned(),
        started_at: started(number),
        ended_at: Some(started(number) + SignedDuration::from_secs(1_900)),
        imported: false,
        accelerator: Some(Accelerator::Kvm),
        bellwether: "0.1.0".to_owned(),
        exit: ExitCode::Failed,
        candidates: vec![candidate(pairing, night)],
        steps: Vec::new(),
        cells: vec![cell],
    };
    (run, list)
}

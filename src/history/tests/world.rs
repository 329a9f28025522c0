//! Small histories: a run is a day, its lanes, and one letter a spec.

use std::collections::BTreeMap;

use camino::Utf8Path;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::{
    evidence::EvidenceDir,
    history::{Archive, Directory, Index, Updated, update},
    model::{
        Accelerator, Blame, Candidate, Cause, CellOutcome, CellSummary, Class, Confidence,
        Confirmation, ConfirmedSpec, Environment, Event, EventKind, ExitCode, Failure, Lane,
        LaneCounts, Origin, Phase, Revision, Role, RunId, RunSummary, SCHEMA_VERSION, SpecName,
        SpecOutcome, SpecResult,
    },
};

/// 2026-01-01, the day 0.
pub const FIRST: &str = "2026-01-01T02:00:00Z";

pub struct World {
    _folder: TempDir,
    pub archive: Archive,
}

/// One cell: `.` passed, `F` failed, `f` failed and flaky, `G` failed for another cause, `e` expected failure, `s` skipped,
/// `-` not run, ` ` not in the list. `!` alone: the cell stopped in boot.
#[derive(Clone, Debug)]
pub struct Night {
    pub day: i64,
    pub commit: u32,
    pub accelerator: Accelerator,
    pub lanes: Vec<(&'static str, String)>,
}

pub fn night(day: i64, lanes: &[(&'static str, &str)]) -> Night {
    Night {
        day,
        commit: u32::try_from(day).unwrap(),
        accelerator: Accelerator::Kvm,
        lanes: lanes
            .iter()
            .map(|(lane, specs)| (*lane, (*specs).to_owned()))
            .collect(),
    }
}

pub fn at(day: i64) -> Timestamp {
    let first: Timestamp = FIRST.parse().unwrap();
    first + SignedDuration::from_hours(24 * day)
}

pub fn id(day: i64) -> RunId {
    let millis = u64::try_from(at(day).as_millisecond()).unwrap();
    RunId(uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid())
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(folder.path()).unwrap();
        Self {
            archive: Archive::at(state),
            _folder: folder,
        }
    }

    pub fn of(nights: &[Night]) -> Self {
        let world = Self::new();
        for night in nights {
            world.put(night);
        }
        world
    }

    pub fn state(&self) -> &Utf8Path {
        self.archive.state()
    }

    pub fn folder(&self, day: i64) -> EvidenceDir {
        EvidenceDir::at(self.state().join("runs").join(id(day).to_string()))
    }

    pub fn directory(&self, day: i64) -> Directory {
        Directory {
            run: id(day),
            folder: self.folder(day),
            imported: false,
        }
    }

    pub fn put(&self, night: &Night) {
        let _ = fs_err::remove_dir_all(self.folder(night.day).path());
        let folder = EvidenceDir::create_run(&self.state().join("runs"), id(night.day)).unwrap();
        let summary = summary(night);
        for (lane, _) in &night.lanes {
            let attempt = EvidenceDir::create(folder.attempt(&lane_of(lane).id, 1).path()).unwrap();
            let phases = [
                (Phase::Boot, 0),
                (Phase::Provision, 10),
                (Phase::Spec, 40),
                (Phase::Teardown, 100),
            ];
            for (phase, second) in phases {
                let at = at(night.day) + SignedDuration::from_secs(second);
                let kind = EventKind::PhaseStarted { phase };
                attempt.append(&Event { at, kind }).unwrap();
            }
            fs_err::write(attempt.file("kubelet.log"), vec![b'x'; 4096]).unwrap();
        }
        let started = EventKind::RunStarted {
            run: id(night.day),
            profile: "p".to_owned(),
            pid: 1,
        };
        let at = at(night.day);
        folder.append(&Event { at, kind: started }).unwrap();
        folder.write_json("summary.json", &summary).unwrap();
    }

    pub fn index(&self) -> Index {
        let mut index = Index::open(self.state()).unwrap();
        let updated = update(&mut index, &self.archive).unwrap();
        assert_eq!(updated.skipped, []);
        index
    }

    pub fn update(&self) -> Updated {
        update(&mut Index::open(self.state()).unwrap(), &self.archive).unwrap()
    }
}

pub fn lane_of(name: &str) -> Lane {
    let parts: Vec<&str> = name.split('.').collect();
    Lane {
        id: Lane::id_of(parts[0], parts[1], parts[2], parts[3]),
        pairing: parts[0].to_owned(),
        node: parts[1].to_owned(),
        sandboxer: parts[2].to_owned(),
        handler: parts[2].to_owned(),
        suite: parts[3].to_owned(),
        role: Role::Blocking,
    }
}

pub fn summary(night: &Night) -> RunSummary {
    let cells: Vec<CellSummary> = night
        .lanes
        .iter()
        .map(|(lane, specs)| cell(lane, specs))
        .collect();
    let red = cells.iter().any(|cell| !cell.outcome.is_green());
    let mut pairings: Vec<&str> = night
        .lanes
        .iter()
        .map(|(lane, _)| lane.split('.').next().unwrap())
        .collect();
    pairings.dedup();
    RunSummary {
        schema: SCHEMA_VERSION,
        run: id(night.day),
        profile: "p".to_owned(),
        started_at: at(night.day),
        ended_at: Some(at(night.day) + SignedDuration::from_secs(110)),
        candidates: pairings
            .into_iter()
            .map(|it| candidate(it, night.commit))
            .collect(),
        environment: Some(Environment {
            qemu: "10.0".to_owned(),
            accelerator: night.accelerator,
            accelerator_reason: String::new(),
            cores: 2,
            memory: 1 << 30,
            bellwether: "0.1.0".to_owned(),
        }),
        cells,
        exit: if red {
            ExitCode::Failed
        } else {
            ExitCode::Passed
        },
    }
}

fn candidate(pairing: &str, commit: u32) -> Candidate {
    let commit = format!("{commit:040x}");
    let revision = Revision {
        source: "kubernetes".to_owned(),
        version: format!("v1.37.0-{}", &commit[36..]),
        origin: Origin::Git {
            url: "https://example.org/kubernetes".to_owned(),
            reference: "master".to_owned(),
            commit,
        },
        date: None,
        link: None,
    };
    Candidate {
        pairing: pairing.to_owned(),
        revisions: BTreeMap::from([("kubernetes".to_owned(), revision)]),
        node_images: BTreeMap::new(),
        sandboxers: BTreeMap::new(),
        toolchains: BTreeMap::new(),
        arch: "amd64".to_owned(),
    }
}

fn cell(lane: &str, letters: &str) -> CellSummary {
    let lane = lane_of(lane);
    let stopped = letters == "!";
    let letters = if stopped { "" } else { letters };
    let mut specs = Vec::new();
    let mut confirmed = Vec::new();
    for (at, letter) in letters
        .chars()
        .enumerate()
        .filter(|(_, letter)| *letter != ' ')
    {
        let name = SpecName(format!("[sig-node] Pods spec {at} works"));
        let outcome = match letter {
            '.' => SpecOutcome::Passed,
            'F' | 'f' | 'G' => SpecOutcome::Failed,
            'e' => SpecOutcome::ExpectedFailure,
            's' => SpecOutcome::Skipped,
            '-' => SpecOutcome::NotRun,
            other => panic!("no spec is `{other}`"),
        };
        let message = match letter {
            'F' | 'f' => format!("timed out waiting for pod-{at}x1 to be running"),
            'G' => "connection refused by the runtime's socket".to_owned(),
            'e' => "known to fail".to_owned(),
            _ => String::new(),
        };
        if letter == 'f' {
            confirmed.push(ConfirmedSpec {
                lane: lane.id.clone(),
                spec: name.clone(),
                confirmation: Confirmation::Flaky,
                reruns: Vec::new(),
                note: None,
            });
        }
        specs.push(SpecResult {
            name,
            outcome,
            started_at: None,
            ended_at: None,
            seconds: 1.0 + at as f64,
            process: Some(1),
            failure: (!message.is_empty()).then(|| Failure {
                text: message.clone(),
                message,
                location: None,
            }),
            reason: None,
        });
    }
    // A suite runs its specs in an order of its own.
    specs.reverse();
    let count = |wanted: fn(SpecOutcome) -> bool| {
        u32::try_from(specs.iter().filter(|spec| wanted(spec.outcome)).count()).unwrap()
    };
    let counts = LaneCounts {
        planned: count(|_| true),
        passed: count(|it| it == SpecOutcome::Passed),
        failed: count(SpecOutcome::is_failure),
        skipped: count(|it| it == SpecOutcome::Skipped),
        not_run: count(|it| it == SpecOutcome::NotRun),
        expected: count(|it| it == SpecOutcome::ExpectedFailure),
        unexpected: 0,
    };
    let outcome = if stopped {
        CellOutcome::Stopped {
            cause: Box::new(Cause {
                phase: Phase::Boot,
                class: Class::Infra,
                blame: Blame::Environment,
                confidence: Confidence::Certain,
                summary: "the kernel of machine 17 did not boot".to_owned(),
                evidence: Vec::new(),
                rule: None,
                hint: None,
            }),
        }
    } else if counts.failed > 0 {
        CellOutcome::Failed
    } else if counts.not_run > 0 {
        CellOutcome::Reduced {
            reason: "the suite ended early".to_owned(),
        }
    } else {
        CellOutcome::Passed
    };
    CellSummary {
        counts,
        seconds: 100.0,
        suite_seconds: 60.0,
        attempts: 1,
        specs,
        confirmed,
        ..CellSummary::new(lane, outcome)
    }
}

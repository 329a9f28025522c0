//! The index over 5,000,000 results: 20 lanes, 208 nights, 1,200 specs.

mod made;

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bellwether::{
    history::{Archive, HistoryError, Index, NamesOf, by_signature, reindex},
    model::Digest,
};
use camino::Utf8Path;
use jiff::Timestamp;

use made::{Dice, candidate, fill, night, run_id, signature, spec_name, started, window};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The argument with which this program measures instead of building itself first.
pub const HERE: &str = "bench-history-here";

const LANES: usize = 20;
const NIGHTS: usize = 208;
const SPECS: usize = 1200;
/// Requests a second, over all kinds of pages.
const RATE: u32 = 40;
const SECONDS: u32 = 40;

/// Measures with the release build, whichever build this is.
pub fn in_release() -> Result<()> {
    let done = Command::new("cargo")
        .args(["run", "--release", "--quiet", "-p", "xtask", "--", HERE])
        .status()?;
    done.success()
        .then_some(())
        .ok_or_else(|| "the measurement failed".into())
}

/// Measures here and now.
pub fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = Utf8Path::from_path(folder.path()).ok_or("no UTF-8 path")?;
    let built = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    println!("{built} build, {LANES} lanes x {NIGHTS} nights x {SPECS} specs");
    let began = Instant::now();
    let names = fill(state)?;
    println!(
        "generated in {:.1} s, {} on disk",
        began.elapsed().as_secs_f64(),
        disk(&state.join("runs"))?
    );

    let lists = |digest: &Digest| -> std::result::Result<Vec<String>, HistoryError> {
        names
            .get(digest)
            .cloned()
            .ok_or_else(|| std::io::Error::other("no such list").into())
    };
    let small = tempfile::tempdir()?;
    let mut fresh = Index::open(Utf8Path::from_path(small.path()).ok_or("no UTF-8 path")?)?;
    // The first run of all brings 1,200 names with it.
    ingest(&mut fresh, 0..1, &lists)?;
    println!(
        "ingest below 0.5 M results: {}",
        ingest(&mut fresh, 1..400, &lists)?
    );
    drop(fresh);

    let archive = Archive::at(state);
    let began = Instant::now();
    let done = reindex(&archive)?;
    println!(
        "reindex of {} runs, {} results: {:.1} s",
        done.new,
        done.new * SPECS,
        began.elapsed().as_secs_f64()
    );
    println!(
        "index.db: {}",
        size(fs_err::metadata(state.join("index.db"))?.len())
    );
    let mut index = Index::open(state)?;
    let first = LANES * NIGHTS;
    println!(
        "ingest at 5 M results: {}",
        ingest(&mut index, first..first + 300, &lists)?
    );
    let broken = ingest_broken(&mut index, first + 300, &lists)?;
    println!("ingest of a run in which all specs failed: {broken:.1} ms");
    index.close_log()?;
    println!("processor time of a page, the mean of 40, and its wall time beside it:");
    let reader = Index::open_read(state)?;
    let mut dice = Dice(0x1234_5678);
    for (name, ask) in PAGES {
        let (before, began) = (processor()?, Instant::now());
        for _ in 0..40 {
            ask(&reader, &mut dice)?;
        }
        let wall = began.elapsed().as_secs_f64() * 1000.0 / 40.0;
        println!(
            "  {name:36} {:.1} ms, {wall:.1} ms",
            (processor()? - before) * 1000.0 / 40.0
        );
    }
    drop(reader);
    pages(state, &lists, first + 400)?;
    println!("log of writes at the end: {}", size(index.log_size()));
    println!("memory at most: {}", peak()?);
    Ok(())
}

/// Takes runs in; their times, and how much each added to the log of writes.
fn ingest(index: &mut Index, runs: std::ops::Range<usize>, names: NamesOf<'_>) -> Result<String> {
    let (mut took, mut settled, mut log) = (Vec::new(), Vec::new(), 0);
    let many = runs.len() as u64;
    for number in runs {
        let run = night(number, 0.003).0;
        let before = index.log_size();
        let began = Instant::now();
        index.ingest(&run, "", names, &by_signature)?;
        took.push(began.elapsed());
        log += index.log_size().saturating_sub(before);
        let began = Instant::now();
        index.settle()?;
        settled.push(began.elapsed());
    }
    Ok(format!(
        "{}; folding the log, when due: at most {:.1} ms; log {} a run",
        spread(&mut took),
        worst(&settled),
        size(log / many)
    ))
}

fn ingest_broken(index: &mut Index, number: usize, names: NamesOf<'_>) -> Result<f64> {
    let run = night(number, 1.1).0;
    let began = Instant::now();
    index.ingest(&run, "", names, &by_signature)?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

type Ask = fn(&Index, &mut Dice) -> Result<usize>;

const PAGES: [(&str, Ask); 14] = [
    ("grid, 20 lanes x 30 nights", |index, _| {
        Ok(index.grid(None, window(30))?.lanes.len())
    }),
    ("lane, spec x 60 nights", |index, dice| {
        let lane = &index.lanes(None)?[dice.below(LANES)];
        Ok(index
            .lane_page(lane, window(60), false, 0, 200)?
            .specs
            .len())
    }),
    ("lane, all 1,200 x 208, page of 200", |index, dice| {
        let lane = &index.lanes(None)?[dice.below(LANES)];
        let skip = 200 * dice.below(6);
        Ok(index
            .lane_page(lane, window(365), true, skip, 200)?
            .specs
            .len())
    }),
    ("spec, 365 nights x all lanes", |index, dice| {
        let name = spec_name(dice.below(SPECS));
        Ok(index.spec_history(&name, window(365))?.lanes.len())
    }),
    ("candidates, 20", |index, _| {
        Ok(index.candidates(None, Timestamp::MAX, 20)?.len())
    }),
    ("candidate", |index, dice| {
        let digest = candidate("main", dice.below(NIGHTS)).digest;
        Ok(index.candidate_page(digest.as_str())?.cells.len())
    }),
    ("compatibility, 30 nights", |index, _| {
        Ok(index.compatibility(None, window(30))?.rows.len())
    }),
    ("flakes, 14 nights", |index, _| {
        Ok(index.flakes(None, None, window(14))?.len() + 1)
    }),
    ("lane health, 30 nights", |index, _| {
        Ok(index
            .lane_health(None, window(30), started(NIGHTS * LANES))?
            .len())
    }),
    ("run", |index, dice| {
        let run = index.find_run(&run_id(dice.below(NIGHTS * LANES)).to_string())?;
        Ok(index.run_page(&run)?.lanes.len())
    }),
    ("compare", |index, dice| {
        let (night, lane) = (dice.below(NIGHTS - 1), dice.below(LANES));
        let find = |night: usize| index.find_run(&run_id(night * LANES + lane).to_string());
        Ok(index
            .compare(&find(night)?, &find(night + 1)?, None)?
            .lanes
            .len())
    }),
    ("clusters, 30 nights", |index, _| {
        Ok(index.clusters(None, window(30))?.len())
    }),
    ("cluster", |index, dice| {
        let key = signature(dice.below(60));
        let handle = Digest::of(key.as_bytes()).short().to_owned();
        Ok(index.cluster(&handle)?.members.len())
    }),
    ("search, and trends of a lane", |index, dice| {
        let found = index.search(&format!("timed out waiting {}", dice.below(60)))?;
        let lane = &index.lanes(None)?[dice.below(LANES)];
        Ok(found.messages.len() + index.lane_trends(lane, window(365))?.len())
    }),
];

/// An open loop of requests over all kinds of pages, while a run a second comes in: what is late counts as slow.
fn pages(
    state: &Utf8Path,
    names: &(dyn Fn(&Digest) -> std::result::Result<Vec<String>, HistoryError> + Sync),
    next: usize,
) -> Result<()> {
    let (number, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let times: Mutex<BTreeMap<usize, Vec<Duration>>> = Mutex::default();
    let work: Mutex<BTreeMap<usize, Vec<Duration>>> = Mutex::default();
    let failed: Mutex<Option<String>> = Mutex::default();
    let total = (RATE * SECONDS) as usize;
    let begin = Instant::now() + Duration::from_millis(200);
    let serve = || -> Result<()> {
        let index = Index::open_read(state)?;
        let mut dice = Dice(0x9e37_79b9);
        loop {
            let request = number.fetch_add(1, Ordering::Relaxed);
            if request >= total {
                return Ok(());
            }
            let due = begin + Duration::from_secs(1) * u32::try_from(request)? / RATE;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let page = request % PAGES.len();
            let began = Instant::now();
            if PAGES[page].1(&index, &mut dice)? == 0 {
                return Err(format!("{}: nothing came", PAGES[page].0).into());
            }
            let now = Instant::now();
            times
                .lock()
                .map_err(|_| "poisoned")?
                .entry(page)
                .or_default()
                .push(now - due);
            work.lock()
                .map_err(|_| "poisoned")?
                .entry(page)
                .or_default()
                .push(now - began);
        }
    };
    let mut index = Index::open(state)?;
    let (mut took, mut run, mut longest) = (Vec::new(), next, 0);
    thread::scope(|scope| -> Result<()> {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    if let Err(error) = serve() {
                        *failed
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner) =
                            Some(error.to_string());
                    }
                })
            })
            .collect();
        while !ended.load(Ordering::Relaxed) {
            let packed = night(run, 0.003).0;
            let began = Instant::now();
            index.ingest(&packed, "", &names, &by_signature)?;
            took.push(began.elapsed());
            longest = longest.max(index.log_size());
            index.settle()?;
            run += 1;
            thread::sleep(Duration::from_secs(1));
            ended.store(
                readers.iter().all(|reader| reader.is_finished()),
                Ordering::Relaxed,
            );
        }
        Ok(())
    })?;
    if let Some(error) = failed.into_inner().map_err(|_| "poisoned")? {
        return Err(error.into());
    }
    println!(
        "pages at {RATE} requests a second for {SECONDS} s on 4 connections, {} runs taken in meanwhile:",
        took.len()
    );
    let work = work.into_inner().map_err(|_| "poisoned")?;
    for (page, mut times) in times.into_inner().map_err(|_| "poisoned")? {
        let mut work = work.get(&page).cloned().unwrap_or_default();
        println!(
            "  {:36} {}; the query alone: {}",
            PAGES[page].0,
            spread(&mut times),
            spread(&mut work)
        );
    }
    println!(
        "ingest meanwhile: {}; longest log {}",
        spread(&mut took),
        size(longest)
    );
    Ok(())
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let place = ((times.len().max(1) - 1) as f64 * share).round() as usize;
        times
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    format!(
        "p50 {:.1}, p99 {:.1}, max {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    )
}

fn worst(times: &[Duration]) -> f64 {
    times
        .iter()
        .max()
        .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

fn size(bytes: u64) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

fn disk(folder: &Utf8Path) -> Result<String> {
    let mut bytes = 0;
    for run in fs_err::read_dir(folder)? {
        for file in fs_err::read_dir(run?.path())? {
            bytes += file?.metadata()?.len();
        }
    }
    Ok(size(bytes))
}

/// Seconds that this thread has had a processor: what others on the machine do is not in it.
fn processor() -> Result<f64> {
    let text = fs_err::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().unwrap_or_default();
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

fn peak() -> Result<String> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    Ok(line
        .unwrap_or("VmHWM unknown")
        .split_whitespace()
        .skip(1)
        .collect::<Vec<_>>()
        .join(" "))
}

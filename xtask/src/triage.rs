//! `cargo xtask bench triage [--eval DIR]`: quality on labelled failures, completeness, stable ids, speed and memory
//! on five generated corpora. Prints the tables of docs/triage.md.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    time::{Duration, Instant},
};

use bellwether::triage::{
    Clustering, Failure, Triage, cluster,
    quality::{self, Labelled, Quality, Truth},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Times a set of labelled groups is drawn again.
const DRAWS: usize = 2000;

/// Runs it.
///
/// # Errors
/// When the labelled set cannot be read.
pub fn run(arguments: &[&str]) -> Result<()> {
    let folder = match arguments {
        [] => "tests/fixtures/triage",
        ["--eval", folder] => folder,
        _ => return Err("usage: cargo xtask bench triage [--eval DIR]".into()),
    };
    let mut rows: Vec<Labelled> = fs::read_to_string(format!("{folder}/dev.jsonl"))?
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()?;
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let failures: Vec<Failure> = rows.iter().map(Labelled::failure).collect();
    table_of_quality(&rows, &failures);
    stability(&failures);
    speed(&failures);
    Ok(())
}

fn labels(clustering: &Clustering, count: usize) -> Vec<String> {
    (0..count)
        .map(|at| {
            clustering
                .cluster_of(at)
                .map(|one| one.id.clone())
                .unwrap_or_default()
        })
        .collect()
}

fn table_of_quality(rows: &[Labelled], failures: &[Failure]) {
    let truth = quality::truth(rows);
    let or_own = |key: String, at: usize| {
        if key.is_empty() {
            format!("?{at}")
        } else {
            key
        }
    };
    let ours = labels(&cluster(failures, &[]), rows.len());
    let systems: Vec<(&str, Vec<String>)> = vec![
        (
            "exact test name",
            rows.iter()
                .enumerate()
                .map(|(at, row)| or_own(row.test.clone(), at))
                .collect(),
        ),
        (
            "normalised test name",
            rows.iter()
                .enumerate()
                .map(|(at, row)| or_own(quality::normalised_name(&row.test), at))
                .collect(),
        ),
        (
            "reason hash",
            rows.iter()
                .map(|row| quality::reason_hash(&row.message))
                .collect(),
        ),
        ("bellwether", ours.clone()),
    ];
    println!(
        "| key | precision | recall | F1 | found | missed | wrong | ours better by (95 % of {DRAWS} draws) |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, keys) in &systems {
        let Quality {
            precision,
            recall,
            f1,
            found,
            missed,
            wrong,
        } = quality::score(&truth, keys);
        let better = if *name == "bellwether" {
            String::new()
        } else {
            let (low, high) = bootstrap(&truth, &ours, keys);
            format!("{low:+.3} … {high:+.3}")
        };
        println!(
            "| {name} | {precision:.3} | {recall:.3} | {f1:.3} | {found} | {missed} | {wrong} | {better} |"
        );
    }
    for (half, rest) in [("even groups", 0), ("odd groups", 1)] {
        let numbers: BTreeMap<usize, usize> = truth
            .sets
            .iter()
            .copied()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .enumerate()
            .map(|(number, set)| (set, number))
            .collect();
        let weights: Vec<u32> = truth
            .sets
            .iter()
            .map(|set| u32::from(numbers[set] % 2 == rest))
            .collect();
        let (precision, recall, f1) = quality::pairs(&truth, &ours, &weights);
        println!("| bellwether, {half} | {precision:.3} | {recall:.3} | {f1:.3} | | | | |");
    }
}

/// The middle 95 % of the difference in F1 when whole sets are drawn again.
fn bootstrap(truth: &Truth, ours: &[String], theirs: &[String]) -> (f64, f64) {
    let mut random = Random(7);
    let sets: Vec<usize> = truth
        .sets
        .iter()
        .copied()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut differences: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let mut times: BTreeMap<usize, u32> = BTreeMap::new();
            for _ in 0..sets.len() {
                *times.entry(sets[random.below(sets.len())]).or_default() += 1;
            }
            let weights: Vec<u32> = truth
                .sets
                .iter()
                .map(|set| times.get(set).copied().unwrap_or(0))
                .collect();
            quality::pairs(truth, ours, &weights).2 - quality::pairs(truth, theirs, &weights).2
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    (differences[DRAWS / 40], differences[DRAWS - DRAWS / 40 - 1])
}

fn stability(failures: &[Failure]) {
    let mut random = Random(11);
    let repeats: Vec<Failure> = (0..20_000)
        .map(|at| vary(&failures[at % failures.len()], at, 0, &mut random))
        .collect();
    println!(
        "\n| input | 10 % dropped and shuffled: ids unchanged | the same, with yesterday's clusters known |"
    );
    println!("|---|---|---|");
    for (name, all) in [
        ("the labelled failures", failures),
        ("20,000 repeats of them", repeats.as_slice()),
    ] {
        let first = cluster(all, &[]);
        let before: BTreeMap<&str, &str> = all
            .iter()
            .enumerate()
            .filter_map(|(at, one)| Some((one.id.as_str(), first.cluster_of(at)?.id.as_str())))
            .collect();
        let mut part: Vec<Failure> = all
            .iter()
            .filter(|_| random.below(10) != 0)
            .cloned()
            .collect();
        for at in (1..part.len()).rev() {
            part.swap(at, random.below(at + 1));
        }
        let same = |clustering: &Clustering| {
            let kept = part
                .iter()
                .enumerate()
                .filter(|(at, one)| {
                    clustering
                        .cluster_of(*at)
                        .is_some_and(|now| before[one.id.as_str()] == now.id)
                })
                .count();
            100.0 * kept as f64 / part.len() as f64
        };
        println!(
            "| {name} | {:.2} % | {:.2} % |",
            same(&cluster(&part, &[])),
            same(&cluster(&part, first.known()))
        );
    }
}

/// A generated corpus: how many, how it varies, and what is asked of it.
struct Corpus {
    name: &'static str,
    count: usize,
    kind: Kind,
    bound: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Times, addresses and pod names differ.
    Repeats,
    /// The same, and in a third of them a third of the words.
    Noisy,
    /// Every text has words of its own; two of each.
    Distinct,
    /// 9 kB under one test's name, with words of its own; two of each.
    Hot,
}

fn speed(failures: &[Failure]) {
    let base: Vec<Failure> = failures.iter().map(sized).collect();
    println!(
        "\n| corpus | failures | MB | s | failures/s | MB/s | clusters | lost | peak memory | bound |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let million = Corpus {
        name: "repeats of 1 kB, a million",
        count: 1_000_000,
        kind: Kind::Repeats,
        bound: "< 30 s, < 2 GB",
    };
    for corpus in [
        Corpus {
            name: "repeats of 1 kB",
            count: 20_000,
            kind: Kind::Repeats,
            bound: "≥ 50,000/s",
        },
        Corpus {
            name: "a third noisy",
            count: 20_000,
            kind: Kind::Noisy,
            bound: "",
        },
        Corpus {
            name: "all distinct, paired",
            count: 10_000,
            kind: Kind::Distinct,
            bound: "≥ 15,000/s",
        },
        Corpus {
            name: "9 kB, one hot test",
            count: 4_000,
            kind: Kind::Hot,
            bound: "≥ 60 MB/s, none lost",
        },
        Corpus {
            name: "all distinct, paired",
            count: 100_000,
            kind: Kind::Distinct,
            bound: "≥ 15,000/s",
        },
        Corpus {
            name: "repeats of 1 kB, a quarter",
            count: 250_000,
            kind: Kind::Repeats,
            bound: "",
        },
        million,
    ] {
        measure(&corpus, &base);
    }
}

fn measure(corpus: &Corpus, base: &[Failure]) {
    let mut random = Random(3);
    let mut triage = Triage::default();
    let (mut spent, mut bytes, mut done) = (Duration::ZERO, 0_usize, 0_usize);
    while done < corpus.count {
        // In portions: the texts of a million need not be in memory together, and making them is not timed.
        let portion: Vec<Failure> = (done..corpus.count.min(done + 10_000))
            .map(|at| make(corpus.kind, base, at, &mut random))
            .collect();
        bytes += portion.iter().map(|one| one.message.len()).sum::<usize>();
        done += portion.len();
        let start = Instant::now();
        for one in &portion {
            triage.add(one);
        }
        spent += start.elapsed();
    }
    let start = Instant::now();
    let clustering = triage.finish(&[]);
    spent += start.elapsed();
    let kept: usize = clustering
        .clusters
        .iter()
        .map(|one| one.members.len())
        .sum();
    let seconds = spent.as_secs_f64();
    println!(
        "| {} | {} | {:.0} | {seconds:.2} | {:.0} | {:.0} | {} | {} | {:.0} MB | {} |",
        corpus.name,
        corpus.count,
        bytes as f64 / 1e6,
        corpus.count as f64 / seconds,
        bytes as f64 / 1e6 / seconds,
        clustering.clusters.len(),
        corpus.count - kept,
        peak_memory(),
        corpus.bound,
    );
}

/// About 1 kB: short texts get a dump behind them, long ones are cut.
fn sized(failure: &Failure) -> Failure {
    let mut message: String = failure.message.chars().take(1000).collect();
    while message.len() < 900 {
        message.push_str("\n    <v1.Pod | 0xc000a1b2c3>: {\n        Name: \"busybox-e96533e3-f55b-4652-853c-55d89c4f087a\",\n        UID: \"aa4d3628-c133-4c8a-95b3-374307823c73\",\n    }");
    }
    Failure {
        message,
        output: String::new(),
        ..failure.clone()
    }
}

fn make(kind: Kind, base: &[Failure], at: usize, random: &mut Random) -> Failure {
    match kind {
        Kind::Repeats => vary(&base[at % base.len()], at, 0, random),
        Kind::Noisy => vary(
            &base[at % base.len()],
            at,
            if at % 10 < 3 { 30 } else { 0 },
            random,
        ),
        Kind::Distinct | Kind::Hot => {
            // Two neighbours share their words and differ in what is masked.
            let mut words = Random(1 + (at as u64 / 2) * 7919);
            let mut one = vary(&base[(at / 2) % base.len()], at, 30, &mut words);
            if matches!(kind, Kind::Hot) {
                one.test = "node should serve a wrapper test".to_owned();
                let mut nine = String::with_capacity(9100);
                while nine.len() < 9000 {
                    nine.push_str(&one.message);
                    nine.push('\n');
                }
                one.message = nine;
            }
            vary(&one, at, 0, random)
        }
    }
}

/// The same failure at another time: what is masked differs, and so many of a hundred words.
fn vary(failure: &Failure, at: usize, noise: usize, random: &mut Random) -> Failure {
    let mut out = String::with_capacity(failure.message.len());
    for piece in failure
        .message
        .split_inclusive(|letter: char| letter.is_whitespace())
    {
        let word = piece.trim_end();
        let clock =
            word.contains("0x") || word.matches(':').count() == 2 || word.matches('-').count() >= 4;
        if clock && !word.contains(".go") {
            for letter in word.chars() {
                out.push(match letter {
                    '1'..='9' => char::from(b'1' + u8::try_from(random.below(9)).unwrap_or(0)),
                    other => other,
                });
            }
        } else if noise > 0
            && word.len() > 3
            && word.bytes().all(|byte| byte.is_ascii_lowercase())
            && random.below(100) < noise
        {
            for _ in 0..word.len() {
                out.push(char::from(
                    b'a' + u8::try_from(random.below(26)).unwrap_or(0),
                ));
            }
        } else {
            out.push_str(word);
        }
        out.push_str(&piece[word.len()..]);
    }
    Failure {
        id: format!("{at:08}"),
        message: out,
        ..failure.clone()
    }
}

/// The most this process ever held, in MB.
fn peak_memory() -> f64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            status.lines().find_map(|line| {
                line.strip_prefix("VmHWM:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .trim()
                    .parse::<f64>()
                    .ok()
            })
        })
        .map_or(0.0, |kilobytes| kilobytes / 1000.0)
}

/// Repeatable numbers: the corpora are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

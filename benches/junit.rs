//! How fast the JUnit reader is: `cargo bench --bench junit`.

#![expect(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::{fmt::Write as _, hint::black_box, time::Instant};

use bellwether::evidence::junit;

/// A file as Kubernetes' node suite writes it: mostly skipped cases, some with long escaped output.
fn generate(bytes: usize) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"E2eNode Suite\">\n",
    );
    let output = "I1120 11:35:51.403805     765 framework.go:384] Skipping waiting for &#34;default&#34; &lt;nil&gt;&#xA;".repeat(40);
    let mut case = 0;
    while text.len() < bytes {
        case += 1;
        let _ = match case % 10 {
            0 => writeln!(
                text,
                "<testcase name=\"[It] [sig-node] Pods &lt;{case}&gt; should fail [NodeConformance]\" classname=\"E2eNode Suite\" status=\"failed\" time=\"60.066072114\">\n<failure message=\"\" type=\"failed\">[FAILED] Expected&#xA;    &lt;string&gt;: abc&#xA;to equal&#xA;    &lt;string&gt;: def&#xA;</failure>\n<system-err>{output}</system-err>\n</testcase>"
            ),
            _ => writeln!(
                text,
                "<testcase name=\"[It] [sig-node] Pods number {case} should be skipped [NodeConformance]\" classname=\"E2eNode Suite\" status=\"skipped\" time=\"0\">\n<skipped message=\"skipped\"></skipped>\n</testcase>"
            ),
        };
    }
    text + "</testsuite></testsuites>\n"
}

fn main() {
    let text = generate(64 << 20);
    for output in [false, true] {
        let limits = junit::Limits {
            output,
            ..junit::Limits::default()
        };
        let mut best = f64::MAX;
        let mut cases = 0;
        for _ in 0..5 {
            let started = Instant::now();
            let report = junit::read_with(black_box(text.as_bytes()), "bench.xml", limits);
            best = best.min(started.elapsed().as_secs_f64());
            cases = report.map_or(0, |report| report.cases.len());
        }
        let megabytes = text.len() as f64 / 1e6;
        println!(
            "junit reader{}: {:.0} MB/s ({megabytes:.0} MB, {cases} cases, best of 5)",
            if output { ", output kept" } else { "" },
            megabytes / best
        );
    }
}

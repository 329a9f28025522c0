use super::*;
use crate::report::samples;

fn options(width: usize) -> TerminalOptions {
    TerminalOptions {
        width,
        colour: false,
        failures: 20,
        folder: Some("/state/runs/019aa0d2-4a10-7c3e-9f61-2b7d4c8e5a90".into()),
        clusters: Vec::new(),
    }
}

#[test]
fn passed() {
    insta::assert_snapshot!(terminal(&samples::passed(), &options(80)));
}

#[test]
fn failed_and_stopped() {
    insta::assert_snapshot!(terminal(&samples::failed(), &options(80)));
}

#[test]
fn causes_lead() {
    let (summary, found) = samples::failed_run();
    let options = TerminalOptions {
        clusters: found.clusters,
        ..options(80)
    };
    insta::assert_snapshot!(terminal(&summary, &options));
}

#[test]
fn what_triage_found() {
    let found = samples::triaged();
    insta::assert_snapshot!(triage_terminal(&found, &options(80)));
}

#[test]
fn expected_and_not() {
    insta::assert_snapshot!(terminal(&samples::expected(), &options(80)));
}

#[test]
fn reduced() {
    insta::assert_snapshot!(terminal(&samples::reduced(), &options(80)));
}

#[test]
fn not_run() {
    insta::assert_snapshot!(terminal(&samples::not_run(), &options(80)));
}

#[test]
fn build_failed() {
    insta::assert_snapshot!(terminal(&samples::build_failed(), &options(80)));
}

#[test]
fn unresolved() {
    insta::assert_snapshot!(terminal(&samples::unresolved(), &options(80)));
}

#[test]
fn only_what_is_to_be_copied_is_wider_than_the_terminal() {
    for summary in samples::all() {
        for width in [80, 120] {
            for line in terminal(&summary, &options(width)).lines() {
                let words = line.split_whitespace().map(chars).max().unwrap_or(0);
                let whole = chars(line) <= width || words + 20 > width;
                assert!(whole, "{width}: {line}");
            }
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    for summary in samples::all() {
        let coloured = terminal(
            &summary,
            &TerminalOptions {
                colour: true,
                ..options(80)
            },
        );
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(plain(&coloured), terminal(&summary, &options(80)));
    }
}

#[test]
fn a_guest_cannot_write_to_the_terminal() {
    let mut summary = samples::failed();
    for spec in &mut summary.cells[1].specs {
        if let Some(failure) = &mut spec.failure {
            failure.message = "\u{1b}]0;owned\u{7}\u{1b}[2J".to_owned();
        }
        spec.name.0.push_str("\u{1b}[2J");
    }
    assert!(!terminal(&summary, &options(80)).contains('\u{1b}'));
}

#[test]
fn many_failures_are_counted() {
    let few = TerminalOptions {
        failures: 1,
        ..options(80)
    };
    let text = terminal(&samples::failed(), &few);
    assert!(text.contains("and 1 more failed specs"), "{text}");
}

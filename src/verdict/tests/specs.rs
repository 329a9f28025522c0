//! Why failed specs failed.

use super::{artifacts, sample};
use crate::{
    model::{Blame, Class, Failure, SpecName, SpecOutcome, SpecResult},
    verdict::{Artifacts, explain, explain_all},
};

fn spec(name: &str, outcome: SpecOutcome, message: &str, text: &str) -> SpecResult {
    SpecResult {
        name: SpecName(name.to_owned()),
        outcome,
        started_at: Some("2026-11-20T12:02:55Z".parse().unwrap()),
        ended_at: Some("2026-11-20T12:06:19Z".parse().unwrap()),
        seconds: 204.0,
        process: None,
        failure: outcome.is_failure().then(|| Failure {
            message: message.to_owned(),
            text: text.to_owned(),
            location: Some(
                "k8s.io/kubernetes@v1.36.3/test/e2e/framework/pod/output/output.go:263".to_owned(),
            ),
        }),
        reason: None,
    }
}

#[test]
fn a_real_difference_is_an_assertion() {
    let mut failed = spec(
        "[sig-storage] EmptyDir volumes should support (root,0644,tmpfs) [LinuxOnly] [NodeConformance] [Conformance]",
        SpecOutcome::Failed,
        "expected \"mount type of \\\"/test-volume\\\": tmpfs\" in container output",
        "expected \"mount type\" in pod-e59ed761-adc4-4ffc-8fbf-78f0770ef5f8",
    );
    failed.started_at = Some("2026-11-20T11:35:48Z".parse().unwrap());
    failed.ended_at = Some("2026-11-20T11:36:48Z".parse().unwrap());
    let cause = explain(&failed, &artifacts(&sample("runsc"))).unwrap();
    assert_eq!(
        (cause.class, cause.blame),
        (Class::Assertion, Blame::Unknown)
    );
    assert_eq!(cause.evidence[0].file, "suite.log");
    assert!(
        cause.evidence[0].text.contains("EmptyDir volumes"),
        "{}",
        cause.evidence[0]
    );
    let passed = spec("x", SpecOutcome::Passed, "", "");
    assert!(explain(&passed, &Artifacts::default()).is_none());
}

#[test]
fn specs_that_waited_for_a_broken_sandboxer_share_its_words() {
    let waited = "Timed out after 300.001s. Expected Pod to be in <v1.PodPhase>: \"Running\"";
    let specs = [
        spec(
            "one",
            SpecOutcome::Failed,
            waited,
            "pod \"pod-init-937014fb-59f7-404a-be49-4fa53941de63\" in init-container-8554",
        ),
        spec(
            "two",
            SpecOutcome::Failed,
            waited,
            "pod secrets-5815/pod-secrets-5a3eb05a-1dbd-4d79-8786-de3f584f0a32",
        ),
    ];
    let causes = explain_all(&specs, &artifacts(&sample("killed-youki")));
    assert_eq!(causes.specs.len(), 2);
    for found in &causes.specs {
        assert_eq!(found.cause.class, Class::RuntimeDown);
        assert_eq!(found.cause.evidence[0].file, "kubelet.log");
        assert!(
            found
                .cause
                .summary
                .contains("did not terminate successfully: exit status 1")
        );
    }
    assert!(
        causes.specs[0].cause.evidence[0]
            .text
            .contains("init-container-8554")
    );
    let common = causes.common.unwrap();
    assert_eq!(common.blame, Blame::Sandboxer);
}

#[test]
fn an_assertion_in_the_same_time_keeps_its_own_cause() {
    let files = artifacts(&sample("killed-youki"));
    let waited = "Timed out after 300.001s.";
    let specs = [
        spec(
            "one",
            SpecOutcome::Failed,
            waited,
            "pod-init-937014fb-59f7-404a-be49-4fa53941de63",
        ),
        spec(
            "two",
            SpecOutcome::Failed,
            "Expected 1 to equal 2",
            "no pod in it",
        ),
    ];
    let causes = explain_all(&specs, &files);
    assert_eq!(causes.specs[1].cause.class, Class::Assertion);
    assert!(causes.common.is_none());
    // Another time, and pods that the log does not know.
    let mut elsewhere = spec("three", SpecOutcome::Failed, waited, "pod-other");
    elsewhere.started_at = Some("2026-11-20T09:00:00Z".parse().unwrap());
    elsewhere.ended_at = Some("2026-11-20T09:05:00Z".parse().unwrap());
    assert_eq!(explain(&elsewhere, &files).unwrap().class, Class::Assertion);
}

#[test]
fn one_explained_failure_among_passes_is_not_common() {
    let files = artifacts(&sample("killed-youki"));
    let specs = [
        spec(
            "one",
            SpecOutcome::Failed,
            "Timed out after 300.001s.",
            "pod-init-937014fb-59f7-404a-be49-4fa53941de63",
        ),
        spec("two", SpecOutcome::Passed, "", ""),
    ];
    let causes = explain_all(&specs, &files);
    assert_eq!(causes.specs.len(), 1);
    assert!(causes.common.is_none());
    assert!(explain_all(&specs[..1], &files).common.is_some());
}

use proptest::prelude::*;

use super::*;

const KUBELET: &str = include_str!(
    "../../../tests/fixtures/triage/foreign/prow/logs/ci-node-e2e/1890000000000000001/artifacts/node-a/kubelet.log"
);
const CONTAINERD: &str = include_str!(
    "../../../tests/fixtures/triage/foreign/prow/logs/ci-node-e2e/1890000000000000001/artifacts/node-a/containerd.log"
);

fn failure() -> Failure {
    Failure {
        test: "[sig-node] Pods should run a pod".to_owned(),
        message: "[TIMEDOUT] Timed out after 60.0s.\npod \"pods-3381/pod-run-5f2kq\" never became running\nIn [It] at: pods_test.go:77 @ 03/02/26 09:41:30.5".to_owned(),
        output: "STEP: creating the pod @ 03/02/26 09:40:30.1".to_owned(),
        ..Failure::default()
    }
}

fn found(logs: &[(&str, &str)], failure: &Failure) -> Vec<String> {
    let artifacts = Artifacts::from_pairs(logs.iter().copied());
    NodeLines::of(&artifacts, 2026)
        .lines(failure, "")
        .into_iter()
        .map(|line| format!("{}:{}", line.file, line.line))
        .collect()
}

#[test]
fn the_runtimes_own_error_comes_before_what_the_kubelet_repeats() {
    let logs = [("kubelet.log", KUBELET), ("containerd.log", CONTAINERD)];
    // Not the other pod's image, and no line that reports no trouble.
    assert_eq!(
        found(&logs, &failure()),
        ["containerd.log:2", "kubelet.log:3"]
    );
    assert_eq!(year_of(&[failure()]), 2026);
}

#[test]
fn a_line_out_of_its_time_is_another_tests() {
    let later = KUBELET.replace("09:40", "11:40");
    assert_eq!(found(&[("kubelet.log", &later)], &failure()), [""; 0]);
    let mut other = failure();
    other.message = "nothing that has a name".to_owned();
    other.output.clear();
    assert_eq!(found(&[("kubelet.log", KUBELET)], &other), [""; 0]);
}

#[test]
fn ids_lead_on_from_a_name() {
    let id = "0123456789abcdef".repeat(4);
    let log = format!(
        "time=\"2026-03-02T09:40:31.0Z\" level=info msg=\"RunPodSandbox for pod-run-5f2kq returns sandbox id \\\"{id}\\\"\"\ntime=\"2026-03-02T09:40:32.0Z\" level=error msg=\"shim died\" id={id}\ntime=\"2026-03-02T09:40:33.0Z\" level=error msg=\"shim died\" id={}\n",
        "f".repeat(64)
    );
    assert_eq!(
        found(&[("containerd.log", &log)], &failure()),
        ["containerd.log:2"]
    );
}

#[test]
fn the_nodes_own_trouble_counts_in_its_time_only() {
    let line =
        |at: &str| format!("Mar  2 {at} node kernel: Out of memory: Killed process 77 (etcd)\n");
    let inside = line("09:41:00");
    assert_eq!(
        found(&[("journal.log", &inside)], &failure()),
        ["journal.log:1"]
    );
    assert_eq!(
        found(&[("journal.log", &line("10:41:00"))], &failure()),
        [""; 0]
    );
}

#[test]
fn repeated_lines_are_one() {
    let line = |second: u32| {
        format!(
            "E0302 09:40:{second}.400000    2211 x.go:1] \"Error syncing pod\" err=\"no\" pod=\"pods-3381/pod-run-5f2kq\"\n"
        )
    };
    let log: String = (31..50).map(line).collect();
    assert_eq!(
        found(&[("kubelet.log", &log)], &failure()),
        ["kubelet.log:1"]
    );
}

proptest! {
    #[test]
    fn any_text_is_survived(log in ".{0,300}", message in ".{0,200}") {
        let failure = Failure { message, ..failure() };
        let artifacts = Artifacts::from_pairs([("kubelet.log", log)]);
        let lines = NodeLines::of(&artifacts, 2026).lines(&failure, "");
        prop_assert!(lines.len() <= MOST);
    }
}

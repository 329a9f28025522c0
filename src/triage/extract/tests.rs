use super::{Extract, Site, Verb, extract};
use crate::triage::{ArtifactLine, Failure};

fn of(message: &str) -> Extract {
    extract(&Failure {
        message: message.to_owned(),
        ..Failure::default()
    })
}

fn site(file: &str, function: &str, line: u32) -> Option<Site> {
    Some(Site {
        file: file.to_owned(),
        function: function.to_owned(),
        line,
    })
}

#[test]
fn ginkgo_v2_with_a_helper_and_values() {
    let read = of("[FAILED] Timed out after 10.001s.
The function passed to Eventually failed at /home/prow/go/src/sigs.k8s.io/kueue/test/util/util.go:365 with:
Not enough workloads are admitted
Expected
    <int>: 1
to equal
    <int>: 2
In [It] at: /home/prow/go/src/sigs.k8s.io/kueue/test/integration/tas/tas_test.go:1374 @ 05/29/25 18:41:09.282");
    assert_eq!(read.phase, "It");
    assert_eq!(read.verb, Verb::TimedOut);
    assert_eq!(read.desc, "Not enough workloads are admitted");
    assert_eq!(read.expectation, "int <N> to equal int <N>");
    assert_eq!(
        read.site,
        site("test/integration/tas/tas_test.go", "", 1374)
    );
    assert_eq!(read.helper, site("test/util/util.go", "", 365));
    assert_eq!(read.stamp, "05/29/25 18:41:09.282");
    assert_eq!(read.reason, None, "a comment on a comparison is no cause");
}

#[test]
fn an_error_chain_is_unwrapped_innermost_first() {
    let read = of("[FAILED] should be able to start node services.
Expected success, but got an error:
    <*fmt.wrapError | 0xf8c136d64e0>: 
    failed to start internal services: failed to run start command for server \"services\": exit status 255
    {
        msg: \"failed to start internal services: failed to run start command for server \\\"services\\\": exit status 255\",
        err: <*fmt.wrapError | 0xf8c136d64c0>{
            msg: \"failed to run start command for server \\\"services\\\": exit status 255\",
            err: <*exec.ExitError | 0xf8c139e63c0>{
                ProcessState: {
                    pid: 986,
                },
            },
        },
    }
In [SynchronizedBeforeSuite] at: k8s.io/kubernetes@v1.36.3/test/e2e_node/e2e_node_suite_test.go:236 @ 11/20/26 11:36:48.274");
    assert_eq!(
        read.errors,
        [
            "failed to run start command for server \"services\": exit status 255",
            "failed to start internal services: failed to run start command for server \"services\": exit status 255",
        ]
    );
    assert_eq!(read.desc, "should be able to start node services.");
    assert_eq!(read.phase, "SynchronizedBeforeSuite");
    assert!(read.reason.is_some());
}

#[test]
fn an_object_becomes_its_type_and_length() {
    let read = of("[FAILED] Timed out after 45.001s.
Expected
    <[]v1.Condition | len:2, cap:2>: [
        {
            Type: \"QuotaReserved\",
        },
    ]
to have condition type Finished and status True
In [It] at: /x/test/e2e/pod_test.go:178 @ 03/06/26 06:08:57.107");
    assert_eq!(
        read.expectation,
        "[]v1.Condition | len:<N>, cap:<N> to have condition type Finished and status True"
    );
}

#[test]
fn a_description_that_ends_in_expected_and_a_line_of_a_foreign_log() {
    let read = of("[FAILED] expected \"mount type\" in container output: Expected
    <string>: mount type of \"/test-volume\": 16914839
to contain substring
    <string>: tmpfs
In [It] at: k8s.io/kubernetes@v1.36.3/test/e2e/framework/pod/output/output.go:263 @ 11/20/26 11:36:48.274");
    assert_eq!(read.desc, "expected \"mount type\" in container output");
    let read = of(
        "[FAILED] in [It] - /x/test/a_test.go:124 @ 07/10/25 19:37:26.128
  2025-07-10T19:37:26.150097984Z LEVEL(-2) controller went by",
    );
    assert_eq!(read.desc, "");
    assert_eq!(read.site, site("test/a_test.go", "", 124));
}

#[test]
fn ginkgo_v1_has_its_paths_on_lines_of_their_own() {
    let read = of(
        "/go/src/k8s.io/kubernetes/test/e2e/framework/framework.go:630
Aug 17 17:43:19.442: Timed out after 10m0s waiting for stable cluster.
/go/src/k8s.io/kubernetes/test/e2e/scheduling/predicates.go:323",
    );
    assert_eq!(
        read.desc,
        "Timed out after 10m0s waiting for stable cluster."
    );
    assert_eq!(
        read.site,
        site("test/e2e/scheduling/predicates.go", "", 323)
    );
}

#[test]
fn a_panic_is_at_the_first_function_of_somebodys_own() {
    let read = of("panic: runtime error: index out of range [3] with length 3

goroutine 12 [running]:
panic({0x1, 0x2})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
example.org/thing/pkg/queue.(*Queue).Pop(0xc000)
\t/build/thing/pkg/queue/queue.go:42 +0x1d");
    assert_eq!(read.verb, Verb::Panicked);
    assert_eq!(
        read.errors,
        ["runtime error: index out of range [3] with length 3"]
    );
    assert_eq!(
        read.site.map(|site| (site.file, site.line)),
        Some(("pkg/queue/queue.go".to_owned(), 42))
    );
}

#[test]
fn a_suite_timeout_is_not_what_its_goroutines_say() {
    let read = of("[TIMEDOUT] A suite timeout occurred
In [It] at: k8s.io/kubernetes/test/e2e/common/node/container_probe.go:348 @ 07/13/26 22:24:54.779

This is the Progress Report generated when the suite timeout occurred:
  goroutine 5 [select]:
    k8s.io/x.y(0x1)
      /a/test/b.go:12 +0x1");
    assert_eq!(read.verb, Verb::SuiteTimeout);
    assert_eq!(read.desc, "A suite timeout occurred");
    assert_eq!(read.reason, None);
}

#[test]
fn go_test_and_testify() {
    let read = of("    --- FAIL: TestSetOOMScoreBoundaries (0.01s)
        oom_linux_test.go:79: assertion failed: 0 (adjustment int) != -1000 (OOMScoreAdjMin int)");
    assert_eq!(read.site, site("oom_linux_test.go", "", 79));
    assert!(read.desc.starts_with("assertion failed: 0"));
    let read = of("container_stats_test.go:364:
        \tError Trace:\tcontainer_stats_test.go:364
        \tError:      \tReceived unexpected error:
        \t            \tunexpected stats length
        \t            \tgithub.com/x/y.func4
        \t            \t\t/home/w/integration/container_stats_test.go:371
        \tTest:       \tTestContainerListStats");
    assert_eq!(
        read.errors.last().map(String::as_str),
        Some("unexpected stats length")
    );
    assert_eq!(read.site, site("container_stats_test.go", "", 364));
}

#[test]
fn bats_says_the_command_and_the_place() {
    let read = of("not ok 14 cgroupv2 unified support
# (from function `setup_test' in file ./helpers.bash, line 175,
#  in test file ./cgroups.bats, line 103)
#   `[[ \"$output\" == *\"209715200\"* ]]' failed
# time=\"2020-12-02T23:28:58Z\" level=fatal msg=\"connect endpoint refused\"");
    assert_eq!(read.desc, "[[ \"$output\" == *\"209715200\"* ]]");
    assert_eq!(read.helper, site("helpers.bash", "setup_test", 175));
    assert_eq!(read.site, site("cgroups.bats", "", 103));
    assert_eq!(read.errors, ["connect endpoint refused"]);
}

#[test]
fn pytest_and_java() {
    let read = of("def test_pull():
>       assert pull('image') == 0
E       AssertionError: manifest digest differs
E       assert 1 == 0

tests/test_pull.py:12: AssertionError");
    assert_eq!(read.errors, ["AssertionError: manifest digest differs"]);
    let read = of("java.lang.IllegalStateException: context not started
\tat org.junit.Assert.fail(Assert.java:88)
\tat org.example.QueueTest.drains(QueueTest.java:31)
Caused by: java.net.ConnectException: broker port refused");
    assert_eq!(
        read.errors,
        [
            "java.net.ConnectException: broker port refused",
            "java.lang.IllegalStateException: context not started"
        ]
    );
    assert_eq!(
        read.site,
        site("QueueTest.java", "org.example.QueueTest.drains", 31)
    );
}

#[test]
fn a_wrapper_is_no_reason_so_the_output_and_the_artifacts_are_asked() {
    let wrapper = Failure {
        message: "exit status 1".to_owned(),
        output: "E0114 19:26:38.350] image archive could not be found on the mirror".to_owned(),
        ..Failure::default()
    };
    assert_eq!(
        extract(&wrapper).desc,
        "image archive could not be found on the mirror"
    );
    let silent = Failure {
        message: "Node Tests".to_owned(),
        lines: vec![ArtifactLine {
            text: "runc create failed: seccomp filter rejected".to_owned(),
            ..ArtifactLine::default()
        }],
        ..Failure::default()
    };
    assert_eq!(
        extract(&silent).reason.as_deref(),
        Some("runc create failed: seccomp filter rejected")
    );
    assert_eq!(of("exit status 1").reason, None);
}

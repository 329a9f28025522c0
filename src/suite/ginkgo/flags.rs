//! The suite's command line.

use std::time::Duration;

use crate::{
    profile::Ginkgo,
    suite::facts::{self, NodeFacts},
};

use super::kubelet::KUBELET_CONFIG;

/// A profile's settings that make no command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagsError {
    /// The suite starts itself again with one of these before its own arguments; the last one wins, so
    /// the child would run the whole suite again, and its child too.
    #[error(
        "the suite argument `{0}` would make the suite start itself for ever; remove it from `arguments`"
    )]
    ModeFlag(String),
    /// The flag is bellwether's: without its own value nothing would find the results.
    #[error("the suite argument `{argument}` is set by bellwether; {instead}")]
    Reserved {
        /// The argument as the profile has it.
        argument: String,
        /// What to use.
        instead: &'static str,
    },
}

/// Flags of the test binary that a profile cannot set, and what it can do instead.
const RESERVED: [(&str, &str); 13] = [
    ("k8s-bin-dir", "the binaries come from the profile's builds"),
    ("container-runtime-endpoint", "it follows from `[runtime]`"),
    (
        "container-runtime-process-name",
        "it follows from `[runtime]`",
    ),
    ("container-runtime-pid-file", "it follows from `[runtime]`"),
    ("node-name", "it is the guest's host name"),
    ("report-dir", "results are read from there"),
    ("report-prefix", "results are found by it"),
    ("report-complete-ginkgo", "it is always on"),
    ("kubelet-config-file", "use `kubelet-config` of the suite"),
    ("feature-gates", "use `feature-gates` of the suite"),
    ("service-feature-gates", "use `feature-gates` of the suite"),
    (
        "ginkgo.dry-run",
        "a dry run's report says `passed` for specs that never ran",
    ),
    ("ginkgo.timeout", "use `timeout` of the suite"),
];

const MODE_FLAGS: [&str; 3] = [
    "system-validate-mode",
    "run-services-mode",
    "run-kubelet-mode",
];

/// The limit the suite gets for itself: a bit below the one that kills it, so that it can say what hung
/// and write its reports.
#[must_use]
pub fn inner_limit(outer: Duration) -> Duration {
    let seconds = outer.as_secs();
    let margin = (seconds / 20).max(90).min(seconds / 4);
    Duration::from_secs((seconds - margin).max(1))
}

/// Ginkgo's flags that say what is run.
#[must_use]
pub fn selection(settings: &Ginkgo) -> Vec<String> {
    let mut flags = Vec::new();
    if let Some(focus) = any_of(&settings.focus) {
        flags.push(format!("--focus={focus}"));
    }
    if let Some(skip) = any_of(&settings.skip) {
        flags.push(format!("--skip={skip}"));
    }
    if let Some(filter) = settings.label_filter.as_deref().filter(|f| !f.is_empty()) {
        flags.push(format!("--label-filter={filter}"));
    }
    flags
}

/// One expression that fits where any of these does.
fn any_of(expressions: &[String]) -> Option<String> {
    match expressions {
        [] => None,
        [only] => Some(only.clone()),
        several => {
            // Flags such as `(?i)` would leak into the next alternative.
            let several: Vec<_> = several
                .iter()
                .map(|e| match e.starts_with("(?") {
                    true => format!("(?:{e})"),
                    false => e.clone(),
                })
                .collect();
            Some(format!("({})", several.join("|")))
        }
    }
}

/// All arguments of `ginkgo`, which is run in the suite's work folder.
///
/// # Errors
/// When the profile's own arguments would break the run.
pub fn arguments(
    settings: &Ginkgo,
    facts: &NodeFacts,
    limit: Duration,
) -> Result<Vec<String>, FlagsError> {
    check(&settings.arguments)?;
    let folder = facts::folder(&facts.root);
    let mut all = vec![
        format!("--nodes={}", settings.processes.max(1)),
        "--no-color".to_owned(),
        "-v".to_owned(),
        format!("--timeout={}s", inner_limit(limit).as_secs()),
    ];
    all.extend(selection(settings));
    all.extend(["./e2e_node.test".to_owned(), "--".to_owned()]);
    let runtime = facts.runtime_name();
    let log = serde_json::json!({
        "name": format!("{runtime}.log"),
        "journalctl": ["-u", runtime],
    });
    // The kubelet is found beside the test binary: from 1.37 on the binary knows no `--k8s-bin-dir` any more
    // (test/e2e_node/builder/build.go), and before that it looks there without it.
    all.extend([
        format!("--container-runtime-endpoint={}", facts.runtime_endpoint),
        // The suite finds the runtime's process by its name: neither runtime writes a file with its number here.
        format!("--container-runtime-process-name={runtime}"),
        "--container-runtime-pid-file=".to_owned(),
        "--prepull-images=false".to_owned(),
        format!("--node-name={}", facts.node_name),
        format!("--report-dir={folder}/out"),
        "--report-prefix=bw_".to_owned(),
        "--report-complete-ginkgo".to_owned(),
        "--server-start-timeout=10m".to_owned(),
        format!("--kubelet-config-file={folder}/ws/{KUBELET_CONFIG}"),
        format!(
            "--kubelet-flags=--runtime-cgroups=/system.slice/{}",
            facts.runtime_unit
        ),
        format!("--extra-log={log}"),
    ]);
    if !settings.feature_gates.is_empty() {
        let gates: Vec<_> = settings
            .feature_gates
            .iter()
            .map(|(gate, on)| format!("{gate}={on}"))
            .collect();
        let gates = gates.join(",");
        all.push(format!("--feature-gates={gates}"));
        all.push(format!("--service-feature-gates={gates}"));
    }
    all.extend(["--v".to_owned(), "4".to_owned()]);
    all.extend(settings.arguments.iter().cloned());
    Ok(all)
}

fn check(arguments: &[String]) -> Result<(), FlagsError> {
    for argument in arguments {
        let Some(name) = flag_name(argument) else {
            continue;
        };
        if MODE_FLAGS.contains(&name) {
            return Err(FlagsError::ModeFlag(argument.clone()));
        }
        if let Some((_, instead)) = RESERVED.iter().find(|(flag, _)| *flag == name) {
            return Err(FlagsError::Reserved {
                argument: argument.clone(),
                instead,
            });
        }
    }
    Ok(())
}

fn flag_name(argument: &str) -> Option<&str> {
    let name = argument.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    name.split('=').next()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{process::command_line, profile::Preset};

    pub fn settings() -> Ginkgo {
        Ginkgo {
            preset: Preset::E2eNode,
            focus: Vec::new(),
            skip: Vec::new(),
            label_filter: None,
            processes: 1,
            kubelet_config: toml::Table::new(),
            feature_gates: BTreeMap::new(),
            arguments: Vec::new(),
        }
    }

    pub fn facts(root: &str) -> NodeFacts {
        NodeFacts {
            root: root.to_owned(),
            runtime_endpoint: "unix:///run/containerd/containerd.sock".to_owned(),
            runtime_unit: "containerd.service".to_owned(),
            handler: "runc".to_owned(),
            node_name: "node1".to_owned(),
            kubernetes_dir: "/opt/bellwether/kubernetes".to_owned(),
            bin_dirs: vec!["/opt/bellwether/runtime/bin".to_owned()],
            ports: true,
        }
    }

    fn line(settings: &Ginkgo) -> String {
        let arguments = arguments(settings, &facts(""), Duration::from_secs(3600)).unwrap();
        command_line("./ginkgo", &arguments).replace(" --", "\n  --")
    }

    #[test]
    fn the_whole_command_line() {
        insta::assert_snapshot!(line(&Ginkgo {
            focus: vec![
                r"EmptyDir.*\(root,0644,tmpfs\)".into(),
                "(?i)configmap".into()
            ],
            skip: vec![
                r"\[Flaky\]".into(),
                r"\[Slow\]".into(),
                r"\[Serial\]".into()
            ],
            label_filter: Some("NodeConformance && !(Flaky || Slow || Serial)".into()),
            processes: 4,
            feature_gates: BTreeMap::from([("NodeSwap".into(), true), ("Foo".into(), false)]),
            arguments: vec!["--delete-namespace-on-failure=false".into()],
            ..settings()
        }));
    }

    #[test]
    fn one_expression_stays_as_it_is_and_none_is_no_flag() {
        assert_eq!(
            selection(&Ginkgo {
                focus: vec!["a|b".into()],
                label_filter: Some(String::new()),
                ..settings()
            }),
            ["--focus=a|b"]
        );
        assert!(selection(&settings()).is_empty());
    }

    #[test]
    fn the_inner_limit_is_below_the_outer_one() {
        for seconds in [4, 30, 120, 600, 3600, 36_000] {
            let inner = inner_limit(Duration::from_secs(seconds)).as_secs();
            assert!(inner < seconds && inner * 2 > seconds, "{seconds}: {inner}");
        }
    }

    #[test]
    fn arguments_that_break_the_run_are_refused() {
        for (argument, ok) in [
            ("--run-services-mode=false", false),
            ("-system-validate-mode", false),
            ("--report-dir", false),
            ("--report-dir-x=1", true),
            ("--standalone-mode=true", true),
            ("4", true),
        ] {
            let result = arguments(
                &Ginkgo {
                    arguments: vec![argument.into()],
                    ..settings()
                },
                &facts(""),
                Duration::from_secs(60),
            );
            assert_eq!(result.is_ok(), ok, "{argument}");
        }
    }
}

//! What a suite will run, by Ginkgo's dry run.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    model::{PlannedSpec, SpecName, SuitePlan},
    process::{self, Call, ProcessError},
    profile::Ginkgo,
    suite::PlanRequest,
};

use super::{flags, report};

pub(super) const REPORT: &str = "plan.json";
/// Older suites do not know the dry run and start the suite on the host instead.
const OLDEST: (u32, u32) = (1, 33);

/// The plan could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The suite's dry run would not be dry.
    #[error(
        "Kubernetes {version} cannot be asked what it will run: before v{}.{} its node suite starts for real; use a newer `kubernetes` source",
        OLDEST.0, OLDEST.1
    )]
    TooOld {
        /// As it was given.
        version: String,
    },
    /// The version is not one.
    #[error(
        "cannot tell from `{version}` whether this Kubernetes can be asked what it will run; a git source needs its version tags: push upstream's tags to that repository"
    )]
    UnknownVersion {
        /// As it was given.
        version: String,
    },
    /// The dry run could not be run, or failed.
    #[error("the suite cannot say what it will run: {0}")]
    Process(#[from] ProcessError),
    /// The scratch folder cannot be used.
    #[error("cannot prepare the suite's dry run: {0}")]
    Io(#[from] io::Error),
    /// The report is cut off or is no report.
    #[error("{file} is not a whole Ginkgo report: {why}")]
    Broken {
        /// The report.
        file: String,
        /// What is wrong, with line and column.
        why: String,
    },
    /// Results of a real run were given as a plan.
    #[error(
        "{file} holds the results of a real run, not a plan; make the plan with `ginkgo --dry-run`"
    )]
    NotADryRun {
        /// The report.
        file: String,
    },
    /// Nothing would run.
    #[error(
        "none of the suite's {total} specs is selected; check `focus`, `skip` and `label-filter`"
    )]
    NothingSelected {
        /// All specs.
        total: usize,
    },
}

/// The dry run's command, to be run in `scratch`, where [`dry_run`] has linked the test binary: Ginkgo
/// writes its report beside the binary. `bin` is the folder of ginkgo, absolute.
#[must_use]
pub fn plan_command(settings: &Ginkgo, bin: &Utf8Path, scratch: &Utf8Path) -> Call {
    process::call(bin.join("ginkgo"))
        .args(plan_arguments(settings))
        .folder(scratch)
}

/// The dry run's arguments.
pub(super) fn plan_arguments(settings: &Ginkgo) -> Vec<String> {
    let mut arguments = vec!["--dry-run".to_owned(), "--no-color".to_owned()];
    arguments.extend(flags::selection(settings));
    arguments.push(format!("--json-report={REPORT}"));
    arguments.push("./e2e_node.test".to_owned());
    arguments
}

/// Asks the suite what it will run. Starts its binary on this host: only for refs that are trusted.
///
/// # Errors
/// When it is too old to be asked, fails, or would run nothing.
pub async fn dry_run(settings: &Ginkgo, request: PlanRequest<'_>) -> Result<SuitePlan, PlanError> {
    let PlanRequest {
        version,
        bin,
        scratch,
        limit,
    } = request;
    check_version(version)?;
    let link = scratch.join("e2e_node.test");
    let file = scratch.join(REPORT);
    for old in [&link, &file] {
        match fs::remove_file(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    fs::os::unix::fs::symlink(bin.join("e2e_node.test"), &link)?;
    plan_command(settings, bin, scratch)
        .limit(limit)
        .run()
        .await?;
    read_plan(&fs::read(&file)?, &file)
}

/// Refuses versions whose dry run is not dry.
///
/// # Errors
/// When the version is too old, or is no version.
pub fn check_version(version: &str) -> Result<(), PlanError> {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || numbers.next().and_then(|n| n.parse::<u32>().ok());
    let version = || version.to_owned();
    match (number(), number()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => Ok(()),
        // What a tree without tags is called.
        (Some(0), Some(0)) => Err(PlanError::UnknownVersion { version: version() }),
        (Some(_), Some(_)) => Err(PlanError::TooOld { version: version() }),
        _ => Err(PlanError::UnknownVersion { version: version() }),
    }
}

/// Makes a plan of a dry run's JSON report. `file` is its name, for messages.
///
/// # Errors
/// When it is not the whole report of a dry run, or selects nothing.
pub fn read_plan(report: &[u8], file: &Utf8Path) -> Result<SuitePlan, PlanError> {
    let file = || Utf8PathBuf::from(file).into_string();
    let report = report::read(report);
    if let Some(why) = report.truncated {
        return Err(PlanError::Broken { file: file(), why });
    }
    if report
        .suites
        .iter()
        .any(|suite| suite.dry_run != Some(true))
    {
        return Err(PlanError::NotADryRun { file: file() });
    }
    let specs = || {
        report
            .suites
            .iter()
            .flat_map(|suite| &suite.specs)
            .filter(|spec| spec.is_spec())
    };
    let total = specs().count();
    let selected: Vec<_> = specs()
        .filter(|spec| spec.state == "passed")
        .map(|spec| PlannedSpec {
            name: SpecName(spec.name()),
            labels: spec.labels(),
            location: spec.leaf_node_location.text(),
            group: spec.group(),
        })
        .collect();
    if selected.is_empty() {
        return Err(PlanError::NothingSelected { total });
    }
    Ok(SuitePlan { selected, total })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::suite::ginkgo::flags::tests::settings;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/evidence");
        std::fs::read(format!("{folder}/{name}.report.json")).unwrap()
    }

    #[test]
    fn a_dry_run_is_a_plan() {
        let plan = read_plan(&fixture("dry-run"), "plan.json".into()).unwrap();
        assert_eq!(plan.total, 12);
        insta::assert_json_snapshot!(plan.selected);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let cut = fixture("dry-run");
        let none = String::from_utf8(fixture("nothing-selected")).unwrap();
        let none = none.replace("\"DryRun\": false", "\"DryRun\": true");
        for (report, message) in [
            (
                fixture("smoke"),
                "plan.json holds the results of a real run, not a plan",
            ),
            (
                cut[..cut.len() / 2].to_vec(),
                "plan.json is not a whole Ginkgo report: EOF while parsing",
            ),
            (
                b"{}".to_vec(),
                "plan.json is not a whole Ginkgo report: invalid type",
            ),
            (
                none.into_bytes(),
                "none of the suite's 12 specs is selected",
            ),
            (b"[]".to_vec(), "none of the suite's 0 specs is selected"),
        ] {
            let error = read_plan(&report, "plan.json".into())
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn old_suites_are_not_asked() {
        for (version, ok) in [
            ("v1.36.3", true),
            ("v1.33.0", true),
            ("1.37.0-alpha.1-23-gabcdef012", true),
            ("v2.0.0", true),
            ("v1.32.9", false),
            ("v1.20.2", false),
            ("abcdef0", false),
            ("", false),
        ] {
            assert_eq!(check_version(version).is_ok(), ok, "{version}");
        }
        let untagged = check_version("v0.0.0-7-gabcdef012")
            .unwrap_err()
            .to_string();
        assert!(untagged.contains("needs its version tags"), "{untagged}");
    }

    #[tokio::test]
    async fn the_dry_run_writes_into_the_scratch_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let (bin, scratch) = (folder.join("bin"), folder.join("scratch"));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&scratch).unwrap();
        fs::write(bin.join("report.json"), fixture("dry-run")).unwrap();
        fs::write(bin.join("e2e_node.test"), "").unwrap();
        let ginkgo = bin.join("ginkgo");
        // As Ginkgo does, beside the binary as it was named.
        fs::write(
            &ginkgo,
            "#!/bin/sh\n[ -L e2e_node.test ] && cp \"${0%/*}/report.json\" plan.json && echo \"$@\" > arguments",
        )
        .unwrap();
        fs::set_permissions(&ginkgo, PermissionsExt::from_mode(0o755)).unwrap();
        let settings = Ginkgo {
            label_filter: Some("NodeConformance".into()),
            ..settings()
        };
        for _ in 0..2 {
            let request = PlanRequest {
                version: "v1.36.3",
                bin: &bin,
                scratch: &scratch,
                limit: std::time::Duration::from_secs(20),
            };
            let plan = dry_run(&settings, request).await.unwrap();
            assert_eq!(plan.selected.len(), 2);
        }
        assert_eq!(
            fs::read_to_string(scratch.join("arguments")).unwrap(),
            "--dry-run --no-color --label-filter=NodeConformance --json-report=plan.json ./e2e_node.test\n"
        );
        assert!(!bin.join("plan.json").exists());
    }
}

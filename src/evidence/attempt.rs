//! An attempt's results, read from its folder alone.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    model::SuitePlan,
    suite::{
        SuiteExit,
        ginkgo::{Names, StreamLog},
    },
};

use super::{
    ginkgo_report::{self, GinkgoReport, GinkgoReportError},
    junit::{self, JunitError, JunitReport},
    reconcile::{Parts, Reconciled, reconcile},
};

/// The results cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The file system refused.
    #[error("cannot read the evidence: {0}")]
    Io(#[from] io::Error),
    /// A plan stands where results should be.
    #[error(transparent)]
    Report(#[from] GinkgoReportError),
    /// A plan stands where results should be.
    #[error(transparent)]
    Junit(#[from] JunitError),
}

/// What a suite left in an attempt's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptFiles {
    /// `ginkgo/report.json`.
    pub report: Option<GinkgoReport>,
    /// All `junit_*.xml`, merged in the order of their names.
    pub junit: Option<JunitReport>,
    /// `suite.log`.
    pub stream: Option<StreamLog>,
    /// `exit.json`.
    pub exit: Option<SuiteExit>,
    /// Files that are there and say nothing, in words.
    pub problems: Vec<String>,
}

impl AttemptFiles {
    /// Reads a folder that has been tidied. What is missing is None; what cannot be understood is a problem.
    ///
    /// # Errors
    /// When a file cannot be read, or comes from a dry run.
    pub fn load(attempt: &Utf8Path, plan: Option<&SuitePlan>) -> Result<Self, AttemptError> {
        let mut files = Self::default();
        if let Some(bytes) = read(&attempt.join("ginkgo/report.json"))? {
            match ginkgo_report::read(&bytes, "ginkgo/report.json") {
                Ok(report) => files.report = Some(report),
                Err(error @ GinkgoReportError::DryRun { .. }) => return Err(error.into()),
                Err(error) => files.problems.push(error.to_string()),
            }
        }
        for name in junit_files(attempt)? {
            let bytes = fs::read(attempt.join(&name))?;
            match junit::read(&bytes, &name) {
                Ok(report) if report.dry_run => {
                    return Err(JunitError::DryRun { file: name }.into());
                }
                Ok(report) => {
                    files.junit = Some(match files.junit.take() {
                        Some(before) => before.merge(report),
                        None => report,
                    });
                }
                Err(error) => files.problems.push(error.to_string()),
            }
        }
        if let Some(bytes) = read(&attempt.join("suite.log"))? {
            let names = plan.map(Names::of).unwrap_or_default();
            files.stream = Some(StreamLog::read(&bytes, names));
        }
        if let Some(bytes) = read(&attempt.join("exit.json"))? {
            match SuiteExit::parse(&String::from_utf8_lossy(&bytes)) {
                Ok(exit) => files.exit = Some(exit),
                Err(error) => files.problems.push(format!("exit.json: {error}")),
            }
        }
        Ok(files)
    }

    /// What the files say together. `exit` is used where the folder has no `exit.json`, as when the status
    /// came over a port of a machine that died after.
    ///
    /// # Errors
    /// When a file comes from a dry run.
    pub fn reconcile(
        &self,
        plan: Option<&SuitePlan>,
        exit: Option<SuiteExit>,
        stopped: Option<&str>,
    ) -> Result<Reconciled, JunitError> {
        let mut result = reconcile(&Parts {
            plan,
            report: self.report.as_ref(),
            junit: self.junit.as_ref(),
            stream: self.stream.as_ref(),
            exit: self.exit.or(exit),
            stopped,
        })?;
        result.disagreements.extend(self.problems.iter().cloned());
        Ok(result)
    }
}

fn read(file: &Utf8PathBuf) -> io::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn junit_files(attempt: &Utf8Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in attempt.read_dir_utf8()? {
        let name = entry?.file_name().to_owned();
        if name.starts_with("junit_") && Utf8Path::new(&name).extension() == Some("xml") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SpecOutcome;

    fn fixture(folder: &str, name: &str) -> Vec<u8> {
        fs::read(format!(
            "{}/tests/fixtures/{folder}/{name}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap()
    }

    fn attempt(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        for (name, bytes) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn a_folder_is_enough() {
        let (_guard, path) = attempt(&[
            (
                "ginkgo/report.json",
                fixture("evidence", "every-outcome.report.json"),
            ),
            (
                "junit_bw_01.xml",
                fixture("evidence", "every-outcome.junit.xml"),
            ),
            ("suite.log", fixture("suite", "every-outcome.log")),
            ("exit.json", b"{\"status\":1,\"seconds\":3}\n".to_vec()),
        ]);
        let files = AttemptFiles::load(&path, None).unwrap();
        let result = files.reconcile(None, None, None).unwrap();
        assert_eq!(result.disagreements, [""; 0]);
        let failed = result
            .specs
            .iter()
            .filter(|s| s.outcome.is_failure())
            .count();
        let passed = result
            .specs
            .iter()
            .filter(|s| s.outcome == SpecOutcome::Passed)
            .count();
        assert_eq!((passed, failed, result.specs.len()), (5, 5, 11));
    }

    #[test]
    fn files_that_say_nothing_are_problems_and_a_plan_is_an_error() {
        let (_guard, path) = attempt(&[
            ("ginkgo/report.json", b"<html>".to_vec()),
            ("junit_bw_01.xml", b"{}".to_vec()),
            ("exit.json", b"".to_vec()),
        ]);
        let files = AttemptFiles::load(&path, None).unwrap();
        assert_eq!(files.problems.len(), 3, "{:?}", files.problems);
        let result = files
            .reconcile(None, None, Some("the machine powered off"))
            .unwrap();
        assert_eq!(result.disagreements, files.problems);
        for (name, fixed) in [
            ("ginkgo/report.json", "dry-run.report.json"),
            ("junit_bw_01.xml", "dry-run.junit.xml"),
        ] {
            let (_guard, path) = attempt(&[(name, fixture("evidence", fixed))]);
            let error = AttemptFiles::load(&path, None).unwrap_err().to_string();
            assert!(
                error.starts_with(name) && error.contains("dry run"),
                "{error}"
            );
        }
    }
}

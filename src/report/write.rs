//! Writes every report of a run into its directory.

use camino::Utf8PathBuf;
use fs_err as fs;

use super::{
    ReportError, TerminalOptions, clusters, context, finished, html, junit, lane_junit, prow,
    started, terminal,
};
use crate::{
    evidence::{EvidenceDir, RunDirError},
    model::RunSummary,
};

/// Writes `report.html`, `junit.xml` and the Prow layout in `prow/`: `started.json`, `finished.json`,
/// `build-log.txt` and `artifacts/junit_*.xml`. Returns the page's path.
///
/// # Errors
/// When the run directory cannot be read or written.
pub fn write_all(run_dir: &EvidenceDir, summary: &RunSummary) -> Result<Utf8PathBuf, ReportError> {
    let page = html(&context(run_dir, summary)?)?;
    run_dir.write("report.html", page.as_bytes())?;
    run_dir.write("junit.xml", junit(summary)?.as_bytes())?;

    let prow_dir = EvidenceDir::create(run_dir.file("prow"))?;
    prow_dir.write_json("started.json", &started(summary))?;
    if let Some(finished) = finished(summary) {
        prow_dir.write_json("finished.json", &finished)?;
    }
    let options = TerminalOptions {
        clusters: clusters::clusters(run_dir, summary),
        ..TerminalOptions::log()
    };
    let log = terminal(summary, &options);
    prow_dir.write("build-log.txt", log.as_bytes())?;
    // Written anew as a whole, so that a lane of an earlier report does not stay behind.
    let artifacts = prow_dir.file("artifacts");
    match fs::remove_dir_all(&artifacts) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(RunDirError::from(error).into());
        }
        _ => {}
    }
    let artifacts = EvidenceDir::create(artifacts)?;
    for (index, cell) in summary.cells.iter().enumerate() {
        let name = prow::junit_name(index, cell);
        artifacts.write(&name, lane_junit(summary, cell)?.as_bytes())?;
    }
    Ok(run_dir.file("report.html"))
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;
    use crate::report::samples;

    #[test]
    fn all_reports_lie_where_tools_look() {
        let folder = tempfile::tempdir().unwrap();
        let run = EvidenceDir::at(Utf8Path::from_path(folder.path()).unwrap());
        let summary = samples::failed();
        write_all(&run, &summary).unwrap();
        write_all(&run, &summary).unwrap();
        let mut names: Vec<_> = walk(run.path());
        names.sort();
        insta::assert_debug_snapshot!(names);
    }

    fn walk(folder: &Utf8Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in folder.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                let below = walk(entry.path());
                names.extend(
                    below
                        .iter()
                        .map(|name| format!("{}/{name}", entry.file_name())),
                );
            } else {
                names.push(entry.file_name().to_owned());
            }
        }
        names
    }
}

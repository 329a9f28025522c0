use std::{fmt::Write as _, io::Write as _, time::Instant};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::{found::bounded, *};
use crate::model::failed::Failure;

fn fixtures() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/triage/foreign")
}

fn read_all(paths: &[Utf8PathBuf]) -> Reading {
    read(paths, Limits::default()).unwrap()
}

struct Folder {
    _guard: tempfile::TempDir,
    path: Utf8PathBuf,
}

fn folder(files: &[(&str, &[u8])]) -> Folder {
    let guard = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(guard.path().to_owned()).unwrap();
    for (name, bytes) in files {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    Folder {
        _guard: guard,
        path,
    }
}

fn shown(reading: &Reading, root: &Utf8Path) -> String {
    let mut out = String::new();
    for file in &reading.files {
        let name = file.file.replace(root.as_str(), "");
        let format = file.format.map_or("not read", Format::name);
        let note = file.note.as_deref().unwrap_or_default();
        let counts = format!("{} of {}", file.failures, file.tests);
        writeln!(out, "{name}: {format}, {counts} {note}").unwrap();
    }
    for failure in &reading.failures {
        let place = &failure.place;
        let at = format!("{}:{}", place.file.replace(root.as_str(), ""), place.line);
        writeln!(out, "\n{at} [{}] [{}]", place.lane, place.run).unwrap();
        writeln!(out, "  {} | {}", failure.suite, failure.test).unwrap();
        for line in failure.message.lines().take(6) {
            writeln!(out, "  > {line}").unwrap();
        }
        for line in failure.output.lines().take(2) {
            writeln!(out, "  # {line}").unwrap();
        }
    }
    out
}

#[test]
fn every_dialect_is_read() {
    let root = fixtures();
    let reading = read_all(std::slice::from_ref(&root));
    insta::assert_snapshot!(shown(&reading, &root));
}

#[test]
fn an_archive_holds_what_its_folder_holds() {
    let root = fixtures();
    let plain = read_all(std::slice::from_ref(&root));
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("x", &root).unwrap();
    let tar = tar.into_inner().unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for file in &plain.files {
        let name = file.file.strip_prefix(root.as_str()).unwrap();
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("x{name}"), options).unwrap();
        zip.write_all(&std::fs::read(&file.file).unwrap()).unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    let inside = folder(&[
        ("a.tar", &tar),
        ("b.tar.gz", &gzip(&tar)),
        ("c.zip", &zip),
        ("d.tgz", &gzip(&tar)),
    ]);
    let key = |failures: &[Failure]| {
        let mut keys: Vec<_> = failures
            .iter()
            .map(|f| {
                (
                    f.suite.clone(),
                    f.test.clone(),
                    f.message.clone(),
                    f.place.run.clone(),
                )
            })
            .collect();
        keys.sort();
        keys
    };
    for name in ["a.tar", "b.tar.gz", "c.zip", "d.tgz"] {
        let packed = read_all(&[inside.path.join(name)]);
        assert_eq!(key(&packed.failures), key(&plain.failures), "{name}");
        assert_eq!(packed.logs.len(), plain.logs.len(), "{name}");
    }
    let all = read_all(std::slice::from_ref(&inside.path));
    assert_eq!(all.failures.len(), 4 * plain.failures.len());
    let ids: std::collections::BTreeSet<_> = all.failures.iter().map(|f| &f.id).collect();
    assert_eq!(ids.len(), all.failures.len(), "every id is one failure's");
    let again = read_all(std::slice::from_ref(&inside.path));
    assert_eq!(all.failures, again.failures);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_run_directory_is_its_summary() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report/run-failed");
    let reading = read_all(std::slice::from_ref(&root));
    let tests: Vec<_> = reading
        .failures
        .iter()
        .map(|f| {
            (
                f.place.lane.as_str(),
                f.place.phase.as_str(),
                f.test.is_empty(),
            )
        })
        .collect();
    assert_eq!(
        tests,
        [
            ("releases.dual-stack.runc.smoke", "suite-start", true),
            ("releases.plain.gvisor.smoke", "", false),
            ("releases.plain.gvisor.smoke", "", false),
        ]
    );
    assert!(reading.failures[1].began.is_some() && reading.failures[1].at.is_some());
    // Only logs of lanes that failed, each for its own attempt.
    let logs: Vec<_> = reading
        .logs
        .iter()
        .map(|log| {
            (
                log.root.replace(root.as_str(), ""),
                log.file.replace(root.as_str(), ""),
            )
        })
        .collect();
    assert_eq!(
        logs,
        [
            (
                "/releases.dual-stack.runc.smoke/1".to_owned(),
                "/releases.dual-stack.runc.smoke/1/services.log".to_owned()
            ),
            (
                "/releases.plain.gvisor.smoke/1".to_owned(),
                "/releases.plain.gvisor.smoke/1/containerd.log".to_owned()
            ),
        ]
    );
    // The same, when it comes packed.
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("runs/one", &root).unwrap();
    let inside = folder(&[("runs.tar", &tar.into_inner().unwrap())]);
    let packed = read_all(std::slice::from_ref(&inside.path));
    let messages = |reading: &Reading| -> Vec<String> {
        reading.failures.iter().map(|f| f.message.clone()).collect()
    };
    assert_eq!(messages(&packed), messages(&reading));
}

#[test]
fn tricks_of_archives_lead_nowhere() {
    let junit = b"<testsuite><testcase name='t'><failure>no</failure></testcase></testsuite>";
    let mut tar = tar::Builder::new(Vec::new());
    for path in ["../../up.xml", "/etc/abs.xml", "fine/junit.xml"] {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(junit.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, junit.as_slice()).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "link.xml", "/etc/passwd")
        .unwrap();
    let inside = folder(&[("a.tar", &tar.into_inner().unwrap())]);
    let reading = read_all(std::slice::from_ref(&inside.path));
    assert_eq!(reading.failures.len(), 1);
    let notes: Vec<_> = reading
        .files
        .iter()
        .filter_map(|f| f.note.as_deref())
        .collect();
    assert_eq!(
        notes.iter().filter(|n| n.contains("leads out of")).count(),
        2,
        "{notes:?}"
    );
    assert!(notes.iter().any(|note| note.contains("link")));
}

#[test]
fn bombs_fizzle() {
    let zeros = vec![b' '; 40 << 20];
    let once = gzip(&zeros);
    let mut deep = gzip(b"<testsuite/>");
    for _ in 0..8 {
        deep = gzip(&deep);
    }
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for n in 0..40 {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("{n}.xml"), options).unwrap();
        zip.write_all(&zeros[..4 << 20]).unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    let inside = folder(&[
        ("a.xml.gz", &once),
        ("deep.gz", &deep),
        ("many.zip", &zip),
        ("cut.tar.gz", &gzip(&[b'x'; 5000])[..40]),
        ("junk.zip", b"PK\x03\x04 and then nothing"),
    ]);
    let limits = Limits {
        file: 1 << 20,
        total: 8 << 20,
        ..Limits::default()
    };
    let began = Instant::now();
    let reading = read(std::slice::from_ref(&inside.path), limits).unwrap();
    assert!(reading.failures.is_empty());
    assert!(began.elapsed().as_secs() < 20);
    let note = |name: &str| {
        let found = reading.files.iter().find(|f| f.file.contains(name));
        found.and_then(|f| f.note.clone()).unwrap_or_default()
    };
    assert!(
        note("a.xml").contains("larger than 1 MiB"),
        "{}",
        note("a.xml")
    );
    assert!(note("deep").contains("inside each other"));
    assert!(
        note("many.zip").contains("larger than"),
        "{}",
        note("many.zip")
    );
    assert!(note("junk").contains("cannot be read"));
}

#[test]
fn hostile_junit_is_bounded() {
    let mut many = String::from("<testsuite>");
    for n in 0..200_000 {
        write!(many, "<testcase name='{n}'/>").unwrap();
    }
    many.push_str("<testcase name='last'><failure>it</failure></testcase></testsuite>");
    let message = "x".repeat(10 << 20);
    let long = format!(
        "<testsuite><testcase name='a'><failure message='{message}'>{message}</failure></testcase></testsuite>"
    );
    let deep = format!("<testsuite>{}", "<testsuite>".repeat(100_000));
    let lol = "<!DOCTYPE l [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><testsuite><testcase name='&b;'><failure>&b;&b;</failure></testcase></testsuite>";
    let bad =
        b"<testsuite><testcase name='\xff\xfe'><failure>\x80\xc3(</failure></testcase></testsuite>";
    let inside = folder(&[
        ("a/many.xml", many.as_bytes()),
        ("b/long.xml", long.as_bytes()),
        ("c/deep.xml", deep.as_bytes()),
        ("d/lol.xml", lol.as_bytes()),
        ("e/bad.xml", bad),
    ]);
    let began = Instant::now();
    let reading = read_all(std::slice::from_ref(&inside.path));
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    assert_eq!(reading.failures.len(), 4);
    assert_eq!(reading.files[0].tests, 200_001);
    assert!(reading.failures[1].message.len() <= (1 << 20) + 100);
    assert!(
        reading.files[2]
            .note
            .as_deref()
            .unwrap()
            .contains("inside each other")
    );
    assert_eq!(reading.failures[2].message, "&b;&b;");
}

#[test]
fn json_lines_lose_no_line() {
    for (line, id, message) in [
        (r#"{"id":"a","message":"m"}"#, r#""a""#, "m"),
        (r#"{"id":7,"message":["x",2]}"#, "7", "x\n2"),
        (r#"{"message":null}"#, r#""line-5""#, ""),
        ("no json", r#""line-5""#, "no json"),
        ("", r#""line-5""#, ""),
        ("[1,2]", r#""line-5""#, "[1,2]"),
        ("\u{feff}{\"id\":\"b\"}\r", r#""b""#, ""),
    ] {
        let read = read_line(line.as_bytes(), 5, "f");
        assert_eq!(read.id.to_string(), id, "{line}");
        assert_eq!(read.failure.message, message, "{line}");
        assert_eq!(read.failure.id, "line-5");
    }
    assert_eq!(read_line(b"\xff", 1, "f").failure.message, "\u{fffd}");
}

#[test]
fn a_log_that_nobody_knows_is_no_failure_unless_it_is_named() {
    let log =
        b"2026-03-02T10:00:00Z doing things\nerror: cannot open /dev/kvm: Permission denied\nbye\n";
    let inside = folder(&[("x/some.log", log)]);
    assert!(
        read_all(std::slice::from_ref(&inside.path))
            .failures
            .is_empty()
    );
    let named = read_all(&[inside.path.join("x/some.log")]);
    assert_eq!(named.failures.len(), 1);
    assert!(
        named.failures[0]
            .message
            .starts_with("error: cannot open /dev/kvm")
    );
    assert_eq!(named.failures[0].place.line, 2);
    assert!(read(&[inside.path.join("gone")], Limits::default()).is_err());
}

#[test]
fn bounds_keep_both_ends() {
    let text = format!("begin{}end", "é".repeat(1000));
    let short = bounded(&text, 100);
    assert!(short.starts_with("begin") && short.ends_with("end"));
    assert!(short.len() < 160 && short.contains("bytes left out"));
    assert_eq!(bounded("abc", 3), "abc");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        name in prop::sample::select(vec!["a.xml", "a.json", "a.tap", "build-log.txt", "a.log", "a.jsonl", "a.zip", "a.tar.gz", "summary.json", "finished.json", "kubelet.log"]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = sniff::read(name, &bytes, true, &Limits::default());
        let mut collector = walk::Collector::new(Limits::default());
        archive::take(&mut collector, archive::At { name, explicit: true, nested: 0 }, &mut bytes.as_slice());
    }

    #[test]
    fn any_log_is_survived(text in r#"((not )?ok [0-9] x\n|1\.\.[0-9]\n|# y\n|--- FAIL: TestA \(0\.01s\)\n|    --- FAIL: TestA/b \(0\.01s\)\n|=== RUN   TestA\n|FAIL\tpkg\t0\.1s\n|panic: x\n|• \[FAILED\] \[1\.0 seconds\]\n|Running Suite: x\n|_{5} t _{5}\n|FAILED a\.py::t - x\n|=+ short test summary info =+\n|error: é\n|\n|\{"Action":"fail","Package":"p","Test":"T"\}\n|\{"Action":"output","Package":"p","Test":"T","Output":"o"\}\n){0,25}"#) {
        for name in ["build-log.txt", "x.tap"] {
            if let Ok(sniff::Content::Results(parsed)) = sniff::read(name, text.as_bytes(), true, &Limits::default()) {
                for draft in &parsed.failures {
                    prop_assert!(draft.line as usize <= text.lines().count());
                }
            }
        }
    }

    #[test]
    fn tap_loses_no_failed_test(results in prop::collection::vec((any::<bool>(), "[a-z ]{1,12}"), 1..30)) {
        let mut text = format!("1..{}\n", results.len());
        for (at, (ok, name)) in results.iter().enumerate() {
            let word = if *ok { "ok" } else { "not ok" };
            writeln!(text, "{word} {} {name}\n# said {at}", at + 1).unwrap();
        }
        let parsed = tap::read(&text, "s", &Limits::default());
        let failed: Vec<_> = results.iter().enumerate().filter(|(_, (ok, _))| !ok).collect();
        prop_assert_eq!(parsed.failures.len(), failed.len());
        for (draft, (at, (_, name))) in parsed.failures.iter().zip(failed) {
            prop_assert_eq!(draft.test.as_str(), name.trim());
            prop_assert_eq!(draft.message.clone(), format!("said {at}"));
        }
    }
}

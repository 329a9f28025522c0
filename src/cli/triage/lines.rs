//! `--jsonl`: one line in, one line out.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write as _},
};

use camino::Utf8Path;
use fs_err as fs;
use serde::Serialize;
use serde_json::Value;

use crate::{
    cli::{CliError, Printer},
    evidence::foreign::read_line,
    model::{Class, ExitCode},
    triage::{Cluster, Triage},
    verdict::{RuleHit, class_of_text},
};

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Value,
    cluster: &'a str,
    class: &'a str,
}

/// Reads all lines, keeps no text, and answers each in the order of the input.
pub(super) fn run(file: &Utf8Path, printer: &Printer) -> Result<ExitCode, CliError> {
    let answers = match file.as_str() {
        "-" => answers(BufReader::new(io::stdin().lock()), file)?,
        _ => answers(BufReader::new(fs::File::open(file)?), file)?,
    };
    printer.data(&answers)?;
    Ok(ExitCode::Passed)
}

fn answers(mut input: impl BufRead, file: &Utf8Path) -> io::Result<String> {
    let mut ids = Vec::new();
    let mut classes: Vec<Option<Class>> = Vec::new();
    let mut triage = Triage::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        let mut read = read_line(&line, number, file.as_str());
        let hit = class_of_text(&read.failure.message, &read.failure.output);
        read.failure.rule = hit.as_ref().and_then(RuleHit::cause);
        classes.push(hit.map(|hit| hit.class));
        triage.add(&read.failure);
        ids.push(read.id);
    }
    let groups = triage.finish(&[]).clusters;
    let mut of: Vec<Option<(&Cluster, Class)>> = vec![None; ids.len()];
    for group in &groups {
        let common = common(group, &classes);
        for member in &group.members {
            if let Some(place) = of.get_mut(*member) {
                *place = Some((group, common));
            }
        }
    }
    let mut out = Vec::with_capacity(ids.len() * 64);
    for ((id, own), group) in ids.iter().zip(&classes).zip(&of) {
        let (cluster, common) = match group {
            Some((group, common)) => (group.id.as_str(), *common),
            None => ("", Class::Unknown),
        };
        // Its own words go before those of the failures beside it.
        let class = own.unwrap_or(common).name();
        serde_json::to_writer(&mut out, &Answer { id, cluster, class }).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    String::from_utf8(out).map_err(io::Error::other)
}

/// The class that most members of a group have by their own words.
fn common(group: &Cluster, classes: &[Option<Class>]) -> Class {
    let mut counts: HashMap<Class, usize> = HashMap::new();
    for class in group.members.iter().filter_map(|at| *classes.get(*at)?) {
        *counts.entry(class).or_default() += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|(class, count)| (*count, std::cmp::Reverse(*class)));
    most.map_or(Class::Unknown, |(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_answer() {
        let input = "{\"id\":\"a\",\"message\":\"pod x1y2z is not ready\"}\n\nno json\n{\"id\":5,\"message\":\"pod q7w8e is not ready\"}\n{\"id\":\"a\"}\n\u{0}\n[]";
        let out = answers(input.as_bytes(), "f".into()).unwrap();
        let lines: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let ids: Vec<String> = lines.iter().map(|line| line["id"].to_string()).collect();
        let wanted = [
            r#""a""#,
            r#""line-2""#,
            r#""line-3""#,
            "5",
            r#""a""#,
            r#""line-6""#,
            r#""line-7""#,
        ];
        assert_eq!(ids, wanted);
        assert_eq!(lines[0]["cluster"], lines[3]["cluster"]);
        assert_ne!(lines[0]["cluster"], lines[2]["cluster"]);
        assert_eq!(lines[4]["class"], "no-evidence");
        for line in &lines {
            assert!(!line["cluster"].as_str().unwrap().is_empty(), "{line}");
        }
        assert_eq!(answers(&b""[..], "f".into()).unwrap(), "");
    }

    #[test]
    fn bad_bytes_have_their_answer() {
        let out = answers(&b"\xff\xfe\n{\"id\":1}\n"[..], "f".into()).unwrap();
        assert_eq!(out.lines().count(), 2);
    }
}

//! The planted faults of the real tier are data; here they are only read, against the rules they must meet.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::{
    model::{Blame, Class, Phase},
    verdict::{KILLED, Rules},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Fault {
    layer: Layer,
    what: String,
    how: String,
    /// The lane it needs; any when absent.
    sandboxer: Option<String>,
    expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Layer {
    Ignition,
    GuestScriptBeforeRuntime,
    GuestScriptBeforeSuite,
    GuestScriptDuringSuite,
    Profile,
}

/// Lists hold what is right on some machines and timings; each entry alone is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Expect {
    outcome: Vec<String>,
    phase: Vec<Phase>,
    class: Class,
    blame: Blame,
    cause_contains: String,
    /// Empty: any file.
    evidence_file: Vec<String>,
    rule: String,
}

fn faults() -> BTreeMap<String, Fault> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut faults = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let fault = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        faults.insert(name, fault);
    }
    faults
}

#[test]
fn every_fault_is_well_formed_and_a_rule_can_name_it() {
    let faults = faults();
    assert!(faults.len() >= 12);
    for (name, fault) in &faults {
        assert!(
            fault.what.ends_with('.') && !fault.what.contains('\n'),
            "{name}"
        );
        assert!(!fault.expect.cause_contains.is_empty(), "{name}");
        assert!(fault.sandboxer.as_deref() != Some(""), "{name}");
        for outcome in &fault.expect.outcome {
            assert!(
                ["stopped", "failed"].contains(&outcome.as_str()),
                "{name}: {outcome}"
            );
        }
        match fault.layer {
            Layer::Ignition => {
                let config: serde_json::Value = serde_json::from_str(&fault.how).unwrap();
                assert!(config["ignition"]["version"].is_string(), "{name}");
            }
            Layer::Profile => {
                toml::from_str::<toml::Table>(&fault.how).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            _ => assert!(!fault.how.trim().is_empty(), "{name}"),
        }
        if fault.expect.rule == KILLED {
            continue;
        }
        let rule = Rules::shipped().get(&fault.expect.rule);
        let rule = rule.unwrap_or_else(|| panic!("{name}: no rule {}", fault.expect.rule));
        assert_eq!(
            (rule.class, rule.blame),
            (fault.expect.class, fault.expect.blame),
            "{name}"
        );
        for phase in &fault.expect.phase {
            assert!(
                rule.phases.contains(phase) || rule.at == Some(*phase),
                "{name}: {phase}"
            );
        }
        for file in &fault.expect.evidence_file {
            assert!(rule.artifacts.rank(file).is_some(), "{name}: {file}");
        }
        // A fault that makes specs fail is explained spec by spec.
        let fails = fault
            .expect
            .outcome
            .iter()
            .any(|outcome| outcome == "failed");
        assert!(
            !fails || rule.specs,
            "{name}: {} explains no specs",
            rule.id
        );
    }
}

#[test]
fn every_layer_has_a_fault() {
    let faults = faults();
    for layer in [
        Layer::Ignition,
        Layer::GuestScriptBeforeRuntime,
        Layer::GuestScriptBeforeSuite,
        Layer::GuestScriptDuringSuite,
        Layer::Profile,
    ] {
        assert!(
            faults.values().any(|fault| fault.layer == layer),
            "{layer:?}"
        );
    }
}

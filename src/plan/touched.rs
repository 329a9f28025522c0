//! Which specs a change is about: those whose own file it touches, and those that are named after what it touches.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{PlannedSpec, SpecName};

/// A word that more of a suite's specs have than one in so many says nothing.
const RARE: usize = 8;
/// Shorter words say nothing either.
const SHORTEST: usize = 5;

/// The specs of `plan` that the changed files are about. A spec is touched when its own file is among them, or when one of
/// its rare words is the name of a changed file or of a folder above one: `pkg/kubelet/eviction/helpers.go` touches
/// `[sig-node] Eviction …`.
#[must_use]
pub fn touched(plan: &[PlannedSpec], changed: &[String]) -> BTreeSet<SpecName> {
    let mut specs_with: BTreeMap<String, usize> = BTreeMap::new();
    let words: Vec<BTreeSet<String>> = plan.iter().map(|spec| words_of(&spec.name.0)).collect();
    for word in words.iter().flatten() {
        *specs_with.entry(word.clone()).or_default() += 1;
    }
    let rare = |word: &String| {
        let count = specs_with.get(word).copied().unwrap_or(0);
        count == 1 || count * RARE <= plan.len()
    };
    let places: BTreeSet<String> = changed
        .iter()
        .flat_map(|path| words_of_path(path))
        .collect();
    plan.iter()
        .zip(&words)
        .filter(|(spec, words)| {
            let file = spec
                .location
                .rsplit_once(':')
                .map_or(spec.location.as_str(), |(file, _)| file);
            let own = !file.is_empty()
                && changed.iter().any(|path| {
                    let longer = file.strip_suffix(path.as_str());
                    longer.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
                });
            own || words.iter().any(|word| rare(word) && places.contains(word))
        })
        .map(|(spec, _)| spec.name.clone())
        .collect()
}

fn words_of(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| word.len() >= SHORTEST)
        .map(str::to_ascii_lowercase)
        .collect()
}

/// The folders above a file, and its own name without its ending; `_test.go` is Go's.
fn words_of_path(path: &str) -> BTreeSet<String> {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let parts = stem.split('/');
    parts
        .flat_map(|part| {
            let whole = part.strip_suffix("_test").unwrap_or(part);
            [whole.replace(['_', '-'], "")]
                .into_iter()
                .chain(whole.split(['_', '-']).map(str::to_owned))
        })
        .filter(|word| word.len() >= SHORTEST)
        .map(|word| word.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Vec<PlannedSpec> {
        let specs = [
            (
                "[sig-node] Eviction should evict by memory",
                "test/e2e_node/eviction_test.go:90",
            ),
            (
                "[sig-node] Pods should start and end",
                "test/e2e_node/pods.go:31",
            ),
            (
                "[sig-storage] ConfigMap should be consumable from pods",
                "test/e2e/common/storage/configmap.go:44",
            ),
            (
                "[sig-node] Probes should restart",
                "k8s.io/kubernetes/test/e2e_node/probes.go:12",
            ),
        ];
        specs
            .map(|(name, location)| PlannedSpec {
                name: SpecName(name.to_owned()),
                labels: Vec::new(),
                location: location.to_owned(),
                group: None,
            })
            .to_vec()
    }

    fn names(changed: &[&str]) -> Vec<String> {
        let changed: Vec<String> = changed.iter().map(|path| (*path).to_owned()).collect();
        let touched = touched(&plan(), &changed);
        touched.into_iter().map(|name| name.0).collect()
    }

    #[test]
    fn a_spec_is_touched_by_its_file_and_by_what_it_is_named_after() {
        assert_eq!(
            names(&["test/e2e_node/probes.go"]),
            ["[sig-node] Probes should restart"]
        );
        for path in [
            "pkg/kubelet/eviction/helpers.go",
            "pkg/kubelet/eviction_manager.go",
        ] {
            assert_eq!(
                names(&[path]),
                ["[sig-node] Eviction should evict by memory"]
            );
        }
        assert_eq!(
            names(&["pkg/kubelet/config-map/x.go"]),
            ["[sig-storage] ConfigMap should be consumable from pods"]
        );
    }

    #[test]
    fn what_all_specs_say_touches_none_and_a_part_of_a_name_is_no_name() {
        assert!(names(&["pkg/should/x.go", "node/pods.go", "obes.go", "README.md"]).is_empty());
        assert!(names(&[]).is_empty());
    }
}

//! From the text on Ginkgo's stdout, or in a JUnit file, to a spec's name.

use std::collections::HashSet;

use crate::model::{SpecName, SuitePlan};

/// The planned names. Ginkgo appends a label list to a spec's text, and puts the type of the node
/// that failed somewhere into it; knowing the plan undoes both exactly.
#[derive(Clone, Debug, Default)]
pub struct Names {
    planned: HashSet<String>,
}

/// Node types that Ginkgo writes into the text of a spec that did not pass.
const NODE_TYPES: [&str; 10] = [
    "It",
    "BeforeEach",
    "JustBeforeEach",
    "AfterEach",
    "JustAfterEach",
    "BeforeAll",
    "AfterAll",
    "DeferCleanup (Each)",
    "DeferCleanup (All)",
    "DeferCleanup",
];

impl Names {
    /// The names of a plan.
    #[must_use]
    pub fn of(plan: &SuitePlan) -> Self {
        Self {
            planned: plan.selected.iter().map(|s| s.name.0.clone()).collect(),
        }
    }

    /// The spec that a line of text names.
    #[must_use]
    pub fn resolve(&self, text: &str) -> SpecName {
        let text = text.trim();
        let mut variants = vec![text.to_owned()];
        for kind in NODE_TYPES {
            variants.extend(without_node(text, kind));
        }
        for variant in &variants {
            let mut name = variant.as_str();
            loop {
                if self.planned.contains(name) {
                    return SpecName(name.to_owned());
                }
                match without_last_list(name) {
                    Some((shorter, _)) => name = shorter,
                    None => break,
                }
            }
        }
        // Not planned: the marker that Ginkgo put in is the last variant made, if there was one.
        let name = variants.last().map_or(text, String::as_str);
        SpecName(without_labels(name).to_owned())
    }
}

/// The text without each `[kind]` that stands as a word of its own.
fn without_node(text: &str, kind: &str) -> Vec<String> {
    let marker = format!("[{kind}] ");
    let text = text.strip_prefix("TOP-LEVEL ").unwrap_or(text);
    text.match_indices(&marker)
        .filter(|(at, _)| *at == 0 || text.get(..*at).is_some_and(|before| before.ends_with(' ')))
        .filter_map(|(at, _)| {
            let (before, after) = (text.get(..at)?, text.get(at + marker.len()..)?);
            Some(format!("{before}{after}"))
        })
        .collect()
}

/// Cuts ` […]` off the end.
fn without_last_list(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_suffix(']')?;
    let (before, list) = inside.rsplit_once(" [")?;
    (!before.trim().is_empty()).then(|| (before.trim_end(), list))
}

/// Cuts the label list, as far as it can be told from a tag in the text: it has several labels, or one
/// that the text has as a tag already.
fn without_labels(text: &str) -> &str {
    match without_last_list(text) {
        Some((before, list)) if list.contains(", ") || before.contains(&format!("[{list}]")) => {
            before
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PlannedSpec;

    fn plan(names: &[&str]) -> Names {
        Names::of(&SuitePlan {
            selected: names
                .iter()
                .map(|name| PlannedSpec {
                    name: SpecName((*name).to_owned()),
                    labels: Vec::new(),
                    location: String::new(),
                    group: None,
                })
                .collect(),
            total: names.len(),
        })
    }

    #[test]
    fn with_a_plan_names_are_exact() {
        let names = plan(&[
            "[sig-node] Pods should run [NodeConformance] [Conformance]",
            "[sig-node] Pods should run [NodeConformance]",
            "Top should [It] work",
        ]);
        for (text, name) in [
            (
                "[sig-node] Pods should run [NodeConformance] [Conformance] [sig-node, NodeConformance]",
                "[sig-node] Pods should run [NodeConformance] [Conformance]",
            ),
            (
                "[sig-node] Pods should run [NodeConformance] [sig-node]",
                "[sig-node] Pods should run [NodeConformance]",
            ),
            (
                "[sig-node] Pods [It] should run [NodeConformance] [sig-node, NodeConformance] [>= 1.0]",
                "[sig-node] Pods should run [NodeConformance]",
            ),
            (
                "TOP-LEVEL [BeforeEach] [sig-node] Pods should run [NodeConformance] [sig-node]",
                "[sig-node] Pods should run [NodeConformance]",
            ),
            (
                "[It] [sig-node] Pods should run [NodeConformance]",
                "[sig-node] Pods should run [NodeConformance]",
            ),
            ("Top should [It] work", "Top should [It] work"),
        ] {
            assert_eq!(names.resolve(text).0, name, "{text}");
        }
    }

    #[test]
    fn without_a_plan_tags_stay_and_labels_go() {
        let names = Names::default();
        for (text, name) in [
            (
                "[sig-node] Pods should run [NodeConformance]",
                "[sig-node] Pods should run [NodeConformance]",
            ),
            (
                "[sig-node] Pods should run [sig-node]",
                "[sig-node] Pods should run",
            ),
            (
                "[sig-node] A [DeferCleanup (Each)] b [x, y]",
                "[sig-node] A b",
            ),
            ("plain", "plain"),
            ("[only]", "[only]"),
        ] {
            assert_eq!(names.resolve(text).0, name, "{text}");
        }
    }
}

//! What a profile asks for and the suite no longer has.

use crate::{
    model::SuitePlan,
    profile::{Suite, compile_go_regex},
};

/// One sentence for each `focus` of the suite that no planned spec fits: Kubernetes renames specs, and coverage that is
/// lost that way must not go unseen. Nothing is said of a plan that was never made.
#[must_use]
pub fn unselected(suite: &Suite, plan: &SuitePlan) -> Vec<String> {
    if plan.selected.is_empty() {
        return Vec::new();
    }
    let fits = |pattern: &str| {
        // Validation has compiled them before.
        compile_go_regex(pattern)
            .is_ok_and(|pattern| (plan.selected.iter()).any(|spec| pattern.is_match(&spec.name.0)))
    };
    (suite.kind.focus().iter())
        .filter(|pattern| !fits(pattern))
        .map(|pattern| format!("focus `{pattern}` selects no spec: was the spec renamed?"))
        .collect()
}

//! Verdicts: what a stop, a failed spec, a cell and a run mean, and which lines say so.
//!
//! Owns: the rule pack and its matching, causes, cell outcomes, gates, exit codes, the verdict document.
//! Pure, except `load`, which reads an attempt's files. Must not: start anything, or know how evidence came to be.

mod classify;
mod confirm;
mod document;
mod exit;
mod expected;
mod fallback;
mod gates;
mod hopeless;
mod load;
mod logs;
mod lost;
mod merge;
mod needle;
mod outcome;
mod rules;
mod scan;
mod signature;
mod specs;
mod text;
mod unselected;

#[cfg(test)]
mod tests;

pub use classify::{classify, classify_with};
pub use confirm::{
    ConfirmLimits, ConfirmPlan, ConfirmUsed, FailedSpec, confirm_more, confirm_plan, confirmation,
};
pub use document::{LaneVerdict, SpecVerdict, Verdict, schema};
pub use exit::{exit_code, exit_of};
pub use expected::{
    ExpectationLane, ExpectationVerdict, WARNING_DAYS, expectations, expected, standing,
};
pub use fallback::{CANCELLED, KILLED, MACHINE_GONE, SUITE_TIMEOUT};
pub use gates::{GateResult, GateState, METRICS, evaluate};
pub use hopeless::{Hopeless, Network, hopeless};
pub use load::load;
pub use logs::{Artifact, Artifacts, Line};
pub use lost::lost;
pub use merge::merge;
pub use outcome::cell_outcome;
pub use rules::{
    Example, Failing, Globs, Near, Rule, RuleErrors, RuleProblem, Rules, Take, When, check,
};
pub use scan::{Match, fatal, matches};
pub use signature::{normalised, signature};
pub use specs::{LaneCauses, SpecCause, explain, explain_all, explain_all_with};
pub use text::{EMPTY, MESSAGE, OUTPUT, RuleHit, class_of_text, class_of_text_with};
pub use unselected::unselected;

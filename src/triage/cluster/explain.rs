//! Why two failures are together, or apart.

use serde::{Deserialize, Serialize};

use super::{
    Reason, Signature,
    join::{COMPATIBLE, NEAR_NAME, SAME_REASON, join},
    relate,
};
use crate::triage::{
    extract::{extract, name_key, similarity, words},
    failure::Failure,
};

/// Why two failures are together, or apart, judged by these two alone. In a larger input a third failure can join
/// them, and an error that many tests share no longer speaks for silent failures of one of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// Whether they are one cluster.
    pub together: bool,
    /// The rule that joined them.
    pub reason: Option<Reason>,
    /// What was compared, how alike it is from 0 to 1, and the bound.
    pub scores: Vec<Score>,
    /// The same in a sentence.
    pub words: String,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Score {
    /// What was compared.
    pub what: String,
    /// How alike, from 0 to 1.
    pub value: f64,
    /// What joins by itself; none where nothing does.
    pub bound: Option<f64>,
}

/// Says why two failures are together, or apart.
#[must_use]
pub fn explain_pair(a: &Failure, b: &Failure) -> Explanation {
    let (left, right) = (extract(a), extract(b));
    let one_event = super::event(&left).is_some_and(|event| super::event(&right) == Some(event));
    let pair = [Signature::of(&left), Signature::of(&right)];
    let scores = scores(&pair);
    if pair[0] == pair[1] {
        return Explanation {
            together: true,
            reason: Some(Reason::SameWords),
            scores,
            words: "together: after masking, both say the same in the same test".to_owned(),
        };
    }
    let events: &[(u32, u32)] = if one_event { &[(0, 1)] } else { &[] };
    let reason = join(&pair, events).edges.first().map(|edge| edge.2);
    Explanation {
        together: reason.is_some(),
        reason,
        scores,
        words: sentence(&pair, reason),
    }
}

fn scores(pair: &[Signature; 2]) -> Vec<Score> {
    let alike = |what: &str, a: &str, b: &str, bound| Score {
        what: what.to_owned(),
        value: (similarity(&words(a), &words(b)) * 1000.0).round() / 1000.0,
        bound,
    };
    let [a, b] = pair;
    let mut scores = vec![alike("test name", &a.name, &b.name, Some(NEAR_NAME))];
    if let (Some(left), Some(right)) = (&a.reason, &b.reason) {
        scores.push(alike("error", left, right, Some(SAME_REASON)));
    }
    scores.push(alike("whole text", &a.text(), &b.text(), None));
    scores.push(Score {
        what: "place".to_owned(),
        value: if a.site == b.site && !a.site.is_empty() {
            1.0
        } else {
            0.0
        },
        bound: None,
    });
    let (left, right) = (words(&a.text()), words(&b.text()));
    scores.push(Score {
        what: "related".to_owned(),
        value: (relate::score((a, &left, &words(&a.name)), (b, &right, &words(&b.name))) * 1000.0)
            .round()
            / 1000.0,
        bound: None,
    });
    scores
}

fn sentence(pair: &[Signature; 2], reason: Option<Reason>) -> String {
    let [a, b] = pair;
    let shown = |one: &Signature| match &one.reason {
        Some(reason) => format!("`{}`", short(reason)),
        None if one.own_words().is_empty() => "no reason of its own".to_owned(),
        None => format!("`{}`", short(one.own_words())),
    };
    match reason {
        Some(Reason::SameWords) => "together: both say the same at the same place".to_owned(),
        Some(Reason::SameError) => format!("together: the same error, {}", shown(a)),
        Some(Reason::AlikeError) => format!(
            "together: nearly the same error, {} and {}",
            shown(a),
            shown(b)
        ),
        Some(Reason::SameTest) => format!(
            "together: the same test, and what they say does not disagree ({}; {})",
            shown(a),
            shown(b)
        ),
        Some(Reason::NearTest) => {
            "together: variants of one test that fail alike in one file".to_owned()
        }
        Some(Reason::SameEvent) => {
            "together: the same instant at the same line: one event, told twice".to_owned()
        }
        None if a.ruled || b.ruled => {
            "apart: a rule names a cause, and not the same one for both".to_owned()
        }
        None if name_key(&a.name) == name_key(&b.name) && a.named() => format!(
            "apart: the same test, but what they say disagrees (less than {COMPATIBLE} alike): {} and {}",
            shown(a),
            shown(b)
        ),
        None => format!(
            "apart: different tests, and no error that both share: {} and {}",
            shown(a),
            shown(b)
        ),
    }
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut cut: String = line.chars().take(120).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

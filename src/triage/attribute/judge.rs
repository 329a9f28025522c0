//! From a matrix to a name, a suspicion, or neither.

use std::collections::BTreeSet;

use super::{
    Attribution, Cell, Explanation, NAME_Q, SUSPECT_Q, TRIALS, adjusted, fisher,
    hypotheses::{Class, classes},
};
use crate::model::Blame;

/// How much likelier the best explanation must be than the next one that blames another, to name it (20 times) and to
/// suspect it (5 times).
const NAME_MARGIN: f64 = 3.0;
const SUSPECT_MARGIN: f64 = 1.6;

/// Who one failure belongs to.
#[must_use]
pub fn attribute(cells: &[Cell]) -> Attribution {
    let all = attribute_all(std::slice::from_ref(&cells.to_vec()));
    all.into_iter()
        .next()
        .unwrap_or_else(|| not_enough("there is no trial"))
}

/// Who each of these failures belongs to. The false-discovery rate is held over all of them together.
#[must_use]
pub fn attribute_all(matrices: &[Vec<Cell>]) -> Vec<Attribution> {
    let tried: Vec<Tried> = matrices.iter().map(|cells| Tried::new(cells)).collect();
    let values: Vec<f64> = tried
        .iter()
        .flat_map(|tried| tried.fits.iter().map(|fit| fit.p))
        .collect();
    let mut adjusted = adjusted(&values).into_iter();
    tried
        .into_iter()
        .map(|mut tried| {
            for fit in &mut tried.fits {
                fit.q = adjusted.next().unwrap_or(1.0);
            }
            tried.judge()
        })
        .collect()
}

fn not_enough(reason: impl Into<String>) -> Attribution {
    Attribution::NotEnough {
        reason: reason.into(),
    }
}

/// One class of explanations and how well it fits.
struct Fit {
    class: Class,
    inside: (u32, u32),
    outside: (u32, u32),
    p: f64,
    q: f64,
    /// ln of the likelihood with one rate inside and one outside.
    fit: f64,
}

/// A matrix with every explanation tried.
struct Tried {
    cells: Vec<Cell>,
    /// Cells left out because they have too few trials.
    thin: usize,
    fits: Vec<Fit>,
}

impl Tried {
    fn new(cells: &[Cell]) -> Self {
        let seen: Vec<Cell> = cells
            .iter()
            .filter(|cell| cell.trials() > 0)
            .cloned()
            .collect();
        let enough: Vec<Cell> = seen
            .iter()
            .filter(|cell| cell.trials() >= TRIALS)
            .cloned()
            .collect();
        let fits = classes(&enough)
            .into_iter()
            .map(|class| fit(&enough, class))
            .collect();
        Self {
            thin: seen.len() - enough.len(),
            cells: enough,
            fits,
        }
    }

    fn judge(mut self) -> Attribution {
        let failed: u32 = self.cells.iter().map(|cell| cell.failed).sum();
        let trials: u32 = self.cells.iter().map(Cell::trials).sum();
        if self.cells.len() < 2 {
            return not_enough(format!(
                "{} cells have {TRIALS} trials, {} have fewer",
                self.cells.len(),
                self.thin
            ));
        }
        // Cells without enough trials may be the ones that would tell two explanations apart.
        if self.thin > self.cells.len() {
            return not_enough(format!(
                "{} of {} cells have fewer than {TRIALS} trials",
                self.thin,
                self.thin + self.cells.len()
            ));
        }
        self.fits.sort_by(|a, b| {
            b.fit
                .total_cmp(&a.fit)
                .then_with(|| a.class[0].when.len().cmp(&b.class[0].when.len()))
                .then_with(|| a.class[0].when.cmp(&b.class[0].when))
        });
        let Some(best) = self.fits.iter().find(|fit| fit.q <= SUSPECT_Q) else {
            return self.no_difference(failed, trials);
        };
        let blames: BTreeSet<Blame> = best.class.iter().map(|one| one.blame).collect();
        if blames.len() > 1 {
            let names: Vec<String> = best
                .class
                .iter()
                .map(|one| {
                    let when = one
                        .when
                        .iter()
                        .map(|(axis, level)| format!("{axis} {level}"));
                    when.collect::<Vec<_>>().join(" with ")
                })
                .collect();
            return not_enough(format!(
                "{} always come together here; a pairing that parts them would tell",
                names.join(" and ")
            ));
        }
        let blame = best.class[0].blame;
        let rival = self
            .fits
            .iter()
            .filter(|other| other.class.iter().any(|one| one.blame != blame))
            .map(|other| other.fit)
            .fold(f64::NEG_INFINITY, f64::max);
        let margin = best.fit - rival;
        let explanation = Explanation {
            when: best.class[0].when.clone(),
            blame,
            inside: best.inside,
            outside: best.outside,
            p: best.p,
            q: best.q,
        };
        if best.q <= NAME_Q && margin >= NAME_MARGIN {
            Attribution::Named { explanation }
        } else if margin >= SUSPECT_MARGIN {
            Attribution::Suspect { explanation }
        } else {
            not_enough(format!(
                "{} fits little better than another explanation",
                explanation.words()
            ))
        }
    }

    fn no_difference(&self, failed: u32, trials: u32) -> Attribution {
        if self
            .cells
            .iter()
            .all(|cell| cell.failed * 2 >= cell.trials())
        {
            return Attribution::Everywhere { failed, trials };
        }
        Attribution::NoDifference { failed, trials }
    }
}

fn fit(cells: &[Cell], class: Class) -> Fit {
    let mut inside = (0, 0);
    let mut outside = (0, 0);
    for (index, cell) in cells.iter().enumerate() {
        let side = if class[0].inside.contains(&index) {
            &mut inside
        } else {
            &mut outside
        };
        side.0 += cell.failed;
        side.1 += cell.trials();
    }
    let more =
        f64::from(inside.0) * f64::from(outside.1) > f64::from(outside.0) * f64::from(inside.1);
    Fit {
        p: fisher(inside, outside),
        q: 1.0,
        // An explanation by which it should fail less often is none.
        fit: if more {
            likelihood(inside) + likelihood(outside)
        } else {
            f64::NEG_INFINITY
        },
        class,
        inside,
        outside,
    }
}

/// ln of the likelihood of these trials at their own rate.
fn likelihood((failed, trials): (u32, u32)) -> f64 {
    let part = |count: u32| {
        let count = f64::from(count);
        if count > 0.0 {
            count * (count / f64::from(trials)).ln()
        } else {
            0.0
        }
    };
    part(failed) + part(trials - failed)
}

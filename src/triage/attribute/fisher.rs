//! Fisher's exact test, and the false-discovery rate of many of them.

/// ln n!
fn ln_factorial(n: u32) -> f64 {
    // Stirling's series; below 32 the sum itself is exact enough.
    let x = f64::from(n);
    if n < 32 {
        return (2..=n).map(|i| f64::from(i).ln()).sum();
    }
    let stirling = x * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI * x).ln();
    stirling + 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3))
}

fn ln_choose(n: u32, k: u32) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// The chance that at least `inside.0` of all failures fall into the `inside.1` trials, if it made no difference where
/// a trial is. Both are (failed, trials).
#[must_use]
pub fn fisher(inside: (u32, u32), outside: (u32, u32)) -> f64 {
    let trials = inside.1 + outside.1;
    let failed = inside.0 + outside.0;
    let all = ln_choose(trials, failed);
    let most = failed.min(inside.1);
    let tail: f64 = (inside.0..=most)
        // What does not fit outside is impossible.
        .filter(|k| failed - k <= outside.1)
        .map(|k| (ln_choose(inside.1, k) + ln_choose(outside.1, failed - k) - all).exp())
        .sum();
    tail.min(1.0)
}

/// The p-values adjusted by Benjamini and Hochberg, in their order.
#[must_use]
pub fn adjusted(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let mut out = vec![1.0; values.len()];
    let mut least = 1.0_f64;
    for (position, index) in order.iter().enumerate() {
        let rank = values.len() - position;
        #[expect(clippy::cast_precision_loss, reason = "no list has 2^52 entries")]
        let scaled = values[*index] * values.len() as f64 / rank as f64;
        least = least.min(scaled);
        out[*index] = least;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 * b.abs().max(1e-9), "{a} is not {b}");
    }

    #[test]
    fn a_known_table() {
        // 3 of 4 against 1 of 4: 17 of the 70 ways to choose, by hand.
        near(fisher((3, 4), (1, 4)), 17.0 / 70.0);
        near(fisher((4, 4), (0, 4)), 1.0 / 70.0);
        near(fisher((0, 4), (4, 4)), 1.0);
        near(fisher((0, 9), (0, 9)), 1.0);
    }

    #[test]
    fn large_tables_agree_with_small_steps() {
        let whole: f64 = (0..=40)
            .map(|k| (ln_choose(200, k) + ln_choose(300, 40 - k) - ln_choose(500, 40)).exp())
            .sum();
        near(whole, 1.0);
        near(ln_factorial(32) - ln_factorial(31), 32_f64.ln());
    }

    #[test]
    fn adjusting_keeps_order_and_never_lowers() {
        let values = [0.01, 0.04, 0.03, 0.005];
        let adjusted = adjusted(&values);
        for (found, known) in adjusted.iter().zip([0.02, 0.04, 0.04, 0.02]) {
            near(*found, known);
        }
        assert!(super::adjusted(&[]).is_empty());
    }
}

//! A rate and how sure it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The normal quantile of 95 %, two-sided.
const Z: f64 = 1.959_963_984_540_054;

/// A rate of failure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Interval {
    /// Failed.
    pub failed: u32,
    /// Ran.
    pub trials: u32,
    /// Failed of ran.
    pub rate: f64,
    /// It is hardly less than this.
    pub low: f64,
    /// It is hardly more than this.
    pub high: f64,
}

/// Wilson's interval at 95 %; nothing without a trial.
#[must_use]
pub fn wilson(failed: u32, trials: u32) -> Option<Interval> {
    if trials == 0 || failed > trials {
        return None;
    }
    let n = f64::from(trials);
    let rate = f64::from(failed) / n;
    let scale = 1.0 + Z * Z / n;
    let middle = (rate + Z * Z / (2.0 * n)) / scale;
    let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    Some(Interval {
        failed,
        trials,
        rate,
        // Rounding must not take a bound beyond what was seen.
        low: if failed == 0 { 0.0 } else { middle - half },
        high: if failed == trials { 1.0 } else { middle + half },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_intervals() {
        let found = wilson(1, 10).unwrap();
        assert!((found.low - 0.0179).abs() < 1e-4, "{found:?}");
        assert!((found.high - 0.4042).abs() < 1e-4, "{found:?}");
        assert_eq!(wilson(0, 5).unwrap().low, 0.0);
        assert_eq!(wilson(5, 5).unwrap().high, 1.0);
        assert!(wilson(0, 0).is_none());
        assert!(wilson(3, 2).is_none());
    }

    proptest::proptest! {
        #[test]
        fn the_rate_lies_inside(failed in 0_u32..500, more in 0_u32..500) {
            if let Some(found) = wilson(failed, failed + more) {
                proptest::prop_assert!(found.low <= found.rate && found.rate <= found.high);
                proptest::prop_assert!((0.0..=1.0).contains(&found.low) && found.high <= 1.0);
            }
        }
    }
}

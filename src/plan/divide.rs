//! A lane's specs, divided among machines, and among calls of the suite on each of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{PlannedSpec, SpecName};

/// What earlier runs tell of a lane's specs.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Those that should tell their result first.
    pub first: BTreeSet<SpecName>,
    /// How long each took, in seconds.
    pub seconds: BTreeMap<SpecName, f64>,
}

/// A suite keeps its own order, so what comes first takes a call of its own, and the start of the suite that goes with
/// it. That is worth it when the others take so much longer, in seconds.
const WORTH_A_CALL: f64 = 300.0;

/// Specs that stay together.
struct Unit<'p> {
    /// In the plan's order.
    specs: Vec<&'p SpecName>,
    /// The place of its first spec in the plan.
    place: usize,
    first: bool,
    seconds: f64,
}

/// By machine, and for each by call, the specs. Every spec is in it exactly once (as often as the plan has it), and what
/// must stay together is in one call. Machines get equal shares of the time that the specs took before: longest first,
/// each to the machine with the least to do. A machine is never without specs, so there may be fewer than `shards`.
#[must_use]
pub fn divide(plan: &[PlannedSpec], shards: u32, known: &Known) -> Vec<Vec<Vec<SpecName>>> {
    let mut units = units(plan, known);
    units.sort_by(|a, b| {
        (b.first.cmp(&a.first))
            .then(b.seconds.total_cmp(&a.seconds))
            .then(a.place.cmp(&b.place))
    });
    let machines = (shards.max(1) as usize).min(units.len());
    let mut shares: Vec<Vec<Unit<'_>>> = (0..machines).map(|_| Vec::new()).collect();
    let mut loads = vec![0.0_f64; machines];
    for unit in units {
        let least = (0..machines).min_by(|a, b| {
            let count = |index: &usize| shares[*index].len();
            (loads[*a].total_cmp(&loads[*b])).then(count(a).cmp(&count(b)))
        });
        if let Some(least) = least {
            loads[least] += unit.seconds;
            shares[least].push(unit);
        }
    }
    shares.into_iter().map(calls).collect()
}

fn units<'p>(plan: &'p [PlannedSpec], known: &Known) -> Vec<Unit<'p>> {
    let usual = usual(known);
    let mut units: BTreeMap<(bool, &str), Unit<'p>> = BTreeMap::new();
    for (place, spec) in plan.iter().enumerate() {
        // Two specs of one name cannot be told apart by a call's selection.
        let key = match &spec.group {
            Some(group) => (true, group.as_str()),
            None => (false, spec.name.0.as_str()),
        };
        let unit = units.entry(key).or_insert_with(|| Unit {
            specs: Vec::new(),
            place,
            first: false,
            seconds: 0.0,
        });
        unit.first |= known.first.contains(&spec.name);
        unit.seconds += known.seconds.get(&spec.name).copied().unwrap_or(usual);
        unit.specs.push(&spec.name);
    }
    join_same_names(units.into_values().collect())
}

/// A name may stand in a group and outside of it too.
fn join_same_names(units: Vec<Unit<'_>>) -> Vec<Unit<'_>> {
    let mut joined: Vec<Unit<'_>> = Vec::new();
    for mut unit in units {
        let shares = |other: &Unit<'_>, unit: &Unit<'_>| {
            let mut names = other.specs.iter();
            names.any(|name| unit.specs.contains(name))
        };
        while let Some(same) = joined.iter().position(|other| shares(other, &unit)) {
            let other = joined.swap_remove(same);
            unit.specs.extend(other.specs);
            unit.place = unit.place.min(other.place);
            unit.first |= other.first;
            unit.seconds += other.seconds;
        }
        joined.push(unit);
    }
    joined
}

/// What a spec is taken to last that nobody has seen: the median of the others.
fn usual(known: &Known) -> f64 {
    let mut seconds: Vec<f64> = known.seconds.values().copied().collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(1.0)
}

/// A machine's calls: those first that should be, if the rest is long enough.
fn calls(share: Vec<Unit<'_>>) -> Vec<Vec<SpecName>> {
    let (mut first, mut rest): (Vec<_>, Vec<_>) = share.into_iter().partition(|unit| unit.first);
    let seconds: f64 = rest.iter().map(|unit| unit.seconds).sum();
    if !first.is_empty() && seconds < WORTH_A_CALL {
        first.append(&mut rest);
    }
    [first, rest]
        .into_iter()
        .filter(|units| !units.is_empty())
        .map(|mut units| {
            units.sort_by_key(|unit| unit.place);
            let specs = units.into_iter().flat_map(|unit| unit.specs);
            specs.cloned().collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(name: &str, group: Option<&str>) -> PlannedSpec {
        PlannedSpec {
            name: SpecName(name.to_owned()),
            labels: Vec::new(),
            location: String::new(),
            group: group.map(str::to_owned),
        }
    }

    fn known(first: &[&str], seconds: &[(&str, f64)]) -> Known {
        let name = |name: &str| SpecName(name.to_owned());
        Known {
            first: first.iter().map(|spec| name(spec)).collect(),
            seconds: seconds.iter().map(|(spec, s)| (name(spec), *s)).collect(),
        }
    }

    fn words(divided: &[Vec<Vec<SpecName>>]) -> Vec<String> {
        let call = |call: &Vec<SpecName>| {
            let names: Vec<&str> = call.iter().map(|name| name.0.as_str()).collect();
            names.join(" ")
        };
        let machine =
            |calls: &Vec<Vec<SpecName>>| calls.iter().map(call).collect::<Vec<_>>().join(" | ");
        divided.iter().map(machine).collect()
    }

    #[test]
    fn machines_get_equal_shares_of_the_time() {
        let plan = ["a", "b", "c", "d", "e"].map(|name| spec(name, None));
        let known = known(
            &[],
            &[
                ("a", 10.0),
                ("b", 60.0),
                ("c", 30.0),
                ("d", 25.0),
                ("e", 5.0),
            ],
        );
        assert_eq!(words(&divide(&plan, 2, &known)), ["b e", "a c d"]);
        assert_eq!(words(&divide(&plan, 1, &known)), ["a b c d e"]);
        assert_eq!(divide(&plan, 9, &known).len(), 5, "none is idle");
        assert!(divide(&[], 3, &known).is_empty());
    }

    #[test]
    fn what_is_ordered_or_serial_stays_together() {
        let plan = [
            spec("a", None),
            spec("o1", Some("o")),
            spec("b", None),
            spec("o2", Some("o")),
            spec("o3", Some("o")),
        ];
        assert_eq!(
            words(&divide(&plan, 3, &Known::default())),
            ["o1 o2 o3", "a", "b"]
        );
    }

    #[test]
    fn what_failed_last_comes_first_where_the_rest_is_long() {
        let plan = ["a", "b", "c", "d"].map(|name| spec(name, None));
        let slow = [("a", 200.0), ("b", 5.0), ("c", 200.0), ("d", 3.0)];
        assert_eq!(
            words(&divide(&plan, 1, &known(&["d", "b"], &slow))),
            ["b d | a c"]
        );
        let quick = [("a", 20.0), ("b", 5.0), ("c", 20.0), ("d", 3.0)];
        assert_eq!(
            words(&divide(&plan, 1, &known(&["d", "b"], &quick))),
            ["a b c d"]
        );
        // Each machine begins with one of them.
        assert_eq!(
            words(&divide(
                &plan,
                2,
                &known(&["d", "b"], &[("a", 400.0), ("c", 390.0)])
            )),
            ["b | a", "d | c"]
        );
    }

    proptest! {
        #[test]
        fn every_spec_is_there_once_and_groups_are_whole(
            specs in proptest::collection::vec((0_u8..40, proptest::option::of(0_u8..4), 0.0_f64..500.0, any::<bool>()), 0..60),
            shards in 0_u32..9,
        ) {
            let plan: Vec<_> = specs
                .iter()
                .map(|(name, group, ..)| spec(&format!("s{name}"), group.map(|g| format!("g{g}")).as_deref()))
                .collect();
            let mut known = Known::default();
            for (name, _, seconds, first) in &specs {
                let name = SpecName(format!("s{name}"));
                if *first {
                    known.first.insert(name.clone());
                }
                known.seconds.insert(name, *seconds);
            }
            let divided = divide(&plan, shards, &known);
            prop_assert!(divided.len() <= shards.max(1) as usize);
            prop_assert!(divided.iter().all(|calls| !calls.is_empty() && calls.iter().all(|call| !call.is_empty())));
            let calls: Vec<&Vec<SpecName>> = divided.iter().flatten().collect();
            let mut all: Vec<_> = calls.iter().flat_map(|call| call.iter().cloned()).collect();
            let mut wanted: Vec<_> = plan.iter().map(|spec| spec.name.clone()).collect();
            all.sort();
            wanted.sort();
            prop_assert_eq!(all, wanted);
            for spec in &plan {
                let with: Vec<_> = calls.iter().filter(|call| call.contains(&spec.name)).collect();
                prop_assert_eq!(with.len(), 1, "one name is in one call");
                for other in plan.iter().filter(|o| o.group.is_some() && o.group == spec.group) {
                    prop_assert!(with[0].contains(&other.name));
                }
            }
        }
    }
}

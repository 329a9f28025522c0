//! "Did you mean": the nearest of the names that exist.

use strsim::damerau_levenshtein;

/// The name nearest to `wanted`, if one is near enough to be meant.
pub(super) fn nearest<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = fold(wanted);
    // About a third of the name may be wrong; of two letters, one.
    let limit = ((wanted.chars().count() + 1) / 3).max(1);
    known
        .into_iter()
        .map(|name| (damerau_levenshtein(&wanted, &fold(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The hint for a name that does not exist: the nearest one, else all there are.
pub(super) fn hint_for<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
    none: &str,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return none.to_owned();
    }
    let list = known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match nearest(wanted, known.iter().copied()) {
        Some(name) if known.len() > 8 => format!("did you mean `{name}`?"),
        Some(name) => format!("did you mean `{name}`? There is: {list}"),
        None => format!("there is: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["label-filter", "timeout", "role"];
        assert_eq!(nearest("labelfilter", known), Some("label-filter"));
        assert_eq!(nearest("label_filter", known), Some("label-filter"));
        assert_eq!(nearest("tiemout", known), Some("timeout"));
        assert_eq!(nearest("memory", known), None);
    }
}

use proptest::prelude::*;

use super::*;

fn asked(filter: &str, labels: &[&str]) -> bool {
    LabelFilter::parse(filter).unwrap().matches(labels)
}

#[test]
fn labels_and_operators() {
    for (filter, labels, expected) in [
        ("", &[][..], true),
        ("NodeConformance", &["nodeconformance"], true),
        ("NodeConformance", &["NodeConformance2"], false),
        ("a && b", &["a"], false),
        ("a, b", &["b"], true),
        ("a || b && c", &["a"], true),
        ("(a || b) && c", &["a"], false),
        ("!a && b", &["b"], true),
        ("!(a && b)", &["a"], true),
        ("!!a", &["a"], true),
        ("two words && a", &["Two Words", "a"], true),
        ("Feature:Swap", &["Feature:Swap"], true),
        ("/^Feature:.+/", &["Feature:Swap"], true),
        ("/^Feature:.+/", &["feature:swap"], false),
        ("/unclosed", &["an unclosed one"], true),
    ] {
        assert_eq!(asked(filter, labels), expected, "{filter} on {labels:?}");
    }
}

#[test]
fn set_operations() {
    let labels = ["Feature:Swap", "feature: UserNamespaces", "Serial"];
    for (filter, expected) in [
        ("Feature: containsAny {Swap, Other}", true),
        ("Feature: containsany swap", true),
        ("Feature: containsAny {Other}", false),
        ("Feature: containsAll {Swap, UserNamespaces}", true),
        ("Feature: containsAll {Swap, Other}", false),
        ("Feature: consistsOf {usernamespaces, swap}", true),
        ("Feature: consistsOf {swap}", false),
        ("Feature: consistsOf {usernamespaces, swap, swap}", false),
        ("Feature: isSubsetOf {swap, usernamespaces, other}", true),
        ("Feature: isSubsetOf {swap}", false),
        ("Gate: isEmpty", true),
        ("Gate: isEmpty {}", true),
        ("Feature: isEmpty || Serial", true),
        ("!(Feature: isEmpty) && Serial", true),
        ("(Feature: containsAny {Swap}) && !Slow", true),
    ] {
        assert_eq!(asked(filter, &labels), expected, "{filter}");
    }
}

#[test]
fn what_ginkgo_refuses_is_refused_at_its_place() {
    let refused: Vec<String> = [
        " ",
        "&&",
        "a &",
        "a & b",
        "a | b",
        "a &&",
        "&& a",
        "a && || b",
        "(a",
        "a)",
        "()",
        "a && ()",
        "(a) b",
        "(a) (b)",
        "a !b",
        "/a/ /b/",
        "/a(/",
        "Key: ",
        "Key: bogus {A}",
        "Key: && a",
        "Key:",
        ": containsAny {A}",
        "Key: containsAny",
        "Key: containsAny {}",
        "Key: containsAny {A, }",
        "Key: containsAny {A",
        "Key: containsAny {A!B}",
        "Key: containsAny /A/",
        "Key: isEmpty {A}",
        "Key: containsAny {A} b",
        "Key containsAny {A}",
        "NodeConformance && !(Flaky || Slow",
    ]
    .iter()
    .map(|filter| match LabelFilter::parse(filter) {
        Ok(parsed) => format!("{filter:40} READ AS {parsed}"),
        Err(error) => format!("{filter:40} {error}"),
    })
    .collect();
    assert!(!refused.iter().any(|line| line.contains("READ AS")));
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(LabelFilter::parse(&deep).is_err());
    assert!(LabelFilter::parse(&"!".repeat(100_000)).is_err());
}

/// A filter and, without any parser, what it says of a list of labels.
#[derive(Clone, Debug)]
enum Model {
    Label(usize),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>, bool),
    ContainsAny(Vec<usize>),
}

const NAMES: [&str; 4] = ["Flaky", "Slow", "Node Conformance", "Feature:Swap"];
const VALUES: [&str; 3] = ["Swap", "Probes", "Other"];

impl Model {
    /// As text with no more parentheses than precedence asks for.
    fn text(&self, outer: u8) -> String {
        let (own, text) = match self {
            Self::Label(name) => (3, NAMES[*name].to_owned()),
            Self::ContainsAny(values) => {
                let values: Vec<&str> = values.iter().map(|value| VALUES[*value]).collect();
                (3, format!("Feature: containsAny {{{}}}", values.join(", ")))
            }
            Self::Not(inner) => (2, format!("!{}", inner.text(2))),
            Self::And(left, right) => (1, format!("{} && {}", left.text(1), right.text(2))),
            Self::Or(left, right, comma) => {
                let operator = if *comma { "," } else { " ||" };
                (0, format!("{}{operator} {}", left.text(0), right.text(1)))
            }
        };
        if own < outer {
            format!("({text})")
        } else {
            text
        }
    }

    fn says(&self, labels: &[&str]) -> bool {
        match self {
            Self::Label(name) => labels.contains(&NAMES[*name]),
            Self::ContainsAny(values) => values
                .iter()
                .any(|value| labels.contains(&format!("Feature:{}", VALUES[*value]).as_str())),
            Self::Not(inner) => !inner.says(labels),
            Self::And(left, right) => left.says(labels) && right.says(labels),
            Self::Or(left, right, _) => left.says(labels) || right.says(labels),
        }
    }
}

fn models() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        (0..NAMES.len()).prop_map(Model::Label),
        prop::collection::vec(0..VALUES.len(), 1..3).prop_map(Model::ContainsAny),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| Model::Not(Box::new(a))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Model::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner, any::<bool>()).prop_map(|(a, b, comma)| Model::Or(
                Box::new(a),
                Box::new(b),
                comma
            )),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_says_what_its_parts_say(model in models(), present in 0u8..64) {
        let all = ["Flaky", "Slow", "Node Conformance", "Feature:Swap", "Feature:Probes", "Feature:Other"];
        let labels: Vec<&str> = all
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| present & (1 << bit) != 0)
            .map(|(_, label)| label)
            .collect();
        let filter = LabelFilter::parse(&model.text(0)).unwrap();
        prop_assert_eq!(filter.matches(&labels), model.says(&labels));
        let again = LabelFilter::parse(&filter.to_string()).unwrap();
        prop_assert_eq!(again.matches(&labels), model.says(&labels));
    }

    #[test]
    fn no_text_is_too_odd(text in "[-a-zé !&|,(){}/:]{0,40}") {
        if let Err(error) = LabelFilter::parse(&text) {
            prop_assert!(text.is_char_boundary(error.at));
        }
    }
}

//! The documents are true: the schema file, the reference profile, the examples in the manual.

use super::*;

const REFERENCE: &str = include_str!("../../../profiles/reference.toml");

#[test]
fn every_shipped_profile_loads_and_says_what_it_is_for() {
    let shipped = shipped();
    let names: Vec<&str> = shipped.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "containerd",
            "cri-o",
            "kata",
            "kuasar",
            "nodes",
            "quickstart",
            "reference",
            "sandboxers"
        ]
    );
    for (name, description) in &shipped {
        assert_eq!(&loaded(name).name, name, "a profile is found by its name");
        assert!(!description.is_empty(), "{name}");
    }
}

/// Follows a reference into the schema's definitions.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Every `table.key` that the schema has, by walking it beside `document`; what the document uses goes to `used`.
fn walk(root: &Value, schema: &Value, document: &Value, at: &str, used: &mut BTreeSet<String>) {
    let schema = resolved(root, schema);
    match document {
        Value::Array(items) => {
            for item in items {
                walk(root, &schema["items"], item, at, used);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                match schema.pointer(&format!("/properties/{key}")) {
                    Some(property) => {
                        let path = format!("{at}.{key}");
                        walk(root, property, value, &path, used);
                        used.insert(path);
                    }
                    // A table by name: what its entries hold counts for the table.
                    None => walk(root, &schema["additionalProperties"], value, at, used),
                }
            }
        }
        _ => {}
    }
}

fn all_keys(root: &Value, schema: &Value, at: &str, out: &mut BTreeSet<String>) {
    let schema = resolved(root, schema);
    for part in ["items", "additionalProperties"] {
        if schema[part].is_object() {
            all_keys(root, &schema[part], at, out);
        }
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{at}.{key}");
        all_keys(root, property, &path, out);
        out.insert(path);
    }
}

/// The reference with the keys that are off (`#key = …`) switched on.
fn reference_with_all_on() -> Value {
    let text: String = REFERENCE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    serde_json::to_value(toml::from_str::<toml::Table>(&text).unwrap()).unwrap()
}

#[test]
fn the_reference_holds_every_key() {
    let schema = schema();
    let (mut all, mut used) = (BTreeSet::new(), BTreeSet::new());
    all_keys(&schema, &schema, "", &mut all);
    walk(&schema, &schema, &reference_with_all_on(), "", &mut used);
    let missing: Vec<&String> = all.difference(&used).collect();
    assert!(
        missing.is_empty(),
        "profiles/reference.toml lacks {missing:?}"
    );
    assert!(all.len() > 60, "the walk saw only {} keys", all.len());
}

#[test]
fn the_reference_explains_every_key_once() {
    let lines: Vec<&str> = REFERENCE.lines().collect();
    let mut table = "";
    let mut explained = BTreeSet::new();
    let mut bare = BTreeSet::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_matches(['[', ']']).split('.').next().unwrap();
            continue;
        }
        let Some((key, _)) = line.trim_start_matches('#').split_once(" = ") else {
            continue;
        };
        if line.starts_with("# ")
            || !key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit())
        {
            continue;
        }
        let comment: Vec<&str> = lines[..index]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("# "))
            .copied()
            .collect();
        let told = comment.concat();
        let name = format!("{table}.{key}");
        if told.contains("Default:") || told.contains("Required") {
            assert!(explained.insert(name.clone()), "{name} is explained twice");
        } else {
            bare.insert(name);
        }
    }
    let sources = [".kubernetes", ".containerd"].map(|source| format!("pairing{source}"));
    let unexplained: Vec<&String> = bare
        .difference(&explained)
        .filter(|name| !sources.contains(name))
        .collect();
    assert!(
        unexplained.is_empty(),
        "no meaning with a default: {unexplained:?}"
    );
}

#[test]
fn the_schema_file_is_current() {
    let written: Value =
        serde_json::from_str(include_str!("../../../docs/profile.schema.json")).unwrap();
    assert_eq!(written, schema(), "run `cargo xtask schema`");
}

#[test]
fn every_key_of_the_schema_is_explained() {
    let schema = schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            let target = resolved(&schema, property);
            let told = property.get("description").or(target.get("description"));
            assert!(told.is_some(), "{name}.{key}");
        }
    }
}

/// The manual's examples: a block with a name is a profile; any other is a piece that is put on top of the quickstart.
#[test]
fn every_example_of_the_manual_loads() {
    let manual = include_str!("../../../docs/profiles.md");
    let examples: Vec<&str> = manual
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 10, "{} examples", examples.len());
    for example in examples {
        let text = match example
            .lines()
            .any(|line| line.starts_with("name = \"") || line.starts_with("extends = \""))
            && !example.trim_start().starts_with('[')
        {
            true => example.to_owned(),
            false => format!("name = \"example\"\nextends = \"quickstart\"\n{example}"),
        };
        let files = Memory::default()
            .with("example.toml", &text)
            .with("userns.ign", "{\"ignition\": {\"version\": \"3.3.0\"}}")
            .with("containerd.toml", "version = 3");
        let loaded = load_from(&files, "example.toml", &Overrides::default());
        loaded.unwrap_or_else(|errors| panic!("{errors}"));
    }
}

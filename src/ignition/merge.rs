//! The merge of two configs by Ignition's rules: the child's values win, lists of things with a name are merged by
//! it, lists without are joined.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Config, IgnitionError};

/// Fields of one object that share their keys: an entry in one of them replaces the parent's in the others.
const SHARED: [&[&str]; 2] = [
    &["files", "directories", "links"],
    &["shouldExist", "shouldNotExist"],
];

/// `parent` with `child` over it.
///
/// # Errors
/// When the result cannot be expressed, which valid configs do not lead to.
pub fn merge(parent: &Config, child: &Config) -> Result<Config, IgnitionError> {
    let merged = merge_values("", value(parent)?, value(child)?);
    Ok(serde_json::from_value(merged)?)
}

/// The config as plain JSON, without the nulls of what is not set.
pub(super) fn value(config: &Config) -> Result<Value, IgnitionError> {
    let mut value = serde_json::to_value(config)?;
    strip(&mut value);
    Ok(value)
}

pub(super) fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

fn merge_values(field: &str, parent: Value, child: Value) -> Value {
    match (parent, child) {
        (Value::Object(parent), Value::Object(child)) => {
            Value::Object(merge_objects(parent, child))
        }
        (Value::Array(parent), Value::Array(child)) => {
            Value::Array(merge_lists(field, parent, child))
        }
        (_, child) => child,
    }
}

fn merge_objects(mut parent: Map<String, Value>, child: Map<String, Value>) -> Map<String, Value> {
    for group in SHARED {
        for field in group {
            // What the child has under this key in another list of the group.
            let elsewhere: BTreeSet<String> = group
                .iter()
                .filter(|other| *other != field)
                .filter_map(|other| Some((other, child.get(*other)?.as_array()?)))
                .flat_map(|(other, list)| list.iter().filter_map(|entry| key(other, entry)))
                .collect();
            let here: BTreeSet<String> = child
                .get(*field)
                .and_then(Value::as_array)
                .map(|list| list.iter().filter_map(|entry| key(field, entry)).collect())
                .unwrap_or_default();
            if let Some(Value::Array(list)) = parent.get_mut(*field) {
                list.retain(|entry| {
                    key(field, entry).is_none_or(|k| !elsewhere.contains(&k) || here.contains(&k))
                });
            }
        }
    }
    for (field, value) in child {
        let merged = match parent.remove(&field) {
            Some(old) => merge_values(&field, old, value),
            None => value,
        };
        parent.insert(field, merged);
    }
    parent
}

fn merge_lists(field: &str, parent: Vec<Value>, child: Vec<Value>) -> Vec<Value> {
    let mut rest: Vec<Option<Value>> = child.into_iter().map(Some).collect();
    let mut merged = Vec::with_capacity(parent.len() + rest.len());
    for entry in parent {
        let same = key(field, &entry).and_then(|wanted| {
            rest.iter_mut()
                .find(|c| c.as_ref().and_then(|c| key(field, c)).as_ref() == Some(&wanted))
                .and_then(Option::take)
        });
        match same {
            // A header that the child names without a value is taken away.
            Some(child) if field == "httpHeaders" && child.get("value").is_none() => {}
            Some(child) => merged.push(merge_values(field, entry, child)),
            None => merged.push(entry),
        }
    }
    merged.extend(rest.into_iter().flatten());
    merged
}

/// What makes two entries of a list the same thing; None where entries are only ever joined.
fn key(field: &str, entry: &Value) -> Option<String> {
    let text = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
    match field {
        "append" | "options" | "mountOptions" => None,
        "files" | "directories" | "links" => text("path"),
        "disks" | "filesystems" => text("device"),
        "merge" | "certificateAuthorities" => text("source"),
        "tang" => text("url"),
        "partitions" => match entry.get("number").and_then(Value::as_i64) {
            Some(number) if number != 0 => Some(format!("number {number}")),
            _ => text("label").map(|label| format!("label {label}")),
        },
        _ => entry.as_str().map(str::to_owned).or_else(|| text("name")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn merged(parent: Value, child: Value) -> Value {
        let config = |mut value: Value| -> Config {
            value["ignition"]["version"] = json!("3.3.0");
            serde_json::from_value(value).unwrap()
        };
        let mut value = value(&merge(&config(parent), &config(child)).unwrap()).unwrap();
        value["ignition"].as_object_mut().unwrap().remove("version");
        if value["ignition"] == json!({}) {
            value.as_object_mut().unwrap().remove("ignition");
        }
        value
    }

    #[test]
    fn files_merge_by_path_and_keep_what_the_child_does_not_say() {
        let parent = json!({"storage": {"files": [
            {"path": "/a", "mode": 420, "contents": {"source": "data:,old"}},
            {"path": "/b"},
        ]}});
        let child = json!({"storage": {"files": [
            {"path": "/c"},
            {"path": "/a", "contents": {"source": "data:,new"}, "append": [{"source": "data:,more"}]},
        ]}});
        assert_eq!(
            merged(parent, child),
            json!({"storage": {"files": [
                {"path": "/a", "mode": 420, "contents": {"source": "data:,new"}, "append": [{"source": "data:,more"}]},
                {"path": "/b"},
                {"path": "/c"},
            ]}})
        );
    }

    #[test]
    fn a_link_in_the_child_replaces_the_parents_file() {
        let parent = json!({"storage": {"files": [{"path": "/a"}, {"path": "/b"}], "directories": [{"path": "/d"}]}});
        let child = json!({"storage": {"links": [{"path": "/a", "target": "/x"}], "files": [{"path": "/d"}]}});
        assert_eq!(
            merged(parent, child),
            json!({"storage": {
                "files": [{"path": "/b"}, {"path": "/d"}],
                "directories": [],
                "links": [{"path": "/a", "target": "/x"}],
            }})
        );
    }

    #[test]
    fn kernel_arguments_move_between_the_two_lists() {
        let parent = json!({"kernelArguments": {"shouldExist": ["quiet", "a=1"]}});
        let child = json!({"kernelArguments": {"shouldNotExist": ["quiet"], "shouldExist": ["b"]}});
        assert_eq!(
            merged(parent, child),
            json!({"kernelArguments": {"shouldExist": ["a=1", "b"], "shouldNotExist": ["quiet"]}})
        );
    }

    #[test]
    fn units_users_and_disks_merge_by_name_device_and_number() {
        let parent = json!({
            "systemd": {"units": [{"name": "a.service", "enabled": true,
                "dropins": [{"name": "1.conf", "contents": "one"}]}]},
            "passwd": {"users": [{"name": "root", "sshAuthorizedKeys": ["k1", "k2"], "groups": ["adm"]}]},
            "storage": {
                "disks": [{"device": "/dev/vdb", "partitions": [{"number": 4, "sizeMiB": 100}, {"label": "data"}]}],
                "filesystems": [{"device": "/dev/vdb1", "format": "ext4", "options": ["-m", "0"]}],
            },
        });
        let child = json!({
            "systemd": {"units": [{"name": "a.service", "enabled": false,
                "dropins": [{"name": "1.conf", "contents": "two"}, {"name": "2.conf"}]}]},
            "passwd": {"users": [{"name": "root", "sshAuthorizedKeys": ["k2", "k3"]}]},
            "storage": {
                "disks": [{"device": "/dev/vdb", "partitions": [{"label": "data", "number": 0, "sizeMiB": 5}, {"number": 4, "label": "root"}]}],
                "filesystems": [{"device": "/dev/vdb1", "options": ["-m", "1"]}],
            },
        });
        assert_eq!(
            merged(parent, child),
            json!({
                "systemd": {"units": [{"name": "a.service", "enabled": false,
                    "dropins": [{"name": "1.conf", "contents": "two"}, {"name": "2.conf"}]}]},
                "passwd": {"users": [{"name": "root", "sshAuthorizedKeys": ["k1", "k2", "k3"], "groups": ["adm"]}]},
                "storage": {
                    "disks": [{"device": "/dev/vdb", "partitions": [
                        {"number": 4, "sizeMiB": 100, "label": "root"},
                        {"label": "data", "number": 0, "sizeMiB": 5}]}],
                    "filesystems": [{"device": "/dev/vdb1", "format": "ext4", "options": ["-m", "0", "-m", "1"]}],
                },
            })
        );
    }

    #[test]
    fn a_header_without_a_value_is_taken_away() {
        let headers = |list: Value| json!({"storage": {"files": [{"path": "/a", "contents": {"httpHeaders": list}}]}});
        let both = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
        assert_eq!(
            merged(headers(both), headers(json!([{"name": "A"}]))),
            headers(json!([{"name": "B", "value": "2"}]))
        );
    }

    fn config() -> impl Strategy<Value = Value> {
        let files = prop::collection::btree_map("/[a-d]", 0..0o777_i64, 0..4);
        let links = prop::collection::btree_map("/[e-h]", "/[a-z]{1,3}", 0..3);
        let units = prop::collection::btree_map("[a-d].service", any::<bool>(), 0..4);
        (files, links, units).prop_map(|(files, links, units)| {
            json!({
                "storage": {
                    "files": files.iter().map(|(p, m)| json!({"path": p, "mode": m})).collect::<Vec<_>>(),
                    "links": links.iter().map(|(p, t)| json!({"path": p, "target": t})).collect::<Vec<_>>(),
                },
                "systemd": {"units": units.iter().map(|(n, e)| json!({"name": n, "enabled": e})).collect::<Vec<_>>()},
            })
        })
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_merging_itself_changes_nothing(a in config(), b in config(), c in config()) {
            prop_assert_eq!(merged(a.clone(), a.clone()), a.clone());
            let left = merged(merged(a.clone(), b.clone()), c.clone());
            let right = merged(a, merged(b, c));
            prop_assert_eq!(left, right);
        }
    }
}

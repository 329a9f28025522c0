//! The kubelet's configuration: the suite's defaults, the profile's keys merged over them.

use serde_json::{Map, Value, json};

use crate::profile::Ginkgo;

/// Its file name in the work folder. JSON is YAML.
pub const KUBELET_CONFIG: &str = "kubeletconfig.yaml";

/// The configuration as JSON text.
#[must_use]
pub fn kubelet_config(settings: &Ginkgo) -> String {
    let mut config = defaults();
    if !settings.feature_gates.is_empty() {
        config["featureGates"] = json!(settings.feature_gates);
    }
    merge(&mut config, object(&settings.kubelet_config));
    format!("{config:#}\n")
}

/// What `test/e2e_node/jenkins/default-kubelet-config.yaml` says, with the cgroup driver that both sides use.
fn defaults() -> Value {
    json!({
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "cgroupDriver": "systemd",
        "cgroupRoot": "/",
        "podCIDR": "10.100.0.0/24",
        "failSwapOn": false,
        "volumeStatsAggPeriod": "10s",
        "fileCheckFrequency": "10s",
        "evictionPressureTransitionPeriod": "30s",
        "evictionHard": {
            "memory.available": "250Mi",
            "nodefs.available": "10%",
            "nodefs.inodesFree": "5%",
        },
        "evictionMinimumReclaim": {
            "nodefs.available": "5%",
            "nodefs.inodesFree": "5%",
        },
        "serializeImagePulls": false,
    })
}

/// Tables are merged key by key; anything else replaces.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

fn object(table: &toml::Table) -> Value {
    let object: Map<_, _> = table
        .iter()
        .map(|(key, value)| (key.clone(), json_of(value)))
        .collect();
    Value::Object(object)
}

fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(on) => json!(on),
        toml::Value::Datetime(time) => json!(time.to_string()),
        toml::Value::Array(values) => Value::Array(values.iter().map(json_of).collect()),
        toml::Value::Table(table) => object(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::ginkgo::flags::tests::settings;

    #[test]
    fn the_profile_is_merged_over_the_defaults() {
        let settings = Ginkgo {
            kubelet_config: toml::from_str(
                "failSwapOn = true\nmaxPods = 20\n[evictionHard]\n\"nodefs.available\" = \"1%\"\n[memorySwap]\nswapBehavior = \"LimitedSwap\"\n[featureGates]\nB = false",
            )
            .unwrap(),
            feature_gates: [("A".to_owned(), true), ("B".to_owned(), true)].into(),
            ..settings()
        };
        insta::assert_snapshot!(kubelet_config(&settings));
    }
}

//! A planted fault: data from `tests/faults`, and the profile that brings it into a run. Everything a fault does goes
//! through what any profile can do: Ignition fragments, kernel arguments, suite settings.

use std::{collections::BTreeMap, fs, path::Path};

use bellwether::model::{Blame, Class, Phase};
use serde::Deserialize;
use serde_json::json;
use toml::{Table, Value};

/// One spec that needs nothing but busybox.
pub const QUICK: &str =
    "Kubelet when scheduling a busybox command in a pod should print the output to logs";
/// What a fault that acts while specs run finds: one spec may be over, others are still to come.
const SEVERAL: [&str; 3] = [
    QUICK,
    r"EmptyDir volumes should support \(root,0644,tmpfs\)",
    r"ConfigMap should be consumable from pods in volume \[NodeConformance\]",
];

/// What the planting script says on the journal just before it acts.
pub const ACTS: &str = "planted: acts now";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    pub layer: Layer,
    pub what: String,
    pub how: String,
    #[serde(default = "runc")]
    pub sandboxer: String,
    pub expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    Ignition,
    GuestScriptBeforeRuntime,
    GuestScriptBeforeSuite,
    GuestScriptDuringSuite,
    Profile,
}

/// Lists hold what is right on some machines and timings; each entry alone is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    pub outcome: Vec<String>,
    pub phase: Vec<Phase>,
    pub class: Class,
    pub blame: Blame,
    pub cause_contains: String,
    /// Empty: any file.
    pub evidence_file: Vec<String>,
    pub rule: String,
}

fn runc() -> String {
    "runc".to_owned()
}

/// All faults by name.
pub fn all() -> BTreeMap<String, Fault> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut faults = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let fault = toml::from_str(&fs::read_to_string(&path).unwrap());
        faults.insert(
            name.clone(),
            fault.unwrap_or_else(|e| panic!("{name}: {e}")),
        );
    }
    faults
}

/// The quickstart with one quick spec and no fault.
pub fn clean_profile() -> String {
    profile(&[QUICK]).to_string()
}

/// The quickstart with a few specs and no fault.
pub fn longer_profile() -> String {
    profile(&SEVERAL).to_string()
}

impl Fault {
    /// Writes `planted.toml` and what it names into `folder`.
    pub fn plant(&self, folder: &Path) {
        let specs = match self.layer {
            Layer::GuestScriptDuringSuite => &SEVERAL[..],
            _ => &SEVERAL[..1],
        };
        let mut profile = profile(specs);
        match self.fragment() {
            Some(fragment) => {
                fs::write(folder.join("planted.ign"), fragment).unwrap();
                let node = first(&mut profile, "node");
                node.insert("ignition".to_owned(), vec!["planted.ign".to_owned()].into());
            }
            None => {
                for (key, value) in self.how.parse::<Table>().unwrap() {
                    match value {
                        Value::Array(list) => {
                            let over = list.into_iter().next().unwrap();
                            let table = first(&mut profile, &key);
                            table.extend(over.as_table().unwrap().clone());
                        }
                        value => {
                            profile.insert(key, value);
                        }
                    }
                }
            }
        }
        fs::write(folder.join("planted.toml"), profile.to_string()).unwrap();
    }

    fn fragment(&self) -> Option<String> {
        let how = self.how.trim();
        // What the script itself says must not become evidence.
        let act = format!("echo '{ACTS}'\n(\n{how}\n) >/dev/null 2>&1");
        let (head, body) = match self.layer {
            Layer::Profile => return None,
            Layer::Ignition => return Some(how.to_owned()),
            Layer::GuestScriptBeforeRuntime => {
                ("Before=containerd.service\n[Service]\nType=oneshot", act)
            }
            Layer::GuestScriptBeforeSuite => (
                "After=containerd.service\n[Service]\nType=exec",
                BEFORE_SUITE.replace("@ACT@", &act),
            ),
            Layer::GuestScriptDuringSuite => (
                "After=containerd.service\n[Service]\nType=exec",
                DURING_SUITE.replace("@ACT@", &act),
            ),
        };
        let unit = format!(
            "[Unit]\n{head}\nExecStart=/bin/sh /etc/planted\n[Install]\nWantedBy=multi-user.target\n"
        );
        let script = format!("{body}\nexit 0\n");
        let encoded =
            percent_encoding::utf8_percent_encode(&script, percent_encoding::NON_ALPHANUMERIC);
        let fragment = json!({
            "ignition": { "version": "3.3.0" },
            "storage": { "files": [{
                "path": "/etc/planted", "mode": 0o644, "contents": { "source": format!("data:,{encoded}") },
            }] },
            "systemd": { "units": [{ "name": "planted.service", "enabled": true, "contents": unit }] },
        });
        Some(fragment.to_string())
    }
}

/// The import of Kubernetes' images, the canary and the start of the suite follow each other at once. So the importer is held while it
/// waits for its last image. A last import that was too short to be seen is over when no other follows: the canary takes
/// longer than that is waited for.
const BEFORE_SUITE: &str = r#"
until [ -e /opt/bellwether/kubernetes/images ]; do sleep 0.1; done
last=$(ls /opt/bellwether/kubernetes/images/*.tar | tail -n 1)
quiet=0
until import=$(pgrep -o -f "images import .*$last"); do
  if pgrep -f 'images import' >/dev/null; then seen=1 quiet=0
  elif [ -n "$seen" ]; then quiet=$((quiet + 1)); fi
  [ $quiet -lt 8 ] || break
  sleep 0.05
done
if [ -n "$import" ]; then
  importer=$(ps -o ppid= -p "$import" | tr -d ' ')
  kill -STOP "$importer"
  while [ -n "$(tr -d '\0' < "/proc/$import/cmdline" 2>/dev/null)" ]; do sleep 0.5; done
fi
@ACT@
[ -z "$importer" ] || kill -CONT "$importer"
"#;

/// Once a first spec is over and the next one runs.
const DURING_SUITE: &str = r#"
log=/var/lib/bellwether/suite/out/suite.log
until grep -qs '^• ' "$log"; do sleep 0.2; done
@ACT@
"#;

fn profile(focus: &[&str]) -> Table {
    let focus: Vec<Value> = focus.iter().map(|&spec| spec.into()).collect();
    let named = |name: &str| Table::from_iter([("name".to_owned(), name.into())]);
    let mut suite = named("conformance");
    suite.insert("focus".to_owned(), focus.into());
    let list = |table: Table| Value::Array(vec![table.into()]);
    Table::from_iter([
        ("name".to_owned(), "planted".into()),
        ("extends".to_owned(), "quickstart".into()),
        ("node".to_owned(), list(named("plain"))),
        ("suite".to_owned(), list(suite)),
    ])
}

fn first<'a>(profile: &'a mut Table, key: &str) -> &'a mut Table {
    let list = profile.get_mut(key).and_then(Value::as_array_mut);
    list.unwrap()[0].as_table_mut().unwrap()
}

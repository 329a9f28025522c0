use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::model::Origin;

/// Files of a project, named by path.
struct Project {
    root: tempfile::TempDir,
}

impl Project {
    fn new(files: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join("tree").join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        Self { root }
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.root.path()).unwrap()
    }

    /// The commands and outputs, with the project's folder shown as `/`.
    fn text(&self, recipe: Recipe, module: Option<&str>, tags: &[&str]) -> String {
        let build = Build {
            source: "x".to_owned(),
            recipe,
            tags: Vec::new(),
            run: Vec::new(),
            outputs: BTreeMap::new(),
            timeout: Duration::from_secs(60),
        };
        self.text_of(build, module, tags)
    }

    fn text_of(&self, build: Build, module: Option<&str>, tags: &[&str]) -> String {
        let tree = self.root().join("tree");
        let commit = "abcdef0123456789abcdef0123456789abcdef01";
        let (checkout, version, origin) = match module {
            Some(module) => (
                Checkout {
                    folder: self.root().join("wrapper"),
                    shape: Shape::Module {
                        module: module.to_owned(),
                        files: tree,
                    },
                    rewrites: Vec::new(),
                },
                "v1.36.3",
                Origin::GoModule {
                    module: module.to_owned(),
                    version: "v1.36.3".to_owned(),
                    sum: "h1:x".to_owned(),
                },
            ),
            None => (
                Checkout {
                    folder: tree,
                    shape: Shape::Tree,
                    rewrites: Vec::new(),
                },
                "v1.37.0-alpha.1-23-gabcdef012",
                Origin::Git {
                    url: "u".to_owned(),
                    reference: "main".to_owned(),
                    commit: commit.to_owned(),
                },
            ),
        };
        let revision = Revision {
            source: "x".to_owned(),
            origin,
            version: version.to_owned(),
            date: Some("2026-07-22T18:07:38Z".parse().unwrap()),
            link: None,
        };
        let toolchain = Toolchain {
            go: "go1.27.0".to_owned(),
            selector: "go1.27.0".to_owned(),
            cc: None,
            rust: None,
        };
        let inputs = Inputs {
            checkout: &checkout,
            revision: &revision,
            toolchain: &toolchain,
            build: &Build {
                tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
                ..build
            },
            work: &self.root().join("scratch"),
        };
        let work = work(&inputs);
        let mut text = String::new();
        for (path, content) in &work.files {
            text += &format!("{path}:\n{content}");
        }
        for step in &work.steps {
            text += &format!("in {}\n", step.folder);
            for (name, value) in &step.environment {
                text += &format!("  {name}={value}\n");
            }
            text += &format!("  {}\n", step.line());
        }
        for output in &work.outputs {
            text += &format!("{} <- {:?}\n", output.name, output.places);
        }
        text.replace(self.root().as_str(), "")
    }
}

const KUBERNETES: [&str; 5] = [
    "test/images/agnhost/agnhost.go",
    "test/images/nonewprivs/nnp.go",
    "cluster/gce/gci/mounter/mounter.go",
    "test/e2e_node/plugins/gcp-credential-provider/main.go",
    "go.work",
];

#[test]
fn kubernetes_from_a_module() {
    let project = Project::new(&KUBERNETES);
    insta::assert_snapshot!(project.text(Recipe::KubernetesNode, Some("k8s.io/kubernetes"), &[]));
}

#[test]
fn kubernetes_from_a_tree() {
    let project = Project::new(&KUBERNETES);
    insta::assert_snapshot!(project.text(Recipe::KubernetesNode, None, &["extra", "tags"]));
}

#[test]
fn newer_kubernetes_has_fewer_programs_and_agnhost_in_its_own_module() {
    let project = Project::new(&[
        "test/images/agnhost/main.go",
        "test/images/agnhost/go.mod",
        "cluster/gce/gci/mounter/README.md",
    ]);
    let text = project.text(Recipe::KubernetesNode, None, &[]);
    assert!(text.contains("in /tree/test/images/agnhost\n"), "{text}");
    assert!(text.contains("GOWORK=off\n"), "{text}");
    assert!(
        !text.contains("mounter") && !text.contains("gcp-credential-provider"),
        "{text}"
    );
}

#[test]
fn cri_o_from_a_tree() {
    insta::assert_snapshot!(Project::new(&[]).text(Recipe::Crio, None, &["extra"]));
}

#[test]
fn containerd_both_ways() {
    let project = Project::new(&[]);
    let module = project.text(
        Recipe::Containerd,
        Some("github.com/containerd/containerd/v2"),
        &["extra"],
    );
    let tree = project.text(Recipe::Containerd, None, &["extra"]);
    insta::assert_snapshot!(format!("{module}\n{tree}"));
}

#[test]
fn plugins_by_their_script_where_there_is_one() {
    let script = Project::new(&["build_linux.sh"]);
    let none = Project::new(&[]);
    insta::assert_snapshot!(format!(
        "{}\n{}\n{}",
        script.text(Recipe::CniPlugins, None, &[]),
        none.text(Recipe::CniPlugins, None, &[]),
        script.text(
            Recipe::CniPlugins,
            Some("github.com/containernetworking/plugins"),
            &[]
        ),
    ));
}

#[test]
fn runc_both_ways() {
    let project = Project::new(&[]);
    let module = project.text(Recipe::Runc, Some("github.com/opencontainers/runc"), &[]);
    insta::assert_snapshot!(format!(
        "{module}\n{}",
        project.text(Recipe::Runc, None, &[])
    ));
}

#[test]
fn commands_know_the_version_and_run_where_the_module_is_required() {
    let project = Project::new(&[]);
    let build = Build {
        source: "gvisor".to_owned(),
        recipe: Recipe::Commands,
        tags: Vec::new(),
        run: vec!["go build -o out/ example.org/x/cmd".to_owned()],
        outputs: [("bin/x-shim".to_owned(), "out/cmd".to_owned())].into(),
        timeout: Duration::from_secs(60),
    };
    insta::assert_snapshot!(format!(
        "{}\n{}",
        project.text_of(build.clone(), Some("example.org/x"), &[]),
        project.text_of(build, None, &[]),
    ));
}

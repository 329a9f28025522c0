//! Git trees of the projects where no git host can be reached: what a Go module publishes, completed to what its
//! repository holds (`vendor/`, Kubernetes' staging modules, executable scripts), with the version as a tag and one commit
//! after it. The projects' own make targets build them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Deserializer, Value};

/// By the source's name in `profiles/containerd.toml`.
const MODULES: [(&str, &str); 4] = [
    ("kubernetes", "k8s.io/kubernetes"),
    ("containerd", "github.com/containerd/containerd/v2"),
    ("cni", "github.com/containernetworking/plugins"),
    ("runc", "github.com/opencontainers/runc"),
];

/// Makes all trees below `folder` and returns them by the source's name. Each has a branch `main`.
pub fn make(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let trees = MODULES.map(|(name, module)| {
        let tree = folder.join(format!("{name}.git"));
        let version = released(folder, module);
        println!("{name}: the tree of {module} {version}");
        let published = download(folder, &[format!("{module}@{version}")]);
        copy(published[0].as_ref().unwrap(), &tree);
        if name == "kubernetes" {
            stage(&tree, &version);
            // A link in the repository, and modules have no links.
            symlink("build/root/Makefile", tree.join("Makefile")).unwrap();
        }
        let _ = fs::remove_dir_all(tree.join("vendor"));
        let vendor = match tree.join("go.work").exists() {
            true => ["work", "vendor"],
            false => ["mod", "vendor"],
        };
        said(Command::new("go").args(vendor).current_dir(&tree));
        said(
            Command::new("find")
                .arg(&tree)
                .args(["-name", "*.sh", "-exec", "chmod", "a+x", "{}", "+"]),
        );
        git(&tree, &["init", "-q", "-b", "main"]);
        // What is published is part of the tree, also where the project ignores files of that name.
        git(&tree, &["add", "-A", "-f"]);
        git(&tree, &["commit", "-q", "-m", &version]);
        git(&tree, &["tag", &version]);
        git(
            &tree,
            &["commit", "-q", "--allow-empty", "-m", "after the release"],
        );
        (name, tree)
    });
    trees.into()
}

/// The newest release.
fn released(folder: &Path, module: &str) -> String {
    let query = format!("{module}@latest");
    let text = said(&mut go(
        folder,
        &["list", "-m", "-f", "{{.Version}}", &query],
    ));
    text.trim().to_owned()
}

/// Where the modules' files are, in the order asked for; absent for one that cannot be had.
fn download(folder: &Path, modules: &[String]) -> Vec<Option<PathBuf>> {
    let mut command = go(folder, &["mod", "download", "-json"]);
    let text = command.args(modules).output().unwrap().stdout;
    let answers = Deserializer::from_slice(&text).into_iter::<Value>();
    let folders: Vec<_> = answers
        .map(|module| Some(PathBuf::from(module.unwrap()["Dir"].as_str()?)))
        .collect();
    assert_eq!(folders.len(), modules.len());
    folders
}

/// Kubernetes v1.N.P publishes its staging folders as modules v0.N.P. One that cannot be had leaves the workspace: an
/// example, which nothing else needs.
fn stage(tree: &Path, version: &str) {
    let version = format!("v0.{}", version.strip_prefix("v1.").unwrap());
    let module = said(&mut go(tree, &["mod", "edit", "-json"]));
    let module: Value = serde_json::from_str(&module).unwrap();
    let replaced: Vec<(&str, &str)> = module["Replace"]
        .as_array()
        .unwrap()
        .iter()
        .map(|replace| {
            let text = |side: &str| replace[side]["Path"].as_str().unwrap();
            (text("Old"), text("New"))
        })
        .collect();
    let wanted: Vec<_> = replaced
        .iter()
        .map(|(module, _)| format!("{module}@{version}"))
        .collect();
    for ((module, folder), published) in replaced.into_iter().zip(download(tree, &wanted)) {
        match published {
            Some(published) => {
                let to = tree.join(folder);
                let _ = fs::remove_dir_all(&to);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                copy(&published, &to);
            }
            None => {
                println!("{module} {version} cannot be had");
                let drop = |what: &str| format!("-drop{what}={module}");
                said(&mut go(
                    tree,
                    &["mod", "edit", &drop("replace"), &drop("require")],
                ));
                said(
                    go(tree, &["work", "edit", &format!("-dropuse={folder}")]).env_remove("GOWORK"),
                );
            }
        }
    }
}

/// A module's files belong to nobody and are read-only.
fn copy(from: &Path, to: &Path) {
    said(
        Command::new("cp")
            .args(["-r", "--no-preserve=mode,ownership"])
            .args([from, to]),
    );
}

/// A go command that is about other modules than the folder's own.
fn go(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("go");
    command.env("GOWORK", "off").env("GOFLAGS", "-mod=mod");
    command.args(arguments).current_dir(folder);
    command
}

/// The same files give the same commits, so that a second run finds what the first one built.
fn git(tree: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "t")
            .env(format!("GIT_{who}_EMAIL"), "t@example.org")
            .env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    said(command.arg("-C").arg(tree).args(arguments));
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

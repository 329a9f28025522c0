//! Git trees of the projects where no git host can be reached: what a Go module publishes, completed to what its
//! repository holds (`vendor/`, Kubernetes' staging modules, executable scripts), with the version as a tag and one commit
//! after it. The projects' own make targets build them.

use std::{
    fs,
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
        copy(&published[0], &tree);
        if name == "kubernetes" {
            stage(&tree, &version);
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
    let text = go(folder, &["list", "-m", "-f", "{{.Version}}", &query]);
    text.trim().to_owned()
}

/// Where the modules' files are, in the order asked for.
fn download(folder: &Path, modules: &[String]) -> Vec<PathBuf> {
    let mut arguments = vec!["mod", "download", "-json"];
    arguments.extend(modules.iter().map(String::as_str));
    let text = go(folder, &arguments);
    let folders = Deserializer::from_str(&text).into_iter::<Value>();
    let folders: Vec<_> = folders
        .map(|module| PathBuf::from(module.unwrap()["Dir"].as_str().unwrap()))
        .collect();
    assert_eq!(folders.len(), modules.len());
    folders
}

/// Kubernetes v1.N.P publishes its staging folders as modules v0.N.P.
fn stage(tree: &Path, version: &str) {
    let version = format!("v0.{}", version.strip_prefix("v1.").unwrap());
    let module: Value = serde_json::from_str(&go(tree, &["mod", "edit", "-json"])).unwrap();
    let replaced = module["Replace"].as_array().unwrap().iter();
    let (modules, folders): (Vec<_>, Vec<_>) = replaced
        .map(|replace| {
            let module = replace["Old"]["Path"].as_str().unwrap();
            let folder = replace["New"]["Path"].as_str().unwrap();
            (format!("{module}@{version}"), tree.join(folder))
        })
        .unzip();
    for (published, folder) in download(tree, &modules).iter().zip(folders) {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        copy(published, &folder);
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
fn go(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("go");
    command.env("GOWORK", "off").env("GOFLAGS", "-mod=mod");
    said(command.args(arguments).current_dir(folder))
}

fn git(tree: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    said(
        Command::new("git")
            .arg("-C")
            .arg(tree)
            .args(who)
            .args(arguments),
    );
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

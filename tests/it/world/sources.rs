//! The fixture trees as git repositories, and the profile that names them.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

/// Kubernetes' branches; each has the behaviour of its name.
pub const BEHAVIOURS: [&str; 10] = [
    "one-fail",
    "always-fails",
    "panic",
    "hang",
    "before-suite-failure",
    "killed-midway",
    "truncated-junit",
    "lies-in-exit",
    "lies-in-junit",
    "does-not-build",
];

/// More of them, that are of use only to some tests.
const MORE: [&str; 3] = ["pollutes", "third-time", "never-ready"];

/// The repository's root.
pub fn fixtures() -> Utf8PathBuf {
    Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

/// A folder for what the tests of this process share. What earlier processes left is removed.
pub fn process_folder() -> Utf8PathBuf {
    let base = Utf8PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("world");
    std::fs::create_dir_all(&base).unwrap();
    for entry in base.read_dir_utf8().unwrap().flatten() {
        if !Utf8Path::new("/proc").join(entry.file_name()).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let folder = base.join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Makes all repositories below `folder`.
pub fn make(folder: &Utf8Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, tag) in [
        ("kubernetes", "v1.36.0"),
        ("containerd", "v2.2.0"),
        ("cri-o", "v1.36.0"),
        ("cni", "v1.9.0"),
        ("runc", "v1.4.0"),
    ] {
        let tree = folder.join(name);
        let from = fixtures().join(format!("build/mini-{name}"));
        ran(Command::new("cp").args(["-r", from.as_str(), tree.as_str()]));
        git(&tree, &["init", "-q", "-b", "main"]);
        commit(&tree, "first");
        git(&tree, &["tag", tag]);
    }
    let kubernetes = folder.join("kubernetes");
    for behaviour in BEHAVIOURS.into_iter().chain(MORE) {
        git(&kubernetes, &["checkout", "-q", "-b", behaviour, "main"]);
        change(&kubernetes, "behaviour", &format!("{behaviour}\n"));
        if behaviour == "does-not-build" {
            change(
                &kubernetes,
                "build/pause/linux/pause.c",
                "int main(void) {\n  return nosuch;\n}\n",
            );
        }
    }
    git(&kubernetes, &["checkout", "-q", "main"]);
    let containerd = folder.join("containerd");
    let crash = "echo 'containerd: plugin io.containerd.grpc.v1.cri: cannot load' >&2\nexit 1\n";
    for (branch, file, text) in [
        (
            "broken",
            "cmd/ctr/main.sh",
            "#!/bin/sh\nif true; then\n".to_owned(),
        ),
        (
            "crashes",
            "cmd/containerd/main.sh",
            format!("#!/bin/sh\n{crash}"),
        ),
        (
            "slow-start",
            "cmd/containerd/main.sh",
            "#!/bin/sh\nexec sleep 600\n".to_owned(),
        ),
        (
            "slow-build",
            "Makefile",
            "binaries:\n\techo begun; sleep 600; true\n".to_owned(),
        ),
    ] {
        git(&containerd, &["checkout", "-q", "-b", branch, "main"]);
        change(&containerd, file, &text);
    }
    let starts = fixtures().join("build/mini-containerd/cmd/containerd/main.sh");
    let starts = std::fs::read_to_string(starts).unwrap();
    // The test's answers over CRI are as the file says that stands beside the socket.
    for misbehaviour in ["never-says-oom", "leaks-namespaces", "leaves-state"] {
        git(&containerd, &["checkout", "-q", "-b", misbehaviour, "main"]);
        let told = format!(
            ": > \"$root/run/containerd/{misbehaviour}\"\n: > \"$root/run/containerd/up\"\n"
        );
        let text = starts.replace(": > \"$root/run/containerd/up\"\n", &told);
        change(&containerd, "cmd/containerd/main.sh", &text);
    }
    git(&containerd, &["checkout", "-q", "main"]);
}

/// The profile's file in `folder`, for the sources: `world.toml`, or another of the fixtures.
pub fn profile(folder: &Utf8Path, sources: &Utf8Path, name: &str) -> Utf8PathBuf {
    let text = std::fs::read_to_string(fixtures().join("it").join(name)).unwrap();
    let disk = fixtures().join("it/node.img");
    let text = text
        .replace("@DISK@", disk.as_str())
        .replace("@SOURCES@", sources.as_str());
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// Writes a file of a tree and commits it.
pub fn change(tree: &Utf8Path, file: &str, text: &str) {
    std::fs::write(tree.join(file), text).unwrap();
    commit(tree, file);
}

/// Commits everything.
pub fn commit(tree: &Utf8Path, message: &str) {
    git(tree, &["add", "-A"]);
    git(tree, &["commit", "-q", "-m", message]);
}

/// Runs git, with the same person and time always: commits of the same files have the same ids.
pub fn git(tree: &Utf8Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "t")
            .env(format!("GIT_{who}_EMAIL"), "t@example.org")
            .env(format!("GIT_{who}_DATE"), "2026-11-20T12:00:00Z");
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    ran(command.args(["-C", tree.as_str()]).args(arguments));
}

fn ran(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

//! What is looked at in the guest, past the runtime's own word: scripts, and what they print. Pure.

use std::collections::BTreeMap;

use crate::process::quote;

/// A pattern that finds an id, and not the command line of the search for it.
fn pattern(id: &str) -> String {
    let (first, rest) = id.split_at(id.len().min(1));
    format!("[{first}]{rest}")
}

/// Prints what of an id is in the guest: processes, mounts, cgroups, state folders, a line each.
#[must_use]
pub fn traces(root: &str, id: &str) -> String {
    let fill = [("@ROOT@", quote(root)), ("@ID@", quote(&pattern(id)))];
    filled(
        "root=@ROOT@ id=@ID@
for file in $(grep -las -e \"$id\" \"$root\"/proc/[0-9]*/cmdline \"$root\"/proc/[0-9]*/cgroup 2>/dev/null); do
  pid=${file%/*}
  # A process that ended meanwhile is no trace.
  [ -e \"$file\" ] && echo \"process ${pid##*/}: $(tr '\\0' ' ' 2>/dev/null < \"$pid/cmdline\")\"
done
grep -s -e \"$id\" \"$root/proc/1/mountinfo\" | sed 's/^/mount /'
find \"$root/sys/fs/cgroup\" -type d -name \"*$id*\" 2>/dev/null | sed 's/^/cgroup /'
find \"$root/run\" -maxdepth 6 -name \"*$id*\" 2>/dev/null | sed 's/^/state /'
true
",
        &fill,
    )
}

/// Prints the process that serves a pod: the one with the pod's id as an argument of its own.
#[must_use]
pub fn server(root: &str, pod: &str) -> String {
    let fill = [("@ROOT@", quote(root)), ("@ID@", quote(&pattern(pod)))];
    filled(
        "for file in $(grep -lxzs -e @ID@ @ROOT@/proc/[0-9]*/cmdline 2>/dev/null); do
  pid=${file%/*}
  echo \"${pid##*/} $(tr '\\0' ' ' < \"$file\")\"
done
true
",
        &fill,
    )
}

/// Prints counts that must not grow, as `NAME NUMBER`. `pod` is a pod's id, `runtime` the name of the runtime's process.
#[must_use]
pub fn footprint(root: &str, pod: &str, runtime: &str) -> String {
    let fill = [
        ("@ROOT@", quote(root)),
        ("@ID@", quote(&pattern(pod))),
        ("@RUNTIME@", quote(runtime)),
    ];
    filled(
        "root=@ROOT@
server=$(grep -lxzs -e @ID@ \"$root\"/proc/[0-9]*/cmdline 2>/dev/null | head -n 1)
server=${server%/cmdline}
runtime=$(grep -lxs -e @RUNTIME@ \"$root\"/proc/[0-9]*/comm 2>/dev/null | head -n 1)
runtime=${runtime%/comm}
echo \"server-descriptors $(ls \"$server/fd\" 2>/dev/null | wc -l)\"
echo \"runtime-descriptors $(ls \"$runtime/fd\" 2>/dev/null | wc -l)\"
# Kernel threads have no command line, and come and go.
echo \"processes $(cat \"$root\"/proc/[0-9]*/stat 2>/dev/null | awk '$4 != 2 && $1 != 2' | wc -l)\"
echo \"mounts $(wc -l < \"$root/proc/1/mountinfo\")\"
# The system's own services and sessions come and go, but for the runtime's.
echo \"cgroups $(find \"$root/sys/fs/cgroup\" -type d 2>/dev/null | grep -v -e '/user\\.slice' -e '/system\\.slice/[^c]' | wc -l)\"
echo \"network-namespaces $(ls \"$root/run/netns\" 2>/dev/null | wc -l)\"
",
        &fill,
    )
}

fn filled(template: &str, places: &[(&str, String)]) -> String {
    places
        .iter()
        .fold(template.to_owned(), |text, (place, value)| {
            text.replace(place, value)
        })
}

/// Reads `NAME NUMBER` lines.
#[must_use]
pub fn numbers(printed: &str) -> BTreeMap<String, i64> {
    printed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?)))
        .collect()
}

/// What one leaked piece in every other exec would exceed, and buffers of a warmed-up server do not.
fn allowance(name: &str, times: i64) -> i64 {
    match name {
        // Both keep descriptors of streams for a moment.
        "server-descriptors" | "runtime-descriptors" => times / 10,
        // A timer of the system may start a service at any moment.
        "processes" => times / 20,
        _ => 0,
    }
}

/// What grew over `times` repetitions more than it may, in words.
#[must_use]
pub fn grown(
    before: &BTreeMap<String, i64>,
    after: &BTreeMap<String, i64>,
    times: i64,
) -> Vec<String> {
    before
        .iter()
        .filter_map(|(name, was)| {
            let is = after.get(name).copied().unwrap_or(0);
            (is > was + allowance(name, times)).then(|| format!("{name} grew from {was} to {is}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leak_in_every_exec_is_seen_and_noise_is_not() {
        let before = numbers("server-descriptors 12\nprocesses 80\nmounts 40\nnoise\n");
        assert_eq!(before.len(), 3);
        let quiet = numbers("server-descriptors 14\nprocesses 82\nmounts 40\n");
        assert_eq!(grown(&before, &quiet, 100), [""; 0]);
        let leaking = numbers("server-descriptors 112\nprocesses 180\nmounts 41\n");
        assert_eq!(
            grown(&before, &leaking, 100),
            [
                "mounts grew from 40 to 41",
                "processes grew from 80 to 180",
                "server-descriptors grew from 12 to 112"
            ]
        );
    }

    #[tokio::test]
    async fn traces_are_found_in_a_guest_s_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let (id, other) = ("a1b2c3", "d4e5f6");
        for (name, text) in [
            ("proc/11/cmdline", format!("shim\0-id\0{id}\0")),
            ("proc/11/cgroup", "0::/system.slice/x\n".to_owned()),
            ("proc/12/cmdline", "sleep\0".to_owned()),
            ("proc/12/cgroup", format!("0::/pods/{id}\n")),
            ("proc/13/cmdline", format!("shim\0-id\0{other}\0")),
            ("proc/1/mountinfo", format!("1 2 0:1 / /run/{id}/rootfs\n")),
            (&format!("sys/fs/cgroup/pods/{id}/pids"), String::new()),
            (&format!("run/shim/{id}/init.pid"), String::new()),
        ] {
            let file = folder.path().join(name);
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            fs_err::write(file, text).unwrap();
        }
        let run = async |script: String| {
            let output = crate::process::call("sh").arg("-s").input(script).output();
            output.await.unwrap().text()
        };
        let found = run(traces(root, id)).await;
        let kinds: Vec<&str> = found
            .lines()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(
            kinds,
            ["process", "process", "mount", "cgroup", "state"],
            "{found}"
        );
        assert_eq!(run(traces(root, "0badc0de")).await, "");
        assert_eq!(run(server(root, other)).await.trim(), "13 shim -id d4e5f6");
    }
}

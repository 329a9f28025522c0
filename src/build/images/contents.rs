//! What each test image holds. The names and places are those of Kubernetes' own test images.

use std::io;

use camino::Utf8Path;

use super::{Image, Layer};
use crate::build::oci::Config;

/// What agnhost's image has beside its own program.
pub(super) const TOOLS: [&str; 13] = [
    "base-files",
    "bash",
    "bind9-dnsutils",
    "busybox-static",
    "ca-certificates",
    "coreutils",
    "curl",
    "dash",
    "iperf",
    "iperf3",
    "iproute2",
    "netcat-openbsd",
    "util-linux",
];
/// What ipc-utils' image has.
pub(super) const IPC: [&str; 4] = ["base-files", "busybox-static", "dash", "util-linux"];
/// What nginx's image has.
pub(super) const NGINX: [&str; 4] = ["base-files", "busybox-static", "dash", "nginx"];

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where the images of Debian packages have busybox's names: behind everything else on PATH, so that the real tools win.
const FALLBACK: &str = "/opt/busybox";

/// How each image's containers start.
pub(super) fn config(image: Image) -> Config {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (entrypoint, command, user): (&[&str], &[&str], &str) = match image {
        Image::Agnhost => (&["/agnhost"], &["pause"], ""),
        Image::Busybox | Image::IpcUtils => (&[], &["sh"], ""),
        Image::Nginx => (&[], &["nginx", "-g", "daemon off;"], ""),
        Image::Nonewprivs => (&[], &["nnp"], ""),
        Image::Nonroot => (&[], &["sh"], "1234"),
        Image::Pause => (&["/pause"], &[], "65535:65535"),
    };
    Config {
        entrypoint: list(entrypoint),
        command: list(command),
        environment: vec![match image {
            Image::Agnhost | Image::IpcUtils => format!("{PATH}:{FALLBACK}"),
            _ => PATH.to_owned(),
        }],
        user: user.to_owned(),
    }
}

/// On top of [`TOOLS`]: the binary, its second name, and the users that specs expect.
pub(super) fn agnhost(
    binary: &Utf8Path,
    files: &Utf8Path,
    applets: &[String],
) -> io::Result<Layer> {
    let mut layer = fallback(applets);
    layer.file("agnhost", 0o755, binary)?;
    layer.link("agnhost-2", "agnhost");
    layer.folder("uploads", 0o755);
    for name in ["localhost.crt", "localhost.key"] {
        let file = files.join("porter").join(name);
        if file.exists() {
            layer.file(name, 0o644, &file)?;
        }
    }
    layer.link("usr/local/bin/iperf", "/usr/bin/iperf");
    users(
        &mut layer,
        "user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n",
    );
    layer.bytes(
        "etc/group",
        0o644,
        "root:x:0:\ntty:x:5:\nnogroup:x:65534:\nuser-defined-in-image:x:1000:\n\
         group-defined-in-image:x:50000:user-defined-in-image\n",
    );
    Ok(layer)
}

/// On top of [`IPC`].
pub(super) fn ipc_utils(applets: &[String]) -> Layer {
    let mut layer = fallback(applets);
    users(&mut layer, "");
    layer
}

/// A busybox link for each of its names, in a folder of their own.
fn fallback(applets: &[String]) -> Layer {
    let mut layer = Layer::default();
    for applet in applets {
        let name = applet.rsplit('/').next().unwrap_or(applet);
        if name != "busybox" && !name.is_empty() {
            layer.link(
                &format!("{}/{name}", FALLBACK.trim_start_matches('/')),
                "/usr/bin/busybox",
            );
        }
    }
    layer
}

/// A whole image: busybox with a link for each of its names.
pub(super) fn busybox(binary: &Utf8Path, applets: &[String]) -> io::Result<Layer> {
    let mut layer = Layer::default();
    layer.file("bin/busybox", 0o755, binary)?;
    for applet in applets {
        if applet != "bin/busybox" && !applet.ends_with("/busybox") && !applet.is_empty() {
            layer.link(applet, "/bin/busybox");
        }
    }
    // Pods name their shell by this path, wherever Debian's busybox would put it.
    for shell in ["bin/sh", "bin/ash"] {
        layer.link(shell, "/bin/busybox");
    }
    for folder in [
        "dev",
        "home",
        "proc",
        "root",
        "sys",
        "usr/sbin",
        "var/spool",
    ] {
        layer.folder(folder, 0o755);
    }
    layer.folder("tmp", 0o1777);
    layer.folder("var/tmp", 0o1777);
    users(&mut layer, "");
    layer.bytes(
        "etc/group",
        0o644,
        "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    );
    Ok(layer)
}

/// On top of [`NGINX`]: a server of static files on port 80.
pub(super) fn nginx() -> Layer {
    let mut layer = Layer::default();
    let configuration = "user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /dev/stderr;\n\
        events {}\nhttp {\n  include /etc/nginx/mime.types;\n  access_log /dev/stdout;\n  server {\n    \
        listen 80;\n    listen [::]:80;\n    root /usr/share/nginx/html;\n  }\n}\n";
    layer.bytes("etc/nginx/nginx.conf", 0o644, configuration);
    for folder in ["run", "var/lib/nginx", "var/log/nginx"] {
        layer.folder(folder, 0o755);
    }
    users(&mut layer, "www-data:x:33:33::/var/www:/usr/sbin/nologin\n");
    layer.bytes(
        "etc/group",
        0o644,
        "root:x:0:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n",
    );
    layer
}

fn users(layer: &mut Layer, more: &str) {
    let users =
        format!("root:x:0:0:root:/root:/bin/sh\n{more}nobody:x:65534:65534:nobody:/:/bin/false\n");
    layer.bytes("etc/passwd", 0o644, users);
    layer.folder("root", 0o700);
}

//! The programs and packages a run needs. Data: `doctor` reads it.

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name on the path.
    pub program: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// What makes it say its version.
    pub version: &'static [&'static str],
    /// Whether a run cannot go on without it.
    pub needed: bool,
}

const fn tool(
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
    version: &'static [&'static str],
) -> Tool {
    Tool {
        program,
        package,
        purpose,
        version,
        needed: true,
    }
}

const DASHES: &[&str] = &["--version"];

/// All of them.
pub const TOOLS: &[Tool] = &[
    tool(
        "qemu-system-x86_64",
        "qemu-system-x86",
        "runs the machines",
        DASHES,
    ),
    tool("qemu-img", "qemu-utils", "makes their disks", DASHES),
    tool(
        "mmdebstrap",
        "mmdebstrap",
        "makes Debian node images",
        DASHES,
    ),
    tool(
        "mkfs.ext4",
        "e2fsprogs",
        "makes file systems without root",
        &["-V"],
    ),
    tool(
        "busybox",
        "busybox-static",
        "goes into test images",
        &["--help"],
    ),
    tool("ssh", "openssh-client", "enters the machines", &["-V"]),
    tool(
        "ssh-keygen",
        "openssh-client",
        "makes each machine's key",
        &[],
    ),
    tool("gcc", "gcc", "builds pause and runc", DASHES),
    tool(
        "make",
        "make",
        "builds projects by their own targets",
        DASHES,
    ),
    tool(
        "pkg-config",
        "pkg-config",
        "finds libseccomp for runc",
        DASHES,
    ),
    tool("git", "git", "mirrors git sources", DASHES),
    tool("curl", "curl", "fetches image streams", DASHES),
    tool("xz", "xz-utils", "unpacks node images", DASHES),
    Tool {
        needed: false,
        ..tool("zstd", "zstd", "unpacks some node images", DASHES)
    },
    Tool {
        needed: false,
        ..tool(
            "unshare",
            "util-linux",
            "keeps builds of pull requests apart",
            DASHES,
        )
    },
];

/// A file that a package brings.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its path.
    pub path: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// All of them.
pub const PARTS: &[Part] = &[
    Part {
        path: "/usr/share/keyrings/debian-archive-keyring.gpg",
        package: "debian-archive-keyring",
        purpose: "checks the Debian archive's signatures",
    },
    Part {
        path: "/usr/include/seccomp.h",
        package: "libseccomp-dev",
        purpose: "builds runc",
    },
];

/// The package that has Go. An old one is enough from 1.21 on: it fetches the version a source asks for.
pub const GO_PACKAGE: &str = "golang-go";
/// The first Go that fetches other versions of itself.
pub const GO_WITH_TOOLCHAINS: (u32, u32) = (1, 21);
/// The package by which an unprivileged user gets a range of user ids.
pub const UIDMAP_PACKAGE: &str = "uidmap";

/// Free space a cold run needs in the cache: Go's build cache, node image, machines.
pub const DISK: u64 = 15 << 30;
/// Memory one machine and one build need side by side.
pub const MEMORY: u64 = 6 << 30;

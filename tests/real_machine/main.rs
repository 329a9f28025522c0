//! Boots real guests. Needs QEMU and a node image: set `BELLWETHER_REAL=1` and `BELLWETHER_REAL_IMAGE` to a folder
//! with `root.img`, `vmlinuz` and `initrd.img`; without them each test says so and returns. The runtime's tests also
//! need `BELLWETHER_REAL_PAYLOAD`, a folder with `runtime.img` and `kubernetes.img`; the test of a full host disk needs
//! `BELLWETHER_REAL_SMALL`, a folder on a file system of a few MiB.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test file")]

mod machine;
mod runtime;
mod world;

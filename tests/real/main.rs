//! The real tier: real builds, real machines, real specs. Without `BELLWETHER_REAL=1` each test says so and returns.
//!
//! The cache is the user's own, or the one that `BELLWETHER_CACHE` names; what it lacks is built. The machine's tests take
//! their node image from there too, unless `BELLWETHER_REAL_IMAGE` names a folder with `root.img`, `vmlinuz` and
//! `initrd.img`; the runtime's need `BELLWETHER_REAL_PAYLOAD`, a folder with `runtime.img` and `kubernetes.img`; the test of
//! a full host disk needs `BELLWETHER_REAL_SMALL`, a folder on a file system of a few MiB. What a planted fault left is
//! kept where `BELLWETHER_REAL_KEEP` says.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test: what fails here fails it, and what it saw is for people"
)]

mod build;
mod cli;
mod fault;
mod faults;
mod image;
mod interrupts;
mod machine;
mod runtime;
mod smoke;
mod trees;
mod world;

//! A whole run in small: fixture sources are resolved, built, put on disks, started on a fake machine, tested, judged
//! and reported. No network, no KVM, no root.

#![expect(clippy::unwrap_used, reason = "tests: what fails here fails them")]

mod builds;
mod confirm;
mod crio;
mod divided;
mod identity;
mod interrupted;
mod lifecycle;
mod nodes;
mod outcomes;
mod report;
mod whole;
mod world;

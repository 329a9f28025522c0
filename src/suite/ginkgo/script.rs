//! The scripts that start and stop the suite in the guest. POSIX shell, run as root.

use std::time::Duration;

use crate::{
    process::{command_line, quote},
    profile::Ginkgo,
    suite::facts::{self, NodeFacts, UNIT},
};

use super::{
    flags::{self, FlagsError},
    kubelet::{KUBELET_CONFIG, kubelet_config},
    plan::{REPORT, plan_arguments},
};

/// Ends the here-documents; no line of what they hold can be this.
const END: &str = "BELLWETHER_END_OF_FILE";

/// The script that prepares the suite's folder and starts the suite; it returns at once.
///
/// # Errors
/// When the profile's arguments would break the run.
pub fn script(settings: &Ginkgo, facts: &NodeFacts, limit: Duration) -> Result<String, FlagsError> {
    let arguments = flags::arguments(settings, facts, limit)?;
    let ports = match facts.ports {
        true => format!("{}/dev/virtio-ports", facts.root),
        // Nothing can be in it.
        false => "/dev/null".to_owned(),
    };
    let runner = fill(
        include_str!("run.sh"),
        &[
            ("@SUITE@", &quote(&facts::folder(&facts.root))),
            ("@PORTS@", &quote(&ports)),
            ("@ROOT@", &quote(&facts.root)),
            ("@PATH@", &quote(&facts.path())),
            ("@LIMIT@", &limit.as_secs().max(1).to_string()),
            ("@COMMAND@", &command_line("./ginkgo", &arguments)),
        ],
    );
    let description = format!("e2e_node on {} ({})", facts.handler, facts.runtime_unit);
    Ok(fill(
        include_str!("start.sh"),
        &[
            ("@ROOT@", &quote(&facts.root)),
            ("@SUITE@", &quote(&facts::folder(&facts.root))),
            ("@BIN@", &quote(&facts.kubernetes_bin())),
            ("@UNIT@", UNIT),
            ("@DESCRIPTION@", &quote(&description)),
            ("@KUBELET_CONFIG@", KUBELET_CONFIG),
            ("@KUBELET@", kubelet_config(settings).trim_end()),
            ("@RUN@", runner.trim_end()),
            ("@END@", END),
        ],
    ))
}

/// The script that asks the suite in the guest what it will run, and prints the report.
#[must_use]
pub fn plan_script(settings: &Ginkgo, facts: &NodeFacts) -> String {
    fill(
        include_str!("plan.sh"),
        &[
            ("@BIN@", &quote(&facts.kubernetes_bin())),
            ("@REPORT@", REPORT),
            (
                "@COMMAND@",
                &command_line("./ginkgo", &plan_arguments(settings)),
            ),
        ],
    )
}

/// The script that stops the suite, its services and its kubelet, and waits for that: a minute when the
/// suite is slow to end, never more than three.
#[must_use]
pub fn stop_script(root: &str) -> String {
    fill(
        include_str!("stop.sh"),
        &[
            ("@ROOT@", &quote(root)),
            ("@SUITE@", &quote(&facts::folder(root))),
            ("@UNIT@", UNIT),
        ],
    )
}

/// Replaces each place in one pass, so that a value that looks like a place stays as it is.
fn fill(template: &str, places: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match places.iter().find(|(place, _)| from.starts_with(place)) {
            Some((place, value)) => {
                out.push_str(value);
                rest = from.get(place.len()..).unwrap_or_default();
            }
            None => {
                out.push('@');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;

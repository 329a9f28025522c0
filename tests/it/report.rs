//! What a person reads at the end.

use bellwether::report::{TerminalOptions, terminal};

use crate::{
    outcomes::ran,
    world::{Ran, World, main_pairing},
};

fn page(ran: &Ran) -> String {
    let folder = ran.folder.path().to_owned();
    let options = TerminalOptions {
        width: 100,
        folder: Some(folder.clone()),
        ..TerminalOptions::log()
    };
    terminal(&ran.summary, &options).replace(folder.as_str(), "[folder]")
}

fn filters() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, name) in [
        ("\\b01[0-9a-f]{6}-[0-9a-f]{4}(-7[0-9a-f-]{21})?", "[run]"),
        ("\\((amd64|arm64), [0-9a-f]{12}\\)", "([arch], [digest])"),
        ("\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d(:\\d\\d)?", "[time]"),
        ("\\b\\d+(\\.\\d+)? ?(ms|s)\\b", "[seconds]"),
        ("\\d+ cores?, [0-9.]+ [GM]iB", "[host]"),
        ("(?m)\\d+:\\d\\d$", "[time]"),
        ("-g[0-9a-f]{9}", "-g[commit]"),
        ("\\([0-9a-f]{40}\\)", "([commit])"),
        ("sha256 [0-9a-f]{12}", "sha256 [digest]"),
        ("go1\\.[0-9.]+", "[go]"),
        ("(?m)^( +toolchain.*|  +cc .*)$", "[toolchains]"),
        (" +\n", "\n"),
    ] {
        settings.add_filter(pattern, name);
    }
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terminal_after_a_run_in_which_all_passed() {
    let world = World::shared();
    let ran = world.run(&main_pairing()).await;
    let page = page(&ran);
    filters().bind(|| insta::assert_snapshot!("all_pass", page));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terminal_after_a_run_in_which_one_spec_failed() {
    let page = page(ran("one-fail").await);
    filters().bind(|| insta::assert_snapshot!("one_fail", page));
}

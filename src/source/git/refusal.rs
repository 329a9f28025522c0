//! What git's words mean when it fails. Pure.

use crate::source::Trouble;

/// The line in which git says what is wrong: the first `fatal:` or `error:`, else the last line.
pub(super) fn last_words(stderr: &str) -> String {
    let lines = || {
        stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let said = lines()
        .find(|l| l.starts_with("fatal:") || l.starts_with("error:") || l.starts_with("ssh:"));
    let said = said.or_else(|| lines().next_back());
    said.unwrap_or("git said nothing").to_owned()
}

/// What a failed command that may ask the remote means, and what to do about it.
pub(super) fn classify(stderr: &str, local: bool) -> (Trouble, &'static str) {
    let says = |text: &str| stderr.contains(text);
    if says("couldn't find remote ref") || says("not our ref") || says("unadvertised object") {
        (Trouble::Missing, "look at its refs with `git ls-remote`")
    } else if says("dubious ownership") {
        (
            Trouble::Usage,
            "git refuses a folder of another user: git config --global --add safe.directory FOLDER",
        )
    } else if says("No space left on device") || says("Disk quota exceeded") {
        (
            Trouble::Host,
            "free some disk space; `bellwether cache prune` helps",
        )
    } else if local && (says("does not appear to be a git repository") || says("does not exist")) {
        (
            Trouble::Unreachable,
            "there is no git repository in this folder: check the path",
        )
    } else if says("Repository not found")
        || says("could not read Username")
        || says("Authentication failed")
    {
        (
            Trouble::Missing,
            "check the URL; if the repository is private, set up a credential helper",
        )
    } else {
        (
            Trouble::Unreachable,
            "check the network and the URL; an exact commit that is in the mirror already works offline",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_own_words_are_shown_and_classified() {
        let (trouble, _) = classify(
            "fatal: unable to access 'https://x/': Could not resolve host: x\n",
            false,
        );
        assert_eq!(trouble, Trouble::Unreachable);
        let gone = "fatal: '/x' does not appear to be a git repository\n";
        assert_eq!(classify(gone, true).0, Trouble::Unreachable);
        let (trouble, _) = classify("fatal: couldn't find remote ref refs/pull/9/head\n", false);
        assert_eq!(trouble, Trouble::Missing);
        let (trouble, _) = classify(
            "remote: Repository not found.\nfatal: repository 'https://x/' not found\n",
            false,
        );
        assert_eq!(trouble, Trouble::Missing);
        let words = last_words(
            "warning: x\nfatal: unable to access 'u': timed out\nPlease make sure you have the correct access rights\n",
        );
        assert_eq!(words, "fatal: unable to access 'u': timed out");
    }
}

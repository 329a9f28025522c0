//! Links of a page: only what a browser may follow safely. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::{Candidate, Origin};

const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A file of the run directory as a link from a page that lies in it. The leading `./` keeps a file
/// called `javascript:x` a file.
#[must_use]
pub fn file_link(path: &str) -> String {
    format!("./{}", utf8_percent_encode(path, PATH))
}

/// The link, if it is one to the web. Anything else (`javascript:`, `data:`) stays text.
#[must_use]
pub fn web_link(link: Option<&str>) -> Option<String> {
    link.filter(|link| link.starts_with("https://") || link.starts_with("http://"))
        .map(str::to_owned)
}

/// Where a line of Kubernetes' code can be read: `k8s.io/kubernetes@v1.36.3/test/…go:263`, or the same
/// without a version, which then is the candidate's.
#[must_use]
pub fn code_link(location: &str, candidate: Option<&Candidate>) -> Option<String> {
    let rest = location.strip_prefix("k8s.io/kubernetes")?;
    let (file, line) = rest.rsplit_once(':')?;
    let line: u64 = line.parse().ok()?;
    let (revision, file) = match file.strip_prefix('@') {
        Some(rest) => {
            let (version, file) = rest.split_once('/')?;
            (version.to_owned(), file)
        }
        None => {
            let revisions = &candidate?.revisions;
            let git = revisions
                .values()
                .find_map(|revision| match &revision.origin {
                    Origin::Git { url, commit, .. }
                        if url
                            .trim_end_matches(".git")
                            .ends_with("kubernetes/kubernetes") =>
                    {
                        Some(commit.clone())
                    }
                    _ => None,
                })?;
            (git, file.strip_prefix('/')?)
        }
    };
    let path = utf8_percent_encode(file, PATH);
    let revision = utf8_percent_encode(&revision, PATH);
    Some(format!(
        "https://github.com/kubernetes/kubernetes/blob/{revision}/{path}#L{line}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_cannot_become_other_links() {
        assert_eq!(file_link("a lane/1/suite.log"), "./a%20lane/1/suite.log");
        assert_eq!(
            file_link("javascript:alert(1)\"'"),
            "./javascript%3Aalert%281%29%22%27"
        );
        assert_eq!(web_link(Some("javascript:alert(1)")), None);
        assert_eq!(
            web_link(Some("https://x/y")).as_deref(),
            Some("https://x/y")
        );
    }

    #[test]
    fn code_is_linked_at_the_revision_that_ran() {
        assert_eq!(
            code_link("k8s.io/kubernetes@v1.36.3/test/e2e/x.go:263", None).as_deref(),
            Some("https://github.com/kubernetes/kubernetes/blob/v1.36.3/test/e2e/x.go#L263")
        );
        assert_eq!(code_link("k8s.io/kubernetes/test/e2e/x.go:263", None), None);
        assert_eq!(code_link("/usr/lib/go/testing.go:1", None), None);
    }
}

//! From what a profile says of a source to one exact revision.

use camino::Utf8Path;

use super::{
    SourceError, Trouble, crates, error::Subject, git::Mirror, go_module, path, reference::link,
};
use crate::{
    model::{Origin, Revision},
    profile::{Selection, SourceKind},
};

/// A resolved source, with what is worth saying about how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The exact revision.
    pub revision: Revision,
    /// Sentences for people: a force-push, an answer from the mirror while offline.
    pub notes: Vec<String>,
}

/// Resolves one source as a pairing selects it. What [`Resolved::notes`] would say goes to the log.
///
/// # Errors
/// When the source cannot be reached, or does not have the revision.
pub async fn resolve(
    kind: &SourceKind,
    stable: Option<&str>,
    selection: Option<&Selection>,
    name: &str,
    cache_root: &Utf8Path,
) -> Result<Revision, SourceError> {
    let resolved = resolve_with_notes(kind, stable, selection, name, cache_root).await?;
    for note in &resolved.notes {
        tracing::info!("{note}");
    }
    Ok(resolved.revision)
}

/// Resolves one source as a pairing selects it.
///
/// # Errors
/// When the source cannot be reached, or does not have the revision.
pub async fn resolve_with_notes(
    kind: &SourceKind,
    stable: Option<&str>,
    selection: Option<&Selection>,
    name: &str,
    cache_root: &Utf8Path,
) -> Result<Resolved, SourceError> {
    match kind {
        SourceKind::Git { url, reference } => {
            let wanted = wanted(reference, stable, selection, &Subject::new(name, url))?;
            git(name, url, wanted, cache_root).await
        }
        SourceKind::GoModule { module, version } => {
            let wanted = wanted(version, stable, selection, &Subject::new(name, module))?;
            let revision = go_module::resolve(name, module, published(wanted)).await?;
            Ok(Resolved {
                revision,
                notes: Vec::new(),
            })
        }
        SourceKind::Crate {
            name: krate,
            version,
        } => {
            let wanted = wanted(version, stable, selection, &Subject::new(name, krate))?;
            let revision = crates::resolve(name, krate, published(wanted)).await?;
            Ok(Resolved {
                revision,
                notes: Vec::new(),
            })
        }
        SourceKind::Path { path: folder } => {
            if let Some(selection) = selection {
                let what = match selection {
                    Selection::Stable => "stable",
                    Selection::Revision(revision) => revision,
                };
                return Err(Subject::new(name, folder.as_str()).error(
                    Trouble::Usage,
                    format!("a folder has no revision `{what}`"),
                    "if it is a git repository, name it as `git = \"FOLDER\"` with a ref",
                ));
            }
            let revision = path::resolve(name, folder).await?;
            Ok(Resolved {
                revision,
                notes: Vec::new(),
            })
        }
    }
}

/// All kinds share the profile's word for the newest release.
fn published(wanted: &str) -> &str {
    if wanted == "latest-tag" {
        "latest"
    } else {
        wanted
    }
}

fn wanted<'a>(
    own: &'a str,
    stable: Option<&'a str>,
    selection: Option<&'a Selection>,
    subject: &Subject,
) -> Result<&'a str, SourceError> {
    match selection {
        None => Ok(own),
        Some(Selection::Revision(revision)) => Ok(revision),
        Some(Selection::Stable) => stable.ok_or_else(|| {
            subject.error(
                Trouble::Usage,
                "a pairing asks for its `stable`, and the profile does not say what that is",
                format!("add `stable = \"latest-tag\"` to [source.{}]", subject.name),
            )
        }),
    }
}

async fn git(
    name: &str,
    url: &str,
    reference: &str,
    cache_root: &Utf8Path,
) -> Result<Resolved, SourceError> {
    let mirror = Mirror::open(name, url, cache_root).await?;
    let found = mirror.find(reference).await?;
    let version = mirror.describe(&found.commit).await?;
    let revision = Revision {
        source: name.to_owned(),
        date: mirror.date(&found.commit),
        link: link(url, reference, &version, &found.commit),
        version,
        origin: Origin::Git {
            url: url.to_owned(),
            reference: reference.to_owned(),
            commit: found.commit,
        },
    };
    Ok(Resolved {
        revision,
        notes: found.notes,
    })
}

//! One build, from request to cache entry.

use std::{io::Write as _, os::unix::fs::PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    BuildError, Toolchain,
    cache::{Cache, Entry},
    diagnosis, digest, images,
    recipe::{self, Inputs, Output},
    step::Step,
};
use crate::{
    model::{self, Digest, Revision},
    process::{self, Call, ProcessError},
    profile::{Build, Recipe},
    source::{self, Mirror},
};

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The build's name in the profile.
    pub name: String,
    /// Its settings.
    pub build: Build,
    /// Its source.
    pub revision: Revision,
    /// Its compilers, as [`super::toolchain`] finds them.
    pub toolchain: Toolchain,
}

/// A build's outputs.
#[derive(Clone, Debug)]
pub struct Built {
    /// Where they are.
    pub entry: Entry,
    /// Whether they were made now.
    pub fresh: bool,
}

/// Builds, unless the cache has it. The commands and what they write go to the end of the file `log`; files are
/// made in a folder of their own below `scratch`, which is removed at the end, also when this future is dropped.
///
/// # Errors
/// When it cannot be built; the log then says why.
pub async fn run(
    request: BuildRequest,
    cache: &Cache,
    log: &Utf8Path,
    scratch: &Utf8Path,
) -> Result<Built, BuildError> {
    let digest = digest(&request.build, &request.revision, &request.toolchain);
    let what = format!("build.{} {}", request.name, request.revision.version);
    fill(request, Part::Whole, (&digest, &what), cache, log, scratch).await
}

/// As [`run`], but only the images that every node has, which need none of the source's programs. `digest` is that of
/// their inputs.
///
/// # Errors
/// As [`run`].
pub async fn base_images(
    request: BuildRequest,
    digest: &Digest,
    cache: &Cache,
    log: &Utf8Path,
    scratch: &Utf8Path,
) -> Result<Built, BuildError> {
    let what = format!("images.base {}", request.revision.version);
    fill(
        request,
        Part::BaseImages,
        (digest, &what),
        cache,
        log,
        scratch,
    )
    .await
}

/// What of a source is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    BaseImages,
}

async fn fill(
    request: BuildRequest,
    part: Part,
    (digest, what): (&Digest, &str),
    cache: &Cache,
    log: &Utf8Path,
    scratch: &Utf8Path,
) -> Result<Built, BuildError> {
    let make = |out: Utf8PathBuf| async move {
        refuse_untrusted(&request, cache).await?;
        let scratch = Scratch::new(scratch, &request.name)?;
        let building = build(&request, part, cache, log, &scratch.0, &out);
        match tokio::time::timeout(request.build.timeout, building).await {
            Ok(done) => done,
            Err(_) => Err(BuildError::Deadline {
                name: request.name.clone(),
                limit: request.build.timeout,
                log: log.to_owned(),
                last: last_line(log),
            }),
        }
    };
    let (entry, fresh) = cache.fill(digest, what, make).await?;
    Ok(Built { entry, fresh })
}

/// Code that is on no branch and no tag, a pull request's for one, must not run here. Repositories on this
/// machine are its user's own.
async fn refuse_untrusted(request: &BuildRequest, cache: &Cache) -> Result<(), BuildError> {
    let model::Origin::Git {
        url,
        reference,
        commit,
    } = &request.revision.origin
    else {
        return Ok(());
    };
    let mirror = Mirror::open(&request.revision.source, url, cache.root()).await?;
    let foreign = ["refs/pull/", "pull/", "refs/merge-requests/"]
        .iter()
        .any(|prefix| reference.starts_with(prefix));
    if foreign || !mirror.is_local() && !mirror.is_published(commit).await? {
        return Err(BuildError::Untrusted {
            name: request.name.clone(),
            reference: format!("{reference} ({commit})"),
        });
    }
    Ok(())
}

async fn build(
    request: &BuildRequest,
    part: Part,
    cache: &Cache,
    log: &Utf8Path,
    scratch: &Utf8Path,
    out: &Utf8Path,
) -> Result<(), BuildError> {
    let checkout =
        source::checkout(&request.revision, cache.root(), &scratch.join("source")).await?;
    let work = scratch.join("work");
    fs::create_dir_all(work.join("out"))?;
    let inputs = Inputs {
        checkout: &checkout,
        revision: &request.revision,
        toolchain: &request.toolchain,
        build: &request.build,
        work: &work,
    };
    let log = Log { request, file: log };
    if part == Part::BaseImages {
        let parts = images::Parts {
            suite: out,
            files: checkout.files(),
            step: Step::new("true", &checkout, &request.toolchain),
            agnhost: None,
            nonewprivs: None,
            pause_source: existing(checkout.files().join(recipe::PAUSE_SOURCE)),
        };
        return images::base(&parts, &log, cache, &work, out).await;
    }
    let plan = recipe::work(&inputs);
    for (path, text) in &plan.files {
        fs::write(path, text)?;
    }
    for step in &plan.steps {
        log.run(step).await?;
    }
    let parts = work.join("kept");
    for output in &plan.outputs {
        let root = if output.name.starts_with("parts") {
            &parts
        } else {
            out
        };
        log.take(output, root)?;
    }
    if request.build.recipe == Recipe::KubernetesNode {
        for name in recipe::multicall() {
            if !out.join(name).exists() {
                fs_err::os::unix::fs::symlink("e2e_node.test", out.join(name))?;
            }
        }
        let parts = images::Parts {
            suite: &out.join("bin/e2e_node.test"),
            files: checkout.files(),
            step: Step::new("true", &checkout, &request.toolchain),
            agnhost: existing(parts.join(recipe::AGNHOST)),
            nonewprivs: existing(parts.join(recipe::NONEWPRIVS)),
            pause_source: existing(checkout.files().join(recipe::PAUSE_SOURCE)),
        };
        images::make(&parts, &log, cache, &work, out).await?;
    }
    Ok(())
}

fn existing(path: Utf8PathBuf) -> Option<Utf8PathBuf> {
    path.exists().then_some(path)
}

/// Where a build's commands and their words go.
pub(super) struct Log<'a> {
    pub request: &'a BuildRequest,
    pub file: &'a Utf8Path,
}

impl Log<'_> {
    /// Writes one line of bellwether's own.
    pub fn say(&self, line: &str) -> Result<(), BuildError> {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.file)?;
        Ok(writeln!(file, "{line}")?)
    }

    /// Runs one command to its end, with its words in the log.
    pub async fn run(&self, step: &Step) -> Result<(), BuildError> {
        self.call(step.call()).await
    }

    /// As [`Log::run`], for a command that is not of the check-out.
    pub async fn call(&self, call: Call) -> Result<(), BuildError> {
        let line = call.command_line();
        self.say(&format!("$ {line}"))?;
        let from = fs::metadata(self.file)?.len();
        let output = self.end(call.log(self.file)).await?;
        if output.status == Some(0) {
            return Ok(());
        }
        Err(self.failed(line, &output, from)?)
    }

    /// Runs one command and returns what it wrote to stdout. Its stderr goes to the log.
    pub async fn read(&self, step: &Step) -> Result<String, BuildError> {
        let line = step.line();
        self.say(&format!("$ {line}"))?;
        let from = fs::metadata(self.file)?.len();
        let output = self.end(step.call()).await?;
        self.say(output.stderr.trim_end())?;
        if output.status == Some(0) {
            return Ok(output.text());
        }
        Err(self.failed(line, &output, from)?)
    }

    async fn end(&self, call: Call) -> Result<process::Output, BuildError> {
        let output = call.limit(self.request.build.timeout);
        // A lane may run meanwhile.
        let output = output.background().output().await;
        output.map_err(|error| match error {
            ProcessError::Deadline { limit, .. } => BuildError::Deadline {
                name: self.request.name.clone(),
                limit,
                log: self.file.to_owned(),
                last: last_line(self.file),
            },
            error => BuildError::tool(error, BuildError::Host),
        })
    }

    fn failed(
        &self,
        command: String,
        output: &process::Output,
        from: u64,
    ) -> Result<BuildError, BuildError> {
        let text = String::from_utf8_lossy(&fs::read(self.file)?).into_owned();
        let first = diagnosis::first_error(&text, usize::try_from(from).unwrap_or(0));
        if let Some(program) = first
            .as_ref()
            .and_then(|first| first.missing_tool.as_deref())
        {
            return Ok(BuildError::missing(program));
        }
        Ok(BuildError::Failed {
            name: self.request.name.clone(),
            recipe: self.request.build.recipe,
            command,
            status: output.status_text(),
            log: self.file.to_owned(),
            first: first.map(Box::new),
        })
    }

    fn take(&self, output: &Output, root: &Utf8Path) -> Result<(), BuildError> {
        let Some(from) = output.places.iter().find(|place| place.is_file()) else {
            return Err(BuildError::NoOutput {
                name: self.request.name.clone(),
                recipe: self.request.build.recipe,
                missing: output.name.to_string(),
                log: self.file.to_owned(),
            });
        };
        let to = root.join(&output.name);
        fs::create_dir_all(to.parent().unwrap_or(root))?;
        // The scratch folder may be on another file system than the cache.
        if fs::rename(from, &to).is_err() {
            fs::copy(from, &to)?;
        }
        Ok(fs::set_permissions(
            &to,
            std::fs::Permissions::from_mode(0o755),
        )?)
    }
}

fn last_line(log: &Utf8Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("nothing").trim().to_owned()
}

/// A build's own folder, gone when this is dropped.
struct Scratch(Utf8PathBuf);

impl Scratch {
    fn new(below: &Utf8Path, name: &str) -> Result<Self, BuildError> {
        fs::create_dir_all(below)?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(below)?
            .keep();
        let folder = Utf8PathBuf::from_path_buf(folder)
            .map_err(|path| BuildError::Host(format!("{} is not UTF-8", path.display())))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A killed compiler's children may write for a moment longer.
        for _ in 0..20 {
            if fs::remove_dir_all(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests;

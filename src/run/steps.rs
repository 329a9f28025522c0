//! Does one step of the plan, or finds its output in the cache.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, PoisonError},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{context::Context, resolve};
use crate::{
    build,
    image::{self, ImageError, NodeImage, PayloadPart},
    model::{Blame, Candidate, Cause, Class, Confidence, EvidenceLine, Phase, StepId},
    plan::{Step, Work},
};

/// What a step made.
#[derive(Clone, Debug)]
pub enum Output {
    /// A folder of binaries and images.
    Build(Utf8PathBuf),
    /// A node image.
    NodeImage(NodeImage),
    /// A read-only disk.
    Disk(Utf8PathBuf),
}

/// What the steps made so far.
#[derive(Debug, Default)]
pub struct Outputs {
    made: Mutex<BTreeMap<StepId, Output>>,
    on_disk: Mutex<BTreeMap<StepId, Vec<Utf8PathBuf>>>,
}

impl Outputs {
    /// Keeps a step's output.
    pub fn put(&self, step: &StepId, output: Output) {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(step.clone(), output);
    }

    /// The folder or disk that a step made.
    #[must_use]
    pub fn path(&self, step: &StepId) -> Option<Utf8PathBuf> {
        match self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(step)?
        {
            Output::Build(path) | Output::Disk(path) => Some(path.clone()),
            Output::NodeImage(image) => Some(image.folder.clone()),
        }
    }

    /// Keeps the builds' folders that a disk was made from.
    fn put_on_disk(&self, step: &StepId, folders: Vec<Utf8PathBuf>) {
        self.on_disk
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(step.clone(), folders);
    }

    /// The builds' folders that a disk was made from.
    #[must_use]
    pub fn on_disk(&self, step: &StepId) -> Vec<Utf8PathBuf> {
        let known = self.on_disk.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(step).cloned().unwrap_or_default()
    }

    /// The node image that a step made.
    #[must_use]
    pub fn image(&self, step: &StepId) -> Option<NodeImage> {
        match self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(step)?
        {
            Output::NodeImage(image) => Some(image.clone()),
            Output::Build(_) | Output::Disk(_) => None,
        }
    }
}

/// Does `step`; the bool says whether it was done now.
///
/// # Errors
/// With the cause, whose evidence names files relative to the run's folder.
pub async fn run(
    context: &Context,
    candidates: &[Candidate],
    outputs: &Outputs,
    step: &Step,
) -> Result<(Output, bool), Box<Cause>> {
    let name = Utf8PathBuf::from(format!("steps/{}.log", step.id));
    let log = context.log.folder().file(name.as_str());
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).map_err(|error| host(&error))?;
    }
    let candidate = |pairing: &String| {
        candidates
            .iter()
            .find(|candidate| candidate.pairing == *pairing)
            .ok_or_else(|| missing(pairing))
    };
    match &step.work {
        Work::Build {
            build: name_of_build,
            pairing,
        }
        | Work::BaseImages {
            build: name_of_build,
            pairing,
        } => {
            let candidate = candidate(pairing)?;
            let build = context
                .profile
                .builds
                .get(name_of_build)
                .ok_or_else(|| missing(name_of_build))?;
            let revision = candidate
                .revisions
                .get(&build.source)
                .ok_or_else(|| missing(&build.source))?;
            let request = build::BuildRequest {
                name: name_of_build.clone(),
                build: build.clone(),
                revision: revision.clone(),
                toolchain: resolve::toolchain_of(candidate),
            };
            let scratch = context
                .cache
                .folder("scratch")
                .map_err(|error| host(&error))?;
            let cache = &context.cache;
            let built = if matches!(step.work, Work::BaseImages { .. }) {
                build::base_images(request, &step.digest, cache, &log, &scratch).await
            } else {
                build::run(request, cache, &log, &scratch).await
            };
            let built = built.map_err(|error| Box::new(error.cause(&name)))?;
            Ok((Output::Build(built.entry.folder), built.fresh))
        }
        Work::NodeImage {
            image: name_of_image,
            pairing,
        } => {
            let candidate = candidate(pairing)?;
            let revision = candidate
                .node_images
                .get(name_of_image)
                .ok_or_else(|| missing(name_of_image))?;
            let settings = context
                .profile
                .images
                .get(name_of_image)
                .ok_or_else(|| missing(name_of_image))?;
            let image = image::make(revision, settings, &context.cache, &log)
                .await
                .map_err(|error| image_cause(&error, &name))?;
            let fresh = image.fresh;
            Ok((Output::NodeImage(image), fresh))
        }
        Work::RuntimeDisk { builds } | Work::KubernetesDisk { builds } => {
            let folders: Vec<_> = builds
                .iter()
                .filter_map(|build| outputs.path(build))
                .collect();
            let parts = disk_parts(&folders).map_err(|error| host(&error))?;
            let payload =
                image::payload(step.id.as_str(), &parts, &step.digest, &context.cache, &log)
                    .await
                    .map_err(|error| image_cause(&error, &name))?;
            outputs.put_on_disk(&step.id, folders);
            Ok((Output::Disk(payload.disk), payload.fresh))
        }
    }
}

/// Every file of the builds' folders, at its own path on the disk. Builds put different files into folders of one
/// name, such as `bin`.
fn disk_parts(folders: &[Utf8PathBuf]) -> io::Result<Vec<PayloadPart>> {
    let mut parts = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            let Ok(inner) = Utf8PathBuf::from_path_buf(entry?.path()) else {
                continue;
            };
            let Some(name) = inner.file_name().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            if !inner.is_dir() {
                parts.push(PayloadPart {
                    from: inner.clone(),
                    to: name.to_owned(),
                });
                continue;
            }
            for entry in fs::read_dir(&inner)? {
                let Ok(file) = Utf8PathBuf::from_path_buf(entry?.path()) else {
                    continue;
                };
                let to = format!("{name}/{}", file.file_name().unwrap_or_default());
                parts.push(PayloadPart { from: file, to });
            }
        }
    }
    parts.sort_by(|a, b| a.to.cmp(&b.to));
    Ok(parts)
}

fn image_cause(error: &ImageError, log: &Utf8Path) -> Box<Cause> {
    let evidence = error.line().map_or_else(
        || EvidenceLine {
            file: log.to_owned(),
            line: 1,
            text: error.to_string(),
        },
        |line| EvidenceLine {
            file: log.to_owned(),
            ..line.clone()
        },
    );
    Box::new(Cause {
        phase: Phase::Image,
        class: Class::Infra,
        blame: error.blame(),
        confidence: Confidence::Certain,
        summary: error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        evidence: vec![evidence],
        rule: None,
        hint: error.hint(),
    })
}

fn host(error: &dyn std::error::Error) -> Box<Cause> {
    Box::new(Cause {
        phase: Phase::Build,
        class: Class::Infra,
        blame: Blame::Environment,
        confidence: Confidence::Certain,
        summary: error.to_string(),
        evidence: Vec::new(),
        rule: None,
        hint: Some("look at the disk and the permissions of the folder it names".to_owned()),
    })
}

fn missing(what: &str) -> Box<Cause> {
    Box::new(Cause {
        phase: Phase::Build,
        class: Class::Infra,
        blame: Blame::Bellwether,
        confidence: Confidence::Certain,
        summary: format!("the plan names `{what}`, which the profile or its candidate lacks"),
        evidence: Vec::new(),
        rule: None,
        hint: None,
    })
}

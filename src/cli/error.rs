//! What went wrong, for people: the reason, what to do next, and the exit code.

use crate::{
    build::cache::CacheError,
    daemon::{schedule::CalendarError, serve::DaemonError},
    evidence::{RunDirError, foreign::ForeignError},
    history::HistoryError,
    image::ImageError,
    model::{ExitCode, LaneId, SpecName},
    process::ProcessError,
    profile::ProfileErrors,
    report::{ReportError, words},
    run::{PlanOnlyError, RunError, store::StoreError},
    verdict::RuleErrors,
};

use super::Printer;

/// A command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The profile is wrong.
    #[error("the profile cannot be used\n\n{0}")]
    Profile(#[from] ProfileErrors),
    /// Rules are wrong.
    #[error("the rules cannot be used\n\n{0}")]
    Rules(#[from] RuleErrors),
    /// A run could not be recorded.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A plan could not be made.
    #[error(transparent)]
    Plan(#[from] PlanOnlyError),
    /// A run could not be found.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run directory could not be read.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A report could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The history could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The cache could not be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A node image could not be made.
    #[error(transparent)]
    Image(Box<ImageError>),
    /// The profile has no such image.
    #[error("the profile has no image `{name}`")]
    NoImage {
        /// What was asked for.
        name: String,
        /// The images it has.
        images: Vec<String>,
    },
    /// A path to be triaged cannot be read.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// No failure has this id.
    #[error("no failure and no cluster has the id `{id}`")]
    NoFailure {
        /// What was asked for.
        id: String,
        /// Some that are there.
        some: Vec<String>,
    },
    /// A helper program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The file system or the terminal refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// There is no home folder to put things in.
    #[error("no folder for {what}: neither {variable} nor HOME is set")]
    NoHome {
        /// For what.
        what: &'static str,
        /// The variable that would name it.
        variable: &'static str,
    },
    /// A profile's schedule cannot be used.
    #[error("{profile}: {error}")]
    Schedule {
        /// Which.
        profile: String,
        /// Why.
        error: CalendarError,
    },
    /// The daemon cannot go on.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The queue does not take it.
    #[error("{0}")]
    Queue(String),
    /// The run has no summary: it was killed, or it runs.
    #[error("run {run} has no summary yet")]
    NoSummary {
        /// The run.
        run: String,
    },
    /// The text does not have the parts it needs.
    #[error("`{text}` is not of the form {form}")]
    Form {
        /// What was given.
        text: String,
        /// What is wanted.
        form: &'static str,
    },
    /// The run has no such lane.
    #[error("run {run} has no lane `{text}`")]
    NoLane {
        /// The run.
        run: String,
        /// What was asked for.
        text: String,
        /// The lanes it has, or those that fit.
        lanes: Vec<LaneId>,
    },
    /// The lane's machine is gone.
    #[error("the machine of lane {lane} does not run")]
    NoMachine {
        /// The lane.
        lane: LaneId,
    },
    /// The lane has no such spec.
    #[error("lane {lane} has no one spec that fits `{text}`")]
    NoSpec {
        /// The lane.
        lane: LaneId,
        /// What was asked for.
        text: String,
        /// Specs that fit.
        fits: Vec<SpecName>,
    },
}

impl CliError {
    /// What to do next.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NoHome { .. } => vec![
                "give --state-dir and --cache-dir, or set BELLWETHER_STATE and BELLWETHER_CACHE"
                    .to_owned(),
            ],
            Self::Plan(PlanOnlyError::Resolve(cause)) => cause.hint.iter().cloned().collect(),
            Self::NoSummary { run } => {
                vec![format!("`bellwether show {run}` shows how far it came")]
            }
            Self::NoLane { lanes, .. } if lanes.is_empty() => {
                vec!["the run ended before it had lanes".to_owned()]
            }
            Self::NoLane { lanes, .. } => {
                let names: Vec<_> = lanes.iter().map(LaneId::as_str).collect();
                vec![format!("one of: {}", names.join(", "))]
            }
            Self::History(error) => error.hints(),
            Self::Image(error) => error.hint().into_iter().collect(),
            Self::NoImage { images, .. } => vec![format!("one of: {}", images.join(", "))],
            Self::NoFailure { some, .. } if some.is_empty() => {
                vec!["no failure was found in what was given".to_owned()]
            }
            Self::NoFailure { some, .. } => vec![format!(
                "ids look like {}; `bellwether triage PATH… --json` lists them",
                some.join(", ")
            )],
            Self::NoMachine { .. } => {
                vec!["`bellwether run … --keep` leaves machines up after a run".to_owned()]
            }
            Self::NoSpec { fits, .. } if fits.is_empty() => {
                vec![
                    "give the handle that `bellwether show` prints, or a part of the name"
                        .to_owned(),
                ]
            }
            Self::NoSpec { fits, .. } => fits
                .iter()
                .take(5)
                .map(|name| format!("`{}` is {name}", words::spec_handle(name)))
                .collect(),
            Self::Process(ProcessError::Start { program, .. }) => vec![format!(
                "`bellwether doctor` says which package has `{program}`"
            )],
            Self::Store(StoreError::Unknown(text)) if text == "latest" => {
                vec!["there is no run yet: `bellwether run quickstart` makes one".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// The exit code it ends with.
    #[must_use]
    pub const fn exit(&self) -> ExitCode {
        match self {
            Self::History(error) if error.is_usage() => ExitCode::Usage,
            Self::Store(StoreError::Unknown(_) | StoreError::Ambiguous { .. })
            | Self::NoHome { .. }
            | Self::NoSummary { .. }
            | Self::Form { .. }
            | Self::Queue(_)
            | Self::Schedule { .. }
            | Self::NoLane { .. }
            | Self::NoMachine { .. }
            | Self::NoImage { .. }
            | Self::NoFailure { .. }
            | Self::Foreign(_)
            | Self::NoSpec { .. } => ExitCode::Usage,
            Self::Profile(_)
            | Self::Rules(_)
            | Self::Run(RunError::Plan(_))
            | Self::Plan(PlanOnlyError::Plan(_)) => ExitCode::Usage,
            Self::Store(StoreError::Io(_))
            | Self::Run(_)
            | Self::Plan(_)
            | Self::RunDir(_)
            | Self::Report(_)
            | Self::History(_)
            | Self::Cache(_)
            | Self::Image(_)
            | Self::Daemon(_)
            | Self::Process(_)
            | Self::Io(_) => ExitCode::Infra,
        }
    }

    /// Prints it with its hints; its exit status.
    #[must_use]
    pub fn report(&self, printer: &Printer) -> std::process::ExitCode {
        match self {
            // They show themselves, each with its place and its own hint.
            Self::Profile(errors) => printer.say(&errors.render(printer.stderr_colour)),
            Self::Rules(errors) => printer.say(&errors.render(printer.stderr_colour)),
            _ => printer.error(&self.to_string(), &self.hints()),
        }
        std::process::ExitCode::from(self.exit().code())
    }
}

impl From<ImageError> for CliError {
    fn from(error: ImageError) -> Self {
        Self::Image(Box::new(error))
    }
}

//! What the page shows, as plain data: every word is chosen here or in `compose`, none in the template.

use serde::Serialize;

use super::{cluster_view::ClusterView, excerpt::Excerpt};

/// Everything a page shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportContext {
    /// The run's id.
    pub run: String,
    /// The part of it that is used in commands.
    pub short_run: String,
    /// The profile's name.
    pub profile: String,
    /// How it went.
    pub headline: Headline,
    /// When it started.
    pub started: String,
    /// When it ended; absent while it runs or when it died.
    pub ended: Option<String>,
    /// How long it took.
    pub duration: Option<String>,
    /// By pairing.
    pub candidates: Vec<CandidateView>,
    /// Where it ran.
    pub environment: Vec<Fact>,
    /// How many causes behind how many failures.
    pub clusters_title: String,
    /// The causes, those with the most failures first.
    pub clusters: Vec<ClusterView>,
    /// In the plan's order.
    pub lanes: Vec<LaneView>,
    /// Steps and lanes over time.
    pub timeline: Timeline,
    /// Lanes that differ in their sandboxer alone, beside each other.
    pub matrices: Vec<Matrix>,
    /// Specs by lanes.
    pub grid: Grid,
    /// Every spec that counts against its lane.
    pub failures: Vec<FailureView>,
    /// Failures that the profile expects, those first that need somebody.
    pub expectations: Vec<ExpectationView>,
    /// Who made the page.
    pub bellwether: String,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Headline {
    /// In one word.
    pub word: String,
    /// Its sign.
    pub sign: String,
    /// Its colour's name.
    pub tone: String,
    /// How the lanes stand.
    pub standing: String,
    /// The exit code.
    pub code: u8,
    /// What that means.
    pub meaning: String,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// One pairing's exact inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CandidateView {
    /// The pairing.
    pub pairing: String,
    /// The short digest over all of it.
    pub digest: String,
    /// The architecture.
    pub arch: String,
    /// Its parts.
    pub parts: Vec<Part>,
    /// Packages of its node images.
    pub packages: Vec<Packages>,
}

/// One part of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `source`, `node image`, `sandboxer` or `toolchain`.
    pub kind: &'static str,
    /// Its name in the profile.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it is from.
    pub origin: String,
    /// When it was made, if known.
    pub date: Option<String>,
    /// A page that shows it.
    pub link: Option<String>,
}

/// A node image's packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Packages {
    /// The image.
    pub image: String,
    /// `package=version`, sorted.
    pub list: Vec<String>,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaneView {
    /// The page's anchor for it.
    pub anchor: String,
    /// `<pairing>.<node>.<sandboxer>.<suite>`.
    pub id: String,
    /// The pairing.
    pub pairing: String,
    /// The node variant.
    pub node: String,
    /// The sandboxer.
    pub sandboxer: String,
    /// The CRI runtime handler.
    pub handler: String,
    /// The suite.
    pub suite: String,
    /// `blocking` or `informing`.
    pub role: String,
    /// The outcome's name.
    pub outcome: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// Why, in words.
    pub reason: Option<String>,
    /// Specs by outcome.
    pub counts: Counts,
    /// Wall time.
    pub time: String,
    /// How its node came up.
    pub start: Option<String>,
    /// Who served its pods, as seen from outside.
    pub identity: Option<String>,
    /// Of that, the suite's own.
    pub suite_time: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// The last attempt's folder as a link.
    pub folder: String,
    /// Why it stopped.
    pub cause: Option<CauseView>,
    /// The one cause that its failed specs share, if it is not their own assertion.
    pub common: Option<CauseView>,
    /// What does not agree.
    pub disagreements: Vec<String>,
    /// How it ran, where that is not one call on one machine.
    pub notes: Vec<String>,
    /// The phases of the last attempt.
    pub phases: Vec<Span>,
    /// Its specs over time, one row for each Ginkgo process.
    pub processes: Vec<Process>,
    /// The last attempt's files.
    pub files: Vec<FileLink>,
}

/// Specs by outcome, and their shares in percent for a bar.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// Planned.
    pub planned: u32,
    /// Passed.
    pub passed: u32,
    /// Count against the lane.
    pub failed: u32,
    /// Skipped themselves.
    pub skipped: u32,
    /// Never started.
    pub not_run: u32,
    /// Failed as expected.
    pub expected: u32,
    /// Non-empty parts: tone, word, percent.
    pub shares: Vec<Share>,
}

/// A part of a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The colour's name.
    pub tone: &'static str,
    /// The outcome's word.
    pub word: &'static str,
    /// How many.
    pub count: u32,
    /// Percent of the whole, for CSS.
    pub percent: String,
}

/// Why an attempt stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CauseView {
    /// In one sentence.
    pub summary: String,
    /// Phase, class, blame, confidence, rule.
    pub facts: Vec<Fact>,
    /// What to do next.
    pub hint: Option<String>,
    /// The lines it rests on.
    pub evidence: Vec<EvidenceView>,
}

/// One line of evidence, in its surroundings where the file is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceView {
    /// `file:line`.
    pub place: String,
    /// The line.
    pub text: String,
    /// Its surroundings.
    pub excerpt: Option<Excerpt>,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// What it is: a phase or a spec.
    pub name: String,
    /// Its colour's name.
    pub tone: String,
    /// When it began, counted from the run's start.
    pub start: String,
    /// How long it took.
    pub time: String,
    /// Left edge in percent, for CSS.
    pub left: String,
    /// Width in percent, for CSS.
    pub width: String,
}

/// One Ginkgo process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number, from 1.
    pub number: u32,
    /// Its specs.
    pub specs: Vec<Span>,
}

/// Steps and lanes over the run's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// Marks of the axis.
    pub ticks: Vec<Tick>,
    /// In the order they began.
    pub rows: Vec<TimelineRow>,
}

/// A mark of the axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tick {
    /// In percent, for CSS.
    pub left: String,
    /// Minutes or hours from the start.
    pub label: String,
}

/// One step or lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineRow {
    /// `step` or `lane`.
    pub kind: &'static str,
    /// Its id.
    pub name: String,
    /// What it does, for people.
    pub what: String,
    /// How it ended.
    pub outcome: String,
    /// Its colour's name.
    pub tone: &'static str,
    /// How long it took.
    pub time: String,
    /// Its stretches.
    pub spans: Vec<Span>,
}

/// Specs by lanes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grid {
    /// One column for each lane that planned specs.
    pub columns: Vec<Column>,
    /// One row for each spec.
    pub rows: Vec<GridRow>,
    /// Outcomes that occur, with how many specs show each.
    pub outcomes: Vec<OutcomeCount>,
    /// Specs whose outcome is not the same in all lanes that ran them.
    pub differing: usize,
}

/// A lane of the grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The lane.
    pub lane: String,
    /// The parts of its name that tell it from the others.
    pub label: String,
    /// The page's anchor for it.
    pub anchor: String,
}

/// An outcome and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    /// Its name.
    pub outcome: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// How many specs.
    pub count: usize,
}

/// A spec of the grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GridRow {
    /// Its full name.
    pub name: String,
    /// The name without its tags.
    pub text: String,
    /// Its tags, such as `sig-node`, without those that every row has.
    pub tags: Vec<String>,
    /// Outcomes in it, separated by blanks; `differs` at the end when lanes that ran it do not agree.
    pub states: String,
    /// The longest run time in it, in milliseconds, for sorting.
    pub slowest: u64,
    /// One for each column.
    pub cells: Vec<GridCell>,
}

/// A spec in a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GridCell {
    /// The outcome's name; `not planned` where the lane does not have the spec.
    pub outcome: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// Its run time, if it ran.
    pub time: Option<String>,
    /// The page's anchor for its failure.
    pub anchor: Option<String>,
    /// Why it was skipped or did not run.
    pub reason: Option<String>,
}

/// A spec that counts against its lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureView {
    /// The page's anchor for it.
    pub anchor: String,
    /// The lane.
    pub lane: String,
    /// The page's anchor for the lane.
    pub lane_anchor: String,
    /// Its full name.
    pub spec: String,
    /// The outcome's name.
    pub outcome: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// Its run time.
    pub time: String,
    /// The innermost message.
    pub message: String,
    /// The whole text, where it says more than the message.
    pub text: Option<String>,
    /// `file:line` of the assertion.
    pub location: Option<String>,
    /// Where that can be read.
    pub code: Option<String>,
    /// Kind, who acts, confidence, rule: where the verdict says so.
    pub judged: Vec<Fact>,
    /// What to do next.
    pub hint: Option<String>,
    /// The log around it.
    pub excerpt: Option<Excerpt>,
    /// What else is known, such as why it counts although the profile expects it to fail.
    pub note: Option<String>,
    /// What it turned out to be when it ran again.
    pub confirmed: Option<String>,
    /// How the same spec went elsewhere in the run: lane and outcome.
    pub elsewhere: Vec<Fact>,
    /// The command that runs it again.
    pub repro: String,
}

/// Specs by sandboxers, for one pairing, node and suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// Pairing, node and suite.
    pub title: String,
    /// What ran the machines: `KVM` or `TCG`.
    pub accelerator: Option<String>,
    /// How many specs passed on all; the columns' times are theirs.
    pub common: usize,
    /// One for each sandboxer, in the profile's order.
    pub columns: Vec<MatrixColumn>,
    /// Specs that differ, gravest first.
    pub rows: Vec<MatrixRow>,
    /// Specs that do not.
    pub alike: Vec<MatrixRow>,
}

/// A sandboxer of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixColumn {
    /// Its name.
    pub sandboxer: String,
    /// Its CRI runtime handler.
    pub handler: String,
    /// Who served its pods, proven from outside.
    pub identity: Option<String>,
    /// Whether its lane never decides.
    pub informing: bool,
    /// The page's anchor for its lane.
    pub anchor: String,
    /// The lane's outcome.
    pub outcome: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// Specs that passed.
    pub passed: u32,
    /// Specs that were planned.
    pub planned: u32,
    /// How long the specs took that passed on all.
    pub time: Option<String>,
    /// That over the median of the others, where it is much more.
    pub ratio: Option<String>,
}

/// A spec of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// How it differs, in words.
    pub difference: String,
    /// Its colour's name.
    pub tone: &'static str,
    /// Its full name.
    pub name: String,
    /// The name without its tags.
    pub text: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// One for each column.
    pub cells: Vec<MatrixCell>,
}

/// A spec on a sandboxer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixCell {
    /// As in the grid.
    #[serde(flatten)]
    pub spec: GridCell,
    /// Its run time over the median of the others, where it is much more.
    pub ratio: Option<String>,
}

/// A failure that the profile expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpectationView {
    /// In a word or two.
    pub state: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// The pattern of its specs.
    pub pattern: String,
    /// Why they fail.
    pub reason: String,
    /// Who follows it up, in words.
    pub tracker: String,
    /// The same as a link.
    pub link: Option<String>,
    /// The last day on which it is expected.
    pub expires: String,
    /// What to do about it.
    pub todo: Option<String>,
    /// The specs it met.
    pub met: Vec<MetSpec>,
}

/// A spec that an expectation names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetSpec {
    /// The lane.
    pub lane: String,
    /// The spec's full name.
    pub spec: String,
    /// The outcome's name.
    pub outcome: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// What it said.
    pub said: Option<String>,
}

/// A file of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileLink {
    /// Its name within the attempt's folder.
    pub name: String,
    /// Its link.
    pub href: String,
    /// Its size.
    pub size: String,
}

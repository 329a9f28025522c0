//! The mini world: sources, a host with a fake machine, and what tests ask of a run.

mod cri;
pub mod left;
pub mod machine;
pub mod sources;

use std::sync::{Arc, Mutex, OnceLock};

use bellwether::{
    evidence::EvidenceDir,
    model::{Candidate, CellSummary, Event, RunSummary},
    profile::{self, Overrides, Profile},
    run::{self, Finished, Host, Observer, Request, finish, state::Scope, store::Store},
};
use camino::{Utf8Path, Utf8PathBuf};
use tokio_util::sync::CancellationToken;

use self::machine::FakeHypervisor;

/// Something that a test does when an event is on disk.
pub type Watcher = Box<dyn Fn(&Scope, &Event) + Send + Sync>;

/// One host with its own state; sources and cache may be shared with other tests.
pub struct World {
    /// Everything of this host alone.
    pub folder: Utf8PathBuf,
    /// The state folder.
    pub state: Utf8PathBuf,
    /// The sources.
    pub sources: Utf8PathBuf,
    /// The cache.
    pub cache: Utf8PathBuf,
    /// The machines.
    pub machines: Arc<FakeHypervisor>,
    /// Whether its machines are always booted.
    pub cold: bool,
    /// Cancels the runs of this world.
    pub cancel: CancellationToken,
    /// Candidates to be taken as they are.
    pub candidates: Option<Vec<Candidate>>,
    /// Whether suites run until a spec fails.
    pub until_failure: bool,
    /// Whether failed specs run again.
    pub confirm: bool,
    watchers: Arc<Mutex<Vec<Watcher>>>,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    /// A host with sources and a cache of its own.
    pub fn fresh() -> Self {
        let world = Self::on(None);
        sources::make(&world.sources);
        world
    }

    /// A host of its own that shares sources and cache with other tests, which must not change them.
    pub fn shared() -> Self {
        Self::on(Some(shared_folder()))
    }

    /// As [`World::shared`], and its runs' folders stay until the next `cargo test`.
    pub fn kept(name: &str) -> Self {
        let mut world = Self::shared();
        world.state = shared_folder().join("kept").join(name);
        world
    }

    /// A host of its own with the sources and the cache of another.
    pub fn beside(other: &Self) -> Self {
        Self::on(Some(&other.folder))
    }

    /// The host that another process made, which also clears it away.
    pub fn of_parent(folder: &Utf8Path, sources: &Utf8Path, cache: &Utf8Path) -> Self {
        Self::at(
            folder.to_owned(),
            sources.to_owned(),
            cache.to_owned(),
            None,
        )
    }

    fn on(shared: Option<&Utf8Path>) -> Self {
        // Short, because unix sockets' paths are.
        let guard = tempfile::Builder::new().prefix("bw").tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(guard.path().canonicalize().unwrap()).unwrap();
        let base = shared.unwrap_or(&folder).to_owned();
        Self::at(
            folder,
            base.join("sources"),
            base.join("cache"),
            Some(guard),
        )
    }

    fn at(
        folder: Utf8PathBuf,
        sources: Utf8PathBuf,
        cache: Utf8PathBuf,
        guard: Option<tempfile::TempDir>,
    ) -> Self {
        Self {
            machines: Arc::new(FakeHypervisor::new(folder.join("m"))),
            state: folder.join("state"),
            folder,
            sources,
            cache,
            cold: false,
            cancel: CancellationToken::new(),
            until_failure: false,
            candidates: None,
            confirm: false,
            watchers: Arc::default(),
            _folder: guard,
        }
    }

    /// Does something at events.
    pub fn watch(&self, watcher: impl Fn(&Scope, &Event) + Send + Sync + 'static) {
        self.watchers.lock().unwrap().push(Box::new(watcher));
    }

    /// As after a new start: nobody cancels or watches.
    pub fn start_over(&mut self) {
        self.cancel = CancellationToken::new();
        self.watchers.lock().unwrap().clear();
    }

    /// The profile's file.
    pub fn profile_file(&self) -> Utf8PathBuf {
        sources::profile(&self.folder, &self.sources, "world.toml")
    }

    /// The profile with these changes.
    pub fn profile(&self, overrides: &Overrides) -> Profile {
        let file = self.profile_file();
        profile::load(file.as_str(), overrides).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The profile of a small CRI-O.
    pub fn crio_profile(&self) -> Profile {
        let file = sources::profile(&self.folder, &self.sources, "world-crio.toml");
        profile::load(file.as_str(), &Overrides::default())
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The host.
    pub fn host(&self) -> Host {
        Host {
            state: self.state.clone(),
            cache: self.cache.clone(),
            leases: self.state.clone(),
            hypervisor: self.machines.clone(),
        }
    }

    /// Runs a profile.
    pub async fn finish(&self, profile: Profile, if_changed: bool) -> Finished {
        let request = Request {
            profile,
            command: vec![
                "bellwether".to_owned(),
                "run".to_owned(),
                "world".to_owned(),
            ],
            keep: false,
            cold: self.cold,
            until_failure: self.until_failure,
            confirm: self.confirm,
            candidates: self.candidates.clone(),
            if_changed,
            id: None,
        };
        let watchers = self.watchers.clone();
        let observer: Observer = Arc::new(move |scope, event| {
            for watcher in watchers.lock().unwrap().iter() {
                watcher(scope, event);
            }
        });
        run::run(&self.host(), request, observer, self.cancel.clone())
            .await
            .unwrap()
    }

    /// Runs a profile that has something to do.
    pub async fn run_profile(&self, profile: Profile) -> Ran {
        match self.finish(profile, false).await {
            Finished::Ran { folder, summary } => Ran {
                folder,
                summary: *summary,
            },
            Finished::Unchanged { folder, .. } => panic!("unchanged since {}", folder.path()),
        }
    }

    /// Runs the world with these changes.
    pub async fn run(&self, overrides: &Overrides) -> Ran {
        self.run_profile(self.profile(overrides)).await
    }
}

fn shared_folder() -> &'static Utf8Path {
    static SHARED: OnceLock<Utf8PathBuf> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = sources::process_folder();
        sources::make(&folder.join("sources"));
        folder
    })
}

/// The main pairing alone, with both sandboxers.
pub fn main_pairing() -> Overrides {
    Overrides {
        pairings: vec!["main".to_owned()],
        ..Overrides::default()
    }
}

/// One lane, with a Kubernetes that behaves so.
pub fn one_lane(behaviour: &str) -> Overrides {
    Overrides {
        sources: vec![("kubernetes".to_owned(), behaviour.to_owned())],
        sandboxers: vec!["runc".to_owned()],
        ..main_pairing()
    }
}

/// A run that ran.
pub struct Ran {
    /// Its folder.
    pub folder: EvidenceDir,
    /// Its summary.
    pub summary: RunSummary,
}

impl Ran {
    /// Its only cell.
    pub fn cell(&self) -> &CellSummary {
        let [cell] = self.summary.cells.as_slice() else {
            panic!("{} cells", self.summary.cells.len())
        };
        cell
    }

    /// What its folder says once more, judged again.
    pub async fn again(&self, world: &World) -> RunSummary {
        let store = Store::open(&world.state).unwrap();
        finish::all(&self.folder, &store, None).await.unwrap()
    }

    /// A file of it, as text.
    pub fn text(&self, name: &str) -> String {
        let file = self.folder.file(name);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// The outcomes of a cell's specs, in order.
    pub fn outcomes(&self) -> Vec<String> {
        self.cell()
            .specs
            .iter()
            .map(|spec| spec.outcome.to_string())
            .collect()
    }
}

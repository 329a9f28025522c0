//! Every statement that a page runs. A test has SQLite's own plan of each: none may read a whole table of results, or sort
//! one aside.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub const $name: &str = $sql;)*
        /// All of them, by name.
        #[cfg(test)]
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// Cells as `cells::Cell` reads them.
macro_rules! cells {
    ($tail:literal) => {
        concat!(
            "SELECT cell.id, cell.started, run.uuid, cell.lane, cell.outcome, cell.conclusive, cell.role, cell.accelerator, \
             cell.planned, cell.passed, cell.failed, cell.skipped, cell.not_run, cell.expected, cell.unexpected, \
             cell.flaky, cell.ms, cell.suite_ms, cell.restored, cell.start_ms, cell.phase, cell.class, cell.blame, \
             cell.handler, cell.said, cell.identity, candidate.digest, cell.candidate \
             FROM cell JOIN run ON run.id = cell.run LEFT JOIN candidate ON candidate.id = cell.candidate WHERE ",
            $tail
        )
    };
}

/// Failures as `failures::Failure` reads them.
macro_rules! failures {
    ($tail:literal) => {
        concat!(
            "SELECT nonpass.started, run.uuid, nonpass.lane, spec.name, nonpass.outcome, nonpass.ms, cluster.handle, \
             cluster.key, message.text, nonpass.confirmation, nonpass.cell, nonpass.spec \
             FROM nonpass JOIN cell ON cell.id = nonpass.cell JOIN run ON run.id = cell.run \
             JOIN spec ON spec.id = nonpass.spec JOIN cluster ON cluster.id = nonpass.cluster \
             JOIN message ON message.id = nonpass.message WHERE ",
            $tail
        )
    };
}

/// Runs as `runs::Run` reads them.
macro_rules! runs {
    ($tail:literal) => {
        concat!(
            "SELECT run.id, run.uuid, profile.name, run.started, run.ended, run.imported, run.accelerator, \
             run.bellwether, run.exit, run.cells, run.green, run.planned, run.passed, run.failed, run.flaky \
             FROM run JOIN profile ON profile.id = run.profile WHERE ",
            $tail
        )
    };
}

/// Vectors as `vectors::each` reads them.
macro_rules! vectors {
    ($tail:literal) => {
        concat!(
            "SELECT cell.id, cell.started, run.uuid, cell.candidate, cell.accelerator, vector.list, \
             vector.outcomes, vector.durations \
             FROM cell JOIN run ON run.id = cell.run JOIN vector ON vector.cell = cell.id WHERE ",
            $tail
        )
    };
}

statements! {
    /// All lanes: there are few.
    LANES = "SELECT lane.id, profile.name, lane.name, lane.pairing, lane.node, lane.sandboxer, lane.suite \
             FROM lane JOIN profile ON profile.id = lane.profile";
    LIST = "SELECT specs FROM spec_list WHERE id = ?1";
    SPEC_NAME = "SELECT name FROM spec WHERE id = ?1";
    SPEC_BY_NAME = "SELECT id FROM spec WHERE name = ?1";
    SPECS_BY_PART = "SELECT rowid, name FROM spec_words WHERE spec_words MATCH ?1 ORDER BY rank LIMIT 20";
    LANES_OF_SPEC = "SELECT lane_list.lane FROM list_spec CROSS JOIN lane_list ON lane_list.list = list_spec.list \
                     WHERE list_spec.spec = ?1";
    CELLS_OF_LANE = cells!("cell.lane = ?1 AND cell.started >= ?2 AND cell.started < ?3 ORDER BY cell.started, cell.run");
    CELLS_OF_RUN = cells!("cell.run = ?1");
    CELLS_OF_CANDIDATE = cells!("cell.candidate = ?1 ORDER BY cell.started DESC LIMIT 500");
    LAST_CELL = cells!("cell.lane = ?1 AND cell.started < ?2 ORDER BY cell.started DESC LIMIT 1");
    LAST_CONCLUSIVE = cells!("cell.lane = ?1 AND cell.conclusive = 1 AND cell.started < ?2 ORDER BY cell.started DESC LIMIT 1");
    LAST_GREEN = cells!("cell.lane = ?1 AND cell.outcome = 0 AND cell.started < ?2 ORDER BY cell.started DESC LIMIT 1");
    FIRST_CONCLUSIVE_AFTER = cells!("cell.lane = ?1 AND cell.conclusive = 1 AND cell.started > ?2 AND cell.started < ?3 \
                                     ORDER BY cell.started LIMIT 1");
    GREEN_CANDIDATES = "SELECT candidate FROM cell WHERE lane = ?1 AND outcome = 0 AND started >= ?2 AND started < ?3 \
                        ORDER BY started";
    OTHER_CANDIDATE_BEFORE = "SELECT candidate FROM cell WHERE lane = ?1 AND started < ?2 AND candidate <> ?3 \
                              ORDER BY started DESC LIMIT 1";
    CANDIDATE = "SELECT document FROM candidate WHERE id = ?1";
    CANDIDATES_BY_DIGEST = "SELECT id, document FROM candidate WHERE digest >= ?1 AND digest < ?2 LIMIT 20";
    CANDIDATES_OF_RUN = "SELECT candidate.id, candidate.document FROM run_candidate \
                         JOIN candidate ON candidate.id = run_candidate.candidate WHERE run_candidate.run = ?1 \
                         ORDER BY run_candidate.place";
    REVISIONS = "SELECT document FROM revision WHERE identity >= ?1 AND identity < ?2 LIMIT 20";
    CANDIDATES_OF_REVISION = "SELECT candidate.digest FROM revision JOIN candidate_revision ON \
                              candidate_revision.revision = revision.id JOIN candidate ON \
                              candidate.id = candidate_revision.candidate WHERE revision.document = ?1 LIMIT 20";
    RUN_BY_ID = runs!("run.uuid = ?1");
    RUNS_BY_START_OF_ID = runs!("run.uuid >= ?1 AND run.uuid < ?2 LIMIT 20");
    RUNS = runs!("run.started < ?1 ORDER BY run.started DESC LIMIT ?2");
    RUNS_OF_PROFILE = runs!("run.profile = (SELECT id FROM profile WHERE name = ?1) AND run.started < ?2 \
                             ORDER BY run.started DESC LIMIT ?3");
    STEPS_OF_RUN = "SELECT name, outcome, ms FROM step WHERE run = ?1 ORDER BY place";
    BUILDS = "SELECT run.started, run.uuid, step.name, step.ms FROM run JOIN step ON step.run = run.id \
              WHERE run.profile = (SELECT id FROM profile WHERE name = ?1) AND run.started >= ?2 AND run.started < ?3 \
              AND step.outcome = 'built' ORDER BY run.started";
    PHASES_OF_CELL = "SELECT phase, ms FROM phase WHERE cell = ?1 ORDER BY phase";
    PHASES_OF_LANE = "SELECT cell.started, run.uuid, cell.accelerator, phase.phase, phase.ms FROM cell \
                      JOIN run ON run.id = cell.run JOIN phase ON phase.cell = cell.id \
                      WHERE cell.lane = ?1 AND cell.started >= ?2 AND cell.started < ?3 ORDER BY cell.started, cell.run";
    ATTEMPTS_OF_CELL = "SELECT attempt, confirm, outcome, ms FROM attempt WHERE cell = ?1 ORDER BY attempt";
    VECTOR_OF_CELL = vectors!("cell.id = ?1");
    VECTORS_OF_LANE = vectors!("cell.lane = ?1 AND cell.started >= ?2 AND cell.started < ?3 \
                                ORDER BY cell.started, cell.run");
    VECTORS_BEFORE = vectors!("cell.lane = ?1 AND cell.started < ?2 ORDER BY cell.started DESC LIMIT 20");
    FAILURES_OF_CELL = failures!("nonpass.cell = ?1");
    FAILURES_OF_LANE = failures!("nonpass.lane = ?1 AND nonpass.started >= ?2 AND nonpass.started < ?3 \
                                  ORDER BY nonpass.started");
    FAILURES_OF_SPEC = failures!("nonpass.spec = ?1 AND nonpass.started >= ?2 AND nonpass.started < ?3 \
                                  ORDER BY nonpass.started");
    FAILURES_OF_CLUSTER = failures!("nonpass.cluster = ?1 ORDER BY nonpass.started DESC LIMIT 2000");
    FIRST_OF_CLUSTER = failures!("nonpass.cluster = ?1 ORDER BY nonpass.started LIMIT 1");
    FAILURE_OF_MESSAGE = failures!("nonpass.message = ?1 ORDER BY nonpass.started DESC LIMIT 1");
    CLUSTERS_BY_HANDLE = "SELECT id, handle, key FROM cluster WHERE handle >= ?1 AND handle < ?2 LIMIT 20";
    SPECS_THAT_FAILED = "SELECT cell, spec, started, outcome, ms, confirmation FROM nonpass \
                         WHERE lane = ?1 AND started >= ?2 AND started < ?3 ORDER BY started";
    MESSAGES = "SELECT rowid FROM message_words WHERE message_words MATCH ?1 ORDER BY rank LIMIT 20";
}

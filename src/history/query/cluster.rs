//! Clusters: failures with one cause.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{FailureRow, Window, statements};
use crate::history::{HistoryError, Index};

/// One cluster of the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterRow {
    /// Its handle.
    pub cluster: String,
    /// What its failures share.
    pub key: String,
    /// One of its messages, the newest.
    pub message: String,
    /// Failures in the window.
    pub failures: u32,
    /// Runs with one in the window.
    pub runs: u32,
    /// Lanes with one in the window.
    pub lanes: Vec<String>,
    /// Specs with one in the window, by name.
    pub specs: Vec<String>,
    /// The oldest in the window.
    pub first: Timestamp,
    /// The newest.
    pub last: Timestamp,
}

/// One cluster's page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterPage {
    /// Its handle.
    pub cluster: String,
    /// What its failures share.
    pub key: String,
    /// The first failure ever.
    pub first: Option<FailureRow>,
    /// Its failures, newest first.
    pub members: Vec<FailureRow>,
    /// Whether there are older ones than these.
    pub more: bool,
    /// How many of these on each lane.
    pub by_lane: BTreeMap<String, u32>,
    /// How many of these in each night.
    pub by_night: BTreeMap<jiff::civil::Date, u32>,
}

/// As many members as a page asks for.
const MOST: usize = 2000;

impl Index {
    /// Clusters with a failure in the window, those in most runs first. Expected failures are left out.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn clusters(
        &self,
        profile: Option<&str>,
        window: Window,
    ) -> Result<Vec<ClusterRow>, HistoryError> {
        let (from, to) = window.bounds();
        let mut by_cluster: BTreeMap<String, Vec<FailureRow>> = BTreeMap::new();
        for lane in self.lanes(profile)? {
            let sql = statements::FAILURES_OF_LANE;
            for mut failure in self.all(sql, (lane.id, from, to), FailureRow::of)? {
                failure.lane = lane.lane.clone();
                if failure.counts() {
                    let members = by_cluster.entry(failure.cluster.clone()).or_default();
                    members.push(failure);
                }
            }
        }
        let mut rows: Vec<ClusterRow> = by_cluster.into_values().filter_map(row).collect();
        rows.sort_by(|a, b| {
            let runs = b.runs.cmp(&a.runs);
            runs.then_with(|| b.failures.cmp(&a.failures))
                .then_with(|| a.cluster.cmp(&b.cluster))
        });
        Ok(rows)
    }

    /// A cluster by its handle or the start of it.
    ///
    /// # Errors
    /// When none or several fit.
    pub fn cluster(&self, handle: &str) -> Result<ClusterPage, HistoryError> {
        let mut found = self.all(statements::CLUSTERS_BY_HANDLE, Self::range(handle), |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        })?;
        if found.len() > 1 {
            return Err(HistoryError::Ambiguous {
                what: "cluster",
                text: handle.to_owned(),
                fits: found.into_iter().map(|(_, handle, _)| handle).collect(),
            });
        }
        let Some((id, handle, key)) = found.pop() else {
            return Err(HistoryError::Unknown {
                what: "cluster",
                text: handle.to_owned(),
                near: Vec::new(),
            });
        };
        let mut members = self.all(statements::FAILURES_OF_CLUSTER, [id], FailureRow::of)?;
        let more = members.len() == MOST;
        self.name_lanes(&mut members)?;
        let mut first = self.all(statements::FIRST_OF_CLUSTER, [id], FailureRow::of)?;
        self.name_lanes(&mut first)?;
        let (mut by_lane, mut by_night) = (BTreeMap::new(), BTreeMap::new());
        for member in &members {
            *by_lane.entry(member.lane.clone()).or_insert(0) += 1;
            *by_night.entry(super::night(member.at)).or_insert(0) += 1;
        }
        Ok(ClusterPage {
            cluster: handle,
            key,
            first: first.pop(),
            members,
            more,
            by_lane,
            by_night,
        })
    }
}

fn row(members: Vec<FailureRow>) -> Option<ClusterRow> {
    let newest = members
        .iter()
        .max_by(|a, b| (a.at, &a.run).cmp(&(b.at, &b.run)))?;
    let distinct = |get: fn(&FailureRow) -> &String| {
        let mut all: Vec<String> = members.iter().map(get).cloned().collect();
        all.sort();
        all.dedup();
        all
    };
    Some(ClusterRow {
        cluster: newest.cluster.clone(),
        key: newest.cluster_key.clone(),
        message: newest.message.clone(),
        failures: u32::try_from(members.len()).unwrap_or(u32::MAX),
        runs: u32::try_from(distinct(|it| &it.run).len()).unwrap_or(u32::MAX),
        lanes: distinct(|it| &it.lane),
        specs: distinct(|it| &it.spec),
        first: members.iter().map(|it| it.at).min()?,
        last: newest.at,
    })
}

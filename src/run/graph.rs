//! Runs pieces of work side by side, each after those it needs, within the host's cores.
//!
//! What fails stops only what depends on it. Dropping the future stops everything that runs.

use std::{future::Future, pin::Pin};

use tokio::task::JoinSet;

/// How one piece ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Those that need it may start.
    Done,
    /// Those that need it are skipped.
    Failed,
}

/// One piece of work.
pub struct Node {
    /// Its id, unique in the graph.
    pub id: String,
    /// The ids it needs.
    pub needs: Vec<String>,
    /// Whether it must have the cores to itself. Others run beside it.
    pub exclusive: bool,
    /// Does it.
    pub work: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = End> + Send>> + Send>,
    /// Told instead of being started when something it needs did not succeed: names that thing.
    pub skip: Box<dyn FnOnce(&str) + Send>,
}

/// Runs all nodes; returns when each has ended or was skipped. Nodes that can start do so in the order given.
pub async fn run(mut nodes: Vec<Node>) {
    let mut ended: Vec<(String, End)> = Vec::new();
    let mut running: JoinSet<(String, bool, End)> = JoinSet::new();
    let mut busy = false;
    while !nodes.is_empty() || !running.is_empty() {
        let before = nodes.len();
        let mut waiting = Vec::new();
        for node in nodes {
            let end_of =
                |need: &String| ended.iter().find(|(id, _)| id == need).map(|(_, end)| end);
            if let Some(culprit) = node
                .needs
                .iter()
                .find(|need| end_of(need) == Some(&End::Failed))
            {
                (node.skip)(culprit);
                ended.push((node.id, End::Failed));
            } else if node.needs.iter().all(|need| end_of(need).is_some())
                && !(node.exclusive && busy)
            {
                busy |= node.exclusive;
                let work = (node.work)();
                running.spawn(async move { (node.id, node.exclusive, work.await) });
            } else {
                waiting.push(node);
            }
        }
        nodes = waiting;
        match running.join_next().await {
            Some(Ok((id, exclusive, end))) => {
                busy &= !exclusive;
                ended.push((id, end));
            }
            // A piece that panicked must not be mistaken for one that is still running.
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            // Nothing runs and this round changed nothing: what is left needs something that is not there.
            None if nodes.len() == before => {
                for node in std::mem::take(&mut nodes) {
                    let known = |need: &&String| ended.iter().any(|(id, _)| id == *need);
                    let missing = node.needs.iter().find(|need| !known(need)).cloned();
                    (node.skip)(&missing.unwrap_or_default());
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    fn node(log: &Log, id: &str, needs: &[&str], exclusive: bool, end: End) -> Node {
        let (started, skipped) = (log.clone(), log.clone());
        let (name, skip_name) = (id.to_owned(), id.to_owned());
        Node {
            id: id.to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            exclusive,
            work: Box::new(move || {
                Box::pin(async move {
                    started.lock().unwrap().push(format!("start {name}"));
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    started.lock().unwrap().push(format!("end {name}"));
                    end
                })
            }),
            skip: Box::new(move |because| {
                skipped
                    .lock()
                    .unwrap()
                    .push(format!("skip {skip_name} because {because}"));
            }),
        }
    }

    async fn log_of(make: impl FnOnce(&Log) -> Vec<Node>) -> Vec<String> {
        let log = Log::default();
        run(make(&log)).await;
        let log = log.lock().unwrap();
        log.clone()
    }

    #[tokio::test]
    async fn a_failure_stops_only_what_depends_on_it() {
        let log = log_of(|log| {
            vec![
                node(log, "kubernetes", &[], true, End::Failed),
                node(log, "disk", &["kubernetes"], false, End::Done),
                node(log, "lane", &["disk", "image"], false, End::Done),
                node(log, "image", &[], false, End::Done),
                node(log, "other", &["image"], false, End::Done),
            ]
        })
        .await;
        assert!(log.contains(&"skip disk because kubernetes".to_owned()));
        assert!(log.contains(&"skip lane because disk".to_owned()));
        assert!(log.contains(&"end other".to_owned()));
    }

    #[tokio::test]
    async fn builds_take_turns_and_an_image_runs_beside_them() {
        let log = log_of(|log| {
            vec![
                node(log, "one", &[], true, End::Done),
                node(log, "two", &[], true, End::Done),
                node(log, "image", &[], false, End::Done),
            ]
        })
        .await;
        let place = |what: &str| log.iter().position(|line| line == what).unwrap();
        assert!(place("start image") < place("end one"), "{log:?}");
        assert!(place("end one") < place("start two"), "{log:?}");
    }

    #[tokio::test]
    async fn a_need_that_does_not_exist_is_a_skip_and_not_a_hang() {
        let log = log_of(|log| vec![node(log, "lane", &["nowhere"], false, End::Done)]).await;
        assert_eq!(log, ["skip lane because nowhere"]);
    }
}

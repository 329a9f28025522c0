//! Specs of what must not pile up.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{
    look,
    stage::{Failed, Stage, ensure},
};
use crate::runtime::cri::Cri;

/// How many execs.
const TIMES: u16 = 100;
/// How many at a time: enough to keep two cores busy.
const TOGETHER: u16 = 4;

pub async fn execs(stage: &Stage<'_>) -> Result<(), Failed> {
    let (pod, id) = stage.sleeper().await?;
    let name = stage.runtime().name();
    let script = look::footprint(stage.root(), &pod.id, name);
    let footprint = || async {
        let printed = stage.sh("what there is", &script).await?;
        Ok::<_, Failed>(look::numbers(&printed))
    };
    // What the first ones leave for good, such as loaded plugins and buffers, is no leak.
    several(stage, &id, 8).await?;
    let before = footprint().await?;
    ensure(before.values().all(|number| *number > 0), || {
        format!("not everything can be counted here: {before:?}")
    })?;
    several(stage, &id, TIMES).await?;
    let times = i64::from(TIMES);
    let right = |after: &_| look::grown(&before, after, times).is_empty();
    let after = stage
        .until(Duration::from_secs(3), footprint, right)
        .await?;
    let grown = look::grown(&before, &after, times);
    ensure(grown.is_empty(), || {
        format!("after {TIMES} execs {}", grown.join(", "))
    })
}

/// Runs so many execs, several at a time.
async fn several(stage: &Stage<'_>, id: &str, times: u16) -> Result<(), Failed> {
    stage.note(format_args!("{times} times ExecSync …"));
    let limit = stage.scaled(Duration::from_secs(5));
    let each = (0..TOGETHER).map(|_| repeat(stage.cri(), id, times / TOGETHER, limit));
    try_join_all(each).await?;
    stage.note("  done");
    Ok(())
}

async fn repeat(cri: &Cri, id: &str, times: u16, limit: Duration) -> Result<(), Failed> {
    for _ in 0..times {
        let answer = cri.exec_sync(id, &["true"], limit).await?;
        ensure(answer.exit_code == 0, || {
            format!("`true` ended with exit code {}", answer.exit_code)
        })?;
    }
    Ok(())
}

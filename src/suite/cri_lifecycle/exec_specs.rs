//! Specs of commands and streams into containers and pods.

use std::time::Duration;

use super::{
    look,
    stage::{Failed, Stage, Wish, ensure},
};
use crate::runtime::cri::{
    Wanted,
    stream::{Channels, DATA, STDIN, STDOUT},
};

pub async fn sync(stage: &Stage<'_>) -> Result<(), Failed> {
    let (_, id) = stage.sleeper().await?;
    let command = ["sh", "-c", "echo out; echo err >&2; exit 3"];
    let limit = stage.scaled(Duration::from_secs(5));
    let exec = stage.cri().exec_sync(&id, &command, limit);
    let answer = stage.act("ExecSync", exec).await?;
    ensure(
        answer.stdout == b"out\n" && answer.stderr == b"err\n" && answer.exit_code == 3,
        || format!("it answered {answer:?}"),
    )
}

pub async fn sync_limit(stage: &Stage<'_>) -> Result<(), Failed> {
    let (_, id) = stage.sleeper().await?;
    // A number that no other process has.
    let command = ["sleep", "4321"];
    let exec = stage.cri().exec_sync(&id, &command, Duration::from_secs(1));
    let answer = stage.act("ExecSync with a limit of 1 s", exec).await;
    let Err(error) = answer else {
        return Err(Failed::Said(format!(
            "a command past its limit gave an answer: {answer:?}"
        )));
    };
    let said = error.to_string();
    let clear = ["deadline", "timeout", "timed out"].iter();
    ensure(
        clear.clone().any(|word| said.to_lowercase().contains(word)),
        || format!("it does not say that it was the time limit: {said}"),
    )?;
    let script = format!(
        "grep -lazs -e '[4]321' {}/proc/[0-9]*/cmdline 2>/dev/null || true",
        crate::process::quote(stage.root())
    );
    let left = stage
        .until(
            Duration::from_secs(5),
            || async { stage.sh("processes of the command", &script).await },
            |left| left.trim().is_empty(),
        )
        .await?;
    ensure(left.trim().is_empty(), || {
        format!("the command still runs: {}", left.trim())
    })
}

pub async fn streamed(stage: &Stage<'_>) -> Result<(), Failed> {
    let (_, id) = stage.sleeper().await?;
    let command = [
        "sh",
        "-c",
        "read -r line; echo \"got $line\"; echo err >&2; exit 3",
    ];
    let wanted = Wanted {
        stdin: true,
        tty: false,
    };
    let exec = stage.cri().exec(&id, &command, wanted);
    let url = stage.act("Exec", exec).await?;
    let socket = stage.reach(&url).await?;
    let mut channels = stage.act("opening", Channels::open(&url, &socket)).await?;
    channels.send(STDIN, b"hello\n").await?;
    let ended = channels.to_end().await?;
    stage.note(format_args!("{ended:?}"));
    ensure(
        ended.stdout == b"got hello\n" && ended.stderr == b"err\n" && ended.exit_code == 3,
        || format!("its streams hold {ended:?}"),
    )?;
    let again = Channels::open(&url, &socket).await;
    ensure(again.is_err(), || {
        "the URL could be opened twice: whoever reads it can run the command again".to_owned()
    })
}

pub async fn terminal(stage: &Stage<'_>) -> Result<(), Failed> {
    let (_, id) = stage.sleeper().await?;
    let command = ["sh", "-c", "test -t 0 && test -t 1 && echo terminal"];
    let wanted = Wanted {
        stdin: true,
        tty: true,
    };
    let exec = stage.cri().exec(&id, &command, wanted);
    let url = stage.act("Exec", exec).await?;
    let socket = stage.reach(&url).await?;
    let channels = stage.act("opening", Channels::open(&url, &socket)).await?;
    let ended = channels.to_end().await?;
    // A terminal ends its lines with a carriage return too.
    ensure(
        ended.stdout == b"terminal\r\n" && ended.exit_code == 0,
        || format!("its streams hold {ended:?}"),
    )
}

pub async fn attach(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    let wish = Wish {
        command: &[
            "sh",
            "-c",
            "while read -r line; do echo \"got $line\"; done",
        ],
        stdin: true,
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    let wanted = Wanted {
        stdin: true,
        tty: false,
    };
    let attach = stage.cri().attach(&id, wanted);
    let url = stage.act("Attach", attach).await?;
    let socket = stage.reach(&url).await?;
    let mut channels = stage.act("opening", Channels::open(&url, &socket)).await?;
    for word in ["one", "two"] {
        let line = format!("{word}\n");
        channels.send(STDIN, line.as_bytes()).await?;
        let wanted = format!("got {word}\n");
        let said = channels.until(STDOUT, wanted.as_bytes()).await?;
        let said = String::from_utf8_lossy(&said).into_owned();
        stage.note(format_args!("stdout: {said:?}"));
        ensure(said.contains(&wanted), || {
            format!("after `{word}` on its stdin its stdout says {said:?}")
        })?;
    }
    Ok(())
}

pub async fn port_forward(stage: &Stage<'_>) -> Result<(), Failed> {
    let pod = stage.shared_pod().await?;
    // Listens for one connection after the other.
    let wish = Wish {
        command: &["nc", "-ll", "-p", "8080", "-e", "cat"],
        ..Wish::default()
    };
    let id = stage.start(&pod, wish).await?;
    let serves = || async {
        let command = ["sh", "-c", "grep -q ':1F90 ' /proc/net/tcp /proc/net/tcp6"];
        let limit = stage.scaled(Duration::from_secs(5));
        Ok(stage.cri().exec_sync(&id, &command, limit).await?.exit_code)
    };
    let listens = stage
        .until(Duration::from_secs(5), serves, |code| *code == 0)
        .await?;
    ensure(listens == 0, || "the server does not listen".to_owned())?;
    for word in ["one", "two"] {
        let forward = stage.cri().port_forward(&pod.id, &[8080]);
        let url = stage.act("PortForward", forward).await?;
        let socket = stage.reach(&url).await?;
        let open = Channels::open_port(&url, 8080, &socket);
        let mut channels = stage.act("opening", open).await?;
        channels.send(DATA, word.as_bytes()).await?;
        let said = channels.until(DATA, word.as_bytes()).await?;
        ensure(said == word.as_bytes(), || {
            format!("the server echoes `{}`", String::from_utf8_lossy(&said))
        })?;
    }
    let found = look::traces(stage.root(), &id);
    stage.sh("traces of the server", &found).await.map(drop)
}

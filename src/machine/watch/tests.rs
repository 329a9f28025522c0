use std::io::Write as _;

use super::*;
use crate::{machine::limits::limits, model::Accelerator};

struct Guest {
    folder: tempfile::TempDir,
    events: Option<mpsc::UnboundedSender<(String, Event)>>,
    exited: watch::Sender<Option<String>>,
    watched: Watched,
}

impl Guest {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (event_to, events) = mpsc::unbounded_channel();
        let (exited, status) = watch::channel(None);
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        let watched = Watched::start(Subject {
            folder: path,
            required: vec!["containerd.service".into()],
            limits: limits(Accelerator::Kvm),
            events,
            exited: status,
        });
        Self {
            folder,
            events: Some(event_to),
            exited,
            watched,
        }
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn event(&self, event: Event) {
        let events = self.events.as_ref().unwrap();
        events.send(("{\"event\": \"X\"}".into(), event)).unwrap();
    }

    async fn ended(&self) -> Ending {
        tokio::time::timeout(Duration::from_secs(8), self.watched.ended())
            .await
            .unwrap()
    }
}

const STARTED: &str = "2026-01-01T00:00:00+0000 node1 systemd[1]: ";

#[tokio::test]
async fn a_panic_is_told_at_once_with_its_line() {
    let guest = Guest::new();
    guest.write("console.log", "hello\r\n[    1.000000] Kernel panic - not");
    tokio::time::sleep(TICK * 2).await;
    assert_eq!(
        guest.watched.with(|story| story.console().to_owned()),
        "[ 1.000000] Kernel panic - not"
    );
    guest.write("console.log", " syncing: Fatal exception\r\n");
    let ending = guest.ended().await;
    assert_eq!(ending.said, "the guest's kernel panicked: Fatal exception");
    assert_eq!(ending.line.unwrap().line, 2);
    // The guest answers no more.
    guest.watched.silent().await;
}

#[tokio::test]
async fn a_failed_unit_waits_for_its_last_words_and_the_guest_still_answers() {
    let guest = Guest::new();
    guest.write(
        "journal.log",
        &format!("{STARTED}Failed to start containerd.service - containerd.\n"),
    );
    tokio::time::sleep(TICK * 3).await;
    guest.write(
        "journal.log",
        "2026-01-01T00:00:00+0000 node1 containerd[9]: containerd: failed to load TOML: bad\n",
    );
    let ending = guest.ended().await;
    assert!(
        ending.said.contains("failed to load TOML"),
        "{}",
        ending.said
    );
    let silent = tokio::time::timeout(TICK * 2, guest.watched.silent()).await;
    assert!(silent.is_err());
    guest.exited.send_replace(Some("exit status: 0".into()));
    assert_eq!(guest.watched.silent().await, ending);
}

#[tokio::test]
async fn the_guest_s_own_power_off_is_no_crash() {
    let guest = Guest::new();
    guest.event(Event::Shutdown {
        guest: true,
        reason: "guest-shutdown".into(),
    });
    guest.exited.send_replace(Some("exit status: 0".into()));
    let ending = guest.ended().await;
    assert_eq!(ending.kind, StopKind::MachineGone);
    assert_eq!(ending.said, "the guest powered itself off (guest-shutdown)");
    assert_eq!(ending.line.unwrap().file, QMP_LOG);
}

#[tokio::test]
async fn a_killed_qemu_is_told_with_its_last_words() {
    let guest = Guest::new();
    guest.write(QEMU_LOG, "qemu-system-x86_64: something broke\n");
    guest
        .exited
        .send_replace(Some("signal: 9 (SIGKILL)".into()));
    let ending = guest.ended().await;
    assert_eq!(
        ending.said,
        "QEMU ended with signal: 9 (SIGKILL): qemu-system-x86_64: something broke"
    );
    assert_eq!(ending.line.unwrap().line, 1);
}

#[tokio::test]
async fn a_full_host_disk_has_its_own_words() {
    let guest = Guest::new();
    guest.event(Event::BlockIoError {
        device: "root".into(),
        write: true,
        no_space: true,
        reason: "No space left on device".into(),
    });
    let ending = guest.ended().await;
    assert!(
        ending.said.starts_with("the host's disk is full"),
        "{}",
        ending.said
    );
}

#[tokio::test]
async fn a_panic_explains_the_end_that_follows_it() {
    let guest = Guest::new();
    guest.write(
        "console.log",
        "[    1.000000] Kernel panic - not syncing: x\n",
    );
    guest.exited.send_replace(Some("exit status: 0".into()));
    assert_eq!(guest.ended().await.kind, StopKind::Alarm);
}

#[tokio::test]
async fn our_own_end_is_no_failure() {
    let guest = Guest::new();
    guest.watched.expect_end();
    guest.exited.send_replace(Some("exit status: 0".into()));
    assert_eq!(guest.ended().await.said, "the machine was taken down");
}

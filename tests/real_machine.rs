//! Boots real guests. Needs QEMU and a node image: set `BELLWETHER_REAL=1` and `BELLWETHER_REAL_IMAGE` to a folder
//! with `root.img`, `vmlinuz` and `initrd.img`; without them each test says so and returns.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test file")]

use std::time::{Duration, Instant};

use bellwether::{
    machine::{
        Hypervisor, Machine, MachineError, MachineSpec, Progress, Qemu, Swept, args, find, kvm,
        sweep,
    },
    model::{Accelerator, Phase, StopKind},
    process::call,
    runtime::{self, cri},
};
use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Mutex, MutexGuard, mpsc};

/// One machine at a time.
static ONE: Mutex<()> = Mutex::const_new(());

struct World {
    _one: MutexGuard<'static, ()>,
    folder: tempfile::TempDir,
    image: Utf8PathBuf,
    key: String,
}

impl World {
    async fn new(test: &str) -> Option<Self> {
        let image = std::env::var("BELLWETHER_REAL_IMAGE").ok();
        let real = std::env::var("BELLWETHER_REAL").is_ok_and(|value| value == "1");
        let (true, Some(image)) = (real, image) else {
            println!("{test}: not run; set BELLWETHER_REAL=1 and BELLWETHER_REAL_IMAGE=<folder>");
            return None;
        };
        let one = ONE.lock().await;
        let folder = tempfile::Builder::new()
            .prefix("bw-real-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let path = folder.path().join("key");
        call("ssh-keygen")
            .args([
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                path.to_str().unwrap(),
            ])
            .run()
            .await
            .unwrap();
        let key = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        Some(Self {
            _one: one,
            folder,
            image: image.into(),
            key: key.trim().to_owned(),
        })
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    fn hypervisor(&self) -> Qemu {
        Qemu {
            state: self.path().join("state"),
        }
    }

    fn spec(&self, ignition: String) -> MachineSpec {
        MachineSpec {
            name: "real".into(),
            folder: self.path().join("attempt"),
            accelerator: Accelerator::Tcg,
            cpus: 2,
            memory: 2 << 30,
            root_disk: self.image.join("root.img"),
            root_format: "raw".into(),
            disk: 20 << 30,
            kernel: Some((self.image.join("vmlinuz"), self.image.join("initrd.img"))),
            kernel_arguments: Vec::new(),
            payloads: Vec::new(),
            ignition,
            ssh_key: self.path().join("key"),
            required_units: vec!["needed.service".into()],
            keep: false,
        }
    }

    fn ignition(&self, users: &str, units: &str) -> String {
        let comma = |text: &str| {
            if text.is_empty() {
                String::new()
            } else {
                format!(",{text}")
            }
        };
        let journal = unit(
            "bellwether-journal.service",
            "[Unit]\nDefaultDependencies=no\nAfter=systemd-journald.service\nConditionPathExists=/dev/virtio-ports/bellwether.journal\n[Service]\nExecStart=/bin/sh -c 'exec journalctl -b -f --no-tail -o short-iso-precise > /dev/virtio-ports/bellwether.journal'\n[Install]\nWantedBy=sysinit.target\n",
        );
        let network = "data:,%5BMatch%5D%0AName%3Den%2A%0A%5BNetwork%5D%0AAddress%3D10.0.2.15/24%0AGateway%3D10.0.2.2%0ALinkLocalAddressing%3Dno%0A";
        format!(
            r#"{{"ignition":{{"version":"3.3.0"}},
            "passwd":{{"users":[{{"name":"root","sshAuthorizedKeys":["{}"]}}{}]}},
            "storage":{{"files":[{{"path":"/etc/systemd/network/10-node.network","mode":420,"contents":{{"source":"{network}"}}}}]}},
            "systemd":{{"units":[{{"name":"systemd-networkd.service","enabled":true}},{journal}{}]}}}}"#,
            self.key,
            comma(users),
            comma(units)
        )
    }
}

fn unit(name: &str, contents: &str) -> String {
    let contents = contents
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"");
    format!(r#"{{"name":"{name}","enabled":true,"contents":"{contents}"}}"#)
}

/// Starts a machine and prints how it goes.
async fn start(world: &World, spec: &MachineSpec) -> Result<Box<dyn Machine>, MachineError> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let began = Instant::now();
    let printer = tokio::spawn(async move {
        while let Some(progress) = told.recv().await {
            println!("{:5.1} s  {progress:?}", began.elapsed().as_secs_f64());
        }
    });
    let result = world.hypervisor().start(spec, tell).await;
    println!(
        "{:5.1} s  {:?}",
        began.elapsed().as_secs_f64(),
        result.as_ref().err()
    );
    let _ = printer.await;
    if result.is_err() {
        let console = std::fs::read(spec.folder.join("console.log")).unwrap_or_default();
        println!("{}", String::from_utf8_lossy(&console));
    }
    result
}

fn lives(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains(args::QEMU))
}

#[tokio::test(flavor = "multi_thread")]
async fn boots_answers_and_goes_down() {
    let Some(world) = World::new("boots_answers_and_goes_down").await else {
        return;
    };
    let mut spec = world.spec(String::new());
    spec.ignition = world.ignition("", &unit("unneeded.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"));
    let machine = start(&world, &spec).await.unwrap();
    let pid = machine.info().pid;
    let limit = Duration::from_secs(60);
    let output = machine.run("echo hello; exit 3", limit).await.unwrap();
    assert_eq!(
        (output.text().as_str(), output.status),
        ("hello\n", Some(3))
    );
    machine
        .run(
            "mkdir -p /tmp/x/y; echo a > /tmp/x/y/a; ln -s /etc/passwd /tmp/x/link",
            limit,
        )
        .await
        .unwrap();
    let into = world.path().join("fetched");
    machine.fetch("/tmp/x", &into).await.unwrap();
    assert_eq!(std::fs::read_to_string(into.join("y/a")).unwrap(), "a\n");
    assert!(!into.join("link").exists());
    assert!(machine.fetch("/no/such/folder", &into).await.is_err());

    machine
        .run(
            "nohup socat UNIX-LISTEN:/run/echo.sock,fork EXEC:cat >/dev/null 2>&1 &",
            limit,
        )
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let socket = machine.forward("/run/echo.sock").await.unwrap();
    let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"ping")
        .await
        .unwrap();
    let mut answer = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer)
        .await
        .unwrap();
    assert_eq!(&answer, b"ping");

    assert!(
        find(&world.path().join("state"), &spec.folder)
            .unwrap()
            .is_some()
    );
    assert!(spec.folder.join("journal.log").metadata().unwrap().len() > 1000);
    let began = Instant::now();
    machine.shutdown().await;
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!lives(pid));
    assert!(!spec.folder.join("disk.qcow2").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_ignition_is_named_by_its_innermost_line() {
    let Some(world) = World::new("a_broken_ignition").await else {
        return;
    };
    let spec = world.spec(world.ignition(r#"{"name":"probe","groups":["missinggroup"]}"#, ""));
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert_eq!(ending.kind, StopKind::Alarm);
    assert_eq!(ending.phase, Some(Phase::Provision));
    assert!(
        ending.said.contains("group 'missinggroup' does not exist"),
        "{}",
        ending.said
    );
    assert_eq!(ending.line.unwrap().file, "ignition.journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignition_config_that_does_not_parse_is_named() {
    let Some(world) = World::new("an_ignition_config_that_does_not_parse").await else {
        return;
    };
    let config = world.ignition("", "").replace("3.3.0", "3.99.0");
    let spec = world.spec(config);
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert_eq!(ending.phase, Some(Phase::Provision));
    assert!(ending.said.contains("Ignition failed"), "{}", ending.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_root_is_named() {
    let Some(world) = World::new("a_missing_root").await else {
        return;
    };
    let mut spec = world.spec(world.ignition("", ""));
    spec.root_disk = world.path().join("empty.img");
    std::fs::File::create(&spec.root_disk)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert_eq!(
        (ending.kind, ending.phase),
        (StopKind::Alarm, Some(Phase::Boot)),
        "{}",
        ending.said
    );
    assert!(ending.said.contains("root"), "{}", ending.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_the_node_needs_is_named_and_a_power_off_is_seen() {
    let Some(world) = World::new("a_unit_that_the_node_needs").await else {
        return;
    };
    let needed = unit(
        "needed.service",
        "[Service]\nType=notify\nRestart=always\nExecStart=/opt/missing/binary\n[Install]\nWantedBy=multi-user.target\n",
    );
    let spec = world.spec(world.ignition("", &needed));
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert_eq!(ending.phase, Some(Phase::Provision));
    assert!(
        ending.said.contains("needed.service failed"),
        "{}",
        ending.said
    );
    assert!(
        ending.said.contains("/opt/missing/binary"),
        "{}",
        ending.said
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_off_is_seen_and_so_is_a_kill() {
    let Some(world) = World::new("a_power_off_is_seen").await else {
        return;
    };
    let spec = world.spec(world.ignition("", ""));
    let machine = start(&world, &spec).await.unwrap();
    let began = Instant::now();
    let limit = Duration::from_secs(60);
    let off = machine.run("systemctl poweroff; sleep 50", limit).await;
    println!("{:?} after {:?}", off.as_ref().err(), began.elapsed());
    let ending = machine.ended().await;
    assert_eq!(ending.kind, StopKind::MachineGone);
    assert!(
        ending.said.contains("powered itself off"),
        "{}",
        ending.said
    );
    drop(machine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_owner_leaves_nothing() {
    let Some(world) = World::new("a_killed_owner").await else {
        return;
    };
    // The owner is this test's own program, told to run the ignored test below.
    let owner = |keep: &str| {
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "owner_that_will_be_killed"])
            .env("BELLWETHER_REAL_OWNER", world.path())
            .env("BELLWETHER_REAL_KEEP", keep);
        command.spawn().unwrap()
    };
    let state = world.path().join("state");
    for (keep, survives) in [("no", false), ("yes", true)] {
        let mut child = owner(keep);
        let record = loop {
            if let Some(record) = find(&state, &world.path().join("attempt")).unwrap() {
                break record;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let pid = record.living().unwrap().pid;
        child.kill().await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(lives(pid), survives, "keep {keep}");
        let swept = sweep(&state).await.unwrap();
        match (&swept[..], survives) {
            ([Swept::Killed(_)], true) | ([Swept::Cleaned(_)], false) => {}
            other => panic!("{other:?}"),
        }
        assert!(!lives(pid));
        assert!(!record.runtime.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_killed_owner_leaves_nothing"]
async fn owner_that_will_be_killed() {
    let Ok(path) = std::env::var("BELLWETHER_REAL_OWNER") else {
        return;
    };
    let path = Utf8PathBuf::from(path);
    let image = Utf8PathBuf::from(std::env::var("BELLWETHER_REAL_IMAGE").unwrap());
    let spec = MachineSpec {
        name: "owned".into(),
        folder: path.join("attempt"),
        accelerator: Accelerator::Tcg,
        cpus: 1,
        memory: 1 << 30,
        root_disk: image.join("root.img"),
        root_format: "raw".into(),
        disk: 20 << 30,
        kernel: Some((image.join("vmlinuz"), image.join("initrd.img"))),
        kernel_arguments: Vec::new(),
        payloads: Vec::new(),
        ignition: r#"{"ignition":{"version":"3.3.0"}}"#.into(),
        ssh_key: path.join("key"),
        required_units: Vec::new(),
        keep: std::env::var("BELLWETHER_REAL_KEEP").is_ok_and(|keep| keep == "yes"),
    };
    let (tell, _told) = mpsc::unbounded_channel::<Progress>();
    let hypervisor = Qemu {
        state: path.join("state"),
    };
    let _ = hypervisor.start(&spec, tell).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_boots_a_kernel_and_kvm_is_judged_in_words() {
    let Some(world) = World::new("the_probe").await else {
        return;
    };
    let kernel = world.image.join("vmlinuz");
    let emulated = kvm::boots(Accelerator::Tcg, &kernel, Duration::from_secs(60))
        .await
        .unwrap();
    println!("{emulated:?}");
    assert!(emulated.is_ok());
    let probe = kvm::probe(world.path(), &kernel).await.unwrap();
    println!("{probe:?}");
    assert!(!probe.reason.is_empty());
    let began = Instant::now();
    assert_eq!(kvm::probe(world.path(), &kernel).await.unwrap(), probe);
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// A node with containerd from `BELLWETHER_REAL_PAYLOAD`, a folder with `runtime.img` and `kubernetes.img`.
fn containerd_node(world: &World, config: &str) -> Option<MachineSpec> {
    let Ok(payload) = std::env::var("BELLWETHER_REAL_PAYLOAD") else {
        println!("containerd: not run; set BELLWETHER_REAL_PAYLOAD=<folder>");
        return None;
    };
    let files: Vec<String> = runtime::guest_files(config)
        .iter()
        .map(|file| {
            let text = percent_encoding::utf8_percent_encode(
                &file.contents,
                percent_encoding::NON_ALPHANUMERIC,
            );
            let path = file.path.replace('\\', "\\\\");
            format!(
                r#"{{"path":"{path}","mode":{},"overwrite":true,"contents":{{"source":"data:,{text}"}}}}"#,
                file.mode
            )
        })
        .collect();
    let units: Vec<String> = runtime::guest_units()
        .iter()
        .map(|made| unit(&made.name, made.contents.as_deref().unwrap()))
        .collect();
    let ignition = world
        .ignition("", &units.join(","))
        .replace(r#""files":["#, &format!(r#""files":[{},"#, files.join(",")));
    let mut spec = world.spec(ignition);
    spec.required_units = runtime::REQUIRED_UNITS.map(str::to_owned).into();
    let disk = |name: &str| Utf8Path::new(&payload).join(format!("{name}.img"));
    spec.payloads = ["runtime", "kubernetes"]
        .map(|name| (name.to_owned(), disk(name)))
        .into();
    Some(spec)
}

fn crun_config() -> String {
    runtime::config(&runtime::RuntimeSpec {
        handler: "crun".into(),
        runtime_type: "io.containerd.runc.v2".into(),
        binary: Some("/usr/bin/crun".into()),
        options: None,
        pause_image: "registry.k8s.io/pause:3.10.2".into(),
        fragment: None,
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_answers_and_a_missing_network_is_named() {
    let Some(world) = World::new("containerd_answers").await else {
        return;
    };
    let Some(spec) = containerd_node(&world, &crun_config()) else {
        return;
    };
    let machine = start(&world, &spec).await.unwrap();
    let socket = machine.forward(runtime::CONTAINERD_SOCKET).await.unwrap();
    let began = Instant::now();
    let ready = cri::ready(&socket, Duration::from_secs(60)).await.unwrap();
    println!(
        "ready after {:?}: {:?} {:?}",
        began.elapsed(),
        ready.version,
        ready.handlers
    );
    assert!(
        ready.handlers.iter().any(|name| name == "crun"),
        "{:?}",
        ready.handlers
    );
    assert!(ready.cri.images().await.unwrap().is_empty());
    let began = Instant::now();
    let script = runtime::import_script(machine.root());
    let output = machine
        .run(&script, Duration::from_secs(300))
        .await
        .unwrap();
    println!("{:?}: {} {}", began.elapsed(), output.text(), output.stderr);
    assert_eq!(output.status, Some(0));
    let tags: Vec<String> = ready
        .cri
        .images()
        .await
        .unwrap()
        .into_iter()
        .flat_map(|image| image.repo_tags)
        .collect();
    println!("{tags:?}");
    assert!(tags.iter().any(|tag| tag.contains("pause")));
    let limit = Duration::from_secs(120);
    let hide = "mv /etc/cni/net.d/*.conflist /root/ && systemctl restart containerd";
    assert_eq!(machine.run(hide, limit).await.unwrap().status, Some(0));
    let error = cri::ready(&socket, Duration::from_secs(15))
        .await
        .unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("NetworkReady=false"), "{error}");
    machine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containerd_that_does_not_start_is_named() {
    let Some(world) = World::new("a_containerd_that_does_not_start").await else {
        return;
    };
    let config = crun_config().replace("version = 3", "version = = 3");
    let Some(spec) = containerd_node(&world, &config) else {
        return;
    };
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert!(
        ending.said.starts_with("containerd.service failed"),
        "{}",
        ending.said
    );
    assert!(ending.said.contains("TOML"), "{}", ending.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_payload_is_named() {
    let Some(world) = World::new("a_missing_payload").await else {
        return;
    };
    let Some(mut spec) = containerd_node(&world, &crun_config()) else {
        return;
    };
    spec.payloads.remove(0);
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert!(ending.said.contains("virtio-runtime"), "{}", ending.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_host_is_named() {
    let Some(world) = World::new("a_full_disk_of_the_host").await else {
        return;
    };
    let Ok(small) = std::env::var("BELLWETHER_REAL_SMALL") else {
        println!("not run; set BELLWETHER_REAL_SMALL to a folder on a file system of about 16 MiB");
        return;
    };
    let folder = tempfile::tempdir_in(small).unwrap();
    let mut spec = world.spec(world.ignition("", ""));
    spec.folder = Utf8PathBuf::try_from(folder.path().join("attempt")).unwrap();
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert!(
        ending.said.starts_with("the host's disk is full"),
        "{}",
        ending.said
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_guest_does_not_know_is_named() {
    let Some(world) = World::new("a_key_that_the_guest").await else {
        return;
    };
    let mut stranger = world.ignition("", "");
    stranger = stranger.replace(
        &world.key,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEALOImcw9FjOpkzBlzfNWMnS6WRQxvqPEsKEdgFUQ8C x",
    );
    let spec = world.spec(stranger);
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert_eq!(ending.phase, Some(Phase::Provision));
    assert!(
        ending.said.contains("refuses bellwether's key"),
        "{}",
        ending.said
    );
}

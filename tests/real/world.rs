//! A folder, a key and a spec for each test; one machine at a time.

use std::time::Instant;

use bellwether::{
    build::cache::Cache,
    image,
    machine::{Hypervisor, Machine, MachineError, MachineSpec, Qemu, args},
    model::Accelerator,
    process::call,
};
use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Mutex, MutexGuard, mpsc};

use crate::{
    cli::{cache_folder, wanted},
    image::debian,
};

/// A folder with `root.img`, `vmlinuz` and `initrd.img`.
pub async fn node_image() -> Utf8PathBuf {
    if let Ok(folder) = std::env::var("BELLWETHER_REAL_IMAGE") {
        return folder.into();
    }
    let cache = Cache::open(cache_folder()).unwrap();
    let sandboxers = ["runc", "crun"].map(str::to_owned);
    let revision = image::resolve("debian-13", &debian(), &sandboxers, &cache)
        .await
        .unwrap();
    let log = cache.folder("logs").unwrap().join("real-image.log");
    let made = image::make(&revision, &debian(), &cache, &log).await;
    made.unwrap().root_disk.parent().unwrap().to_owned()
}

/// One machine at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// Waits for the machine's place.
pub async fn place() -> MutexGuard<'static, ()> {
    ONE.lock().await
}

/// The same for tests that are not async.
pub fn one_machine() -> MutexGuard<'static, ()> {
    ONE.blocking_lock()
}

pub struct World {
    _one: MutexGuard<'static, ()>,
    folder: tempfile::TempDir,
    pub image: Utf8PathBuf,
    pub key: String,
}

impl World {
    pub async fn new(test: &str) -> Option<Self> {
        if !wanted() {
            return None;
        }
        let one = place().await;
        println!("=== {test}");
        let image = node_image().await;
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
            image,
            key: key.trim().to_owned(),
        })
    }

    pub fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    pub fn hypervisor(&self) -> Qemu {
        Qemu {
            state: self.path().join("state"),
        }
    }

    pub fn spec(&self, ignition: String) -> MachineSpec {
        MachineSpec {
            name: "real".into(),
            folder: self.path().join("attempt"),
            accelerator: Accelerator::Tcg,
            cpus: 2,
            memory: 2 << 30,
            root_disk: self.image.join("root.img"),
            root_format: "raw".into(),
            disk: 20 << 30,
            disks: Vec::new(),
            kernel: Some((self.image.join("vmlinuz"), self.image.join("initrd.img"))),
            kernel_arguments: Vec::new(),
            payloads: Vec::new(),
            plugged: Vec::new(),
            ignition,
            ssh_key: self.path().join("key"),
            required_units: Vec::new(),
            keep: false,
        }
    }

    pub fn ignition(&self, users: &str, units: &str) -> String {
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

pub fn unit(name: &str, contents: &str) -> String {
    let contents = contents
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"");
    format!(r#"{{"name":"{name}","enabled":true,"contents":"{contents}"}}"#)
}

/// Starts a machine and prints how it goes.
pub async fn start(world: &World, spec: &MachineSpec) -> Result<Box<dyn Machine>, MachineError> {
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

pub fn lives(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains(args::QEMU))
}

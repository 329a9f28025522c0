//! The node image, from the Debian archive: minutes and the network.

use std::time::Instant;

use bellwether::{
    build::cache::Cache,
    ignition::{self, GuestFile, GuestUnit, NodeConfig},
    image::{self, NodeImage},
    process::{self, call},
    profile::Image,
};

use crate::{
    cli::{cache_folder, wanted},
    world::place,
};

pub fn debian() -> Image {
    Image::Debian {
        suite: "trixie".to_owned(),
        packages: Vec::new(),
    }
}

#[tokio::test]
async fn the_debian_image_is_made_as_resolved() {
    if !wanted() {
        return;
    }
    let cache = Cache::open(cache_folder()).unwrap();
    let sandboxers = ["runc", "crun"].map(str::to_owned);
    let started = Instant::now();
    let revision = image::resolve("debian-13", &debian(), &sandboxers, &cache)
        .await
        .unwrap();
    println!("resolved in {:?}: {revision:#?}", started.elapsed());
    assert!(revision.packages.iter().any(|p| p.starts_with("crun=")));
    assert!(revision.kernel.is_some());

    let started = Instant::now();
    let again = image::resolve("debian-13", &debian(), &sandboxers, &cache)
        .await
        .unwrap();
    assert_eq!(revision, again);
    println!("resolved again in {:?}", started.elapsed());
    assert!(
        started.elapsed().as_millis() < 2000,
        "an unchanged archive must be a quick answer"
    );

    let started = Instant::now();
    let log = cache.folder("logs").unwrap().join("image.log");
    let made = image::make(&revision, &debian(), &cache, &log)
        .await
        .unwrap();
    println!("made in {:?}: {made:#?}", started.elapsed());
    assert!(made.root_disk.exists());
    let (kernel, initrd) = made.kernel.unwrap();
    assert!(kernel.exists() && initrd.exists());
    let again = image::make(&revision, &debian(), &cache, &log)
        .await
        .unwrap();
    assert!(!again.fresh);
}

/// A machine started by hand, ended when dropped.
struct Guest {
    folder: tempfile::TempDir,
    _process: process::Group,
    port: u16,
}

impl Guest {
    async fn start(image: &NodeImage, node: &NodeConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        fs_err::write(file("node.ign"), ignition::generate(node).unwrap()).unwrap();
        let (overlay, base) = (file("overlay.qcow2"), image.root_disk.as_str());
        call("qemu-img")
            .args([
                "create",
                "-q",
                "-f",
                "qcow2",
                "-F",
                &image.root_format,
                "-b",
                base,
                &overlay,
                "20G",
            ])
            .run()
            .await
            .unwrap();
        let (kernel, initrd) = image.kernel.clone().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = process::command("qemu-system-x86_64");
        command
            .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", "2048"])
            .args(["-display", "none", "-no-reboot", "-serial", &format!("file:{}", file("console.log"))])
            .args(["-kernel", kernel.as_str(), "-initrd", initrd.as_str(), "-append"])
            .arg("root=LABEL=root rw console=ttyS0 ignition.firstboot=1 ignition.platform.id=qemu mitigations=off quiet")
            .args(["-fw_cfg", &format!("name=opt/com.coreos/config,file={}", file("node.ign"))])
            .args(["-drive", &format!("file={overlay},if=virtio,format=qcow2,cache=unsafe")])
            .args(["-netdev", &format!("user,id=n0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{port}-:22")])
            .args(["-device", "virtio-net-pci,netdev=n0", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]);
        for (id, name) in [
            ("failure", "com.coreos.ignition.journal"),
            ("journal", "bellwether.journal"),
        ] {
            command
                .args(["-chardev", &format!("file,id={id},path={}", file(id))])
                .args([
                    "-device",
                    &format!("virtserialport,chardev={id},name={name}"),
                ]);
        }
        Self {
            _process: process::Group(command.spawn().unwrap()),
            folder,
            port,
        }
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    async fn ssh(&self, key: &str, command: &str) -> Option<String> {
        let output = call("ssh")
            .args([
                "-q",
                "-i",
                key,
                "-p",
                &self.port.to_string(),
                "-o",
                "ConnectTimeout=30",
            ])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args(["root@127.0.0.1", command])
            .output()
            .await
            .ok()?;
        (output.status == Some(0)).then(|| output.text())
    }
}

async fn image() -> Option<NodeImage> {
    if !wanted() {
        return None;
    }
    let cache = Cache::open(cache_folder()).unwrap();
    let sandboxers = ["runc", "crun"].map(str::to_owned);
    let revision = image::resolve("debian-13", &debian(), &sandboxers, &cache)
        .await
        .unwrap();
    let log = cache.folder("logs").unwrap().join("image.log");
    Some(
        image::make(&revision, &debian(), &cache, &log)
            .await
            .unwrap(),
    )
}

fn node(key: String, fragment: &str) -> NodeConfig {
    NodeConfig {
        hostname: "node7".to_owned(),
        ssh_public_key: key,
        files: vec![GuestFile::new("/etc/bellwether-test", "100% \"quoted\"\n")],
        units: vec![GuestUnit::enabled(
            "probe.service",
            "[Service]\nType=oneshot\nExecStart=/bin/touch /run/probed\n\n[Install]\nWantedBy=multi-user.target\n",
        )],
        fragments: vec![("fragment.ign".to_owned(), fragment.to_owned())],
    }
}

#[tokio::test]
async fn the_image_boots_and_becomes_the_node() {
    let Some(image) = image().await else { return };
    let _one = place().await;
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key").display().to_string();
    call("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", &key])
        .run()
        .await
        .unwrap();
    let public = fs_err::read_to_string(format!("{key}.pub")).unwrap();
    let fragment = include_str!("../fixtures/ignition/crio_userns.ign");
    let guest = Guest::start(&image, &node(public, fragment)).await;
    let started = Instant::now();
    while guest.ssh(&key, "true").await.is_none() {
        assert!(
            started.elapsed().as_secs() < 300,
            "no ssh; console: {}",
            guest.read("console.log")
        );
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    println!("ssh answered after {:?}", started.elapsed());
    let ask = "until [ -e /run/probed ]; do sleep 1; done; hostname; cat /etc/bellwether-test; \
        systemctl is-enabled probe.service fstrim.timer; df --output=size -BG / | tail -1; \
        ip -4 -o addr show scope global | grep -o '10.0.2.15/24'; ip -6 -o addr show scope global | wc -l; \
        cat /etc/subuid; stat -c %U:%a /root/kubelet-e2e.te; id -un kubelet";
    let said = guest.ssh(&key, &format!("{ask} || true")).await.unwrap();
    println!("{said}");
    for line in [
        "node7",
        "100% \"quoted\"",
        "enabled",
        "masked",
        "20G",
        "10.0.2.15/24",
        "root:644",
        "kubelet",
    ] {
        assert!(
            said.lines().any(|l| l.trim() == line),
            "no line {line:?} in:\n{said}"
        );
    }
    let journal = guest.read("journal");
    assert!(
        journal.contains("kernel: Linux version"),
        "the journal starts at the first line"
    );
    assert!(
        journal.contains("Accepted publickey for root"),
        "and goes on"
    );
    assert_eq!(guest.read("failure"), "");
}

#[tokio::test]
async fn a_config_that_ignition_refuses_is_told_to_the_host() {
    let Some(image) = image().await else { return };
    let _one = place().await;
    let fragment = r#"{"ignition": {"version": "3.3.0"}, "passwd": {"users": [{"name": "probe", "groups": ["nosuchgroup"]}]}}"#;
    let guest = Guest::start(&image, &node("ssh-ed25519 AAAA probe".to_owned(), fragment)).await;
    let started = Instant::now();
    while !guest.read("failure").contains("CRITICAL : Ignition failed") {
        assert!(
            started.elapsed().as_secs() < 300,
            "nothing; console: {}",
            guest.read("console.log")
        );
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    println!("the failure was told after {:?}", started.elapsed());
    assert!(guest.read("failure").contains("nosuchgroup"));
}

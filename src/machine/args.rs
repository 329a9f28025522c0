//! QEMU's command line: a pure function of the machine and the places it may use on the host.

use camino::{Utf8Path, Utf8PathBuf};

use super::{MachineSpec, limits::limits};
use crate::{
    model::Accelerator,
    process::{command_line, quote},
};

/// The program.
pub const QEMU: &str = "qemu-system-x86_64";

/// What the host gives one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The writable disk: a qcow2 overlay.
    pub overlay: Utf8PathBuf,
    /// The Ignition config.
    pub ignition: Utf8PathBuf,
    /// QMP's unix socket.
    pub qmp: Utf8PathBuf,
    /// The file QEMU writes its process id to.
    pub pid: Utf8PathBuf,
    /// The port of 127.0.0.1 that leads to the guest's ssh.
    pub ssh_port: u16,
    /// A saved machine's memory, to begin with.
    pub memory: Option<Utf8PathBuf>,
}

/// Guest ports that grow a file in the attempt's folder: port name, file.
pub const PORTS: [(&str, &str); 4] = [
    ("com.coreos.ignition.journal", "ignition.journal"),
    ("bellwether.journal", "journal.log"),
    ("bellwether.suite", "suite.log"),
    ("bellwether.status", "status.jsonl"),
];

/// The file that the serial console grows.
pub const CONSOLE: &str = "console.log";

/// The file that keeps the command line, as a person can paste it.
pub const COMMAND: &str = "qemu.cmd";

/// How many disks can be plugged into a running machine.
pub const SLOTS: usize = 1;

/// Where the disk number `n` is plugged in: a port of its own, because the root bus takes nothing while it runs.
#[must_use]
pub fn slot(n: usize) -> String {
    format!("slot{n}")
}

/// The name of the disk number `n` that is plugged in.
#[must_use]
pub fn plugged(n: usize) -> String {
    format!("plugged{n}")
}

/// Where a machine writes once its first overlay is a snapshot's disk.
#[must_use]
pub fn later_overlay(overlay: &Utf8Path) -> Utf8PathBuf {
    overlay.with_extension("later.qcow2")
}

/// All arguments of [`QEMU`].
#[must_use]
pub fn arguments(spec: &MachineSpec, places: &Places) -> Vec<String> {
    let mut words = processor(spec);
    words.extend(boot(spec, places));
    words.extend(disks(spec, places));
    words.extend(channels(&spec.folder));
    words.extend(network(places.ssh_port));
    words.extend(identity());
    words.extend(slots(spec));
    words.extend(control(places));
    if let Some(memory) = &places.memory {
        words.extend([
            "-incoming".to_owned(),
            format!("exec:cat {}", quote(memory.as_str())),
        ]);
    }
    words
}

/// The whole command line, one option a line, as a person can paste it.
#[must_use]
pub fn script(arguments: &[String]) -> String {
    let mut text = String::from(QEMU);
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next() {
        let value = words.next_if(|next| !next.starts_with('-'));
        let line = match value {
            Some(value) => command_line(word, &[value]),
            None => command_line(word, &[] as &[&str]),
        };
        text.push_str(" \\\n  ");
        text.push_str(&line);
    }
    text.push('\n');
    text
}

fn processor(spec: &MachineSpec) -> Vec<String> {
    // Nehalem, not max: an emulated `max` guest does not come back whole from a snapshot (its sshd closes every
    // connection). The real tier's `a_saved_machine_comes_back_as_another` holds this.
    let (accelerator, cpu) = match spec.accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        Accelerator::Tcg => ("tcg,thread=multi,tb-size=1024", "Nehalem"),
    };
    words([
        "-name",
        &escape(&spec.name),
        "-machine",
        "q35",
        "-accel",
        accelerator,
        "-cpu",
        cpu,
        "-smp",
        &spec.cpus.to_string(),
        "-m",
        &format!("{}M", spec.memory.div_ceil(1024 * 1024)),
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-device",
        "virtio-rng-pci",
    ])
}

fn boot(spec: &MachineSpec, places: &Places) -> Vec<String> {
    let config = format!(
        "name=opt/com.coreos/config,file={}",
        escape(places.ignition.as_str())
    );
    let mut list = words(["-fw_cfg", &config]);
    if let Some((kernel, initramfs)) = &spec.kernel {
        let append = kernel_arguments(spec);
        list.extend(words([
            "-kernel",
            kernel.as_str(),
            "-initrd",
            initramfs.as_str(),
            "-append",
            &append,
        ]));
    }
    list
}

/// The kernel's command line for direct boot: the machine's own arguments, then the node's.
fn kernel_arguments(spec: &MachineSpec) -> String {
    let own = format!(
        "root=LABEL=root rw console=ttyS0 quiet ignition.firstboot=1 ignition.platform.id=qemu \
         mitigations=off rd.retry={}",
        limits(spec.accelerator).root_seconds
    );
    std::iter::once(own.as_str())
        .chain(spec.kernel_arguments.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

fn disks(spec: &MachineSpec, places: &Places) -> Vec<String> {
    // The overlay is thrown away, so nothing is gained by flushing it.
    let root = format!(
        "file={},if=none,id=root,format=qcow2,cache=unsafe,discard=unmap",
        escape(places.overlay.as_str())
    );
    let mut list = words(["-drive", &root, "-device", "virtio-blk-pci,drive=root"]);
    for (n, payload) in spec.payloads.iter().enumerate() {
        list.extend(payload_disk(&format!("payload{n}"), payload, ""));
    }
    list
}

fn payload_disk(id: &str, (serial, image): &(String, Utf8PathBuf), place: &str) -> Vec<String> {
    // Without locking: many machines read one payload.
    let drive = format!(
        "file={},if=none,id={id},format=raw,readonly=on,file.locking=off",
        escape(image.as_str())
    );
    let device = format!("virtio-blk-pci,drive={id},serial={}{place}", escape(serial));
    words(["-drive", &drive, "-device", &device])
}

/// Where disks can be plugged in, and those that were when the machine was saved.
fn slots(spec: &MachineSpec) -> Vec<String> {
    let mut list = Vec::new();
    for n in 0..SLOTS {
        let port = format!(
            "pcie-root-port,id={},chassis={},slot={}",
            slot(n),
            n + 1,
            n + 1
        );
        list.extend(words(["-device", &port]));
    }
    for (n, payload) in spec.plugged.iter().enumerate() {
        let place = format!(",bus={}", slot(n));
        list.extend(payload_disk(&plugged(n), payload, &place));
    }
    list
}

fn channels(folder: &Utf8Path) -> Vec<String> {
    let file = |id: &str, name: &str| {
        format!(
            "file,id={id},path={},append=on",
            escape(folder.join(name).as_str())
        )
    };
    let mut list = words([
        "-chardev",
        &file("console", CONSOLE),
        "-serial",
        "chardev:console",
        "-device",
        "virtio-serial-pci",
    ]);
    for (n, (port, name)) in PORTS.iter().enumerate() {
        let device = format!("virtserialport,chardev=port{n},name={port}");
        list.extend(words([
            "-chardev",
            &file(&format!("port{n}"), name),
            "-device",
            &device,
        ]));
    }
    list
}

fn network(ssh_port: u16) -> Vec<String> {
    // IPv6 off: QEMU's fec0::/64 would become the node's address and fail the suite's API server.
    let net = format!("user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{ssh_port}-:22");
    words(["-netdev", &net, "-device", "virtio-net-pci,netdev=net0"])
}

/// What a restored guest needs, at the end so that no other device changes its place.
fn identity() -> Vec<String> {
    words([
        // Another id at each start: the guest's kernel then knows that it was copied, and reseeds its random pool.
        "-device",
        "vmgenid,guid=auto",
        // The guest tells which pages it does not use; they take no memory here and no room in a snapshot.
        "-device",
        "virtio-balloon-pci,free-page-reporting=on",
    ])
}

fn control(places: &Places) -> Vec<String> {
    let qmp = format!("unix:{},server=on,wait=off", escape(places.qmp.as_str()));
    words(["-qmp", &qmp, "-pidfile", places.pid.as_str()])
}

fn words<const N: usize>(list: [&str; N]) -> Vec<String> {
    list.map(str::to_owned).into()
}

/// A value inside an option's comma list: QEMU wants its commas doubled.
fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(accelerator: Accelerator) -> MachineSpec {
        MachineSpec {
            name: "main.plain.runc".into(),
            folder: "/runs/1/lane/1".into(),
            accelerator,
            cpus: 2,
            memory: 4 << 30,
            root_disk: "/cache/image/root.img".into(),
            root_format: "raw".into(),
            disk: 20 << 30,
            kernel: Some((
                "/cache/image/vmlinuz".into(),
                "/cache/image/initrd.img".into(),
            )),
            kernel_arguments: vec!["swapaccount=1".into()],
            payloads: vec![
                ("runtime".into(), "/cache/runtime.img".into()),
                ("kubernetes".into(), "/cache/a,b/kubernetes.img".into()),
            ],
            plugged: Vec::new(),
            ignition: "{}".into(),
            ssh_key: "/runs/1/key".into(),
            required_units: Vec::new(),
            keep: false,
        }
    }

    fn places() -> Places {
        Places {
            overlay: "/runs/1/lane/1/disk.qcow2".into(),
            ignition: "/runs/1/lane/1/ignition.json".into(),
            qmp: "/tmp/bw-x/qmp.sock".into(),
            pid: "/tmp/bw-x/qemu.pid".into(),
            ssh_port: 40022,
            memory: None,
        }
    }

    #[test]
    fn emulated() {
        insta::assert_snapshot!(script(&arguments(&spec(Accelerator::Tcg), &places())));
    }

    #[test]
    fn accelerated_with_a_boot_loader() {
        let mut spec = spec(Accelerator::Kvm);
        spec.kernel = None;
        spec.payloads.clear();
        insta::assert_snapshot!(script(&arguments(&spec, &places())));
    }

    #[test]
    fn a_restored_machine_differs_only_in_where_its_memory_is_from() {
        let booted = arguments(&spec(Accelerator::Tcg), &places());
        let places = Places {
            memory: Some("/cache/a b/memory".into()),
            ..places()
        };
        let restored = arguments(&spec(Accelerator::Tcg), &places);
        let (same, more) = restored.split_at(booted.len());
        assert_eq!(same, booted);
        assert_eq!(more, ["-incoming", "exec:cat '/cache/a b/memory'"]);
    }

    #[test]
    fn what_was_plugged_in_is_where_it_was_and_moves_nothing_else() {
        let mut spec = spec(Accelerator::Tcg);
        let before = arguments(&spec, &places());
        let kubernetes = spec.payloads.pop().unwrap();
        let without = arguments(&spec, &places());
        spec.plugged.push(kubernetes);
        let with = arguments(&spec, &places());
        let place = with
            .iter()
            .position(|word| word.contains("plugged0"))
            .unwrap()
            - 1;
        let (more, rest) = (
            &with[place..place + 4],
            [&with[..place], &with[place + 4..]].concat(),
        );
        assert_eq!(rest, without);
        assert_eq!(
            more,
            [
                "-drive",
                "file=/cache/a,,b/kubernetes.img,if=none,id=plugged0,format=raw,readonly=on,file.locking=off",
                "-device",
                "virtio-blk-pci,drive=plugged0,serial=kubernetes,bus=slot0",
            ]
        );
        assert!(
            before
                .iter()
                .any(|word| word == "pcie-root-port,id=slot0,chassis=1,slot=1")
        );
    }

    #[test]
    fn the_script_is_the_same_words_to_a_shell() {
        let words = arguments(&spec(Accelerator::Tcg), &places());
        let one_line = script(&words).replace(" \\\n  ", " ");
        assert_eq!(one_line.trim_end(), command_line(QEMU, &words));
    }
}

//! What a snapshot fits: everything that a machine's memory depends on. Pure.

use camino::Utf8PathBuf;

use crate::{
    machine::{
        MachineSpec,
        args::{Places, arguments},
    },
    model::{Digest, DigestBuilder},
};

/// Grows when machines are saved or restored in another way.
const FORM: &str = "1";

/// A disk or kernel by what it holds: a name such as `image`, and the digest of what it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its name.
    pub name: String,
    /// Of its inputs.
    pub digest: Digest,
}

/// Everything that makes a saved machine.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// What the machine is started from.
    pub spec: &'a MachineSpec,
    /// Its node image and every payload disk.
    pub contents: &'a [Content],
    /// QEMU's version: a machine's memory is read by the version that wrote it.
    pub qemu: &'a str,
    /// The host's processor where the guest sees it, else nothing.
    pub processor: &'a str,
}

impl Origin<'_> {
    /// The snapshot's key. Two machines with one key differ in nothing that the guest can see.
    #[must_use]
    pub fn key(&self) -> Digest {
        let spec = self.spec;
        let mut digest = DigestBuilder::new("snapshot")
            .field("form", FORM)
            .field("qemu", self.qemu)
            .field("processor", self.processor)
            .field("disk", spec.disk.to_le_bytes())
            .field("ignition", &spec.ignition);
        for content in self.contents {
            digest = digest.field(&content.name, content.digest.as_str());
        }
        // The processor, its number, the memory, every device and the kernel's arguments, as QEMU is told of them.
        for word in arguments(&anywhere(spec), &nowhere()) {
            digest = digest.field("argument", word);
        }
        digest.finish()
    }
}

/// The same machine without what differs between two starts and is unknown to the guest.
fn anywhere(spec: &MachineSpec) -> MachineSpec {
    let payload = |(serial, _): &(String, _)| (serial.clone(), Utf8PathBuf::from("payload"));
    MachineSpec {
        name: "node".to_owned(),
        folder: "attempt".into(),
        root_disk: "root".into(),
        kernel: (spec.kernel.as_ref()).map(|_| ("kernel".into(), "initramfs".into())),
        payloads: spec.payloads.iter().map(payload).collect(),
        plugged: spec.plugged.iter().map(payload).collect(),
        ..spec.clone()
    }
}

fn nowhere() -> Places {
    Places {
        overlay: "overlay".into(),
        ignition: "ignition".into(),
        qmp: "qmp".into(),
        pid: "pid".into(),
        ssh_port: 0,
        memory: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Accelerator;

    fn spec() -> MachineSpec {
        MachineSpec {
            name: "main.plain.runc.conformance".into(),
            folder: "/runs/1/lane/1".into(),
            accelerator: Accelerator::Tcg,
            cpus: 2,
            memory: 4 << 30,
            root_disk: "/cache/image/root.img".into(),
            root_format: "raw".into(),
            disk: 20 << 30,
            disks: Vec::new(),
            kernel: Some(("/cache/image/vmlinuz".into(), "/cache/image/initrd".into())),
            kernel_arguments: vec!["swapaccount=1".into()],
            payloads: vec![("runtime".into(), "/cache/runtime.img".into())],
            plugged: Vec::new(),
            ignition: "{}".into(),
            ssh_key: "/state/key".into(),
            required_units: Vec::new(),
            keep: false,
        }
    }

    fn key_of(change: impl FnOnce(&mut MachineSpec)) -> Digest {
        let mut spec = spec();
        change(&mut spec);
        key(&spec, "image", "7.2.22", "")
    }

    fn key(spec: &MachineSpec, image: &str, qemu: &str, processor: &str) -> Digest {
        let contents = ["image", "runtime"].map(|name| Content {
            name: name.into(),
            digest: Digest::of(if name == "image" { image } else { name }.as_bytes()),
        });
        Origin {
            spec,
            contents: &contents,
            qemu,
            processor,
        }
        .key()
    }

    #[test]
    fn another_run_of_the_same_node_has_the_same_key() {
        let other = key_of(|spec| {
            spec.name = "main.plain.runc.smoke".into();
            spec.folder = "/runs/2/lane/1".into();
            spec.root_disk = "/elsewhere/root.img".into();
            spec.payloads[0].1 = "/elsewhere/runtime.img".into();
            spec.keep = true;
        });
        assert_eq!(key_of(|_| ()), other);
    }

    #[test]
    fn whatever_the_guest_can_see_makes_another_key() {
        let mut keys = vec![
            key_of(|_| ()),
            key_of(|spec| spec.cpus = 4),
            key_of(|spec| spec.memory = 2 << 30),
            key_of(|spec| spec.disk = 10 << 30),
            key_of(|spec| spec.disks.push(("images".into(), 1 << 30))),
            key_of(|spec| spec.accelerator = Accelerator::Kvm),
            key_of(|spec| spec.kernel_arguments.clear()),
            key_of(|spec| spec.kernel = None),
            key_of(|spec| spec.payloads.clear()),
            key_of(|spec| spec.payloads[0].0 = "other".into()),
            key_of(|spec| spec.plugged = std::mem::take(&mut spec.payloads)),
            key_of(|spec| spec.plugged.push(("kubernetes".into(), "/k.img".into()))),
            key_of(|spec| spec.ignition = "{ }".into()),
            key(&spec(), "another image", "7.2.22", ""),
            key(&spec(), "image", "9.2.0", ""),
            key(&spec(), "image", "7.2.22", "another processor"),
        ];
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}

use std::{collections::BTreeMap, io::Read};

use camino::Utf8Path;
use fs_err as fs;

use super::*;
use crate::build::layer::Layer;

fn layer(folder: &Utf8Path, name: &str, content: &str) -> LayerFile {
    let mut layer = Layer::default();
    layer.bytes(&format!("opt/{name}"), 0o755, content);
    layer.write_file(&folder.join(name)).unwrap()
}

fn config() -> Config {
    Config {
        entrypoint: vec!["/agnhost".to_owned()],
        command: vec!["pause".to_owned()],
        environment: vec!["PATH=/bin".to_owned()],
        user: "1234".to_owned(),
    }
}

/// The files of a tar, as a container runtime's importer would see them.
fn files(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_string_lossy().into_owned(), bytes)
    });
    entries.collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The blob that a descriptor names, with its size and digest checked.
fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    let bytes = &files[&format!("blobs/sha256/{digest}")];
    assert_eq!(Digest::of(bytes).as_str(), digest);
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

#[test]
fn an_importer_finds_every_tag_and_layer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let layers = [layer(folder, "base", "base"), layer(folder, "own", "own")];
    let tags = [
        "registry.k8s.io/e2e-test-images/agnhost:2.55",
        "registry.k8s.io/e2e-test-images/agnhost:2.63.0",
    ];
    let tags = tags.map(str::to_owned);
    let mut tar = Vec::new();
    image_tar(&layers, &config(), &tags, "amd64", &mut tar).unwrap();
    let files = files(&tar);
    assert_eq!(json(&files["oci-layout"])["imageLayoutVersion"], "1.0.0");
    let index = json(&files["index.json"]);
    let manifests = index["manifests"].as_array().unwrap();
    let named: Vec<_> = manifests
        .iter()
        .map(|m| {
            m["annotations"]["io.containerd.image.name"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(named, tags);
    assert_eq!(
        manifests[1]["annotations"]["org.opencontainers.image.ref.name"],
        "2.63.0"
    );
    for manifest in manifests {
        let manifest = json(blob(&files, manifest));
        let image = json(blob(&files, &manifest["config"]));
        let of_layers = manifest["layers"].as_array().unwrap();
        assert_eq!(of_layers.len(), 2);
        for (at, descriptor) in of_layers.iter().enumerate() {
            blob(&files, descriptor);
            // Layers are not compressed, so a layer's id is its blob's.
            assert_eq!(image["rootfs"]["diff_ids"][at], descriptor["digest"]);
        }
        assert_eq!(
            image["config"],
            json!({ "Entrypoint": ["/agnhost"], "Cmd": ["pause"], "Env": ["PATH=/bin"], "User": "1234" })
        );
    }
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let mut tar = Vec::new();
        let tags = ["a/b:1".to_owned()];
        let one = layer(folder, "one", "content");
        image_tar(&[one.clone(), one], &config(), &tags, "amd64", &mut tar).unwrap();
        tar
    };
    let (one, two) = (make(), make());
    assert!(one == two);
    let blobs = files(&one)
        .into_keys()
        .filter(|name| name.contains("sha256/") && !name.ends_with('/'));
    assert_eq!(blobs.count(), 3, "a layer that comes twice is there once");
}

#[test]
fn a_layer_keeps_links_modes_and_parents_and_loses_devices_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    // A tar as a package manager makes it: times, owners, a device, a hard link that sorts before its target.
    let mut rootfs = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: EntryType, mode: u32, target: Option<&str>, content: &[u8]| {
        let mut header = plain(kind, mode, content.len() as u64);
        header.set_mtime(1_700_000_000);
        header.set_uid(1000);
        match target {
            Some(target) => rootfs.append_link(&mut header, path, target).unwrap(),
            None => rootfs.append_data(&mut header, path, content).unwrap(),
        }
    };
    let long = format!("usr/share/{}/file", "long".repeat(40));
    add("./usr/bin/zed", EntryType::Regular, 0o4755, None, b"binary");
    add(
        "./usr/bin/awk",
        EntryType::Link,
        0o755,
        Some("./usr/bin/zed"),
        b"",
    );
    add("./bin", EntryType::Symlink, 0o777, Some("usr/bin"), b"");
    add("./dev/null", EntryType::Char, 0o666, None, b"");
    add(
        "./usr/share/doc/x",
        EntryType::Regular,
        0o644,
        None,
        b"text",
    );
    add(
        &format!("./{long}"),
        EntryType::Regular,
        0o644,
        None,
        b"deep",
    );
    let file = folder.join("rootfs.tar");
    fs::write(&file, rootfs.into_inner().unwrap()).unwrap();

    let mut layer = Layer::default();
    layer
        .take_tar(&file, |path| !path.starts_with("usr/share/doc"))
        .unwrap();
    let mut written = Vec::new();
    layer.write(&mut written).unwrap();
    let mut archive = tar::Archive::new(written.as_slice());
    let seen: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 0);
            let link = entry
                .link_name()
                .unwrap()
                .map(|l| l.to_string_lossy().into_owned());
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            (path, format!("{:o}", header.mode().unwrap()), link)
        })
        .filter(|(path, ..)| !path.starts_with("usr/share"))
        .collect();
    insta::assert_debug_snapshot!(seen);
    assert!(
        files(&written)
            .get(&long)
            .is_some_and(|content| content == b"deep")
    );
}

//! containerd on a real node.

use std::time::{Duration, Instant};

use bellwether::{
    ignition::GuestFile,
    machine::{MachineError, MachineSpec},
    runtime::{self, cri},
};
use camino::Utf8Path;

use crate::world::{World, start, unit};

/// A node with containerd from `BELLWETHER_REAL_PAYLOAD`, a folder with `runtime.img` and `kubernetes.img`.
fn containerd_node(world: &World, files: &[GuestFile]) -> Option<MachineSpec> {
    let Ok(payload) = std::env::var("BELLWETHER_REAL_PAYLOAD") else {
        println!("containerd: not run; set BELLWETHER_REAL_PAYLOAD=<folder>");
        return None;
    };
    let files: Vec<String> = files
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
    let units: Vec<String> = runtime::guest_units(containerd())
        .iter()
        .map(|made| unit(&made.name, made.contents.as_deref().unwrap()))
        .collect();
    let ignition = world
        .ignition("", &units.join(","))
        .replace(r#""files":["#, &format!(r#""files":[{},"#, files.join(",")));
    let mut spec = world.spec(ignition);
    spec.required_units = runtime::required_units(containerd());
    let disk = |name: &str| Utf8Path::new(&payload).join(format!("{name}.img"));
    spec.payloads = ["runtime", "kubernetes"]
        .map(|name| (name.to_owned(), disk(name)))
        .into();
    Some(spec)
}

fn containerd() -> &'static dyn runtime::Kind {
    runtime::kind(bellwether::profile::RuntimeKind::Containerd)
}

/// The files of a node with crun; the runtime's configuration is the first.
fn crun() -> Vec<GuestFile> {
    let spec = runtime::RuntimeSpec {
        handler: "crun".into(),
        shape: bellwether::profile::Shape::OciRuntime,
        runtime_type: "io.containerd.runc.v2".into(),
        binary: "/usr/bin/crun".into(),
        socket: None,
        options: None,
        pause_image: "registry.k8s.io/pause:3.10.2".into(),
        fragments: Vec::new(),
    };
    runtime::guest_files(containerd(), &spec).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_answers_and_a_missing_network_is_named() {
    let Some(world) = World::new("containerd_answers").await else {
        return;
    };
    let Some(spec) = containerd_node(&world, &crun()) else {
        return;
    };
    let machine = start(&world, &spec).await.unwrap();
    let socket = machine.forward(containerd().socket()).await.unwrap();
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
    assert!(ready.cri.list_images().await.unwrap().is_empty());
    let began = Instant::now();
    let script = runtime::import_script(containerd(), machine.root(), runtime::KUBERNETES_DIR);
    let output = machine
        .run(&script, Duration::from_secs(300))
        .await
        .unwrap();
    println!("{:?}: {} {}", began.elapsed(), output.text(), output.stderr);
    assert_eq!(output.status, Some(0));
    let tags: Vec<String> = ready
        .cri
        .list_images()
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
    let mut files = crun();
    files[0].contents = files[0].contents.replace("version = 3", "version = = 3");
    let Some(spec) = containerd_node(&world, &files) else {
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
    let Some(mut spec) = containerd_node(&world, &crun()) else {
        return;
    };
    spec.payloads.remove(0);
    let Err(MachineError::Ended(ending)) = start(&world, &spec).await.map(drop) else {
        panic!("the machine must end");
    };
    assert!(ending.said.contains("virtio-runtime"), "{}", ending.said);
}

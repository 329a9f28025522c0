//! `proto/runtime.v1.rs`, from `proto/api.proto`: messages and client stubs of the container runtime interface.

use std::path::PathBuf;

const GENERATED: &str = "runtime.v1.rs";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto")
}

fn generated() -> Result<String, String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    // In Rust throughout: a fresh machine has no protoc.
    let descriptors =
        protox::compile(["api.proto"], [folder()]).map_err(|error| error.to_string())?;
    let out = tempfile::tempdir().map_err(|error| words(&error))?;
    let mut config = prost_build::Config::new();
    config.btree_map(["."]);
    tonic_prost_build::configure()
        .build_server(false)
        // Connections are made by the client's own code, over unix sockets.
        .build_transport(false)
        .out_dir(out.path())
        .compile_fds_with_config(descriptors, config)
        .map_err(|error| words(&error))?;
    fs_err::read_to_string(out.path().join(GENERATED)).map_err(|error| words(&error))
}

pub fn write() -> Result<(), String> {
    fs_err::write(folder().join(GENERATED), generated()?).map_err(|error| error.to_string())
}

pub fn check() -> Result<(), String> {
    let path = folder().join(GENERATED);
    let written = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
    if written != generated()? {
        return Err(format!(
            "{} is not current\nhint: run `cargo xtask proto` and commit it",
            path.display()
        ));
    }
    Ok(())
}

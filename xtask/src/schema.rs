//! `docs/profile.schema.json`, from the types that read profiles.

use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/profile.schema.json")
}

fn text() -> Result<String, String> {
    let text = serde_json::to_string_pretty(&bellwether::profile::schema());
    text.map(|text| text + "\n")
        .map_err(|error| error.to_string())
}

pub fn write() -> Result<(), String> {
    fs_err::write(path(), text()?).map_err(|error| error.to_string())
}

pub fn check() -> Result<(), String> {
    let written = fs_err::read_to_string(path()).map_err(|error| error.to_string())?;
    if written == text()? {
        return Ok(());
    }
    Err(
        "docs/profile.schema.json is not current\nhint: run `cargo xtask schema` and commit it"
            .to_owned(),
    )
}

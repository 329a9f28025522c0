//! `docs/*.schema.json`, from the types that read or write the documents.

use std::path::PathBuf;

/// File name and text of every schema.
fn schemas() -> Result<Vec<(PathBuf, String)>, String> {
    let text = |value: &serde_json::Value| {
        let text = serde_json::to_string_pretty(value);
        text.map(|text| text + "\n")
            .map_err(|error| error.to_string())
    };
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
    Ok(vec![
        (
            docs.join("profile.schema.json"),
            text(&bellwether::profile::schema())?,
        ),
        (
            docs.join("verdict.schema.json"),
            text(bellwether::verdict::schema().as_value())?,
        ),
        (
            docs.join("identity.schema.json"),
            text(bellwether::runtime::identity::schema().as_value())?,
        ),
    ])
}

pub fn write() -> Result<(), String> {
    for (path, text) in schemas()? {
        fs_err::write(path, text).map_err(|error| error.to_string())?;
    }
    Ok(())
}

pub fn check() -> Result<(), String> {
    for (path, text) in schemas()? {
        let written = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
        if written != text {
            return Err(format!(
                "{} is not current\nhint: run `cargo xtask schema` and commit it",
                path.display()
            ));
        }
    }
    Ok(())
}

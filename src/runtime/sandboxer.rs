//! What a profile says of a sandboxer, as things of the guest: its binary, files, unit and readiness. Pure.

use std::time::Duration;

use super::{RUNTIME_DIR, RuntimeSpec};
use crate::{
    ignition::{GuestFile, GuestUnit},
    process::quote,
    profile::{Profile, Sandboxer, SandboxerBinary},
};

/// The binary in the guest that serves the sandboxer's pods.
#[must_use]
pub fn guest_binary(sandboxer: &Sandboxer) -> String {
    match &sandboxer.binary {
        SandboxerBinary::Package { path, .. } => path.clone(),
        SandboxerBinary::Build { binary, .. } => format!("{RUNTIME_DIR}/bin/{binary}"),
    }
}

/// What the runtime is set up for on the sandboxer's nodes.
#[must_use]
pub fn spec(profile: &Profile, sandboxer: &Sandboxer, pause_image: &str) -> RuntimeSpec {
    let fragment = |what, path: &Option<_>| {
        let text = profile.files.get(path.as_ref()?)?;
        Some((what, text.clone()))
    };
    let fragments = [
        fragment("sandboxer's fragment", &sandboxer.config),
        fragment("user's fragment", &profile.runtime.config),
    ];
    RuntimeSpec {
        handler: sandboxer.handler.clone(),
        shape: sandboxer.shape(),
        runtime_type: sandboxer.runtime_type.clone(),
        binary: guest_binary(sandboxer),
        socket: sandboxer.socket.clone(),
        options: sandboxer.options.clone(),
        pause_image: pause_image.to_owned(),
        fragments: fragments.into_iter().flatten().collect(),
    }
}

/// The files that the sandboxer's nodes have.
#[must_use]
pub fn sandboxer_files(profile: &Profile, sandboxer: &Sandboxer) -> Vec<GuestFile> {
    let files = sandboxer.files.iter().filter_map(|(path, key)| {
        let contents = profile.files.get(key)?;
        let mode = if contents.starts_with("#!") {
            0o755
        } else {
            0o644
        };
        Some(GuestFile {
            mode,
            ..GuestFile::new(path, contents)
        })
    });
    files.collect()
}

/// The units that the sandboxer's nodes start.
#[must_use]
pub fn sandboxer_units(profile: &Profile, sandboxer: &Sandboxer) -> Vec<GuestUnit> {
    let name = sandboxer.unit_name();
    let text = sandboxer
        .unit
        .as_ref()
        .and_then(|key| profile.files.get(key));
    let units = name.zip(text);
    units
        .map(|(name, text)| GuestUnit::enabled(name, text))
        .into_iter()
        .collect()
}

/// A shell script that waits until the sandboxer is ready, and fails with the last words of what asked it. None where
/// there is nothing to ask.
#[must_use]
pub fn ready_script(sandboxer: &Sandboxer, limit: Duration) -> Option<String> {
    let asked = match (&sandboxer.ready, &sandboxer.socket) {
        (Some(command), _) => command.clone(),
        // A socket that is only there may have nobody behind it.
        (None, Some(socket)) => {
            format!("socat -u OPEN:/dev/null UNIX-CONNECT:{}", quote(socket))
        }
        (None, None) => return None,
    };
    let asked = quote(&asked);
    let seconds = limit.as_secs();
    Some(format!(
        "end=$(($(date +%s)+{seconds}))
until said=$(timeout {seconds} sh -c {asked} 2>&1); do
  if [ \"$(date +%s)\" -ge $end ]; then
    echo \"$said\" | tail -n 5 >&2
    exit 1
  fi
  sleep 1
done
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{process::call, profile, runtime::kind};

    /// Every sandboxer of the shipped profiles, but of the one that shows keys.
    fn shipped() -> Vec<(Profile, Sandboxer)> {
        let mut all = Vec::new();
        for (name, _) in profile::shipped() {
            if name == "reference" {
                continue;
            }
            let profile = profile::load(&name, &profile::Overrides::default()).unwrap();
            for sandboxer in &profile.sandboxers {
                all.push((profile.clone(), sandboxer.clone()));
            }
        }
        all
    }

    #[test]
    fn what_each_shipped_sandboxer_is_in_the_guest() {
        let mut shown = String::new();
        let mut seen = Vec::new();
        for (profile, sandboxer) in shipped() {
            let spec = spec(&profile, &sandboxer, "registry.k8s.io/pause:3.10.2");
            // What a profile takes over is shown once.
            if seen.contains(&spec) {
                continue;
            }
            let runtime = kind(profile.runtime.kind);
            // The configuration is the first of its files.
            let config = runtime.files(&spec).unwrap().remove(0).contents;
            seen.push(spec);
            shown += &format!(
                "== {} / {} ({:?}): {}\n{config}",
                profile.name,
                sandboxer.name,
                sandboxer.shape(),
                guest_binary(&sandboxer)
            );
            for file in sandboxer_files(&profile, &sandboxer) {
                shown += &format!("-- {} {:o}\n", file.path, file.mode);
            }
            for unit in sandboxer_units(&profile, &sandboxer) {
                shown += &format!("-- unit {}\n", unit.name);
            }
            if let Some(script) = ready_script(&sandboxer, Duration::from_secs(60)) {
                shown += &format!("-- ready: {}\n", script.lines().nth(1).unwrap());
            }
            shown += "\n";
        }
        insta::assert_snapshot!(shown);
    }

    /// What a unit or file names below the runtime's folder must be made by one of the sandboxer's builds.
    #[test]
    fn nothing_names_a_file_that_no_build_makes() {
        for (profile, sandboxer) in shipped() {
            let made: Vec<String> = sandboxer
                .builds()
                .flat_map(|build| profile.builds[build].outputs.keys())
                .map(|output| format!("{RUNTIME_DIR}/{output}"))
                .collect();
            let units = sandboxer_units(&profile, &sandboxer);
            let units = units.into_iter().filter_map(|unit| unit.contents);
            let files = sandboxer_files(&profile, &sandboxer);
            let texts = files.into_iter().map(|file| file.contents).chain(units);
            for text in texts {
                for named in text.split([' ', '"', '\'', '=', '\n', ':']) {
                    // Folders are for search paths, which may lead nowhere.
                    let folder = named.ends_with("/bin") || named.ends_with("/lib");
                    let below = named.starts_with(&format!("{RUNTIME_DIR}/")) && !folder;
                    assert!(
                        !below || made.iter().any(|made| made == named),
                        "{}: {named} is none of {made:?}",
                        sandboxer.name
                    );
                }
            }
        }
    }

    async fn ready(command: &str) -> crate::process::Output {
        let mut sandboxer = shipped().remove(0).1;
        sandboxer.ready = Some(command.to_owned());
        let script = ready_script(&sandboxer, Duration::from_secs(1)).unwrap();
        call("sh").arg("-s").input(script).output().await.unwrap()
    }

    #[tokio::test]
    async fn readiness_is_waited_for_and_its_last_words_are_kept() {
        assert_eq!(ready("true").await.status, Some(0));
        let never = ready("echo 'it'\\''s not there' >&2; false").await;
        assert_eq!(never.status, Some(1));
        assert_eq!(never.stderr, "it's not there\n");
        let hangs = ready("sleep 60").await;
        assert_eq!(hangs.status, Some(1), "a question that hangs is no answer");
    }
}

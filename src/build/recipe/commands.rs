//! The profile's own commands: how anything is built that bellwether knows nothing of.

use super::{Inputs, Output, Work};

pub(super) fn work(inputs: &Inputs<'_>) -> Work {
    let steps = inputs.build.run.iter().map(|command| {
        inputs
            .step("sh")
            .args(["-ec", command])
            .env("VERSION", &inputs.revision.version)
            .env("COMMIT", inputs.commit().unwrap_or_default())
            .env("CARGO_TERM_COLOR", "never")
    });
    let outputs = inputs.build.outputs.iter();
    Work {
        files: Vec::new(),
        steps: steps.collect(),
        outputs: outputs
            .map(|(to, from)| Output::new(to, [inputs.checkout.folder.join(from)]))
            .collect(),
    }
}

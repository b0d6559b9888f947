//! The detections that come with Tracebell, embedded in the binary.

use crate::document::File;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../rules/", $name)))),*]
    };
}

/// File names below `rules/` and their texts.
pub const FILES: &[(&str, &str)] = embedded![
    "any.yaml", "cce.yaml", "cts.yaml", "ecs.yaml", "iam.yaml", "ims.yaml", "kms.yaml", "obs.yaml", "rds.yaml",
    "smn.yaml", "vpc.yaml",
];

/// Every shipped rule file, under the name problems show it by.
pub fn shipped() -> Vec<File> {
    let file =
        |(name, text): &(&str, &str)| File { name: format!("<embedded>/rules/{name}"), text: (*text).to_owned() };
    FILES.iter().map(file).collect()
}

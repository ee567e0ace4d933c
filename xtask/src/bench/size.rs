//! The size of the release binary.

use super::report::{Section, Target};
use super::setup::Setup;

const TARGET_MB: f64 = 5.0;

/// Measures the binary, which the release profile strips.
pub(crate) fn measure(setup: &Setup) -> Section {
    let mut section = Section::new("Size");
    let bytes = std::fs::metadata(&setup.callbox).ok().map(|metadata| metadata.len());
    section.say(&match bytes {
        Some(bytes) => format!("The release binary, stripped, default features: {bytes} bytes."),
        None => "The release binary is not there.".to_owned(),
    });
    let megabytes = bytes.map(|bytes| bytes as f64 / 1e6);
    section.judge(Target::at_most("release binary, MB", TARGET_MB, megabytes));
    section
}

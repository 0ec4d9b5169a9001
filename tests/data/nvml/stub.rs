//! Compiles the imagined management library of `lib.rs` and scripts it.
//!
//! A script has lines `KEY VALUE [from N]`. Of several lines with one key the last counts whose N
//! readings of the card's memory have been begun, the first of them by the look at what cards there are. Keys:
//! `cards`, `init` (what its start returns), and for each card, with its index and a dot in front:
//! `lost` (1: it has fallen off the bus), `name`, `memory_used`, `utilisation`,
//! `memory_utilisation`, `temperature`, `power` (milliwatts), `power_limit`, `energy`
//! (millijoules), `sm_clock`, `memory_clock`, `throttle` (bits), `compute` and `graphics`
//! (`PID:BYTES ..`). The value `unsupported` is what a card says that has no such thing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One imagined library with its script, in a folder of its own: every copy answers by itself.
pub struct Stub {
    folder: tempfile::TempDir,
}

impl Stub {
    pub fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(compiled(), folder.path().join("libnvidia-ml.so.1")).unwrap();
        let stub = Self { folder };
        stub.says(script);
        stub
    }

    /// From now on.
    pub fn says(&self, script: &str) {
        let path = self.folder.path().join("libnvidia-ml.so.1.script");
        std::fs::write(path, script).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }
}

/// The library, compiled once for each process of tests.
fn compiled() -> &'static Path {
    static COMPILED: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = COMPILED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let built = folder.path().join("libnvidia-ml.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nvml/lib.rs");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let done = Command::new(rustc)
            .args(["--edition", "2024", "--crate-type", "cdylib"])
            .args(["-C", "panic=abort"])
            .arg(source)
            .arg("-o")
            .arg(&built)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{words}");
        (folder, built)
    });
    path
}

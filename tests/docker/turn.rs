//! Who may use Docker together.
//!
//! Every run removes what dead runs left, whoever started them. So a test that kills a run and
//! looks at what is left of it must be alone with Docker, whether its neighbours are threads or
//! processes.

use std::fs::File;

const PATH: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/docker-tests.lock");

/// Held for as long as it lives.
pub struct Turn {
    _file: File,
}

/// Beside others that kill no run.
pub fn together() -> Turn {
    let file = File::create(PATH).unwrap();
    file.lock_shared().unwrap();
    Turn { _file: file }
}

/// Beside nobody.
pub fn alone() -> Turn {
    let file = File::create(PATH).unwrap();
    file.lock().unwrap();
    Turn { _file: file }
}

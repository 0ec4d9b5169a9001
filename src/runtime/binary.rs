//! Where the running gridrun's own file is: the stand-in is that file.

use std::io;
use std::path::PathBuf;

/// The file of the running binary. When a newer one has taken its name, or it was removed,
/// the kernel's link to the old file is given, which can still be read and executed.
pub fn running() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    if path.exists() {
        Ok(path)
    } else {
        Ok(PathBuf::from(format!("/proc/{}/exe", std::process::id())))
    }
}

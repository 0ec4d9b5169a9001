//! Looks at all cards once, for `doctor`.

use std::ffi::OsStr;
use std::path::Path;

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library, cuda_driver_version_major, cuda_driver_version_minor};

use crate::doctor::gpu::{Gpu, GpuMemory, GpuUser, Nvml};

/// Looks at all cards. `library` is where the library lies, if not where the linker looks.
pub fn look(library: Option<&Path>) -> Nvml {
    let mut builder = Library::builder();
    if let Some(path) = library {
        builder.lib_path(path.as_os_str());
    }
    match builder.init() {
        Ok(library) => cards(&library),
        Err(error) => failure(&error),
    }
}

fn failure(error: &NvmlError) -> Nvml {
    match error {
        NvmlError::LibloadingError(_) => Nvml::NoLibrary,
        NvmlError::DriverNotLoaded => Nvml::NoDriver,
        NvmlError::LibRmVersionMismatch => Nvml::TwoVersions,
        other => Nvml::Failed(other.to_string()),
    }
}

fn cards(library: &Library) -> Nvml {
    let n_cards = match library.device_count() {
        Ok(count) => count,
        Err(error) => return Nvml::Failed(error.to_string()),
    };
    let gpus = (0..n_cards)
        .map(|index| match library.device_by_index(index) {
            Ok(device) => card(index, &device),
            // A card that has fallen off the bus is counted and cannot be asked.
            Err(_) => Gpu {
                index,
                name: None,
                uuid: None,
                memory: None,
                users: Vec::new(),
            },
        })
        .collect();
    Nvml::There {
        driver: library.sys_driver_version().ok(),
        cuda: library.sys_cuda_driver_version().ok().map(|version| {
            format!(
                "{}.{}",
                cuda_driver_version_major(version),
                cuda_driver_version_minor(version)
            )
        }),
        gpus,
    }
}

fn card(index: u32, device: &Device<'_>) -> Gpu {
    let memory = device.memory_info().ok();
    Gpu {
        index,
        name: device.name().ok(),
        uuid: device.uuid().ok(),
        memory: memory.map(|memory| GpuMemory {
            total: memory.total,
            used: memory.used,
        }),
        users: device
            .running_compute_processes()
            .unwrap_or_default()
            .into_iter()
            .map(|process| GpuUser {
                process: process.pid,
                name: name_of(process.pid),
                memory: match process.used_gpu_memory {
                    UsedGpuMemory::Used(bytes) => Some(bytes),
                    UsedGpuMemory::Unavailable => None,
                },
            })
            .collect(),
    }
}

/// As the kernel calls the process; a container's are seen only from outside of it.
pub(super) fn name_of(process: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim().to_owned())
}

/// NVIDIA's programs for containers, where they are in the `PATH`-like list of folders.
pub fn toolkit(folders: &OsStr) -> Option<String> {
    const PROGRAMS: [&str; 3] = [
        "nvidia-container-runtime-hook",
        "nvidia-ctk",
        "nvidia-container-cli",
    ];
    std::env::split_paths(folders)
        .flat_map(|folder| PROGRAMS.map(|program| folder.join(program)))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::nvml::stub_tests::Stub;

    #[test]
    fn cards_are_told_with_their_memory_and_who_uses_it() {
        let stub =
            Stub::new("cards 2\n0.memory_used 9663676416\n0.compute own:8589934592\n1.lost 1\n");
        let Nvml::There { driver, cuda, gpus } = look(Some(&stub.path())) else {
            panic!("it was not loaded")
        };
        assert_eq!(driver.as_deref(), Some("580.65.06"));
        assert_eq!(cuda.as_deref(), Some("13.0"));
        let [first, second] = gpus.as_slice() else {
            panic!("{gpus:?}")
        };
        assert_eq!(first.name.as_deref(), Some("Imagined 24 GB"));
        assert_eq!(first.uuid.as_deref(), Some("GPU-0"));
        assert_eq!(
            first.memory,
            Some(GpuMemory {
                total: 24 << 30,
                used: 9 << 30,
            })
        );
        let own = std::process::id();
        let [user] = first.users.as_slice() else {
            panic!("{first:?}")
        };
        assert_eq!((user.process, user.memory), (own, Some(8 << 30)));
        assert_eq!(user.name, name_of(own));
        // It has fallen off the bus.
        assert_eq!(
            (second.index, &second.name, second.memory),
            (1, &None, None)
        );
    }

    #[test]
    fn a_library_that_does_not_start_says_why() {
        let look = |script: &str| look(Some(&Stub::new(script).path()));
        assert_eq!(look("init 9\n"), Nvml::NoDriver);
        assert_eq!(look("init 18\n"), Nvml::TwoVersions);
        let nowhere = Path::new("/nowhere/libnvidia-ml.so.1");
        assert_eq!(super::look(Some(nowhere)), Nvml::NoLibrary);
    }

    #[test]
    fn the_toolkit_is_found_by_any_of_its_programs() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(toolkit(folder.path().as_os_str()), None);
        let path = folder.path().join("nvidia-ctk");
        std::fs::write(&path, "").unwrap();
        assert_eq!(
            toolkit(folder.path().as_os_str()),
            Some(path.display().to_string())
        );
    }
}

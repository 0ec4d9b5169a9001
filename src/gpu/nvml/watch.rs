//! Watches the cards of a run.
//!
//! A card is asked by its place on every reading, so that one that has fallen off the bus is
//! missed at once and one that comes back is there again. What a card does not tell stays
//! unknown; the library is asked for the rest all the same.

use std::path::Path;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use crate::gpu::nvml::look::name_of;
use crate::measure::sample::{GpuCard, GpuContext, GpuProcess, GpuReading, Owner, Throttle};
use crate::runner::meter::Gpu;
use crate::spec::profile::Gpus;

/// The cards that an engine may use.
#[derive(Debug)]
pub struct NvmlGpu {
    library: Nvml,
    /// All cards of the machine, for the record.
    described: Vec<String>,
    cards: Vec<GpuCard>,
}

impl NvmlGpu {
    /// Loads the library and finds the cards that `gpus` names; `library` is where it lies, if not
    /// where the linker looks.
    ///
    /// # Errors
    /// In words that stand behind `no GPU was watched:`.
    pub fn open(library: Option<&Path>, gpus: &Gpus) -> Result<Self, String> {
        let library = match library {
            Some(path) => Nvml::builder().lib_path(path.as_os_str()).init(),
            None => Nvml::init(),
        }
        .map_err(|error| absence(&error))?;
        let n_cards = library.device_count().map_err(|error| absence(&error))?;
        let driver = library
            .sys_driver_version()
            .map_or_else(|_| String::new(), |version| format!(", driver {version}"));
        let all: Vec<GpuCard> = (0..n_cards).map(|index| card(&library, index)).collect();
        let described = all
            .iter()
            .map(|card| format!("{}{driver}", card.name.as_deref().unwrap_or("unknown GPU")))
            .collect();
        let cards: Vec<GpuCard> = all
            .into_iter()
            .filter(|card| is_wanted(card, gpus))
            .collect();
        if cards.is_empty() {
            return Err(match gpus {
                Gpus::None => "the profile gives the engine none (`gpus`)".to_owned(),
                Gpus::All | Gpus::Count(_) | Gpus::Ids(_) => {
                    "the driver knows none of those that the profile names (`gpus`)".to_owned()
                }
            });
        }
        Ok(Self {
            library,
            described,
            cards,
        })
    }
}

impl Gpu for NvmlGpu {
    fn describe(&self) -> Vec<String> {
        self.described.clone()
    }

    fn cards(&self) -> Vec<GpuCard> {
        self.cards.clone()
    }

    fn absence(&self) -> Option<String> {
        None
    }

    fn read(&self) -> Vec<Option<GpuReading>> {
        let read = |card: &GpuCard| reading(&self.library.device_by_index(card.index).ok()?);
        self.cards.iter().map(read).collect()
    }
}

fn absence(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) => {
            "NVIDIA's management library (libnvidia-ml.so.1) is not installed".to_owned()
        }
        NvmlError::DriverNotLoaded => "NVIDIA's driver is not loaded".to_owned(),
        NvmlError::LibRmVersionMismatch => {
            "NVIDIA's management library and its driver are of two versions".to_owned()
        }
        other => format!("NVIDIA's management library failed: {other}"),
    }
}

/// What does not change. A card that cannot be asked now may be asked later.
fn card(library: &Nvml, index: u32) -> GpuCard {
    let Ok(device) = library.device_by_index(index) else {
        return GpuCard {
            index,
            ..GpuCard::default()
        };
    };
    GpuCard {
        index,
        name: device.name().ok(),
        uuid: device.uuid().ok(),
        memory_total_bytes: device.memory_info().ok().map(|memory| memory.total),
        power_limit_w: device.enforced_power_limit().ok().map(watts),
    }
}

/// As Docker hands cards out: a count means the first ones.
fn is_wanted(card: &GpuCard, gpus: &Gpus) -> bool {
    match gpus {
        Gpus::None => false,
        Gpus::All => true,
        Gpus::Count(count) => card.index < *count,
        Gpus::Ids(ids) => ids.iter().any(|id| {
            *id == card.index.to_string() || card.uuid.as_ref().is_some_and(|uuid| uuid == id)
        }),
    }
}

/// `None` when the card is lost. Everything else that fails is a thing that it does not tell.
fn reading(device: &Device<'_>) -> Option<GpuReading> {
    let memory = match device.memory_info() {
        Err(NvmlError::GpuLost | NvmlError::InvalidArg) => return None,
        memory => memory.ok(),
    };
    let utilisation = device.utilization_rates().ok();
    Some(GpuReading {
        utilisation_pct: utilisation.as_ref().map(|rates| f64::from(rates.gpu)),
        memory_utilisation_pct: utilisation.as_ref().map(|rates| f64::from(rates.memory)),
        memory_used_bytes: memory.map(|memory| memory.used),
        temperature_c: device
            .temperature(TemperatureSensor::Gpu)
            .ok()
            .map(f64::from),
        power_w: device.power_usage().ok().map(watts),
        energy_j: device
            .total_energy_consumption()
            .ok()
            .map(|millijoules| millijoules as f64 / 1e3),
        sm_clock_mhz: device.clock_info(Clock::SM).ok().map(f64::from),
        memory_clock_mhz: device.clock_info(Clock::Memory).ok().map(f64::from),
        throttle: device
            .current_throttle_reasons()
            .ok()
            .map(|reasons: ThrottleReasons| Throttle(reasons.bits())),
        processes: processes(device),
    })
}

/// A process that does both, as many desktops' do, is one that computes.
fn processes(device: &Device<'_>) -> Option<Vec<GpuProcess>> {
    let computing = device.running_compute_processes().ok();
    let drawing = device.running_graphics_processes().ok();
    if computing.is_none() && drawing.is_none() {
        return None;
    }
    let mut processes: Vec<GpuProcess> = Vec::new();
    let computing = computing.unwrap_or_default().into_iter();
    let drawing = drawing.unwrap_or_default().into_iter();
    let all = computing
        .map(|process| (process, GpuContext::Compute))
        .chain(drawing.map(|process| (process, GpuContext::Graphics)));
    for (process, context) in all {
        if processes.iter().all(|known| known.pid != process.pid) {
            processes.push(process_of(&process, context));
        }
    }
    Some(processes)
}

fn process_of(process: &ProcessInfo, context: GpuContext) -> GpuProcess {
    GpuProcess {
        pid: process.pid,
        name: name_of(process.pid),
        memory_bytes: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
        context,
        owner: Owner::Unknown,
    }
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1e3
}

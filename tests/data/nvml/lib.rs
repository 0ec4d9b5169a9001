//! A library that answers as NVIDIA's management library does, for imagined cards. What it answers
//! stands in a file beside it, named as the library is with `.script` behind, and read again at
//! every call; `stub.rs` beside this file compiles it and tells what a script can say.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const SUCCESS: c_int = 0;
const INVALID_ARGUMENT: c_int = 2;
const NOT_SUPPORTED: c_int = 3;
const INSUFFICIENT_SIZE: c_int = 7;
const GPU_IS_LOST: c_int = 15;
const VERSION_MISMATCH: c_int = 25;
const NO_INSTANCE: c_uint = c_uint::MAX;
const MEMORY_UNAVAILABLE: c_ulonglong = c_ulonglong::MAX;

const MOST_CARDS: usize = 8;

/// How often the memory of each card was asked for: one reading each.
static READINGS: [AtomicU64; MOST_CARDS] = [const { AtomicU64::new(0) }; MOST_CARDS];

#[repr(C)]
struct DlInfo {
    file: *const c_char,
    base: *mut c_void,
    symbol: *const c_char,
    address: *mut c_void,
}

unsafe extern "C" {
    fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
}

fn script() -> String {
    let mut info = DlInfo {
        file: std::ptr::null(),
        base: std::ptr::null_mut(),
        symbol: std::ptr::null(),
        address: std::ptr::null_mut(),
    };
    let own = script as fn() -> String as *const c_void;
    if unsafe { dladdr(own, &mut info) } == 0 || info.file.is_null() {
        return String::new();
    }
    let file = unsafe { CStr::from_ptr(info.file) }.to_bytes();
    let path = [file, b".script"].concat();
    std::fs::read_to_string(Path::new(OsStr::from_bytes(&path))).unwrap_or_default()
}

/// The last line `KEY VALUE [from N]` whose N has been reached.
fn value(key: &str, reading: u64) -> Option<String> {
    let script = script();
    let reached = |line: &str| -> Option<String> {
        let rest = line.strip_prefix(key)?.strip_prefix(' ')?;
        match rest.split_once(" from ") {
            None => Some(rest.to_owned()),
            Some((value, from)) => {
                (reading >= from.trim().parse().ok()?).then(|| value.to_owned())
            }
        }
    };
    script.lines().filter_map(reached).next_back()
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn global(key: &str, otherwise: u64) -> u64 {
    value(key, 0).and_then(|text| number(&text)).unwrap_or(otherwise)
}

fn place(device: *mut c_void) -> usize {
    device as usize - 1
}

/// What the script says of a card; `unsupported` is what it says of a thing that a card lacks.
fn told(device: *mut c_void, what: &str, otherwise: &str) -> Result<String, c_int> {
    let card = place(device);
    let reading = READINGS[card].load(Ordering::Relaxed);
    let asked = |what: &str| value(&format!("{card}.{what}"), reading);
    if asked("lost").is_some_and(|lost| lost == "1") {
        return Err(GPU_IS_LOST);
    }
    match asked(what).unwrap_or_else(|| otherwise.to_owned()) {
        text if text == "unsupported" => Err(NOT_SUPPORTED),
        text => Ok(text),
    }
}

fn told_number(device: *mut c_void, what: &str, otherwise: &str) -> Result<u64, c_int> {
    told(device, what, otherwise).map(|text| number(&text).unwrap_or(0))
}

fn give<T>(to: *mut T, value: Result<T, c_int>) -> c_int {
    match value {
        Ok(value) => {
            unsafe { *to = value };
            SUCCESS
        }
        Err(code) => code,
    }
}

unsafe fn put(to: *mut c_char, length: c_uint, text: &str) -> c_int {
    if text.len() >= length as usize {
        return INSUFFICIENT_SIZE;
    }
    for (at, byte) in text.bytes().chain([0]).enumerate() {
        unsafe { *to.add(at) = byte as c_char };
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_int {
    global("init", 0) as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, length: c_uint) -> c_int {
    unsafe { put(to, length, "580.65.06") }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> c_int {
    unsafe { *version = 13_000 };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_int {
    unsafe { *count = global("cards", 1).min(MOST_CARDS as u64) as c_uint };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(
    index: c_uint,
    device: *mut *mut c_void,
) -> c_int {
    if u64::from(index) >= global("cards", 1) {
        return INVALID_ARGUMENT;
    }
    let handle = (index as usize + 1) as *mut c_void;
    give(device, told(handle, "handle", "1").map(|_| handle))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(
    device: *mut c_void,
    to: *mut c_char,
    length: c_uint,
) -> c_int {
    match told(device, "name", "Imagined 24 GB") {
        Ok(name) => unsafe { put(to, length, &name) },
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(
    device: *mut c_void,
    to: *mut c_char,
    length: c_uint,
) -> c_int {
    unsafe { put(to, length, &format!("GPU-{}", place(device))) }
}

#[repr(C)]
pub struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(
    device: *mut c_void,
    to: *mut Memory,
) -> c_int {
    READINGS[place(device)].fetch_add(1, Ordering::Relaxed);
    let memory = unsafe { &mut *to };
    if memory.version != size_of::<Memory>() as c_uint | 2 << 24 {
        return VERSION_MISMATCH;
    }
    let used = match told_number(device, "memory_used", "536870912") {
        Ok(used) => used,
        Err(code) => return code,
    };
    memory.total = 24 << 30;
    memory.reserved = 1 << 29;
    memory.free = memory.total.saturating_sub(memory.reserved + used);
    memory.used = used;
    SUCCESS
}

#[repr(C)]
pub struct Utilisation {
    gpu: c_uint,
    memory: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(
    device: *mut c_void,
    to: *mut Utilisation,
) -> c_int {
    let rates = told_number(device, "utilisation", "70").and_then(|gpu| {
        Ok(Utilisation {
            gpu: gpu as c_uint,
            memory: told_number(device, "memory_utilisation", "40")? as c_uint,
        })
    });
    give(to, rates)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(
    device: *mut c_void,
    _sensor: c_uint,
    to: *mut c_uint,
) -> c_int {
    give(to, told_number(device, "temperature", "60").map(|value| value as c_uint))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: *mut c_void, to: *mut c_uint) -> c_int {
    give(to, told_number(device, "power", "150000").map(|value| value as c_uint))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEnforcedPowerLimit(
    device: *mut c_void,
    to: *mut c_uint,
) -> c_int {
    give(to, told_number(device, "power_limit", "350000").map(|value| value as c_uint))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(
    device: *mut c_void,
    to: *mut c_ulonglong,
) -> c_int {
    give(to, told_number(device, "energy", "unsupported"))
}

/// Graphics 0, SM 1, memory 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClockInfo(
    device: *mut c_void,
    clock: c_uint,
    to: *mut c_uint,
) -> c_int {
    let (what, otherwise) = match clock {
        2 => ("memory_clock", "9501"),
        _ => ("sm_clock", "1700"),
    };
    give(to, told_number(device, what, otherwise).map(|value| value as c_uint))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(
    device: *mut c_void,
    to: *mut c_ulonglong,
) -> c_int {
    give(to, told_number(device, "throttle", "0"))
}

#[repr(C)]
pub struct Process {
    pid: c_uint,
    memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// `PID:BYTES PID:unknown ..`; `own` is the process that has loaded the library.
fn processes(device: *mut c_void, what: &str) -> Result<Vec<Process>, c_int> {
    let list = told(device, what, "")?;
    let one = |text: &str| -> Option<Process> {
        let (pid, memory) = text.split_once(':')?;
        Some(Process {
            pid: match pid {
                "own" => std::process::id(),
                pid => pid.parse().ok()?,
            },
            memory: number(memory).unwrap_or(MEMORY_UNAVAILABLE),
            gpu_instance: NO_INSTANCE,
            compute_instance: NO_INSTANCE,
        })
    };
    Ok(list.split_whitespace().filter_map(one).collect())
}

unsafe fn list(
    device: *mut c_void,
    what: &str,
    count: *mut c_uint,
    to: *mut Process,
) -> c_int {
    let processes = match processes(device, what) {
        Ok(processes) => processes,
        Err(code) => return code,
    };
    let room = unsafe { *count } as usize;
    unsafe { *count = processes.len() as c_uint };
    if room < processes.len() || (to.is_null() && !processes.is_empty()) {
        return INSUFFICIENT_SIZE;
    }
    for (at, process) in processes.into_iter().enumerate() {
        unsafe { to.add(at).write(process) };
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: *mut c_void,
    count: *mut c_uint,
    to: *mut Process,
) -> c_int {
    unsafe { list(device, "compute", count, to) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: *mut c_void,
    count: *mut c_uint,
    to: *mut Process,
) -> c_int {
    unsafe { list(device, "graphics", count, to) }
}

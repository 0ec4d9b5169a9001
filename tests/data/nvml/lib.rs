//! A library that answers as NVIDIA's management library does, for two imagined cards: one in
//! use, and one that has fallen off the bus. Compiled by the tests of `src/gpu/nvml.rs`; what it
//! returns from its start is chosen there.

#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

const SUCCESS: c_int = 0;
const INVALID_ARGUMENT: c_int = 2;
const INSUFFICIENT_SIZE: c_int = 7;
const GPU_IS_LOST: c_int = 15;
const VERSION_MISMATCH: c_int = 25;
const NO_INSTANCE: c_uint = c_uint::MAX;

/// The handle of the first card.
const FIRST: usize = 1;

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
    if cfg!(init = "9") {
        9
    } else if cfg!(init = "18") {
        18
    } else {
        SUCCESS
    }
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
    unsafe { *count = 2 };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(
    index: c_uint,
    device: *mut *mut c_void,
) -> c_int {
    match index {
        0 => unsafe { *device = FIRST as *mut c_void },
        1 => return GPU_IS_LOST,
        _ => return INVALID_ARGUMENT,
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(
    _: *mut c_void,
    to: *mut c_char,
    length: c_uint,
) -> c_int {
    unsafe { put(to, length, "Imagined 24 GB") }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(
    _: *mut c_void,
    to: *mut c_char,
    length: c_uint,
) -> c_int {
    unsafe { put(to, length, "GPU-0") }
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
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(_: *mut c_void, to: *mut Memory) -> c_int {
    let memory = unsafe { &mut *to };
    if memory.version != size_of::<Memory>() as c_uint | 2 << 24 {
        return VERSION_MISMATCH;
    }
    memory.total = 24 << 30;
    memory.reserved = 1 << 29;
    memory.free = 14 << 30;
    memory.used = 9 << 30;
    SUCCESS
}

#[repr(C)]
pub struct Process {
    pid: c_uint,
    memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    _: *mut c_void,
    count: *mut c_uint,
    to: *mut Process,
) -> c_int {
    let room = unsafe { *count };
    unsafe { *count = 1 };
    if room < 1 || to.is_null() {
        return INSUFFICIENT_SIZE;
    }
    unsafe {
        *to = Process {
            pid: std::process::id(),
            memory: 8 << 30,
            gpu_instance: NO_INSTANCE,
            compute_instance: NO_INSTANCE,
        };
    }
    SUCCESS
}

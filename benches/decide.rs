//! What deciding costs: 10,000 draws over growing numbers of configurations, and the metrics of
//! growing numbers of requests. Time of the processor and the highest memory of each step.
//!
//! `cargo bench --bench decide` prints them as tables. Each step runs in a process
//! of its own, so that its memory is its own.

use std::process::Command;

use gridrun::decide::draws::{Normals, chances};
use gridrun::decide::fit::{Fit, Observation};
use gridrun::measure::histogram::Histogram;
use gridrun::measure::summary::Summary;

const CELLS: [usize; 4] = [125, 250, 500, 1_000];
const REQUESTS: [usize; 4] = [1_250_000, 2_500_000, 5_000_000, 10_000_000];
const BLOCKS: u32 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [step, size] if size.parse::<usize>().is_ok() => {
            let size = size.parse().expect("it was just parsed");
            take(step, size);
        }
        _ => tables(),
    }
}

fn tables() {
    println!("| 10,000 draws over | CPU s | memory, MiB |\n| --- | --: | --: |");
    for size in CELLS {
        println!(
            "| {size} configurations x {BLOCKS} starts | {} |",
            measured("cells", size)
        );
    }
    println!("\n| metrics of | CPU s | memory, MiB |\n| --- | --: | --: |");
    for size in REQUESTS {
        println!("| {size} requests, all kept | {} |", measured("kept", size));
    }
    for size in REQUESTS {
        println!(
            "| {size} requests, as a histogram | {} |",
            measured("histogram", size)
        );
    }
}

/// Two columns, from a process that does this step alone.
fn measured(step: &str, size: usize) -> String {
    let program = std::env::current_exe().expect("a program knows its path");
    let output = Command::new(program)
        .args([step, &size.to_string()])
        .output();
    let output = output.expect("this program can be started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn take(step: &str, size: usize) {
    match step {
        "cells" => {
            let fit = fit(size);
            let noise = fit.noise().expect("there are five blocks");
            let chances = chances(&fit, noise, 0.02, 1);
            assert_eq!(chances.len(), size);
        }
        "kept" => {
            let values: Vec<f64> = latencies(size).collect();
            assert!(Summary::of(&values).is_some());
        }
        "histogram" => {
            let mut histogram = Histogram::default();
            latencies(size).for_each(|ms| histogram.record(ms));
            assert!(histogram.summary().is_some());
        }
        other => panic!("no step is called {other}"),
    }
    println!("{:.2} | {}", cpu_seconds(), highest_memory() / 1024);
}

fn fit(n_cells: usize) -> Fit {
    let mut numbers = Normals::new(7);
    let observations = (1..=BLOCKS).flat_map(|block| (0..n_cells).map(move |cell| (block, cell)));
    let observations = observations.map(|(block, cell)| Observation {
        cell,
        block,
        y: cell as f64 * 1e-3 + 0.02 * numbers.normal(),
    });
    Fit::of(n_cells, observations.collect())
}

fn latencies(n: usize) -> impl Iterator<Item = f64> {
    let mut numbers = Normals::new(3);
    (0..n).map(move |_| 100.0 * (0.4 * numbers.normal()).exp())
}

fn cpu_seconds() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// In KiB.
fn highest_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

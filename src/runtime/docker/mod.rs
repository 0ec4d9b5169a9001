//! Engines as containers on the Docker Engine.

mod beside;
mod client;
mod container;
mod elf;
mod engine;
mod image;
mod logs;
mod look;
mod memory;
mod meter;
mod probe;
mod production;
mod refusal;
mod rootfs;
mod runtime;
mod stand_in_image;
mod sweep;
mod watch;

pub(in crate::runtime) use client::Client;
pub use engine::DockerEngine;
pub use image::PullProgress;
pub use look::{Wanted, look};
pub use production::DockerKeeper;
pub use runtime::DockerRuntime;
pub use stand_in_image::make_stand_in_image;
pub(in crate::runtime) use stand_in_image::remove_all as remove_stand_in_images;
pub(in crate::runtime) use sweep::sweep;

#[cfg(test)]
mod daemon_tests;
#[cfg(test)]
mod fake_daemon_tests;

//! How far the pull of an image is: a bar on a terminal, now and then a line elsewhere. Knows
//! sums only, not who pulls.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::decide::plain::plain;
use crate::ui::plain::now;

/// Often enough to see that it goes on, seldom enough for a log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled<'a> {
    pub image: &'a str,
    pub n_layers: usize,
    /// Layers that are loaded and unpacked.
    pub n_layers_done: usize,
    /// Loaded so far.
    pub bytes: u64,
    /// Of the layers whose size is known by now, so it grows in the beginning.
    pub total_bytes: u64,
}

/// How a pull is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Bar,
    Lines,
    Nothing,
}

/// Shows one pull on standard error; shows nothing when nothing is pulled.
pub struct Pull(Mutex<Display>);

enum Display {
    /// The bar is there once there is something to show.
    Bar(Option<ProgressBar>),
    Lines(Lines),
    Nothing,
}

impl Pull {
    pub fn new(look: Look) -> Self {
        Self(Mutex::new(match look {
            Look::Bar => Display::Bar(None),
            Look::Lines => Display::Lines(Lines::default()),
            Look::Nothing => Display::Nothing,
        }))
    }

    pub fn show(&self, pulled: Pulled<'_>) {
        // A display that panicked is no reason to stop a pull.
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Display::Bar(bar) => draw(bar.get_or_insert_with(bar_on_stderr), pulled),
            Display::Lines(lines) => say(lines.take(Instant::now(), pulled)),
            Display::Nothing => {}
        }
    }

    /// The image is there; leaves the terminal clean.
    pub fn finish(&self) {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Display::Bar(bar) => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
            Display::Lines(lines) => say(lines.finish(Instant::now())),
            Display::Nothing => {}
        }
    }
}

impl Drop for Pull {
    /// A pull that failed leaves no bar behind.
    fn drop(&mut self) {
        let display = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Display::Bar(Some(bar)) = display {
            bar.finish_and_clear();
        }
    }
}

fn bar_on_stderr() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let style = "{bar:20} {bytes} of {total_bytes}, {bytes_per_sec}{wide_msg}";
    bar.set_style(
        ProgressStyle::with_template(style).expect("the template is a constant that was tried"),
    );
    bar
}

fn draw(bar: &ProgressBar, pulled: Pulled<'_>) {
    bar.set_length(pulled.total_bytes);
    bar.set_position(pulled.bytes);
    bar.set_message(format!(
        ", {} of {} layers: pulling {}",
        pulled.n_layers_done,
        pulled.n_layers,
        plain(pulled.image)
    ));
}

fn say(line: Option<String>) {
    if let Some(line) = line {
        let _ = writeln!(std::io::stderr(), "{} {line}", now());
    }
}

/// Decides when a line is due.
#[derive(Debug, Default)]
struct Lines {
    pull: Option<Spoken>,
}

#[derive(Debug)]
struct Spoken {
    began: Instant,
    last: Instant,
    image: String,
    n_layers: usize,
    bytes: u64,
}

impl Lines {
    fn take(&mut self, now: Instant, pulled: Pulled<'_>) -> Option<String> {
        let image = plain(pulled.image);
        let Some(spoken) = &mut self.pull else {
            let line = format!("pulling {image}");
            self.pull = Some(Spoken {
                began: now,
                last: now,
                image,
                n_layers: pulled.n_layers,
                bytes: pulled.bytes,
            });
            return Some(line);
        };
        spoken.n_layers = pulled.n_layers;
        spoken.bytes = pulled.bytes;
        if now.duration_since(spoken.last) < BETWEEN_LINES {
            return None;
        }
        spoken.last = now;
        Some(format!(
            "pulling {image}: {} of {}, {} of {} layers",
            HumanBytes(pulled.bytes),
            HumanBytes(pulled.total_bytes),
            pulled.n_layers_done,
            pulled.n_layers
        ))
    }

    fn finish(&mut self, now: Instant) -> Option<String> {
        let spoken = self.pull.take()?;
        Some(format!(
            "pulled {}: {}, {} layers, in {} s",
            spoken.image,
            HumanBytes(spoken.bytes),
            spoken.n_layers,
            now.duration_since(spoken.began).as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulled(n_layers_done: usize, bytes: u64) -> Pulled<'static> {
        Pulled {
            image: "vllm/vllm-openai:v0.11.0",
            n_layers: 12,
            n_layers_done,
            bytes,
            total_bytes: 8 << 30,
        }
    }

    #[test]
    fn lines_come_at_the_beginning_now_and_then_and_at_the_end() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut lines = Lines::default();
        let said: Vec<Option<String>> = vec![
            lines.take(start, pulled(0, 0)),
            lines.take(after(9), pulled(1, 1 << 30)),
            lines.take(after(10), pulled(2, 2 << 30)),
            lines.take(after(19), pulled(3, 3 << 30)),
            lines.take(after(25), pulled(12, 8 << 30)),
            lines.finish(after(31)),
            lines.finish(after(32)),
        ];
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(
            said,
            [
                line("pulling vllm/vllm-openai:v0.11.0"),
                None,
                line("pulling vllm/vllm-openai:v0.11.0: 2.00 GiB of 8.00 GiB, 2 of 12 layers"),
                None,
                line("pulling vllm/vllm-openai:v0.11.0: 8.00 GiB of 8.00 GiB, 12 of 12 layers"),
                line("pulled vllm/vllm-openai:v0.11.0: 8.00 GiB, 12 layers, in 31 s"),
                None,
            ]
        );
    }

    #[test]
    fn an_image_that_is_there_is_not_spoken_of() {
        assert_eq!(Lines::default().finish(Instant::now()), None);
    }
}

//! One line that tells how far a load is, on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws on standard error; on anything but a terminal it draws nothing.
pub struct LoadProgress {
    bar: ProgressBar,
}

impl LoadProgress {
    /// `requests` is how many there will be, where that is known.
    pub fn new(requests: Option<u64>) -> Self {
        let bar = match requests {
            Some(n) => ProgressBar::new(n).with_style(style(
                "{bar:20} {pos}/{len} requests, {elapsed_precise}{wide_msg}",
            )),
            None => ProgressBar::new_spinner().with_style(style(
                "{spinner} {pos} requests, {elapsed_precise}{wide_msg}",
            )),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
        Self { bar }
    }

    /// How often it is worth being told anew.
    pub const BEAT: Duration = Duration::from_millis(500);

    pub fn show(&self, done: u64, failed: u64, output_tokens: u64) {
        self.bar.set_position(done);
        let seconds = self.bar.elapsed().as_secs_f64().max(1e-3);
        let speed = output_tokens as f64 / seconds;
        let failed = match failed {
            0 => String::new(),
            n => format!(", {n} failed"),
        };
        self.bar
            .set_message(format!(", {speed:.0} tok/s so far{failed}"));
    }

    /// Leaves the terminal clean.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}

//! Waits for instants more exactly than the timers of the event loop, which are exact to a
//! millisecond and always late: the lateness of a schedule counts as the client's own.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// The event loop's timers may be so late, with room for a loop that has other work.
const LAST_STRETCH: Duration = Duration::from_millis(3);

/// Returns at the instant, or at once when it is past: the way to it is a timer of the event
/// loop, the last three milliseconds a sleep of a thread, which the kernel ends to within some
/// ten microseconds.
pub async fn wait_until(due: Instant) {
    if let Some(early) = due.checked_sub(LAST_STRETCH)
        && Instant::now() < early
    {
        sleep_until(early).await;
    }
    let left = due.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return;
    }
    // It fails only when the runtime ends, and nobody waits then.
    let _ = spawn_blocking(move || std::thread::sleep(left)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_returns_early_and_never_waits_for_the_past() {
        for micros in [0, 300, 5_000, 100, 20_000] {
            let due = Instant::now() + Duration::from_micros(micros);
            wait_until(due).await;
            assert!(Instant::now() >= due);
        }
        wait_until(Instant::now() - Duration::from_millis(1)).await;
    }
}

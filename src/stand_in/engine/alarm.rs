//! A timer finer than tokio's, whose wheel turns once a millisecond: a thread that sleeps, which
//! the kernel wakes within a tenth of that. At a speed of 20 a millisecond stands for 20.

use std::sync::mpsc as std_mpsc;
use std::time::Instant;

use tokio::sync::mpsc;

/// Wakes one who waits. Its thread ends with it.
#[derive(Debug)]
pub struct Alarm {
    orders: std_mpsc::Sender<Instant>,
    rings: mpsc::UnboundedReceiver<()>,
}

impl Alarm {
    /// # Errors
    /// When the system gives no thread.
    pub fn new() -> std::io::Result<Self> {
        let (orders, ordered) = std_mpsc::channel::<Instant>();
        let (ring, rings) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("alarm".to_owned())
            .spawn(move || {
                while let Ok(instant) = ordered.recv() {
                    std::thread::sleep(instant.saturating_duration_since(Instant::now()));
                    if ring.send(()).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { orders, rings })
    }

    /// Returns at this instant, or at once when it is over. Must be awaited to its end.
    pub async fn wait_until(&mut self, instant: Instant) {
        if instant > Instant::now() && self.orders.send(instant).is_ok() {
            self.rings.recv().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_never_rings_early_and_does_not_wait_for_what_is_over() {
        let mut alarm = Alarm::new().unwrap();
        for n in 0..20 {
            let instant = Instant::now() + Duration::from_micros(100 * n);
            alarm.wait_until(instant).await;
            assert!(Instant::now() >= instant);
        }
        alarm
            .wait_until(Instant::now() - Duration::from_secs(1))
            .await;
    }
}

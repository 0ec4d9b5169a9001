//! Whether the memory of the cards is back where it was, and who holds it if not. Pure.

use crate::measure::sample::{GpuCard, GpuReading};

/// Memory of a GPU that comes and goes without an engine (display, driver).
pub const MEMORY_SLACK: u64 = 256 << 20;

/// One reading of all cards, in their order.
pub type Reading = Vec<Option<GpuReading>>;

/// The cards that hold more than before, by more than the slack, and how much more in bytes. A
/// card that was not read both times is not among them.
pub fn held<'a>(
    cards: &'a [GpuCard],
    before: &'a Reading,
    now: &'a Reading,
) -> impl Iterator<Item = (&'a GpuCard, &'a GpuReading, u64)> {
    cards
        .iter()
        .zip(before)
        .zip(now)
        .filter_map(|((card, before), now)| {
            let now = now.as_ref()?;
            let used = |reading: &GpuReading| reading.memory_used_bytes;
            let more = used(now)?.checked_sub(before.as_ref().and_then(used)?)?;
            (more > MEMORY_SLACK).then_some((card, now, more))
        })
}

/// The same as a sentence's end; `None` when nothing is held.
pub fn told(cards: &[GpuCard], before: &Reading, now: &Reading) -> Option<String> {
    let cards: Vec<String> = held(cards, before, now)
        .map(|(card, now, more)| {
            let gpu = card.index;
            let holders: Vec<String> = now
                .processes
                .iter()
                .flatten()
                .map(|process| process.to_string())
                .collect();
            let by = match holders.as_slice() {
                [] => "the driver names no process".to_owned(),
                holders => format!("on it are {}", holders.join(", ")),
            };
            format!("GPU {gpu} still holds {} MiB more ({by})", more >> 20)
        })
        .collect();
    (!cards.is_empty()).then(|| cards.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sample::{GpuContext, GpuProcess, Owner};

    fn reading(mib: Option<u64>, processes: Vec<GpuProcess>) -> Option<GpuReading> {
        Some(GpuReading {
            memory_used_bytes: mib.map(|mib| mib << 20),
            processes: Some(processes),
            ..GpuReading::default()
        })
    }

    #[test]
    fn who_holds_the_memory_is_named() {
        let cards: Vec<GpuCard> = (0..5)
            .map(|index| GpuCard {
                index,
                ..GpuCard::default()
            })
            .collect();
        let core = GpuProcess {
            pid: 4711,
            name: Some("VLLM::EngineCor".to_owned()),
            memory_bytes: Some(8000 << 20),
            context: GpuContext::Compute,
            owner: Owner::Unknown,
        };
        let before = vec![
            reading(Some(500), vec![]),
            reading(Some(500), vec![]),
            reading(Some(500), vec![]),
            None,
            reading(None, vec![]),
        ];
        let now = vec![
            reading(Some(8500), vec![core]),
            reading(Some(756), vec![]),
            reading(Some(757), vec![]),
            reading(Some(9000), vec![]),
            reading(Some(9000), vec![]),
        ];
        assert_eq!(
            told(&cards, &before, &now).unwrap(),
            "GPU 0 still holds 8000 MiB more (on it are VLLM::EngineCor (process 4711, 8000 MiB)); \
             GPU 2 still holds 257 MiB more (the driver names no process)"
        );
        assert_eq!(told(&cards, &now, &before), None);
    }
}

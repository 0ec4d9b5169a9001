//! Samples as Parquet: one row per sample and watched card, or one per sample where no card is
//! watched. `docs/RESULTS.md` lists the columns.

use std::path::Path;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};

use crate::measure::sample::{GpuCard, GpuReading, Sample, SamplePart};
use crate::runner::ports::StoreError;
use crate::store::parquet::encoded;

/// The bytes of `samples.parquet`; `path` is only named in errors.
///
/// # Errors
/// When the frame cannot be encoded.
pub fn samples(part: &SamplePart, path: &Path) -> Result<Vec<u8>, StoreError> {
    encoded(frame(part), path)
}

/// A sample, and one of its cards.
struct Row<'a> {
    sample: &'a Sample,
    card: Option<&'a GpuCard>,
    gpu: Option<&'a GpuReading>,
}

fn rows(part: &SamplePart) -> Vec<Row<'_>> {
    let of = |sample| -> Vec<Row<'_>> {
        let alone = Row {
            sample,
            card: None,
            gpu: None,
        };
        match part.cards.as_slice() {
            [] => vec![alone],
            cards => cards
                .iter()
                .enumerate()
                .map(|(position, card)| Row {
                    sample,
                    card: Some(card),
                    gpu: sample.gpu(position),
                })
                .collect(),
        }
    };
    part.samples.iter().flat_map(of).collect()
}

fn frame(part: &SamplePart) -> Result<DataFrame, polars::error::PolarsError> {
    let rows = rows(part);
    let ready = i64::try_from(part.ready_ns.unwrap_or(0)).unwrap_or(i64::MAX);
    let at = |row: &Row<'_>| i64::try_from(row.sample.at_ns).unwrap_or(i64::MAX) - ready;
    let text = |name: &str, of: &dyn Fn(&Row<'_>) -> Option<String>| {
        column(name, rows.iter().map(of).collect::<Vec<_>>())
    };
    let whole = |name: &str, of: &dyn Fn(&Row<'_>) -> Option<u64>| {
        column(name, rows.iter().map(of).collect::<Vec<_>>())
    };
    let number = |name: &str, of: &dyn Fn(&Row<'_>) -> Option<f64>| {
        column(name, rows.iter().map(of).collect::<Vec<_>>())
    };
    let strangers = |row: &Row<'_>| {
        let processes = row.gpu?.processes.as_ref()?;
        Some(
            processes
                .iter()
                .filter(|process| process.disturbs())
                .count() as u64,
        )
    };
    DataFrame::new(
        rows.len(),
        vec![
            Column::from(Series::new(
                "at_ns".into(),
                rows.iter().map(at).collect::<Vec<_>>(),
            )),
            text("node", &|row| row.sample.node.clone()),
            text("state", &|row| {
                row.sample.state().map(|state| state.name().to_owned())
            }),
            whole("waiting", &|row| {
                row.sample.in_flight.map(|n| u64::from(n.waiting))
            }),
            whole("streaming", &|row| {
                row.sample.in_flight.map(|n| u64::from(n.streaming))
            }),
            whole("gpu", &|row| row.card.map(|card| u64::from(card.index))),
            number("gpu_utilisation_pct", &|row| row.gpu?.utilisation_pct),
            number("gpu_memory_utilisation_pct", &|row| {
                row.gpu?.memory_utilisation_pct
            }),
            whole("gpu_memory_used_bytes", &|row| row.gpu?.memory_used_bytes),
            number("gpu_temperature_c", &|row| row.gpu?.temperature_c),
            number("gpu_power_w", &|row| row.gpu?.power_w),
            number("gpu_energy_j", &|row| row.gpu?.energy_j),
            number("gpu_sm_clock_mhz", &|row| row.gpu?.sm_clock_mhz),
            number("gpu_memory_clock_mhz", &|row| row.gpu?.memory_clock_mhz),
            text("gpu_throttle", &|row| {
                row.gpu?.throttle.map(|throttle| throttle.names().join(","))
            }),
            whole("gpu_processes", &|row| {
                Some(row.gpu?.processes.as_ref()?.len() as u64)
            }),
            whole("gpu_strangers", &strangers),
            number("host_cpu_pct", &|row| row.sample.host_cpu_pct),
            whole("host_memory_used_bytes", &|row| {
                row.sample.host?.memory_used_bytes
            }),
            whole("host_memory_total_bytes", &|row| {
                row.sample.host?.memory_total_bytes
            }),
            number("engine_cpu_pct", &|row| row.sample.engine_cpu_pct),
            whole("engine_memory_bytes", &|row| {
                row.sample.container?.memory_bytes
            }),
            whole("engine_memory_limit_bytes", &|row| {
                row.sample.container?.memory_limit_bytes
            }),
            whole("engine_read_bytes", &|row| row.sample.container?.read_bytes),
            whole("engine_written_bytes", &|row| {
                row.sample.container?.written_bytes
            }),
            whole("engine_received_bytes", &|row| {
                row.sample.container?.received_bytes
            }),
            whole("engine_sent_bytes", &|row| row.sample.container?.sent_bytes),
            number("requests_running", &|row| row.sample.gauges?.running),
            number("requests_waiting", &|row| row.sample.gauges?.waiting),
            number("kv_cache_pct", &|row| row.sample.gauges?.kv_cache_pct),
            number("preemptions", &|row| row.sample.gauges?.preemptions),
        ],
    )
}

fn column<T>(name: &str, values: Vec<T>) -> Column
where
    Series: NamedFrom<Vec<T>, [T]>,
{
    Column::from(Series::new(name.into(), values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sample::{GpuProcess, InFlight, Throttle};

    fn part(cards: Vec<GpuCard>, samples: Vec<Sample>) -> SamplePart {
        SamplePart {
            cards,
            samples,
            ready_ns: Some(5_000),
            ..SamplePart::default()
        }
    }

    #[test]
    fn a_row_per_card_on_the_clock_of_the_requests() {
        let stranger = GpuProcess {
            pid: 1,
            name: None,
            memory_bytes: None,
            context: crate::measure::sample::GpuContext::Compute,
            owner: crate::measure::sample::Owner::Stranger,
        };
        let reading = GpuReading {
            power_w: Some(99.5),
            throttle: Some(Throttle(0x24)),
            processes: Some(vec![stranger]),
            ..GpuReading::default()
        };
        let cards = [0, 3].map(|index| GpuCard {
            index,
            ..GpuCard::default()
        });
        let sample = |at_ns, gpus| Sample {
            at_ns,
            in_flight: Some(InFlight {
                waiting: 2,
                streaming: 0,
            }),
            gpus,
            ..Sample::default()
        };
        let samples = vec![
            sample(2_000, None),
            sample(6_000, Some(vec![Some(reading), None])),
        ];
        let frame = frame(&part(cards.to_vec(), samples)).unwrap();
        let shown = |name: &str| -> Vec<String> {
            let column = frame.column(name).unwrap();
            (0..frame.height())
                .map(|row| column.get(row).unwrap().to_string())
                .collect()
        };
        assert_eq!(shown("at_ns"), ["-3000", "-3000", "1000", "1000"]);
        assert_eq!(shown("gpu"), ["0", "3", "0", "3"]);
        assert_eq!(shown("gpu_power_w"), ["null", "null", "99.5", "null"]);
        assert_eq!(
            shown("gpu_throttle")[2],
            "\"sw-power-cap,sw-thermal-slowdown\""
        );
        assert_eq!(shown("gpu_strangers"), ["null", "null", "1", "null"]);
        assert_eq!(shown("state")[0], "\"prefill\"");
        assert_eq!(shown("host_cpu_pct")[0], "null");
    }

    #[test]
    fn without_cards_there_is_a_row_per_sample_and_the_columns_are_null() {
        let with = frame(&part(vec![GpuCard::default()], Vec::new())).unwrap();
        let without = frame(&part(Vec::new(), vec![Sample::default()])).unwrap();
        assert_eq!(with.schema(), without.schema());
        assert_eq!((with.height(), without.height()), (0, 1));
        assert_eq!(without.column("gpu").unwrap().null_count(), 1);
    }
}

//! Samples back from `samples.parquet`, as far as a picture of a run needs them.

use std::io::Cursor;
use std::path::Path;

use polars::prelude::{DataFrame, DataType, ParquetReader, SerReader};

use crate::report::Reading;
use crate::runner::ports::StoreError;
use crate::store::durable;

/// All readings of a file; `None` where there is no file.
///
/// # Errors
/// When it holds no samples.
pub fn readings(path: &Path) -> Result<Option<Vec<Reading>>, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(durable::failed("cannot read", path, error)),
    };
    let unusable = |error: polars::error::PolarsError| StoreError {
        what: "no samples:".to_owned(),
        path: path.to_owned(),
        source: Box::new(error),
    };
    let frame = ParquetReader::new(Cursor::new(bytes)).finish();
    frame
        .and_then(|frame| rows(&frame))
        .map(Some)
        .map_err(unusable)
}

fn rows(frame: &DataFrame) -> Result<Vec<Reading>, polars::error::PolarsError> {
    let number = |name: &str| frame.column(name)?.cast(&DataType::Float64)?.f64().cloned();
    let at = frame.column("at_ns")?.i64()?.clone();
    let memory = number("gpu_memory_used_bytes")?;
    let power = number("gpu_power_w")?;
    let utilisation = number("gpu_utilisation_pct")?;
    let temperature = number("gpu_temperature_c")?;
    let engine = number("engine_memory_bytes")?;
    let cache = number("kv_cache_pct")?;
    let host = number("host_cpu_pct")?;
    let rows = (0..frame.height()).filter_map(|row| {
        Some(Reading {
            at_ns: at.get(row)?,
            gpu_memory_bytes: memory.get(row),
            gpu_power_w: power.get(row),
            gpu_utilisation_pct: utilisation.get(row),
            gpu_temperature_c: temperature.get(row),
            engine_memory_bytes: engine.get(row),
            kv_cache_pct: cache.get(row),
            host_cpu_pct: host.get(row),
        })
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sample::{GpuCard, GpuReading, Sample, SamplePart};
    use crate::store::parquet;

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.parquet");
        assert_eq!(readings(&path).unwrap(), None);
        let sample = Sample {
            at_ns: 7_000,
            host_cpu_pct: Some(12.5),
            gpus: Some(vec![Some(GpuReading {
                power_w: Some(99.5),
                memory_used_bytes: Some(1 << 30),
                ..GpuReading::default()
            })]),
            ..Sample::default()
        };
        let part = SamplePart {
            cards: vec![GpuCard::default()],
            samples: vec![sample],
            ready_ns: Some(5_000),
            ..SamplePart::default()
        };
        std::fs::write(&path, parquet::samples(&part, &path).unwrap()).unwrap();
        let read = readings(&path).unwrap().unwrap();
        let expected = Reading {
            at_ns: 2_000,
            gpu_memory_bytes: Some(f64::from(1 << 30)),
            gpu_power_w: Some(99.5),
            host_cpu_pct: Some(12.5),
            ..Reading::default()
        };
        assert_eq!(read, [expected]);
        std::fs::write(&path, b"no").unwrap();
        assert!(readings(&path).is_err());
    }
}

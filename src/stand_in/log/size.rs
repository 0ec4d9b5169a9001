//! Sizes of memory as vLLM and torch print them.

/// GiB as newer vLLM prints them: rounded to two places, one at least shown.
pub fn gib(bytes: u64) -> String {
    let rounded = (bytes as f64 / f64::from(1 << 30) * 100.0).round() / 100.0;
    format!("{rounded:?}")
}

/// GiB with two places, always.
pub fn gib_in_two_places(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / f64::from(1 << 30))
}

/// Sizes as torch prints them.
pub fn torch_size(bytes: u64) -> String {
    let in_units = |power: i32| bytes as f64 / 1024_f64.powi(power);
    match bytes {
        0..=1024 => format!("{bytes} bytes"),
        1025..=0x10_0000 => format!("{:.2} KiB", in_units(1)),
        0x10_0001..=0x4000_0000 => format!("{:.2} MiB", in_units(2)),
        _ => format!("{:.2} GiB", in_units(3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_torch_and_vllm_print_them() {
        assert_eq!(torch_size(1000), "1000 bytes");
        assert_eq!(torch_size(20 << 20), "20.00 MiB");
        assert_eq!(torch_size(25_769_803_776), "24.00 GiB");
        assert_eq!(
            (gib(2 << 30), gib(107_374_182)),
            ("2.0".to_owned(), "0.1".to_owned())
        );
        assert_eq!(gib_in_two_places(107_374_182), "0.10");
    }
}

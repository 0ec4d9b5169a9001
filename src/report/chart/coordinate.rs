//! Numbers inside a picture: no more digits than a pixel needs.

/// A tenth of a pixel is enough: `12`, `12.5`; never `-0`.
pub fn px(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    match rounded == 0.0 {
        true => "0".to_owned(),
        false => rounded.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_pixel_is_all_that_is_written() {
        let written: Vec<String> = [12.0, 12.46, -0.01, 1234.5678, -3.25].map(px).to_vec();
        assert_eq!(written, ["12", "12.5", "0", "1234.6", "-3.3"]);
    }
}

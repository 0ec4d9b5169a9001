//! Prometheus' text format as its Python client writes it. What is counted is not known here.

use std::fmt::Write;

/// Values sorted into buckets. The bounds may be more than a page shows: what is counted below a
/// bound does not depend on the others.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than `bounds`: the last is for what lies above all of them.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    pub fn observe(&mut self, value: f64) {
        let place = self
            .bounds
            .iter()
            .take_while(|bound| value > **bound)
            .count();
        self.counts[place] += 1;
        self.sum += value;
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Each bound with the values that do not lie above it.
    fn below(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds
            .iter()
            .zip(self.counts.iter())
            .scan(0, |below, (bound, count)| {
                *below += count;
                Some((*bound, *below))
            })
    }
}

/// Names and values of labels; written in the order of the names.
pub type Labels = Vec<(&'static str, String)>;

/// One line of a family.
#[derive(Debug, Clone)]
pub struct Sample {
    pub labels: Labels,
    pub value: f64,
    /// When it began to be counted, in seconds since 1970.
    pub created: f64,
}

/// Whether the times of creation are shown beside what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreationTimes {
    Shown,
    Hidden,
}

/// A page as it is written.
#[derive(Debug)]
pub struct Page {
    text: String,
    times: CreationTimes,
}

impl Page {
    pub fn new(times: CreationTimes) -> Self {
        Self {
            text: String::new(),
            times,
        }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    pub fn gauge(&mut self, name: &str, help: &str, samples: &[Sample]) {
        self.head(name, help, "gauge");
        for sample in samples {
            self.sample(name, &sample.labels, sample.value);
        }
    }

    /// A counter, under `NAME_total`.
    pub fn counter(&mut self, name: &str, help: &str, samples: &[Sample]) {
        self.counter_of_others(name, help, samples);
        self.creation(name, help, samples);
    }

    /// A counter of which nobody knows since when it counts.
    pub fn counter_of_others(&mut self, name: &str, help: &str, samples: &[Sample]) {
        let total = format!("{name}_total");
        self.head(&total, help, "counter");
        for sample in samples {
            self.sample(&total, &sample.labels, sample.value);
        }
    }

    /// Counts and sums without buckets; a sample's value is the sum.
    pub fn summary(&mut self, name: &str, help: &str, samples: &[(u64, Sample)]) {
        self.head(name, help, "summary");
        for (count, sample) in samples {
            self.sample(&format!("{name}_count"), &sample.labels, *count as f64);
            self.sample(&format!("{name}_sum"), &sample.labels, sample.value);
        }
        let samples: Vec<Sample> = samples.iter().map(|(_, sample)| sample.clone()).collect();
        self.creation(name, help, &samples);
    }

    /// Histograms with those bounds that `shows` lets through. The values of the samples do not
    /// matter.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        shows: impl Fn(f64) -> bool,
        all: &[(&Histogram, Sample)],
    ) {
        self.head(name, help, "histogram");
        let bucket = format!("{name}_bucket");
        for (values, sample) in all {
            let mut labels = sample.labels.clone();
            labels.push(("le", String::new()));
            let last = labels.len() - 1;
            for (bound, below) in values.below().filter(|(bound, _)| shows(*bound)) {
                labels[last].1 = number(bound);
                self.sample(&bucket, &labels, below as f64);
            }
            labels[last].1 = "+Inf".to_owned();
            self.sample(&bucket, &labels, values.count() as f64);
            self.sample(
                &format!("{name}_count"),
                &sample.labels,
                values.count() as f64,
            );
            self.sample(&format!("{name}_sum"), &sample.labels, values.sum());
        }
        let samples: Vec<Sample> = all.iter().map(|(_, sample)| sample.clone()).collect();
        self.creation(name, help, &samples);
    }

    fn creation(&mut self, name: &str, help: &str, samples: &[Sample]) {
        if self.times == CreationTimes::Hidden {
            return;
        }
        let created = format!("{name}_created");
        self.head(&created, help, "gauge");
        for sample in samples {
            self.sample(&created, &sample.labels, sample.created);
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&'static str, String)], value: f64) {
        let value = number(value);
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
            return;
        }
        let mut pairs: Vec<String> = labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{}\"", escape(text)))
            .collect();
        pairs.sort_unstable();
        let pairs = pairs.join(",");
        self.line(format_args!("{name}{{{pairs}}} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("writing to a string cannot fail");
    }
}

fn escape(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A number as the client writes it: with an exponent from a million on, always with a point.
fn number(value: f64) -> String {
    let plain = format!("{value:?}");
    match plain.find('.') {
        Some(point) if value > 0.0 && point > 6 => {
            let digits = format!(
                "{}.{}{}",
                &plain[..1],
                &plain[1..point],
                &plain[point + 1..]
            );
            let digits = digits.trim_end_matches(['0', '.']);
            format!("{digits}e+0{}", point - 1)
        }
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_python_client_writes_them() {
        let shown = [
            0.0,
            13_757.0,
            125_523.0,
            1_073_741_824.0,
            1_795_487_820.780_645,
            46.233_749_866,
            2_000_000.0,
        ]
        .map(number);
        assert_eq!(
            shown,
            [
                "0.0",
                "13757.0",
                "125523.0",
                "1.073741824e+09",
                "1.795487820780645e+09",
                "46.233749866",
                "2e+06"
            ]
        );
    }

    #[test]
    fn fewer_bounds_count_the_same() {
        let mut values = Histogram::new(&[1.0, 2.0, 5.0, 10.0]);
        for value in [0.5, 1.0, 3.0, 20.0] {
            values.observe(value);
        }
        let sample = Sample {
            labels: vec![("b", "x\"".to_owned()), ("a", "1".to_owned())],
            value: 0.0,
            created: 1.5,
        };
        let mut page = Page::new(CreationTimes::Shown);
        page.histogram("h", "Of h.", |bound| bound != 2.0, &[(&values, sample)]);
        let labels = r#"a="1",b="x\"""#;
        let expected = format!(
            "# HELP h Of h.\n# TYPE h histogram\n\
             h_bucket{{{labels},le=\"1.0\"}} 2.0\n\
             h_bucket{{{labels},le=\"5.0\"}} 3.0\n\
             h_bucket{{{labels},le=\"10.0\"}} 3.0\n\
             h_bucket{{{labels},le=\"+Inf\"}} 4.0\n\
             h_count{{{labels}}} 4.0\nh_sum{{{labels}}} 24.5\n\
             # HELP h_created Of h.\n# TYPE h_created gauge\nh_created{{{labels}}} 1.5\n"
        );
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn creation_times_can_be_left_out() {
        let sample = Sample {
            labels: Vec::new(),
            value: 3.0,
            created: 1.5,
        };
        let mut page = Page::new(CreationTimes::Hidden);
        page.counter("c", "Of c.", &[sample]);
        assert_eq!(
            page.into_text(),
            "# HELP c_total Of c.\n# TYPE c_total counter\nc_total 3.0\n"
        );
    }
}

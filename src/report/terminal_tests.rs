//! The report of a grid of twelve cells on terminals of several widths.

use unicode_width::UnicodeWidthStr;

use crate::decide::fixture::{self, Numbers};
use crate::diagnose::FailureClass;
use crate::id::CellId;
use crate::manifest::RunRecord;
use crate::matrix::cell::Cell;
use crate::outcome::{Outcome, Settled};
use crate::report::build;
use crate::spec::diagnostic::Span;
use crate::spec::experiment::{Axis, Goal};
use crate::spec::flag::{FlagName, FlagValue, Knob};

const FLAGS: [&str; 5] = [
    "gpu-memory-utilization",
    "enable-chunked-prefill",
    "enable-prefix-caching",
    "max-num-seqs",
    "tensor-parallel-size",
];

/// Name, memory share, chunked prefill, prefix cache, sequences at once.
const CELLS: [(&str, f64, bool, bool, i64); 12] = [
    ("gpu-mem-0.85_chunked-on_prefix-on", 0.85, true, true, 32),
    ("chunked_only_safe", 0.85, true, false, 32),
    ("gpu-mem-0.85_chunked-off_prefix-on", 0.85, false, true, 32),
    ("safe_conservative", 0.85, false, false, 32),
    ("optimized_balanced", 0.9, true, true, 32),
    ("gpu-mem-0.9_chunked-on_prefix-off", 0.9, true, false, 32),
    ("gpu-mem-0.9_chunked-off_prefix-on", 0.9, false, true, 32),
    ("gpu-mem-0.9_chunked-off_prefix-off", 0.9, false, false, 32),
    ("gpu-mem-0.95_chunked-on_prefix-off", 0.95, true, false, 32),
    ("gpu-mem-0.95_chunked-off_prefix-on", 0.95, false, true, 32),
    (
        "gpu-mem-0.95_chunked-off_prefix-off",
        0.95,
        false,
        false,
        32,
    ),
    ("aggressive_cache", 0.95, true, true, 48),
];

/// Twelve cells on four varied axes and one that is not, three objectives, three starts: nine
/// cells are ranked, one is rejected, two died.
fn grid() -> RunRecord {
    let settled = (0..CELLS.len()).flat_map(starts).collect();
    let mut record = fixture::record(settled);
    let knob = |flag: &str| Knob::Flag(FlagName(flag.to_owned()));
    record.manifest.cells = CELLS
        .iter()
        .map(|&(name, share, chunked, prefix, sequences)| {
            let values = [
                FlagValue::Float(share),
                FlagValue::Bool(chunked),
                FlagValue::Bool(prefix),
                FlagValue::Int(sequences),
                FlagValue::Int(2),
            ];
            Cell {
                id: CellId::of(name),
                name: name.to_owned(),
                coordinates: FLAGS.map(knob).into_iter().zip(values).collect(),
                ..fixture::cells()[0].clone()
            }
        })
        .collect();
    let experiment = &mut record.manifest.experiment;
    experiment.axes = FLAGS
        .map(|flag| Axis {
            knob: knob(flag),
            values: Vec::new(),
            at: Span::default(),
        })
        .to_vec();
    experiment.run.repeats = 3;
    experiment.gates = vec![fixture::gate("short-prompts.success_rate >= 0.95")];
    experiment.objectives = vec![
        fixture::objective("short-prompts.ttft_repeat_ms.p50", Goal::Min, 2.0),
        fixture::objective("long-prompts.ttft_repeat_ms.p50", Goal::Min, 1.0),
        fixture::objective("short-prompts.tokens_per_second.p50", Goal::Max, 1.0),
    ];
    let kv_cache = experiment.workloads.remove(0);
    record.manifest.node_order = ["short-prompts", "long-prompts"]
        .map(str::to_owned)
        .to_vec();
    experiment.workloads = record
        .manifest
        .node_order
        .iter()
        .map(|node| {
            let mut workload = kv_cache.clone();
            workload.name.clone_from(node);
            workload
        })
        .collect();
    record
}

/// The starts of the cell at `index`: one death, or three measurements of two nodes.
fn starts(index: usize) -> Vec<Settled> {
    let (name, _, chunked, prefix, _) = CELLS[index];
    match name {
        "aggressive_cache" => return vec![fixture::died(name, 1, FailureClass::GpuOomStartup)],
        "gpu-mem-0.95_chunked-on_prefix-off" => {
            return vec![fixture::died(name, 1, FailureClass::KvCacheTooSmall)];
        }
        _ => {}
    }
    let start = |number: u32| {
        // No two cells are the same to the digit, and starts of one cell differ.
        let off = 0.31 * index as f64 + 0.17 * f64::from(number);
        let repeat = if prefix { 12.5 + off } else { 153.0 + off };
        let success = match (name, number) {
            ("safe_conservative", 2) => 0.9,
            _ => 1.0,
        };
        let speed = if chunked { 99.1 } else { 100.0 } + 0.013 * f64::from(number);
        let numbers = Numbers::new(153.0 + off, repeat)
            .speed(speed)
            .success(success);
        let mut settled = fixture::measured(name, number, numbers);
        let Outcome::Measured(measured) = &mut settled.outcome else {
            panic!("a measured start");
        };
        let mut long = measured.nodes[0].clone();
        measured.nodes[0].node = "short-prompts".to_owned();
        long.node = "long-prompts".to_owned();
        measured.nodes.push(long);
        settled
    };
    (1..=3).map(start).collect()
}

#[test]
fn wide_terminals_show_every_column() {
    insta::assert_snapshot!(build(&grid()).terminal(160, false), @r#"
gpu-mem-0.85_chunked-on_prefix-on is the champion of 3 starts.
- gpu-mem-0.85_chunked-on_prefix-on is gpu-mem = 0.85, chunked = true, prefix = true, max-num-seqs = 32, tensor-parallel-size = 2.
- gpu-mem-0.85_chunked-off_prefix-on follows 3.37 % behind by the weighted score (95 % interval 2.59 % to 4.15 %), which is more than the margin of 2 % below
  which a difference does not matter to you.
- Starts of one and the same configuration differ by 0.44 % (sd, pooled over all ranked ones, with 16 degrees of freedom).
- gpu-mem-0.85_chunked-on_prefix-on is within 2 % of the best with probability over 99.9 % (the very best: over 99.9 %; rank 1); choosing it is expected to cost
  0.00 % against the best.
- The engine's own state confirms 1 of its 2 varied flags; not confirmed: max-num-seqs.
(6 more in report.md)

All configurations
The same in all of them: tensor-parallel-size = 2. Means over n = 3 starts, ± the standard deviation between starts.
                                                                        short-      long-       short-
                                                                       prompts    prompts      prompts
                                                                         ttft_      ttft_  tokens_per_
                                                               max-  repeat_ms  repeat_ms       second
                                        gpu-                   num-   p50, ms,   p50, ms,  p50, tok/s,  behind        vs
#  configuration                         mem  chunked  prefix  seqs      lower      lower       higher      #1  baseline  measured  outcome
1  gpu-mem-0.85_chunked-on_prefix-on    0.85     true    true    32  12.8 ±0.2  12.8 ±0.2   99.1 ±0.01     0 %     x1.00    3 of 3  champion
2  gpu-mem-0.85_chunked-off_prefix-on   0.85    false    true    32  13.5 ±0.2  13.5 ±0.2    100 ±0.01  3.37 %     x0.97    3 of 3  ranked
3  optimized_balanced                    0.9     true    true    32  14.1 ±0.2  14.1 ±0.2   99.1 ±0.01  7.16 %     x0.93    3 of 3  ranked
4  gpu-mem-0.9_chunked-off_prefix-on     0.9    false    true    32  14.7 ±0.2  14.7 ±0.2    100 ±0.01  10.4 %     x0.91    3 of 3  ranked
5  gpu-mem-0.95_chunked-off_prefix-on   0.95    false    true    32  15.6 ±0.2  15.6 ±0.2    100 ±0.01  15.6 %     x0.86    3 of 3  ranked
6  chunked_only_safe                    0.85     true   false    32   154 ±0.2   154 ±0.2   99.1 ±0.01   543 %     x0.16    3 of 3  ranked
7  gpu-mem-0.9_chunked-on_prefix-off     0.9     true   false    32   155 ±0.2   155 ±0.2   99.1 ±0.01   547 %     x0.15    3 of 3  ranked
8  gpu-mem-0.9_chunked-off_prefix-off    0.9    false   false    32   156 ±0.2   156 ±0.2    100 ±0.01   548 %     x0.15    3 of 3  ranked
9  gpu-mem-0.95_chunked-off_prefix-off  0.95    false   false    32   156 ±0.2   156 ±0.2    100 ±0.01   551 %     x0.15    3 of 3  ranked
-  safe_conservative                    0.85    false   false    32   154 ±0.2   154 ±0.2    100 ±0.01       -         -    3 of 3  rejected
-  gpu-mem-0.95_chunked-on_prefix-off   0.95     true   false    32     -          -           -             -         -    0 of 1  died 1 of 1:
                                                                                                                                    kv_cache_too_small while
                                                                                                                                    starting (kv_profile)
-  aggressive_cache                     0.95     true    true    48     -          -           -             -         -    0 of 1  died 1 of 1: gpu_oom_startup
                                                                                                                                    while starting (kv_profile)
vs baseline: how many times as good as gpu-mem-0.85_chunked-on_prefix-on; above 1 is better.

Not ranked, because
safe_conservative: short-prompts.success_rate >= 0.95: 0.900 (in start 2, the worst of 3)
gpu-mem-0.95_chunked-on_prefix-off, aggressive_cache: ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is n…
"#);
}

#[test]
fn what_a_reader_needs_least_gives_way_first() {
    insta::assert_snapshot!(build(&grid()).terminal(120, false), @r#"
gpu-mem-0.85_chunked-on_prefix-on is the champion of 3 starts.
- gpu-mem-0.85_chunked-on_prefix-on is gpu-mem = 0.85, chunked = true, prefix = true, max-num-seqs = 32,
  tensor-parallel-size = 2.
- gpu-mem-0.85_chunked-off_prefix-on follows 3.37 % behind by the weighted score (95 % interval 2.59 % to 4.15 %), which
  is more than the margin of 2 % below which a difference does not matter to you.
- Starts of one and the same configuration differ by 0.44 % (sd, pooled over all ranked ones, with 16 degrees of
  freedom).
- gpu-mem-0.85_chunked-on_prefix-on is within 2 % of the best with probability over 99.9 % (the very best: over 99.9 %;
  rank 1); choosing it is expected to cost 0.00 % against the best.
- The engine's own state confirms 1 of its 2 varied flags; not confirmed: max-num-seqs.
(6 more in report.md)

All configurations
The same in all of them: tensor-parallel-size = 2. Means over n = 3 starts, ± the standard deviation between starts.
                                                                  short-      long-       short-
                                                                 prompts    prompts      prompts
                                                                   ttft_      ttft_  tokens_per_
                                                               repeat_ms  repeat_ms       second
                                        gpu-                    p50, ms,   p50, ms,  p50, tok/s,
#  configuration                         mem  chunked  prefix      lower      lower       higher  outcome
1  gpu-mem-0.85_chunked-on_prefix-on    0.85     true    true  12.8 ±0.2  12.8 ±0.2   99.1 ±0.01  champion
2  gpu-mem-0.85_chunked-off_prefix-on   0.85    false    true  13.5 ±0.2  13.5 ±0.2    100 ±0.01  ranked
3  optimized_balanced                    0.9     true    true  14.1 ±0.2  14.1 ±0.2   99.1 ±0.01  ranked
4  gpu-mem-0.9_chunked-off_prefix-on     0.9    false    true  14.7 ±0.2  14.7 ±0.2    100 ±0.01  ranked
5  gpu-mem-0.95_chunked-off_prefix-on   0.95    false    true  15.6 ±0.2  15.6 ±0.2    100 ±0.01  ranked
6  chunked_only_safe                    0.85     true   false   154 ±0.2   154 ±0.2   99.1 ±0.01  ranked
7  gpu-mem-0.9_chunked-on_prefix-off     0.9     true   false   155 ±0.2   155 ±0.2   99.1 ±0.01  ranked
8  gpu-mem-0.9_chunked-off_prefix-off    0.9    false   false   156 ±0.2   156 ±0.2    100 ±0.01  ranked
9  gpu-mem-0.95_chunked-off_prefix-off  0.95    false   false   156 ±0.2   156 ±0.2    100 ±0.01  ranked
-  safe_conservative                    0.85    false   false   154 ±0.2   154 ±0.2    100 ±0.01  rejected
-  gpu-mem-0.95_chunked-on_prefix-off   0.95     true   false     -          -           -        died 1 of 1:
                                                                                                  kv_cache_too_small
                                                                                                  while starting
                                                                                                  (kv_profile)
-  aggressive_cache                     0.95     true    true     -          -           -        died 1 of 1:
                                                                                                  gpu_oom_startup while
                                                                                                  starting (kv_profile)
Left out for want of width: max-num-seqs, behind #1, vs baseline, measured.

Not ranked, because
safe_conservative: short-prompts.success_rate >= 0.95: 0.900 (in start 2, the worst of 3)
gpu-mem-0.95_chunked-on_prefix-off, aggressive_cache: ValueError: To serve at least one request with the models's max s…
"#);
}

#[test]
fn narrow_terminals_keep_place_name_numbers_and_outcome() {
    insta::assert_snapshot!(build(&grid()).terminal(100, false), @r#"
gpu-mem-0.85_chunked-on_prefix-on is the champion of 3 starts.
- gpu-mem-0.85_chunked-on_prefix-on is gpu-mem = 0.85, chunked = true, prefix = true, max-num-seqs =
  32, tensor-parallel-size = 2.
- gpu-mem-0.85_chunked-off_prefix-on follows 3.37 % behind by the weighted score (95 % interval
  2.59 % to 4.15 %), which is more than the margin of 2 % below which a difference does not matter
  to you.
- Starts of one and the same configuration differ by 0.44 % (sd, pooled over all ranked ones, with
  16 degrees of freedom).
- gpu-mem-0.85_chunked-on_prefix-on is within 2 % of the best with probability over 99.9 % (the very
  best: over 99.9 %; rank 1); choosing it is expected to cost 0.00 % against the best.
- The engine's own state confirms 1 of its 2 varied flags; not confirmed: max-num-seqs.
(6 more in report.md)

All configurations
The same in all of them: tensor-parallel-size = 2. Means over n = 3 starts, ± the standard deviation
between starts.
                                                 short-      long-       short-
                                                prompts    prompts      prompts
                                                  ttft_      ttft_  tokens_per_
                                              repeat_ms  repeat_ms       second
                                        gpu-   p50, ms,   p50, ms,  p50, tok/s,
#  configuration                         mem      lower      lower       higher  outcome
1  gpu-mem-0.85_chunked-on_prefix-on    0.85  12.8 ±0.2  12.8 ±0.2   99.1 ±0.01  champion
2  gpu-mem-0.85_chunked-off_prefix-on   0.85  13.5 ±0.2  13.5 ±0.2    100 ±0.01  ranked
3  optimized_balanced                    0.9  14.1 ±0.2  14.1 ±0.2   99.1 ±0.01  ranked
4  gpu-mem-0.9_chunked-off_prefix-on     0.9  14.7 ±0.2  14.7 ±0.2    100 ±0.01  ranked
5  gpu-mem-0.95_chunked-off_prefix-on   0.95  15.6 ±0.2  15.6 ±0.2    100 ±0.01  ranked
6  chunked_only_safe                    0.85   154 ±0.2   154 ±0.2   99.1 ±0.01  ranked
7  gpu-mem-0.9_chunked-on_prefix-off     0.9   155 ±0.2   155 ±0.2   99.1 ±0.01  ranked
8  gpu-mem-0.9_chunked-off_prefix-off    0.9   156 ±0.2   156 ±0.2    100 ±0.01  ranked
9  gpu-mem-0.95_chunked-off_prefix-off  0.95   156 ±0.2   156 ±0.2    100 ±0.01  ranked
-  safe_conservative                    0.85   154 ±0.2   154 ±0.2    100 ±0.01  rejected
-  gpu-mem-0.95_chunked-on_prefix-off   0.95     -          -           -        died 1 of 1:
                                                                                 kv_cache_too_small
                                                                                 while starting
                                                                                 (kv_profile)
-  aggressive_cache                     0.95     -          -           -        died 1 of 1:
                                                                                 gpu_oom_startup
                                                                                 while starting
                                                                                 (kv_profile)
Left out for want of width: chunked, prefix, max-num-seqs, behind #1, vs baseline, measured.

Not ranked, because
safe_conservative: short-prompts.success_rate >= 0.95: 0.900 (in start 2, the worst of 3)
gpu-mem-0.95_chunked-on_prefix-off, aggressive_cache: ValueError: To serve at least one request wit…
"#);
}

#[test]
fn a_grid_is_a_table_down_to_seventy_columns_and_never_too_wide() {
    let report = build(&grid());
    for width in 40..200 {
        let text = report.terminal(width, false);
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
        let is_table = text
            .lines()
            .any(|line| line.starts_with("#  ") && line.ends_with("outcome"));
        assert_eq!(is_table, width >= 70, "{width}:\n{text}");
    }
}

#[test]
fn unequal_counts_stand_beside_each_number() {
    let mut record = grid();
    let settled = &mut record.settled;
    let one = CellId::of("chunked_only_safe");
    settled.retain(|start| start.attempt.cell != one || start.attempt.number.0 == 1);
    let text = build(&record).terminal(160, false);
    let line = |name: &str| {
        text.lines()
            .find(|line| line.contains(name))
            .unwrap()
            .to_owned()
    };
    insta::assert_snapshot!(
        [line("Means over"), line(" chunked_only_safe"), line(" optimized_balanced")].join("\n"),
        @r#"
The same in all of them: tensor-parallel-size = 2. Means over starts, ± the standard deviation between starts (in brackets n, their number).
6  chunked_only_safe                    0.85     true   false    32   153 (1)        153 (1)       99.1 (1)         547 %    1 of 1  ranked
3  optimized_balanced                    0.9     true    true    32  14.1 ±0.2 (3)  14.1 ±0.2 (3)  99.1 ±0.01 (3)  7.16 %    3 of 3  ranked
"#
    );
}

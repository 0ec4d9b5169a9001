//! Parts of reports: hostile text, widths, JSON, several objectives, contradictions.

use unicode_width::UnicodeWidthStr;

use crate::decide::fixture::{self, Numbers};
use crate::manifest::Engines;
use crate::outcome::Outcome;
use crate::report::build;
use crate::spec::experiment::Goal;
use crate::time_scale::TimeScale;

#[test]
fn hostile_text_stays_text() {
    let evil = "\u{1b}[31m|`<script>alert(1)</script>` ![x](http://evil) \u{202e}\n# heading";
    let mut record = fixture::full();
    record.manifest.cells[1].name = evil.to_owned();
    for settled in &mut record.settled {
        if settled.attempt.cell == record.manifest.cells[1].id {
            settled.cell_name = evil.to_owned();
        }
        match &mut settled.outcome {
            Outcome::Measured(measured) => {
                measured.engine.warnings.push(evil.to_owned());
                measured.engine.version = Some(evil.to_owned());
                measured.nodes[0].notes.push(evil.to_owned());
            }
            Outcome::Infeasible(failure) | Outcome::Failed(failure) => {
                failure.cause = Some(evil.to_owned());
                failure.explanation = evil.to_owned();
                failure.suggestion = Some(evil.to_owned());
                failure.log_tail = vec!["```".to_owned(), evil.to_owned()];
            }
            Outcome::Cancelled => {}
        }
    }
    let report = build(&record);
    let markdown = report.markdown();
    for text in [&markdown, &report.terminal(120, false)] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
        assert!(!text.lines().any(|line| line == "# heading"));
    }
    // Every row of a table has as many cells as its header.
    let mut n_bars = 0;
    for line in markdown.lines() {
        match line.starts_with('|') {
            false => n_bars = 0,
            true => {
                let bars = unescaped_bars(line);
                assert!(n_bars == 0 || bars == n_bars, "{line}");
                n_bars = bars;
            }
        }
    }
    insta::assert_snapshot!(section(&markdown, "## Deaths"), @r#"
## Deaths: why configurations are infeasible

### `d`: kv_cache_too_small while starting (kv_profile)

- Attempts: `18ac3e7343f0-1`, `18ac3e7343f0-2`
- What happened: \\u{1b}\[31m\|`<script>alert(1)</script>` !\[x\](http\://evil) \\u{202e} # heading
- What to change: \\u{1b}\[31m\|`<script>alert(1)</script>` !\[x\](http\://evil) \\u{202e} # heading
- Cause, in the engine's words: ``\u{1b}[31m|`<script>alert(1)</script>` ![x](http://evil) \u{202e} # heading``
- End: exit code 1, not killed by the kernel for memory.

Last lines of the last attempt's log:

````text
```
\u{1b}[31m|`<script>alert(1)</script>` ![x](http://evil) \u{202e} # heading
````
"#);
}

/// Bars that part cells: one after an odd number of backslashes is text.
fn unescaped_bars(line: &str) -> usize {
    let mut escaped = false;
    let bars = line.chars().filter(|&c| {
        let bar = c == '|' && !escaped;
        escaped = c == '\\' && !escaped;
        bar
    });
    bars.count()
}

/// A section of level two, with its heading.
fn section<'a>(markdown: &'a str, heading: &str) -> &'a str {
    let start = markdown.find(heading).expect("the section is there");
    let end = markdown[start + 3..]
        .find("\n## ")
        .map_or(markdown.len(), |at| start + 3 + at);
    &markdown[start..end]
}

#[test]
fn no_line_is_wider_than_the_terminal_and_colour_changes_no_text() {
    let report = build(&fixture::full());
    for width in 40..160 {
        let plain = report.terminal(width, false);
        for line in plain.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
    let coloured = report.terminal(100, true);
    let mut stripped = coloured.clone();
    for code in ["1", "2", "31", "32", "33", "0"] {
        stripped = stripped.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(stripped, report.terminal(100, false));
    assert!(coloured.contains("\u{1b}[32m1  b"), "{coloured}");
    insta::assert_snapshot!(section(&report.terminal(44, false), "All conf"), @r#"
All configurations
The same in all of them: max-num-seqs = 32.
Means over n = 2 starts, ± the standard
deviation between starts.
1 b: leader
gpu-mem: 0.9; prefix: true; kv-cache
  ttft_repeat_ms p50, ms, lower: 132 ±2;
  behind #1: 0 %; vs baseline: x1.09;
  measured: 2 of 2
2 a: ranked
gpu-mem: 0.85; prefix: true; kv-cache
  ttft_repeat_ms p50, ms, lower: 144 ±3;
  behind #1: 8.68 %; vs baseline: x1.00;
  measured: 2 of 2
3 c: ranked
gpu-mem: 0.85; prefix: false; kv-cache
  ttft_repeat_ms p50, ms, lower: 1311 ±13;
  behind #1: 889 %; vs baseline: x0.11;
  measured: 2 of 2
- f: rejected
gpu-mem: 0.9; prefix: false; kv-cache
  ttft_repeat_ms p50, ms, lower: 1298 ±1;
  behind #1: -; vs baseline: -; measured: 2
  of 2
- d: died 2 of 2: kv_cache_too_small while
  starting (kv_profile)
gpu-mem: 0.95; prefix: true; kv-cache
  ttft_repeat_ms p50, ms, lower: -; behind
  #1: -; vs baseline: -; measured: 0 of 2
- e: undecided
gpu-mem: 0.95; prefix: false; kv-cache
  ttft_repeat_ms p50, ms, lower: -; behind
  #1: -; vs baseline: -; measured: 0 of 2
vs baseline: how many times as good as a;
above 1 is better.

Not ranked, because
f: kv-cache.success_rate >= 0.95: 0.800 (in
  start 1, the worst of 2)
d: ValueError: To serve at least one reques…
e: 2 of 2 starts failed (engine_died)
"#);
}

#[test]
fn json_has_a_version_and_null_for_what_was_not_measured() {
    let report = build(&fixture::full());
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["stand_in"], false);
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    insta::assert_snapshot!(keys.join(" "), @r#"format gridrun experiment run started_at stand_in speed production progress verdict objectives axes baseline equivalence cells measures sway use_cases trade_offs mattered race gates workloads deaths atlas failures machine misfits history validity attestation warnings method deploy advice imported folder"#);
    let cell = |name: &str| {
        let cells = json["cells"].as_array().unwrap();
        let found = cells.iter().find(|cell| cell["cell"] == name).unwrap();
        serde_json::to_string_pretty(found).unwrap()
    };
    insta::assert_snapshot!(cell("f"), @r#"
{
  "rank": null,
  "cell": "f",
  "cell_id": "252f10c83610",
  "axes": [
    0.9,
    false,
    32
  ],
  "standing": "rejected",
  "gates": [
    "kv-cache.success_rate >= 0.95: 0.800 (in start 1, the worst of 2)"
  ],
  "n_attempts": 2,
  "n_measured": 2,
  "n_died": 0,
  "n_failed": 0,
  "n_cancelled": 0,
  "objectives": [
    {
      "n": 2,
      "mean": 1298.5,
      "sd": 0.7071067811865476
    }
  ],
  "score": null,
  "behind_first": null,
  "behind_interval": null,
  "chance": null,
  "against_baseline": null,
  "same_as_first": false,
  "is_champion": false,
  "gate_results": [
    {
      "gate": "kv-cache.success_rate >= 0.95",
      "held": false,
      "value": 0.8,
      "finding": "0.800 (in start 1, the worst of 2)",
      "interval": null,
      "borderline": false
    }
  ],
  "death": null
}
"#);
    insta::assert_snapshot!(cell("d"), @r#"
{
  "rank": null,
  "cell": "d",
  "cell_id": "18ac3e7343f0",
  "axes": [
    0.95,
    true,
    32
  ],
  "standing": "infeasible",
  "died": 2,
  "of": 2,
  "n_attempts": 2,
  "n_measured": 0,
  "n_died": 2,
  "n_failed": 0,
  "n_cancelled": 0,
  "objectives": [
    null
  ],
  "score": null,
  "behind_first": null,
  "behind_interval": null,
  "chance": null,
  "against_baseline": null,
  "same_as_first": false,
  "is_champion": false,
  "gate_results": [],
  "death": {
    "class": "kv_cache_too_small",
    "phase": "starting",
    "stage": "kv_profile",
    "cause": "ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is needed, which is larger than the available KV cache memory (7.82 GiB)."
  }
}
"#);
}

#[test]
fn every_format_carries_the_stand_in_stamp() {
    let mut record = fixture::full();
    record.manifest.engines = Engines::DockerStandIn;
    let report = build(&record);
    let markdown = report.markdown();
    assert!(markdown.starts_with("**STAND-IN RESULTS: "));
    let mut heading = "";
    for line in markdown.lines() {
        if line.starts_with("## ") {
            heading = line;
        }
        assert!(
            !line.starts_with("| --") || heading.contains("(**STAND-IN RESULTS**)"),
            "{heading}"
        );
    }
    assert!(
        report
            .terminal(100, false)
            .starts_with("STAND-IN RESULTS: ")
    );
    assert!(
        report
            .json()
            .contains("\"stand_in\": true,\n  \"speed\": 1.0")
    );
    let csv = String::from_utf8(report.csv()).unwrap();
    assert!(
        csv.lines()
            .skip(1)
            .all(|row| row.split(',').nth(1) == Some("true"))
    );
}

#[test]
fn at_another_speed_than_1_the_stamp_says_so_everywhere() {
    let mut record = fixture::full();
    record.manifest.engines = Engines::DockerStandIn;
    record.manifest.speed = TimeScale::new(20.0).unwrap();
    let report = build(&record);
    let meaning = "STAND-IN RESULTS, speed 20x: gridrun's own stand-in engines answered, no real \
                   model. No number here says anything about a model or a GPU. Their time ran 20 \
                   times as fast as a clock. Durations and rates are in their time, and what the \
                   machine itself needed counts 20 times: about 40 ms of each time to first token, \
                   more where it was busy.";
    let markdown = report.markdown();
    assert!(markdown.starts_with(&format!("**{meaning}**")));
    assert_eq!(
        markdown.matches("(**STAND-IN RESULTS").count(),
        markdown
            .matches("(**STAND-IN RESULTS, speed 20x**)")
            .count()
    );
    let terminal = report.terminal(600, false);
    assert!(terminal.starts_with(meaning));
    assert!(terminal.contains("All configurations (STAND-IN RESULTS, speed 20x)"));
    assert!(
        report
            .json()
            .contains("\"stand_in\": true,\n  \"speed\": 20.0")
    );
    let csv = String::from_utf8(report.csv()).unwrap();
    assert!(
        csv.lines()
            .skip(1)
            .all(|row| row.split(',').nth(2) == Some("20.0"))
    );
    // Of real engines there is none to tell.
    let real = build(&fixture::full());
    assert!(
        real.json()
            .contains("\"stand_in\": false,\n  \"speed\": null")
    );
}

#[test]
fn the_best_so_far_fits_a_progress_line() {
    let best = build(&fixture::full()).best();
    let line = "kv-cache.ttft_repeat_ms.p50 132 ms".to_owned();
    assert_eq!(best, Some(("b".to_owned(), line)));
}

#[test]
fn several_objectives_show_their_weights_and_every_number() {
    let mut record = fixture::full();
    let speed = fixture::objective("kv-cache.tokens_per_second.p50", Goal::Max, 1.0);
    record.manifest.experiment.objectives.push(speed);
    let markdown = build(&record).markdown();
    insta::assert_snapshot!(section(&markdown, "## Verdict"), @r#"
## Verdict

**`b` leads by its mean over 2 starts; too few starts to say how sure that is.**

- `b` is `gpu-mem = 0.9`, `prefix = true`, `max-num-seqs = 32`.
- `kv-cache.ttft_repeat_ms.p50` (lower is better): `b` has 132 ms (mean of 2 starts, sd 2.12 ms), `a` 144 ms (mean of 2 starts, sd 2.83 ms).
- `kv-cache.tokens_per_second.p50` (higher is better): `b` has 43.4 tok/s (mean of 2 starts, sd 0.212 tok/s), `a` 44.4 tok/s (mean of 2 starts, sd 0.354 tok/s).
- `a` follows 4.90 % behind by the weighted score (95 % interval 3.87 % to 5.95 %), which is more than the margin of 2 % below which a difference does not matter to you.
- Starts of one and the same configuration differ by 0.23 % (sd, pooled over all ranked ones, with 2 degrees of freedom).
- No probability is stated from 2 degrees of freedom; from 6 on there is one: more configurations, or more `repeats`.
- Against the baseline `a` (the first of the file that lived) it is 1.05 times as good.
- Survival: 0 deaths in 2 starts; the chance that it dies in a start can still be as high as 77.6 % (95 % bound).
- The engine's own state confirms 1 of its 2 varied flags; not confirmed: `max-num-seqs`.
- 6 configurations: 3 ranked, 1 rejected, 1 infeasible, 1 undecided.
"#);
    insta::assert_snapshot!(section(&markdown, "## All configurations"), @r#"
## All configurations

The same in all of them: `max-num-seqs = 32`.

|   # | configuration | gpu-mem | prefix | kv-cache<br>ttft_repeat_ms<br>p50, ms, lower is better | kv-cache<br>tokens_per_second<br>p50, tok/s, higher is better | behind #1 |    95 % interval | vs baseline | measured | outcome |
| --: | ------------- | ------: | -----: | -----------------------------------------------------: | ------------------------------------------------------------: | --------: | ---------------: | ----------: | -------: | --- |
|   1 | `b`           |     0.9 |   true |                                     132 (sd 2.12, n 2) |                                          43.4 (sd 0.212, n 2) |       0 % |                - |       x1.05 |   2 of 2 | leader |
|   2 | `a`           |    0.85 |   true |                                     144 (sd 2.83, n 2) |                                          44.4 (sd 0.354, n 2) |    4.90 % | 3.87 % to 5.95 % |       x1.00 |   2 of 2 | ranked |
|   3 | `c`           |    0.85 |  false |                                    1311 (sd 12.7, n 2) |                                         44.8 (sd 0.0707, n 2) |     356 % |   351 % to 360 % |       x0.23 |   2 of 2 | ranked |
|   - | `f`           |     0.9 |  false |                                   1298 (sd 0.707, n 2) |                                              45.0 (sd 0, n 2) |         - |                - |           - |   2 of 2 | rejected: kv-cache.success_rate \>= 0.95: 0.800 (in start 1, the worst of 2) |
|   - | `d`           |    0.95 |   true |                                                      - |                                                             - |         - |                - |           - |   0 of 2 | died 2 of 2: kv_cache_too_small while starting (kv_profile): ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is neede… |
|   - | `e`           |    0.95 |  false |                                                      - |                                                             - |         - |                - |           - |   0 of 2 | undecided: 2 of 2 starts failed (engine_died) |

- Numbers are means over engine starts; sd is the sample standard deviation between starts, n their count.
- The order is that of the score, the weighted geometric mean of the objectives; weights: `kv-cache.ttft_repeat_ms.p50` 66.7 %, `kv-cache.tokens_per_second.p50` 33.3 %.
- vs baseline: how many times as good as `a`, the first of the file that lived; above 1 is better.
- measured: starts that led to numbers, of starts that settled.
"#);
}

#[test]
fn what_an_engine_contradicts_is_an_exception_with_its_evidence() {
    let record = fixture::record(vec![
        fixture::measured("a", 1, Numbers::new(1305.0, 142.0).contradicted("0.8")),
        fixture::measured("b", 1, Numbers::new(1305.0, 140.0)),
    ]);
    let markdown = build(&record).markdown();
    insta::assert_snapshot!(section(&markdown, "## Do the engines"), @r#"
## Do the engines run what was asked?

Per varied flag, in how many measured starts the engine's own state showed the value (confirmed), only its arguments did (accepted), its state showed another value (contradicted), or nothing spoke of it (unattested).

| flag                     | confirmed | accepted | contradicted | unattested | evidence, for example |
| ------------------------ | --------: | -------: | -----------: | ---------: | --- |
| `gpu-memory-utilization` |         1 |        0 |            1 |          0 | `vllm:cache_config_info{gpu_memory_utilization="0.9"}` |
| `max-num-seqs`           |         0 |        2 |            0 |          0 | `non-default args: {'max_num_seqs': 32}` |

Exceptions, by configuration and start:

- `gpu-memory-utilization` contradicted in a (1): asked was `0.85`, found was `0.8` (`vllm:cache_config_info`)
"#);
}

#[test]
fn a_skipped_configuration_is_told_with_its_witness_wherever_it_stands() {
    let mut record = fixture::full();
    record.settled.retain(|settled| settled.cell_name != "e");
    record.skipped = vec![fixture::skip("e", "d")];
    let report = build(&record);
    let page = report.markdown();
    assert!(
        page.contains("Configurations: 6 (1 proved to die, not started);"),
        "{page}"
    );
    assert!(
        page.contains("1 infeasible, 1 skipped, 0 undecided."),
        "{page}"
    );
    let proof = "proved by `d` (start 1), which died of kv_cache_too_small: \
                 gpu-memory-utilization 0.8 \\<= 0.85, all else is equal";
    assert!(
        section(&page, "## All configurations").contains(&format!("skipped: {proof}")),
        "{page}"
    );
    assert!(section(&page, "## Crash atlas").contains(proof), "{page}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["progress"]["n_skipped"], 1);
    let row = &json["cells"][5];
    assert_eq!(
        (&row["cell"], &row["standing"]),
        (&"e".into(), &"skipped".into())
    );
    assert_eq!(row["witness"]["cell_name"], "d");
    assert_eq!(row["n_attempts"], 0);
    let csv = String::from_utf8(report.csv()).unwrap();
    assert!(csv.contains("skipped,\"proved by d ("), "{csv}");
    assert!(
        report.terminal(120, false).contains("proved by"),
        "{}",
        report.terminal(120, false)
    );
}

#[test]
fn the_ledger_lists_what_did_not_count() {
    let mut record = fixture::full();
    let page = build(&record).markdown();
    assert!(
        !page.contains("Validity ledger"),
        "there is nothing to list"
    );
    let disturbed = Numbers::new(900.0, 90.0).invalid("a foreign process used GPU 0: pid 42");
    record.settled.push(fixture::measured("a", 3, disturbed));
    let page = build(&record).markdown();
    insta::assert_snapshot!(section(&page, "## Validity ledger").trim(), @r#"
## Validity ledger: what did not count, and what became of it

A start in which something that an objective or a gate needs was disturbed is made again at the end of its block: 1 time at most in one place, 3 in all; granted: 1.

- `a`, start 3 in block 3: `kv-cache` invalid: a foreign process used GPU 0: pid 42; not repeated: the configuration was not started again
"#);
    let json: serde_json::Value = serde_json::from_str(&build(&record).json()).unwrap();
    assert_eq!(json["validity"]["budget"], 3);
    assert_eq!(json["validity"]["entries"][0]["what"], "invalid");
    // The ranking is as if that start had not been.
    assert!(page.contains("`a` 144 ms (mean of 2 starts"), "{page}");
}

#[test]
fn beside_a_champion_nobody_is_called_the_leader() {
    // Half a per cent apart, each once the better one: the simpler of the two is the champion of
    // both runs, and the first by the mean of one.
    let outcomes = [("a", "b"), ("b", "a")].map(|(better, worse)| {
        let starts = (1..=5).flat_map(|block| {
            [
                (better, 100.0, 1.0),
                (worse, 100.5, -1.0),
                ("c", 130.0, 0.5),
            ]
            .map(|(cell, ms, lean)| {
                let ms = ms + f64::from(block % 3) * 0.1 * lean;
                let mut start = fixture::measured(cell, block, Numbers::new(900.0, ms));
                start.block = block;
                start
            })
        });
        let page = build(&fixture::record(starts.collect())).terminal(160, false);
        let rows = page.lines().filter(|line| line.starts_with(['1', '2']));
        let mut words: Vec<String> = rows
            .filter_map(|row| Some(row.rsplit("  ").next()?.to_owned()))
            .collect();
        words.sort();
        words
    });
    let mut outcomes = outcomes.to_vec();
    outcomes.sort();
    assert_eq!(
        outcomes,
        [["best mean", "champion"], ["champion", "same to you as #1"]]
    );
}

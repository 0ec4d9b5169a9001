//! Whole runs in containers.

use crate::bench::{Bench, FILE, PROFILE, expected_outcomes};
use crate::turn;

#[test]
fn a_rehearsal_measures_names_the_dead_and_leaves_no_container() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    let ran = bench.folder.gridrun(&["rehearse", FILE]).ends_with_code(0);
    assert!(ran.out.contains("STAND-IN"), "{}", ran.out);
    assert_eq!(bench.containers().len(), 0);
    assert_eq!(bench.outcomes(), expected_outcomes());

    for attempt in bench.settled() {
        let cell = attempt["cell_name"].as_str().unwrap();
        if attempt["outcome"] == "infeasible" {
            assert_eq!(attempt["class"], "kv_cache_too_small", "{attempt}");
            assert_eq!(attempt["phase"], "starting", "{attempt}");
            assert_eq!(attempt["end"]["oom_killed"], false, "{attempt}");
            continue;
        }
        let hits = attempt["nodes"][0]["metrics"].get("ttft_hit_ms");
        assert_eq!(
            hits.is_some(),
            cell.ends_with("prefix-on"),
            "a hit is proved exactly where prefix caching is on: {attempt}"
        );
        let attestation = attempt["attestation"].as_array().unwrap();
        assert!(!attestation.is_empty(), "{attempt}");
    }

    let report = bench.report();
    for expected in ["STAND-IN", "Runtime: docker ", "kv_cache_too_small"] {
        assert!(
            report.contains(expected),
            "`{expected}` is missing in\n{report}"
        );
    }
}

#[test]
fn a_bridge_works_and_the_report_says_that_a_proxy_was_in_the_path() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    bench.edit(PROFILE, "shm =", "network = \"bridge\"\nshm =");
    bench.edit(FILE, "[0.6, 0.9]", "[0.9]");
    bench.edit(
        FILE,
        "[[exclude]]\nwhere = { gpu-mem = 0.6, prefix = false }\n",
        "",
    );
    bench.folder.gridrun(&["rehearse", FILE]).ends_with_code(0);
    assert!(
        bench
            .settled()
            .iter()
            .all(|attempt| attempt["outcome"] == "measured")
    );
    let report = bench.report();
    assert!(
        report.contains("bridge network: a port proxy is in the measured path"),
        "{report}"
    );
    assert_eq!(bench.containers().len(), 0);
}

#[test]
fn an_image_by_its_name_is_proved_and_run_and_a_stand_in_is_stamped_all_the_same() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    let made = bench
        .folder
        .gridrun(&["stand-in", "image"])
        .ends_with_code(0);
    let image = made.out.trim();
    assert!(image.starts_with("gridrun-stand-in:"), "{image}");
    bench.edit(PROFILE, "nowhere.invalid/none:1", image);
    bench.folder.gridrun(&["run", FILE]).ends_with_code(0);
    // The imagined card is the stand-in's own here, and larger than the profile's.
    assert_eq!(bench.settled().len(), 3);
    assert!(
        bench
            .settled()
            .iter()
            .all(|attempt| attempt["outcome"] == "measured")
    );
    assert_eq!(bench.containers().len(), 0);
    let report = bench.report();
    assert!(report.contains("STAND-IN"), "{report}");
    assert!(report.contains(image), "{report}");
    assert!(report.contains("sha256:"), "{report}");
}

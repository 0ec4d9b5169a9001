#!/usr/bin/env python3
"""Medians over rounds of the client benchmark, as the table of docs/CLIENT.md.

The instrument (a mock server with an absolute schedule and a record of what it really flushed, a
meter of CPU time by phase, reference clients) leaves one summary.json per client, scenario and
round.  Usage: client_benchmark.py FOLDER ROUND..., where FOLDER/ROUND/CLIENT-SCENARIO/summary.json.
"""
import json
import statistics
import sys

CLIENTS = ["floor-hyper-json", "gridrun", "vllm-rs"]
SCENARIOS = [("fid", "1"), ("s64", "64"), ("s256", "256"), ("s1024", "1,024")]


def value(summary, path):
    for key in path.split("."):
        summary = summary[key]
    return summary


def main(folder, rounds):
    columns = [
        ("CPU s per 1,000 tokens", "phase.stream_cpu_per_1k", "{:.4f}"),
        ("TTFT error, mean (ms)", "err.ttft.mean", "{:.2f}"),
        ("TTFT error, p99 (ms)", "err.ttft.p99", "{:.2f}"),
        ("of the ideal rate (%)", "pct_of_ideal", "{:.1f}"),
        ("CPU s before the load", "phase.start_cpu_s", "{:.3f}"),
        ("peak RSS (MiB)", "peak_rss_mib", "{:.0f}"),
    ]
    print("| streams | client | " + " | ".join(name for name, _, _ in columns) + " |")
    print("| --: | --- |" + " --: |" * len(columns))
    for scenario, streams in SCENARIOS:
        for client in CLIENTS:
            files = [f"{folder}/{r}/{client}-{scenario}/summary.json" for r in rounds]
            summaries = [json.load(open(name)) for name in files]
            cells = []
            for _, path, form in columns:
                values = [value(summary, path) for summary in summaries]
                middle = form.format(statistics.median(values))
                ends = f"{form.format(min(values))}-{form.format(max(values))}"
                cells.append(f"{middle} ({ends})" if path.startswith(("phase.stream", "err")) else middle)
            print(f"| {streams} | {client} | " + " | ".join(cells) + " |")


main(sys.argv[1], sys.argv[2:])

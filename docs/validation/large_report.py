#!/usr/bin/env python3
"""What a report of a large run costs: time and highest memory of `gridrun report`.

  python3 docs/validation/large_report.py GRIDRUN RUN_DIR [--cells 1000] [--starts 5] [--requests 10000000]

Makes a run of so many configurations and starts in a temporary folder, out of the measured starts
of RUN_DIR (the stored run of an experiment with several workloads): each configuration takes over
a start with all of its details, its times changed by a factor of its own and by some noise. Then
makes its report, and prints what that took and how large the files are. The numbers mean nothing
but that.
"""

import argparse
import hashlib
import json
import pathlib
import random
import re
import resource
import subprocess
import tempfile
import time

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
arguments.add_argument("gridrun")
arguments.add_argument("run", type=pathlib.Path)
arguments.add_argument("--cells", type=int, default=1000)
arguments.add_argument("--starts", type=int, default=5)
arguments.add_argument("--requests", type=int, default=10_000_000)
given = arguments.parse_args()
chance = random.Random(1)

manifest = json.loads((given.run / "run.json").read_text())
events = [json.loads(line) for line in (given.run / "journal.jsonl").read_text().splitlines() if line]
begun = next(event for event in events if event["event"] == "run-started")
ended = next(event for event in events if event["event"] == "run-ended")
measured = [event for event in events if event.get("outcome") == "measured"]
complete = max(len(event["nodes"]) for event in measured)
measured = [event for event in measured if all(node["status"]["status"] == "completed" for node in event["nodes"])]
assert measured and complete, "no start of this run was measured in all of its workloads"

pattern = manifest["cells"][0]
cells = []
for at in range(given.cells):
    cell = json.loads(json.dumps(pattern))
    cell["id"] = hashlib.sha256(str(at).encode()).hexdigest()[:12]
    cell["name"] = f"cell-{at:04}"
    for coordinate in cell["coordinates"]:
        if coordinate[0].get("flag") == "max-num-seqs":
            coordinate[1] = at + 1
    cells.append(cell)
manifest["cells"] = cells
manifest["experiment"]["run"]["repeats"] = given.starts


def scaled(value, factor):
    """Times and rates times a factor; whole numbers and shares are left alone."""
    if isinstance(value, dict):
        return {key: scaled(it, factor) if key != "n" else it for key, it in value.items()}
    if isinstance(value, float) and value > 1.0:
        return value * factor
    return value


per_node = given.requests // (given.cells * given.starts * complete)
with tempfile.TemporaryDirectory() as folder:
    run = pathlib.Path(folder) / "large" / manifest["run"]
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(manifest))
    with open(run / "journal.jsonl", "w") as journal:
        journal.write(json.dumps(begun) + "\n")
        for block in range(1, given.starts + 1):
            for at, cell in enumerate(cells):
                event = dict(measured[at % len(measured)])
                event.update(attempt={"cell": cell["id"], "number": block}, cell_name=cell["name"], block=block)
                factor = (1 + at / given.cells) * chance.gauss(1, 0.02)
                event["nodes"] = [
                    node | {"metrics": scaled(node["metrics"], factor), "n_requests": per_node, "n_failed": 0}
                    for node in event["nodes"]
                ]
                journal.write(json.dumps(event) + "\n")
        journal.write(json.dumps(ended) + "\n")
    size = (run / "journal.jsonl").stat().st_size
    print(f"{given.cells} configurations x {given.starts} starts, {per_node * complete * given.cells * given.starts:,} requests; "
          f"journal {size / 2**20:.0f} MiB")
    start = time.monotonic()
    ran = subprocess.run([given.gridrun, "report", str(run)], capture_output=True, text=True)
    took = time.monotonic() - start
    assert ran.returncode == 0, ran.stderr
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{took:.1f} s by the clock, {used.ru_utime + used.ru_stime:.1f} s of CPU, {used.ru_maxrss / 1024:.0f} MiB at most")
    for name in ["report.md", "report.html", "report.json", "frame.parquet"]:
        print(f"{name}: {(run / name).stat().st_size / 2**20:.2f} MiB")
    page = (run / "report.html").read_text()
    rows = len(re.findall(r"<tr [^>]*data-n=", page))
    assert rows == given.cells, f"{rows} rows for {given.cells} configurations"

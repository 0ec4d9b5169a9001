#!/usr/bin/env python3
"""Kill a rehearsal with SIGKILL at random moments, resume it each time, and compare its end with
an uninterrupted run of the same experiment.

    docs/validation/kill_and_resume.py GRIDRUN EXPERIMENT [--runtime docker|process] [--kills 20] [--seed 1]

Every kill interrupts the same run, so that later kills hit resumed processes. Afterwards:
  - every cell and block has the same outcome as in the uninterrupted run;
  - nothing that was settled was run again (outcomes of the machine's fault excepted);
  - no container, no engine process and no held lock is left.
Prints what it saw and exits with 1 if something does not hold.
"""

import argparse
import fcntl
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time


def journal(run):
    path = run / "journal.jsonl"
    if not path.exists():
        return []
    events = []
    for line in path.read_text().split("\n"):
        try:
            events.append(json.loads(line))
        except ValueError:
            pass  # A torn tail.
    return events


def settled(run):
    found = {}
    for event in journal(run):
        if event["event"] == "attempt-settled" and event["outcome"] != "cancelled":
            found.setdefault((event["cell_name"], event["block"]), []).append(
                (event["outcome"], event.get("class"))
            )
    return found


def runs(results):
    return sorted(path.parent for path in pathlib.Path(results).glob("*/*/run.json"))


def left_over(run_id):
    containers = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=gridrun.run={run_id}"], capture_output=True, text=True
    ).stdout.split()
    processes = []
    for environ in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"GRIDRUN_RUN={run_id}".encode() in environ.read_bytes().split(b"\0"):
                processes.append(environ.parent.name)
        except OSError:
            pass
    return containers, processes


def lock_is_free(path):
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("gridrun")
    parser.add_argument("experiment")
    parser.add_argument("--runtime", default="docker", choices=["docker", "process"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mean", type=float, help="mean seconds between kills; default: the run's length / kills")
    args = parser.parse_args()
    rehearse = [args.gridrun, "rehearse", args.experiment, "--runtime", args.runtime, "--progress", "none"]
    dice = random.Random(args.seed)

    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        subprocess.run(rehearse + ["--results", f"{folder}/whole"], check=True, stdout=subprocess.DEVNULL)
        took = time.monotonic() - start
        expected = settled(runs(f"{folder}/whole")[0])
        n_attempts = sum(map(len, expected.values()))
        print(f"uninterrupted: {took:.0f} s, {len(expected)} places, {n_attempts} attempts")

        results = f"{folder}/killed"
        mean = args.mean or took / args.kills
        kills = 0
        resumed = 0
        history = []
        command = rehearse + ["--results", results]
        while kills < args.kills:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(timeout=dice.uniform(0.02, 2 * mean))
                break  # It came to its end before the kill.
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            found = runs(results)
            if found:
                events = journal(found[0])
                last = events[-1]["event"] if events else "nothing"
                if last == "attempt-phase":
                    last = events[-1]["phase"]
                history.append(last)
                command = [args.gridrun, "resume", str(found[0]), "--progress", "none"]
                resumed += 1
        run = runs(results)[0]
        before = settled(run)
        if command[1] == "resume":
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                print(done.stderr)
                sys.exit(f"the last resume ended with {done.returncode}")
        after = settled(run)
        containers, processes = left_over(run.name)
        print(f"{kills} kills, {resumed} resumes; last event before each kill: {', '.join(history)}")

        wrong = []
        if {place: outcomes[-1] for place, outcomes in after.items()} != {
            place: outcomes[-1] for place, outcomes in expected.items()
        }:
            wrong.append(f"outcomes differ: {expected} and {after}")
        again = {place: outcomes for place, outcomes in after.items() if len(outcomes) > 1}
        if again:
            wrong.append(f"settled more than once: {again}")
        if any(after[place][: len(outcomes)] != outcomes for place, outcomes in before.items()):
            wrong.append("a settled attempt was lost")
        if containers or processes:
            wrong.append(f"left over: containers {containers}, processes {processes}")
        if not lock_is_free(run / "run.lock"):
            wrong.append("the run's lock is held")
        if wrong:
            sys.exit("\n".join(wrong))
        print("the same outcomes, nothing settled twice, nothing lost, nothing left over")


main()

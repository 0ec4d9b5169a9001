"""The guard over production at random moments: a real container stands for production, a run is
ended in one of eight ways at a moment of its own, and production must serve again, in the same
container, after at most one `gridrun restore`.

    python3 docs/validation/guard_moments.py GRIDRUN [MOMENTS] [SEED] [WAY..]

The ways: SIGINT, SIGTERM, SIGKILL, daemon (the Docker daemon is stopped and started again), disk
(the file system of results and promises is filled), panic (a preloaded clock fails once in the main
thread, which Rust's standard library panics of), deadline, hands (somebody else starts production).
They take turns in an order by chance; the profile names production by its container or, as often,
by the labels of Compose. restore-by takes one or two minutes a moment, and is asked for by name.

Needs root, dockerd, a C compiler, and no image: the stand-in image is made of the given binary. The
daemon is one of its own, so that nobody else's is restarted; everything that it makes is removed
again. A stranger's container that runs beside must be the same in all of them.
"""

import contextlib
import datetime
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

KEY = "sk-of-production"
HERE = pathlib.Path(__file__).resolve().parent
WAYS = ["SIGINT", "SIGTERM", "SIGKILL", "daemon", "disk", "panic", "deadline", "hands"]

# A run takes about so long, in seconds; moments are spread over it.
RUN_TAKES = 14

PROFILE = """
[engine]
image = "{image}"
model = "stand-in/tiny"
shm = "64MiB"
memory = "1GiB"
ready-timeout = "1m"
[engine.flags]
max-model-len = 4096
enable-prompt-tokens-details = true
[production]
{whom}
{restore_by}
url = "http://127.0.0.1:{port}"
api-key-env = "PRODUCTION_KEY"
"""

EXPERIMENT = """
profile = "p"
[matrix]
gpu-mem = [0.8, 0.9]
prefix = [true, false]
[[workload]]
name = "kv-cache"
kind = "kv-cache"
iterations = {iterations}
prompt-tokens = 200
max-tokens = 16
[[objective]]
metric = "kv-cache.ttft_repeat_ms.p50"
goal = "min"
[run]
deadline = "{deadline}s"
"""


class Daemon:
    """A Docker daemon of its own, on a bridge of its own: one that is told to have none removes the
    `docker0` of the machine's daemon."""

    BRIDGE = "gridrun-guard0"

    def __init__(self, folder):
        self.folder = folder
        subprocess.run(["ip", "link", "add", self.BRIDGE, "type", "bridge"], check=True)
        subprocess.run(["ip", "addr", "add", "10.213.77.1/28", "dev", self.BRIDGE], check=True)
        self.host = f"unix://{folder}/docker.sock"
        self.process = None

    def start(self):
        folder = self.folder
        (folder / "daemon.json").write_text("{}")
        self.process = subprocess.Popen(
            ["dockerd", "--config-file", folder / "daemon.json", "--host", self.host,
             "--data-root", folder / "data", "--exec-root", folder / "exec",
             "--pidfile", folder / "pid", "--bridge", self.BRIDGE, "--iptables=false",
             "--storage-driver", os.environ.get("STORAGE_DRIVER", "fuse-overlayfs")],
            stdout=open(folder / "dockerd.log", "ab"), stderr=subprocess.STDOUT,
        )
        assert until(lambda: self.ask("version").returncode == 0), "dockerd does not answer"

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)

    def remove(self):
        self.stop()
        subprocess.run(["ip", "link", "del", self.BRIDGE], check=False)
        mounts = [line.split()[1] for line in open("/proc/mounts")]
        for mount in sorted(mounts, reverse=True):
            if mount.startswith(f"{self.folder}/exec") or mount.startswith(f"{self.folder}/data"):
                subprocess.run(["umount", "-l", mount], check=False)

    def ask(self, *words):
        return subprocess.run(
            ["docker", *words], capture_output=True, text=True,
            env={**os.environ, "DOCKER_HOST": self.host},
        )

    def docker(self, *words):
        done = self.ask(*words)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()


@contextlib.contextmanager
def tmpfs(path, size):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """Leaves no room under `path`."""
    with open(path / "filler", "wb", buffering=0) as filler:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while True:
                    filler.write(b"x" * size)


def serves(port):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": f"Bearer {KEY}"}
    )
    try:
        return urllib.request.urlopen(request, timeout=2).status == 200
    except OSError:
        return False


def until(what, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.1)
    return False


def end_by(way, program, after, daemon, disk, rng):
    """Ends the run in this way at its moment, and waits for its end."""
    if way not in ("deadline", "restore-by"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(timeout=after)
    if program.poll() is None:
        if way.startswith("SIG"):
            program.send_signal(getattr(signal, way))
        elif way == "panic":
            program.send_signal(signal.SIGUSR1)
        elif way == "disk":
            fill(disk)
        elif way == "hands":
            daemon.docker("start", "production")
        elif way == "daemon":
            daemon.stop()
            time.sleep(rng.uniform(0, 4))
            daemon.start()
    code = program.wait(timeout=300)
    (disk / "filler").unlink(missing_ok=True)
    return code


def main():
    gridrun = str(pathlib.Path(sys.argv[1]).resolve())
    moments = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    ways = sys.argv[4:] or WAYS
    turns = []
    while len(turns) < moments:
        turns += rng.sample(ways, len(ways))
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moments-")))
        daemon = Daemon(folder)
        stack.callback(daemon.remove)
        daemon.start()
        # Room for some runs, little enough to be filled at once.
        disk = stack.enter_context(tmpfs(folder / "disk", "48m"))
        clock = folder / "failing_clock.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", clock, HERE / "failing_clock.c"], check=True
        )
        sys.exit(play(gridrun, turns[:moments], rng, folder, daemon, disk, clock))


def play(gridrun, turns, rng, folder, daemon, disk, clock):
    env = {
        **os.environ,
        "DOCKER_HOST": daemon.host,
        "PRODUCTION_KEY": KEY,
        "GRIDRUN_STATE": str(disk / "state"),
    }
    own = lambda verb: subprocess.run(
        [gridrun, *verb], cwd=folder, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()
    image = own(["stand-in", "image"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name, stranger = "production", "stranger"
    # As production does: the daemon starts it when it comes back, unless somebody stopped it.
    base = ["run", "-d", "--network", "host", "--restart", "unless-stopped"]
    compose = ["--label", "com.docker.compose.project=day",
               "--label", "com.docker.compose.service=vllm",
               "--label", "com.docker.compose.oneoff=False"]
    serve = [image, "production/model", "--host", "127.0.0.1", "--port"]
    daemon.docker(*base, *compose, "--name", name, "-e", f"VLLM_API_KEY={KEY}", *serve, str(port))
    daemon.docker(*base, "--name", stranger, *serve, "0")
    same = lambda whom: daemon.docker("inspect", "-f", "{{.Id}} {{.Created}}", whom)
    running = lambda whom: daemon.docker("inspect", "-f", "{{.State.Running}}", whom) == "true"
    since = lambda whom: daemon.docker("inspect", "-f", "{{.State.StartedAt}}", whom)
    known = {whom: same(whom) for whom in (name, stranger)}
    for kind in ("profiles", "experiments"):
        (folder / kind).mkdir()
    good, restored = {}, 0
    try:
        for moment, way in enumerate(turns):
            assert until(lambda: serves(port)), "production does not serve before the run"
            after = rng.uniform(0, RUN_TAKES)
            limit = max(1, round(after)) if way == "deadline" else 3600
            whom = rng.choice([f'container = "{name}"', 'project = "day"\nservice = "vllm"'])
            soon = datetime.datetime.now() + datetime.timedelta(minutes=4, seconds=10)
            by = f'restore-by = "{soon:%H:%M}"' if way == "restore-by" else ""
            (folder / "profiles/p.toml").write_text(
                PROFILE.format(image=image, whom=whom, restore_by=by, port=port)
            )
            iterations = 3000 if way == "restore-by" else 3
            (folder / "experiments/e.toml").write_text(
                EXPERIMENT.format(deadline=limit, iterations=iterations)
            )
            subprocess.run(["rm", "-rf", disk / "results"], check=True)
            began = since(stranger)
            program = subprocess.Popen(
                [gridrun, "run", "experiments/e.toml", "--progress", "none",
                 "--results", disk / "results"],
                cwd=folder,
                env={**env, "LD_PRELOAD": str(clock)} if way == "panic" else env,
                stdout=subprocess.DEVNULL,
                stderr=open(folder / "said", "wb"),
            )
            code = end_by(way, program, after, daemon, disk, rng)
            said = (folder / "said").read_text(errors="replace")
            promises = len(list((disk / "state").glob("production-*.json")))
            if promises:
                restored += 1
                own(["restore"])
            if daemon.docker("ps", "-aq", "--filter", "label=gridrun=1"):
                own(["clean"])
            healthy = until(lambda: serves(port), patience=20)
            facts = {
                # A run that never began ends nothing.
                "not_refused": code not in (2, 4, 5, 6),
                "healthy": healthy,
                "same_container": same(name) == known[name],
                # A daemon that restarts starts it again itself.
                "stranger_untouched": same(stranger) == known[stranger]
                and until(lambda: running(stranger), patience=20)
                and (way == "daemon" or since(stranger) == began),
            }
            won, of = good.get(way, (0, 0))
            good[way] = (won + all(facts.values()), of + 1)
            print(
                json.dumps(
                    {
                        "moment": moment,
                        "way": way,
                        "after_s": round(after, 2),
                        "by": whom.split()[0],
                        "code": code,
                        "panicked": "panicked at" in said,
                        "disk_full": "disk is full" in said or "No space left" in said,
                        "restore_was_needed": bool(promises),
                        **facts,
                    }
                ),
                flush=True,
            )
    finally:
        daemon.ask("rm", "-f", name, stranger)
    for way, (won, of) in sorted(good.items()):
        print(f"{way}: production serves again in {won} of {of}")
    won = sum(won for won, _ in good.values())
    print(f"in all {won} of {len(turns)}; {restored} by one `gridrun restore`")
    return won != len(turns)


main()

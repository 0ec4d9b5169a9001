"""The guard over production at random moments: a real container stands for production, a run is
ended in a way of its own at a moment of its own, and production must serve again, after at most
one `gridrun restore`.

    python3 docs/validation/guard_moments.py GRIDRUN [MOMENTS] [SEED]

Needs Docker, and no image: the stand-in image is made of the given binary. Everything that it
makes is removed again. It ends runs by SIGINT, SIGTERM and SIGKILL; a stranger's container that
runs beside must be untouched in all of them.
"""

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

PROFILE = """
[engine]
image = "{image}"
model = "stand-in/tiny"
shm = "64MiB"
memory = "1GiB"
[engine.flags]
max-model-len = 4096
enable-prompt-tokens-details = true
[production]
container = "{name}"
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
iterations = 3
prompt-tokens = 200
max-tokens = 16
[[objective]]
metric = "kv-cache.ttft_repeat_ms.p50"
goal = "min"
"""


def docker(*words):
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


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


def main():
    gridrun = str(pathlib.Path(sys.argv[1]).resolve())
    moments = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    image = subprocess.run(
        [gridrun, "stand-in", "image"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name, stranger = f"guard-moments-{port}", f"guard-moments-stranger-{port}"
    base = ["run", "-d", "--network", "host"]
    serve = [image, "production/model", "--host", "127.0.0.1", "--port"]
    docker(*base, "--name", name, "-e", f"VLLM_API_KEY={KEY}", *serve, str(port))
    docker(*base, "--name", stranger, *serve, "0")
    ids = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", stranger)
    created = docker("inspect", "-f", "{{.Id}} {{.Created}}", name)
    good, restored = 0, 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "profiles").mkdir()
            (folder / "experiments").mkdir()
            (folder / "profiles/p.toml").write_text(
                PROFILE.format(image=image, name=name, port=port)
            )
            (folder / "experiments/e.toml").write_text(EXPERIMENT)
            env = {
                **os.environ,
                "PRODUCTION_KEY": KEY,
                "GRIDRUN_STATE": str(folder / "state"),
            }
            for moment in range(moments):
                assert until(lambda: serves(port)), "production does not serve before the run"
                program = subprocess.Popen(
                    [gridrun, "run", "experiments/e.toml", "--progress", "none"],
                    cwd=folder,
                    env=env,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                after = rng.uniform(0, 14)
                how = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
                time.sleep(after)
                program.send_signal(how)
                code = program.wait(timeout=120)
                promises = len(list((folder / "state").glob("production-*.json")))
                if promises:
                    restored += 1
                    subprocess.run(
                        [gridrun, "restore"], cwd=folder, env=env, check=True,
                        capture_output=True,
                    )
                left = docker("ps", "-aq", "--filter", "label=gridrun=1")
                if left and how == signal.SIGKILL:
                    subprocess.run([gridrun, "clean"], cwd=folder, env=env, check=True,
                                   capture_output=True)
                healthy = serves(port)
                same = docker("inspect", "-f", "{{.Id}} {{.Created}}", name) == created
                untouched = docker(
                    "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", stranger
                ) == ids
                ok = healthy and same and untouched
                good += ok
                print(
                    json.dumps(
                        {
                            "moment": moment,
                            "after_s": round(after, 2),
                            "signal": how.name,
                            "code": code,
                            "restore_was_needed": bool(promises),
                            "healthy": healthy,
                            "same_container": same,
                            "stranger_untouched": untouched,
                        }
                    ),
                    flush=True,
                )
    finally:
        docker("rm", "-f", name, stranger)
    print(f"production serves again in {good} of {moments}; {restored} by one `gridrun restore`")
    sys.exit(good != moments)


main()

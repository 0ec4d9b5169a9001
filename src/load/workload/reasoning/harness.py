# Runs each test behind the answer's code, in a process of its own, and prints what came of them
# as one line of JSON: null for a test that passed, else why it failed.
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile

FOLDER = tempfile.mkdtemp()

CHILD = """
import json, resource, sys, types
given = json.loads(sys.stdin.read())
resource.setrlimit(resource.RLIMIT_AS, (given["memory"], given["memory"]))
module = types.ModuleType("answer")
sys.modules["answer"] = module
exec(compile(given["code"], "answer.py", "exec"), module.__dict__)
exec(compile(given["test"], "test.py", "exec"), module.__dict__)
with open(given["mark"], "w") as mark:
    mark.write(given["token"])
"""


def run(number, test, given):
    # A test has passed when its last line was reached: an answer that ends the process early
    # leaves no mark.
    mark, errors, token = f"{FOLDER}/{number}.mark", f"{FOLDER}/{number}.err", secrets.token_hex(16)
    said = json.dumps(
        {"code": given["code"], "test": test, "mark": mark, "token": token, "memory": given["memory"]}
    )
    with open(errors, "wb") as err:
        child = subprocess.Popen(
            [sys.executable, "-I", "-c", CHILD],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True,
        )
        try:
            child.communicate(said.encode(), timeout=given["seconds"])
            late = False
        except subprocess.TimeoutExpired:
            late = True
        except OSError:
            late = False
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass
        child.wait()
    if late:
        return f"it did not end within {given['seconds']} s"
    try:
        with open(mark) as file:
            if file.read(64) == token:
                return None
    except OSError:
        pass
    with open(errors, "rb") as file:
        file.seek(max(0, os.path.getsize(errors) - 2000))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else f"it ended with {child.returncode} before its end"


given = json.loads(sys.argv[1])
results = [run(number, test, given) for number, test in enumerate(given["tests"])]
print(json.dumps({"results": results}))

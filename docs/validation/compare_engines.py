#!/usr/bin/env python3
"""Send the same requests to the stand-in and to a real vLLM and say where the answers differ.

    docs/validation/compare_engines.py STAND_IN REAL [--key KEY] [--model NAME] [--json] [--only WORD]
    docs/validation/compare_engines.py --record FILE REAL [--only WORD] [--without WORD]...

Both engines serve the same model name, with the same key, flags and --block-size (the stand-in's own is
smaller), and are asked by nobody else. STAND_IN and REAL are base URLs, or files that --record wrote.

Compared is the shape: status, headers, names, order and types of JSON fields, the values of those fields that
programs decide by, types and order of the events of a stream, whole error bodies, names, types and labels of
metrics, and the routes. What a model says, ids, times and counts are masked; events that follow each other with
the same shape count as one. ALLOWED below lists what may differ, and why.

Prints every difference and a count; exits with 1 if one is not in ALLOWED.
"""

import argparse
import dataclasses
import fnmatch
import http.client
import json
import re
import sys
import urllib.parse

# Differences that are meant: pattern of the case, pattern of the place in the answer, why.
ALLOWED = [
    ("400 messages*", "body.error.message", "fewer words on all the forms that a message misses"),
    ("400 completion logprobs -1", "body.error.message", "another number of tokens in the vocabulary"),
    ("metrics", "body.python_info.labels*", "another Python"),
    ("routes", "status", "no description of the API"),
    # Routes that the stand-in does not have: it answers 404 as to any unknown path.
    ("route * /v1/responses*", "status", "no Responses API"),
    ("route * /v1/messages*", "status", "no Messages API"),
    ("route POST /v1/chat/completions/batch", "status", "no batches of chats"),
    ("route POST /v1/systemone", "status", "no structured decisions"),
    ("route POST /generative_scoring", "status", "no scores"),
    ("route POST /invocations", "status", "nothing of SageMaker but /ping"),
    ("route * /*scal*_elastic_ep", "status", "no expert parallelism"),
    ("route GET /kv_event_sources", "status", "no events of the KV cache"),
    # Of VLLM_SERVER_DEV_MODE it has /reset_prefix_cache only.
    *[(f"route * /{name}", "status", "developers only") for name in (
        "reset_mm_cache", "reset_encoder_cache", "collective_rpc", "server_info", "*sleep*", "*wake_up",
        "release_kv_cache_memory", "pause", "resume", "is_paused", "abort_requests", "*weight*", "get_world_size")],
]

# Fields whose values are compared, not only their types.
TELLING = {
    "object", "role", "finish_reason", "type", "owned_by", "model", "version", "index", "code",
    "param", "message", "error", "detail", "server_load", "success", "max_model_len", "organization", "parent",
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather for a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "%s"}}\n</tool_call>'
# Examples, so that a very small model makes a call too.
COAXED = [
    {"role": "system", "content": "You call functions. Reply only with " + CALL % "CITY"},
    {"role": "user", "content": "What is the weather in Rome?"},
    {"role": "assistant", "content": CALL % "Rome"},
    {"role": "user", "content": "What is the weather in Oslo?"},
    {"role": "assistant", "content": CALL % "Oslo"},
    {"role": "user", "content": "What is the weather in Paris?"},
]
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
USAGE = {"include_usage": True}


@dataclasses.dataclass
class Case:
    name: str
    method: str
    path: str
    # JSON, or text that is sent as it is.
    body: object = None
    headers: dict = dataclasses.field(default_factory=lambda: {"Content-Type": "application/json"})
    key: str = "right"
    # Makes the body from what this engine answered to it: requests that depend on the model's words.
    prepare: object = None

    def raw(self):
        if self.body is None:
            return None
        return self.body if isinstance(self.body, str) else json.dumps(self.body)


def get(name, path, **more):
    return Case(name, "GET", path, headers=more.pop("headers", {}), **more)


def chat(name, _messages=None, _headers=None, **fields):
    body = {"model": "MODEL", "messages": _messages or QUESTION, "temperature": 0, "max_tokens": 5, "ignore_eos": True}
    body.update(fields)
    body = {name: value for name, value in body.items() if value is not OMIT}
    case = Case(name, "POST", "/v1/chat/completions", body)
    case.headers.update(_headers or {})
    return case


def completion(name, prompt="The capital of France is", **fields):
    body = {"model": "MODEL", "prompt": prompt, "temperature": 0, "max_tokens": 5, "ignore_eos": True}
    body.update(fields)
    return Case(name, "POST", "/v1/completions", {name: value for name, value in body.items() if value is not OMIT})


def post(name, path, body, **more):
    return Case(name, "POST", path, body, **more)


OMIT = object()


def with_stop(case, where):
    """Asks for a stop at a word that this engine is known to say."""
    def prepare(ask):
        free = {name: value for name, value in case.body.items() if name not in ("stop", "stream", "stream_options")}
        answer = ask(dataclasses.replace(case, body=free, prepare=None))
        choice = json.loads(answer["body"])["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        word = text.split()[where]
        return dict(case.body, stop=[word])
    case.prepare = prepare
    return case


def cases():
    streamed = {"stream": True}
    with_usage = {"stream": True, "stream_options": USAGE}
    # Stops by itself, because it is not told to ignore the end.
    by_itself = {"ignore_eos": OMIT, "max_tokens": 400}
    long = " ".join(["a"] * 4200)
    auto = {"_messages": COAXED, "tools": [WEATHER], "tool_choice": "auto", "max_tokens": 120, "ignore_eos": OMIT}
    plain_tool = {"tools": [WEATHER], "max_tokens": 120, "ignore_eos": OMIT}
    named = {"type": "function", "function": {"name": "get_weather"}}
    cached = {"_messages": [{"role": "user", "content": " ".join(f"The number {n} follows." for n in range(90))}]}

    yield get("health", "/health")
    yield get("ping", "/ping")
    yield post("ping, posted", "/ping", None, headers={})
    yield get("version", "/version")
    yield get("load", "/load")
    yield get("models", "/v1/models")
    yield get("models, from a web page", "/v1/models", headers={"Origin": "http://example.org"})
    yield Case("preflight", "OPTIONS", "/v1/chat/completions", headers={
        "Origin": "http://example.org", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type"})
    yield Case("options without origin", "OPTIONS", "/v1/chat/completions", headers={})
    yield Case("head of health", "HEAD", "/health", headers={})
    yield get("query string", "/v1/models?limit=3")
    yield get("trailing slash", "/v1/models/")
    yield get("one model", "/v1/models/MODEL")

    yield post("tokenize", "/tokenize", {"model": "MODEL", "prompt": "one two three"})
    yield post("tokenize without model", "/tokenize", {"prompt": "one two three"})
    yield post("tokenize with strings", "/tokenize", {"model": "MODEL", "prompt": "one", "return_token_strs": True})
    yield post("tokenize chat", "/tokenize", {"model": "MODEL", "messages": QUESTION})
    yield post("tokenize chat, closed", "/tokenize",
               {"model": "MODEL", "messages": QUESTION, "add_generation_prompt": False})
    yield post("tokenize chat with tools", "/tokenize", {"model": "MODEL", "messages": QUESTION, "tools": [WEATHER]})
    yield post("tokenize empty", "/tokenize", {"model": "MODEL", "prompt": ""})
    yield post("tokenize nothing", "/tokenize", {"model": "MODEL"})
    yield post("tokenize number", "/tokenize", {"model": "MODEL", "prompt": 3})
    yield post("tokenize for another model", "/tokenize", {"model": "nope", "prompt": "one"})
    yield post("tokenize bad json", "/tokenize", "{bad json")
    yield Case("tokenize got", "GET", "/tokenize", headers={})
    yield post("detokenize", "/detokenize", {"model": "MODEL", "tokens": [101, 102, 103]})
    yield post("detokenize nothing", "/detokenize", {"model": "MODEL"})
    yield post("detokenize a text", "/detokenize", {"model": "MODEL", "tokens": "one"})
    yield post("detokenize words", "/detokenize", {"model": "MODEL", "tokens": ["one", 2]})
    yield post("detokenize below zero", "/detokenize", {"model": "MODEL", "tokens": [-1]})
    yield post("detokenize none", "/detokenize", {"model": "MODEL", "tokens": []})

    yield chat("chat")
    yield chat("chat without model", model=OMIT)
    yield chat("chat, empty model", model="")
    yield chat("chat to its own end", **by_itself)
    yield chat("chat, max_completion_tokens", max_tokens=OMIT, max_completion_tokens=4)
    yield chat("chat without limit", max_tokens=OMIT, ignore_eos=OMIT)
    yield chat("chat of parts", [{"role": "user", "content": [{"type": "text", "text": "Hello there"}]}])
    yield chat("chat, system and turns", [{"role": "system", "content": "Be short."}, *QUESTION,
                                        {"role": "assistant", "content": "Paris."}, *QUESTION])
    yield chat("chat with a tool's result", [*QUESTION, {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"}])
    yield chat("chat, n = 2", n=2, temperature=1, seed=5)
    yield chat("chat, seed", temperature=0.8, seed=7)
    yield chat("chat, logprobs", logprobs=True)
    yield chat("chat, top logprobs", logprobs=True, top_logprobs=2)
    yield chat("chat, unknown field", no_such_field=1)
    yield chat("chat, penalties and the rest", frequency_penalty=0.5, presence_penalty=0.5, top_p=0.9, top_k=20,
               min_p=0.1, repetition_penalty=1.1, user="someone", temperature=0.7, seed=1)
    yield chat("chat, request id", _headers={"X-Request-Id": "mine-1"})
    yield chat("chat, token ids", return_token_ids=True)
    yield with_stop(chat("chat, stop", max_tokens=30), 3)
    yield chat("chat, stop that is not said", stop="zzzzqqqq")
    yield chat("chat streamed", **streamed)
    yield chat("chat streamed with usage", **with_usage)
    yield chat("chat streamed, usage off", stream=True, stream_options={"include_usage": False})
    yield chat("chat streamed, usage in every event", stream=True,
               stream_options={"include_usage": True, "continuous_usage_stats": True})
    yield chat("chat streamed to its own end", **with_usage, **by_itself)
    yield chat("chat streamed, n = 2", **with_usage, n=2, temperature=1, seed=5)
    yield chat("chat streamed, logprobs", **with_usage, logprobs=True, top_logprobs=2)
    yield chat("chat streamed, one token", **with_usage, max_tokens=1)
    yield with_stop(chat("chat streamed, stop", **with_usage, max_tokens=30), 3)
    yield chat("chat streamed, request id", _headers={"X-Request-Id": "mine-2"}, **streamed)

    yield completion("completion")
    yield completion("completion of tokens", prompt=[101, 102, 103, 104])
    yield completion("completion of two prompts", prompt=["The capital of France is", "One two three"])
    yield completion("completion of two token lists", prompt=[[101, 102, 103], [104, 105]])
    yield completion("completion, default length", max_tokens=OMIT)
    yield completion("completion, n = 2", n=2, temperature=1, seed=5)
    yield completion("completion, logprobs", logprobs=1)
    yield completion("completion, echo", echo=True)
    yield with_stop(completion("completion, stop", max_tokens=30), 3)
    yield completion("completion streamed", **streamed)
    yield completion("completion streamed with usage", **with_usage)
    yield completion("completion streamed, n = 2", **with_usage, n=2, temperature=1, seed=5)
    yield completion("completion streamed, logprobs", **with_usage, logprobs=1)
    by_id = completion("completion, request id")
    by_id.headers["X-Request-Id"] = "mine-3"
    yield by_id

    yield chat("tools auto", **auto)
    yield chat("tools auto streamed", **auto, **with_usage)
    yield chat("tools by default", **{name: value for name, value in auto.items() if name != "tool_choice"})
    yield chat("tools required", **plain_tool, tool_choice="required")
    yield chat("tools required streamed", **plain_tool, **with_usage, tool_choice="required")
    yield chat("tools named", **plain_tool, tool_choice=named)
    yield chat("tools named streamed", **plain_tool, **with_usage, tool_choice=named)
    yield chat("tools none", tools=[WEATHER], tool_choice="none")
    yield chat("tools none streamed", tools=[WEATHER], tool_choice="none", **with_usage)
    yield chat("json object", response_format={"type": "json_object"}, max_tokens=4, ignore_eos=OMIT)
    yield chat("json schema", max_tokens=60, ignore_eos=OMIT, response_format={"type": "json_schema", "json_schema": {
        "name": "city", "schema": WEATHER["function"]["parameters"]}})

    yield get("401 no key", "/v1/models", key="none")
    yield get("401 wrong key", "/v1/models", key="wrong")
    yield get("401 other scheme", "/v1/models", key="basic")
    yield get("key after a small bearer", "/v1/models", key="small")
    yield get("401 unknown route", "/v1/nothing", key="none")
    yield post("401 chat", "/v1/chat/completions", {}, key="none")
    yield get("404 route", "/nothing")
    yield get("404 route under v1", "/v1/nothing")
    yield post("404 route, posted", "/v1/nothing", {})
    yield chat("404 model", model="nope")
    yield completion("404 model, completion", model="nope")
    yield get("405 chat", "/v1/chat/completions")
    yield post("405 models", "/v1/models", {})
    yield Case("405 deleted", "DELETE", "/v1/models", headers={})
    yield Case("405 health", "POST", "/health", headers={})

    yield chat("400 too long", [{"role": "user", "content": long}])
    yield chat("400 too long, streamed", [{"role": "user", "content": long}], stream=True)
    yield completion("400 too long, completion", prompt=[1] * 4097)
    yield completion("400 as long as the model", prompt=[1] * 4096)
    yield chat("400 max_tokens over the length", max_tokens=10000)
    yield completion("400 max_tokens over the length, completion", max_tokens=10000)
    yield completion("max_tokens over what is left", prompt=[1] * 4090, max_tokens=4000)
    yield chat("400 max_tokens none", max_tokens=0)
    yield chat("400 max_tokens below zero", max_tokens=-5)
    yield completion("400 max_tokens none, completion", max_tokens=0)
    yield chat("400 max_completion_tokens over the length", max_tokens=OMIT, max_completion_tokens=10000)
    for name, text in [("open", "{bad json"), ("empty", ""), ("list", "[1]"), ("string", '"x"'), ("null", "null"),
                       ("comma", '{"messages": [],}'), ("cut", '{"messages": [{"role"'), ("two", "{} {}"),
                       ("no comma", '{"a": 1 "b": 2}'), ("no colon", '{"a" 1}'), ("word", '{"a": nope}'),
                       ("quote", '{"a": "b'), ("lines", '{\n "a": 1,\n "b" 2\n}')]:
        yield post(f"400 json, {name}", "/v1/chat/completions", text)
    yield Case("400 no content type", "POST", "/v1/chat/completions", {"messages": QUESTION}, headers={})
    yield Case("400 other content type", "POST", "/v1/chat/completions", {"messages": QUESTION},
               headers={"Content-Type": "text/plain"})
    yield Case("content type with charset", "POST", "/v1/chat/completions",
               {"messages": QUESTION, "max_tokens": 1}, headers={"Content-Type": "application/json; charset=utf-8"})
    for field, value in [("max_tokens", "many"), ("max_tokens", 1.5), ("max_tokens", [1]), ("temperature", "hot"),
                         ("temperature", -1), ("temperature", 3), ("top_p", 2), ("top_p", 0), ("top_k", -2), ("n", 0),
                         ("n", -1), ("n", "two"), ("stream", "perhaps"), ("seed", "x"), ("seed", 1.5), ("stop", 3),
                         ("stop", [""]), ("frequency_penalty", 3), ("presence_penalty", -3), ("logprobs", "x"),
                         ("top_logprobs", 2), ("messages", "x"), ("messages", [3]), ("messages", []),
                         ("messages", OMIT), ("messages", [{"content": "x"}]), ("messages", [{"role": "user"}]),
                         ("messages", [{"role": "user", "content": 3}]),
                         ("messages", [{"role": "nobody", "content": "x"}]),
                         ("messages", [{"role": "user", "content": ""}]), ("model", 3), ("stream_options", USAGE),
                         ("min_tokens", 20), ("ignore_eos", "x"), ("logit_bias", {"a": 1}),
                         ("response_format", {"type": "nothing"}), ("tools", []), ("tools", "x"),
                         ("tools", [{"type": "function"}]), ("tool_choice", "auto"), ("tool_choice", "required"),
                         ("tool_choice", named), ("user", 3)]:
        told = "missing" if value is OMIT else json.dumps(value)
        yield chat(f"400 {field} {told}", **({"_messages": None, field: value} if field != "messages" else {field: value}))
    yield chat("400 top_logprobs too many", logprobs=True, top_logprobs=50)
    yield chat("400 two mistakes", max_tokens="many", temperature="hot")
    yield chat("400 tool_choice unknown", tools=[WEATHER], tool_choice="sometimes")
    yield chat("400 tool_choice of another tool", tools=[WEATHER],
               tool_choice={"type": "function", "function": {"name": "other"}})
    yield chat("400 tool_choice without function", tools=[WEATHER], tool_choice={"type": "function"})
    for field, value in [("prompt", OMIT), ("prompt", ""), ("prompt", []), ("prompt", 3), ("prompt", [-1]),
                         ("prompt", ["", "x"]), ("prompt", {"a": 1}), ("max_tokens", "many"), ("temperature", -1),
                         ("logprobs", 50), ("logprobs", -1), ("n", 0), ("stream_options", USAGE), ("suffix", "x"),
                         ("echo", "x")]:
        told = "missing" if value is OMIT else json.dumps(value)
        yield completion(f"400 completion {field} {told}", **{field: value})

    yield chat("cache, first", **cached)
    yield chat("cache, again", **cached)
    yield Case("reset_prefix_cache", "POST", "/reset_prefix_cache", headers={})
    yield chat("cache, after the reset", **cached)
    yield Case("reset_prefix_cache, got", "GET", "/reset_prefix_cache", headers={})
    yield chat("cache, streamed", **cached, **with_usage)

    yield get("metrics", "/metrics")
    yield get("routes", "/openapi.json")


KEYS = {
    "right": lambda key: {"Authorization": f"Bearer {key}"},
    "small": lambda key: {"Authorization": f"bearer {key}"},
    "wrong": lambda key: {"Authorization": f"Bearer {key}x"},
    "basic": lambda key: {"Authorization": f"Basic {key}"},
    "none": lambda key: {},
}


class Engine:
    """Asks an engine."""

    def __init__(self, url, key, model):
        self.url = urllib.parse.urlsplit(url)
        self.key = key
        self.model = model

    def ask(self, case):
        if case.prepare:
            case = dataclasses.replace(case, body=case.prepare(self.ask), prepare=None)
        body = case.raw()
        if body is not None:
            body = body.replace('"MODEL"', json.dumps(self.model)).encode()
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=120)
        try:
            path = case.path.replace("MODEL", self.model)
            connection.request(case.method, path, body, {**case.headers, **KEYS[case.key](self.key)})
            response = connection.getresponse()
            return {
                "case": case.name,
                "method": case.method,
                "path": path,
                "key": case.key,
                "headers": case.headers,
                "request": body.decode() if body is not None else None,
                "status": response.status,
                "answer_headers": {name.lower(): value for name, value in response.getheaders()},
                "body": response.read().decode(),
            }
        except (OSError, http.client.HTTPException) as error:
            return {"case": case.name, "status": None, "answer_headers": {}, "body": f"{type(error).__name__}: {error}"}
        finally:
            connection.close()


class Recording:
    """Answers with what --record wrote."""

    def __init__(self, path):
        with open(path) as lines:
            self.answers = {answer["case"]: answer for answer in map(json.loads, lines)}

    def ask(self, case):
        return self.answers.get(case.name)


def engine(where, args):
    return Engine(where, args.key, args.model) if "://" in where else Recording(where)


# Shapes. A shape is JSON itself, so that it can be compared, printed and walked.


def masked(name, text):
    for prefix in ("chatcmpl-tool-", "chatcmpl-", "cmpl-", "modelperm-", "call_"):
        if re.fullmatch(prefix + "[0-9a-f]{8,}", text):
            return f"{prefix}<{len(text) - len(prefix)} hex>"
    if name == "system_fingerprint":
        return re.sub(r"^(vllm-[^-]+)-.*", r"\1-<hash>", text)
    return text if name in TELLING or name in ("id", "name") else "<text>"


def shape(value, name="", in_cache_case=False):
    if isinstance(value, dict) and name == "top_logprobs":
        return {"<tokens>": len(value)}  # The keys are tokens.
    if isinstance(value, dict):
        return {field: shape(content, field, in_cache_case) for field, content in value.items()}
    if isinstance(value, list):
        return collapsed([shape(item, name, in_cache_case) for item in value])
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return masked(name, value)
    if name == "cached_tokens" and in_cache_case:
        return "<no tokens>" if value == 0 else "<tokens>"
    return value if name in TELLING else f"<{type(value).__name__}>"


def collapsed(shapes):
    """Equal neighbours count as one."""
    kept = []
    for item in shapes:
        if not kept or json.dumps(kept[-1]) != json.dumps(item):
            kept.append(item)
    return kept


def events(text, in_cache_case):
    """The events of each choice in their order; those without choices, and the end, as a sequence of their own."""
    found = {}
    for part in text.split("\n\n"):
        if not part:
            continue
        data = part.removeprefix("data: ")
        try:
            data = json.loads(data)
        except ValueError:
            found.setdefault("tail", []).append(data)
            continue
        choices = data.get("choices") if isinstance(data, dict) else None
        place = f"choice {choices[0].get('index')}" if choices else "tail"
        found.setdefault(place, []).append(shape(data, "", in_cache_case))
    return {place: collapsed(found[place]) for place in sorted(found)}


def metrics(text):
    """For each metric its type and its label sets; the numbers that labels hold are masked."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            found.setdefault(name, {"type": kind, "labels": set()})
        elif line and not line.startswith("#"):
            name, labels = re.fullmatch(r"([^{ ]+)(?:\{(.*)\})? \S+", line).groups()
            names = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            if name.startswith("vllm:cache_config_info"):
                names = [(label, "") for label, _ in names]
            base = next((base for base in (name, re.sub("_(bucket|sum|count|total|created)$", "", name))
                         if base in found), name)
            entry = found.setdefault(base, {"type": None, "labels": set()})
            entry["labels"].add(name[len(base):] + ",".join(f"{label}={value}" for label, value in names))
    return {name: {"type": entry["type"], "labels": sorted(entry["labels"])} for name, entry in sorted(found.items())}


HEADERS_MASKED = {"date": "<date>", "content-length": "<length>", "x-request-id": "<id>"}


def answer_shape(case, answer):
    if answer is None:
        return "not recorded"
    headers = {name: HEADERS_MASKED.get(name, value) for name, value in sorted(answer["answer_headers"].items())}
    if "location" in headers:
        headers["location"] = re.sub(r"//[^/]*/", "//<host>/", headers["location"])
    kind, text = headers.get("content-type", ""), answer["body"]
    # Elsewhere prompts are too short for a cached block, or their length depends on the chat template.
    in_cache_case = case.name.startswith("cache")
    if case.path == "/metrics":
        body = metrics(text)
    elif case.path == "/openapi.json":
        body = "<routes>"
    elif kind.startswith("text/event-stream"):
        body = events(text, in_cache_case)
    else:
        try:
            body = shape(json.loads(text), "", in_cache_case)
        except ValueError:
            body = text
    return {"status": answer["status"], "headers": headers, "body": body}


def differences(stand_in, real, place=""):
    """Yields (place, what the stand-in has, what the real engine has)."""
    if isinstance(stand_in, dict) and isinstance(real, dict):
        for name in real.keys() | stand_in.keys():
            inner = f"{place}.{name}" if place else name
            if name not in stand_in:
                yield inner, "absent", real[name]
            elif name not in real:
                yield inner, stand_in[name], "absent"
            else:
                yield from differences(stand_in[name], real[name], inner)
        common = [[name for name in side if name in real and name in stand_in] for side in (stand_in, real)]
        if common[0] != common[1]:
            yield f"{place} (order)", common[0], common[1]
    elif isinstance(stand_in, list) and isinstance(real, list) and len(stand_in) == len(real):
        for number, (left, right) in enumerate(zip(stand_in, real)):
            yield from differences(left, right, f"{place}[{number}]")
    elif json.dumps(stand_in) != json.dumps(real):
        yield place, stand_in, real


def routes(engine):
    """What /openapi.json lists; None where there is none."""
    answer = engine.ask(get("routes", "/openapi.json"))
    try:
        return {(method.upper(), path) for path, methods in json.loads(answer["body"])["paths"].items() for method in methods}
    except (ValueError, KeyError, TypeError):
        return None


def missing_routes(stand_in, real):
    """Routes of the real engine that the stand-in answers as unknown."""
    for method, path in sorted(routes(real) or ()):
        name = f"route {method} {path}"
        body = None if method == "GET" else {}
        answer = stand_in.ask(Case(name, method, re.sub(r"\{.*?\}", "x", path), body))
        if answer and answer["status"] in (404, 405) and "does not exist" not in answer["body"]:
            yield name


def of_answers(ours, theirs):
    """The differences between the shapes of two answers; between answers of two kinds, that alone."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours["status"] != theirs["status"]:
        yield "status", [ours["status"], ours["body"]], [theirs["status"], theirs["body"]]
    else:
        yield from differences(ours, theirs)


def wanted(case, args):
    return (args.only or "") in case.name and not any(word in case.name for word in args.without)


def compare(stand_in, real, args):
    n_cases = 0
    for case in cases():
        if not wanted(case, args):
            continue
        n_cases += 1
        left, right = (answer_shape(case, side.ask(case)) for side in (stand_in, real))
        for place, ours, theirs in sorted(of_answers(left, right), key=lambda found: found[0]):
            yield n_cases, case.name, place, ours, theirs
    for name in missing_routes(stand_in, real) if not args.only else ():
        n_cases += 1
        yield n_cases, name, "status", "404", "a route"
    yield n_cases, None, None, None, None


def reason(case, place):
    for case_pattern, place_pattern, why in ALLOWED:
        if fnmatch.fnmatchcase(case, case_pattern) and fnmatch.fnmatchcase(place, place_pattern):
            return why
    return None


def brief(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else text[:400] + "..."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("engines", nargs="+", metavar="URL_OR_FILE")
    parser.add_argument("--key", default="sk-compare")
    parser.add_argument("--model", default="m")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--only", help="only cases whose name contains this")
    parser.add_argument("--without", action="append", default=[], help="no cases whose name contains this")
    parser.add_argument("--record", metavar="FILE", help="ask one engine and write its answers, one JSON line each")
    args = parser.parse_args()
    if args.record:
        asked = engine(args.engines[0], args)
        with open(args.record, "w") as file:
            for case in cases():
                if wanted(case, args):
                    file.write(json.dumps(asked.ask(case), ensure_ascii=False) + "\n")
        return
    stand_in, real = (engine(where, args) for where in args.engines)
    found, n_allowed = [], 0
    for n_cases, case, place, ours, theirs in compare(stand_in, real, args):
        if case is None:
            break
        why = reason(case, place)
        n_allowed += why is not None
        found.append({"case": case, "place": place, "stand_in": ours, "real": theirs, "allowed": why})
        if args.json:
            print(json.dumps(found[-1], ensure_ascii=False))
        else:
            print(f"{'allowed' if why else 'DIFFERS'}  {case}: {place}{f' ({why})' if why else ''}")
            if not why:
                print(f"    stand-in  {brief(ours)}\n    real      {brief(theirs)}")
    summary = {"cases": n_cases, "differences": len(found), "allowed": n_allowed}
    print(json.dumps(summary) if args.json else
          f"{n_cases} cases, {len(found)} differences, {n_allowed} of them allowed", flush=True)
    sys.exit(1 if len(found) > n_allowed else 0)


main()

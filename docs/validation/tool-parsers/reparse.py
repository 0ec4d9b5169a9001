"""Parses the texts of tests/data/vllm/tool-parsers.json again with the parsers of a real vLLM.

Runs where vLLM is installed; no model, no server:

    docker run --rm --network none -v "$PWD:/work" --entrypoint python3 IMAGE \
        /work/docs/validation/tool-parsers/reparse.py /work/tests/data/vllm/tool-parsers.json

Every row keeps its text and its parsers; what they make of it is written anew: whole, and token
by token in the stand-in's tokens. Rows that have `deltas` keep all of them, the others a sum. To
add a case, add a row with `parser` (or null), `case`, `text`, `ends` (false for a text that
`max_tokens` cut), and for reasoning `reasoning_parser`, `kwargs` and `prompted`.
"""

import json
import logging
import re
import sys

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.parser_manager import ParserManager

MARKS = [
    "<think>", "</think>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
    "<|tool_call|>", "<|action_start|>", "<|action_end|>", "<|plugin|>", "<|python_tag|>",
]
# Some parsers want marks that no text has.
OTHER_MARKS = ["<seed:think>", "</seed:think>"]

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "deep": {"type": "object", "properties": {"a": {"type": "number"}}},
            "on": {"type": "boolean"},
        },
        "required": ["city"],
    }}},
    {"type": "function", "function": {
        "name": "now", "description": "d", "parameters": {"type": "object", "properties": {}},
    }},
]


class Tokenizer:
    """A tokenizer whose vocabulary grows with what it meets."""

    all_special_tokens: list = []
    all_special_ids: list = []

    def __init__(self):
        self.vocab = {mark: place for place, mark in enumerate(MARKS + OTHER_MARKS)}

    def get_vocab(self):
        return self.vocab

    def id_of(self, text):
        return self.vocab.setdefault(text, len(self.vocab))

    def decode(self, ids, **_):
        texts = {place: text for text, place in self.vocab.items()}
        return "".join(texts[one] for one in ([ids] if isinstance(ids, int) else ids))

    def convert_tokens_to_ids(self, token):
        return self.vocab.get(token)


def tokens(text):
    """Cuts a text as the stand-in does."""
    marks = "|".join(re.escape(mark) for mark in MARKS)
    for mark, word, other in re.findall(f"({marks})|( ?[A-Za-z0-9]+)|(.)", text, re.DOTALL):
        if word:
            yield from (word[at : at + 4] for at in range(0, len(word), 4))
        else:
            yield mark or other


def without_ids(delta):
    for call in (delta or {}).get("tool_calls", []):
        if call.get("id"):
            call["id"] = "ID"
    return delta


def parse(row):
    tokenizer = Tokenizer()
    parser_class = ParserManager.get_parser(
        tool_parser_name=row["parser"],
        reasoning_parser_name=row.get("reasoning_parser"),
        enable_auto_tools=row["parser"] is not None,
    )
    kwargs = row.get("kwargs")
    request = ChatCompletionRequest(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True, tools=TOOLS,
        chat_template_kwargs=kwargs,
    )

    def fresh():
        return parser_class(tokenizer, request.tools, chat_template_kwargs=kwargs)

    pieces = list(tokens(row["text"]))
    ids = [tokenizer.id_of(piece) for piece in pieces]
    parser = fresh()
    reasoning, content, calls = parser.parse(
        row["text"], request, enable_auto_tools=row["parser"] is not None, model_output_token_ids=ids
    )
    row["content"] = content
    row["calls"] = [[call.name, call.arguments] for call in calls or []]
    if "reasoning_parser" in row:
        row["reasoning"] = reasoning
        row["reasoning_tokens"] = parser.count_reasoning_tokens(ids)

    prompt = [tokenizer.id_of("hello")]
    if row.get("prompted"):
        prompt.append(tokenizer.id_of("<think>"))
    parser = fresh()
    steps = [(piece, [one], False) for piece, one in zip(pieces, ids)]
    if row["ends"]:
        steps.append(("", [tokenizer.id_of("<eos>")], True))
    else:
        steps[-1] = (*steps[-1][:2], True)
    deltas = []
    for text, one, last in steps:
        delta = parser.parse_delta(text, one, request, prompt, finished=last)
        shown = delta and json.loads(delta.model_dump_json(exclude_unset=True))
        deltas.append(without_ids(shown))
    said = {"content": "", "reasoning": ""}
    streamed = {}
    for delta in deltas:
        for field in said:
            said[field] += (delta or {}).get(field) or ""
        for call in (delta or {}).get("tool_calls", []):
            function = call.get("function") or {}
            parts = streamed.setdefault(call["index"], ["", ""])
            parts[0] += function.get("name") or ""
            parts[1] += function.get("arguments") or ""
    row["streamed_content"] = said["content"]
    row["streamed_calls"] = [streamed[place] for place in sorted(streamed)]
    if "reasoning_parser" in row:
        row["streamed_reasoning"] = said["reasoning"]
    if "deltas" in row:
        row["deltas"] = deltas


def main():
    logging.disable(logging.CRITICAL)
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)
    for row in rows:
        parse(row)
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


main()

#!/usr/bin/env python3
"""Use an engine through the official client of the OpenAI API and check what it makes of the answers.

    python3 -m venv /tmp/openai && /tmp/openai/bin/pip install openai
    /tmp/openai/bin/python docs/validation/openai_client.py BASE_URL [--key KEY] [--model NAME] [--failing URL]

BASE_URL has no /v1. The engine must be started with --enable-auto-tool-choice and a --tool-call-parser. FAILING is
an engine that answers every chat with 500, a stand-in with a scenario, say. Prints a line for each check; exits
with 1 if one fails.
"""

import argparse
import asyncio
import json
import sys
import time
import urllib.request

import openai
import pydantic

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
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
CHECKS = []


class City(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    capital: bool


def check(function):
    CHECKS.append(function)
    return function


class Context:
    def __init__(self, args):
        self.url, self.key, self.model = args.url.rstrip("/"), args.key, args.model
        self.failing = args.failing
        self.client = self.of(self.url)

    def of(self, url, kind=openai.OpenAI, **more):
        more.setdefault("api_key", self.key)
        more.setdefault("max_retries", 0)
        return kind(base_url=f"{url}/v1", **more)

    def chat(self, **more):
        return self.client.chat.completions.create(**{**self.question(), **more})

    def question(self):
        return {"model": self.model, "messages": QUESTION, "temperature": 0, "max_tokens": 20}

    def running(self):
        with urllib.request.urlopen(f"{self.url}/metrics") as page:
            lines = page.read().decode().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("vllm:num_requests_running{"))


def expect(truth, otherwise):
    if not truth:
        raise AssertionError(otherwise)


def raises(kind, call):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        expect(type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}")
        return error
    raise AssertionError(f"no {kind.__name__}")


@check
def models_are_listed(at):
    models = at.client.models.list().data
    expect(at.model in [model.id for model in models], models)
    expect(models[0].max_model_len > 0, "no max_model_len")


@check
def a_chat_has_an_answer_and_usage(at):
    answer = at.chat()
    choice, usage = answer.choices[0], answer.usage
    expect(choice.message.role == "assistant" and choice.message.content, choice)
    expect(choice.finish_reason in ("stop", "length"), choice.finish_reason)
    expect(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage)


@check
def equal_questions_have_equal_answers_at_temperature_zero(at):
    expect(at.chat().choices[0].message.content == at.chat().choices[0].message.content, "they differ")
    seeded = [at.chat(temperature=0.8, seed=5).choices[0].message.content for _ in range(2)]
    expect(seeded[0] == seeded[1], seeded)


@check
def a_streamed_chat_says_the_same_as_a_whole_one(at):
    whole = at.chat()
    text, finish, usage = "", None, None
    for chunk in at.chat(stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        usage = chunk.usage or usage
    expect(text == whole.choices[0].message.content, (text, whole.choices[0].message.content))
    expect(finish == whole.choices[0].finish_reason, finish)
    expect(usage.completion_tokens == whole.usage.completion_tokens, usage)


@check
def the_stream_helper_puts_a_chat_together(at):
    request = {**at.question(), "max_tokens": 400}  # The helper does not take what was cut.
    with at.client.chat.completions.stream(**request) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    expect({"chunk", "content.delta", "content.done"} <= kinds, kinds)
    whole = at.chat(max_tokens=400).choices[0].message
    expect(final.choices[0].message.content == whole.content, (final, whole))


@check
def an_answer_ends_at_a_stop_and_says_so(at):
    text = at.chat(extra_body={"ignore_eos": True}).choices[0].message.content
    word = text.split()[2]
    cut = at.chat(stop=[word], extra_body={"ignore_eos": True}).choices[0]
    expect(cut.message.content == text[: text.index(word)], (cut.message.content, text))
    expect(cut.finish_reason == "stop", cut.finish_reason)


@check
def two_answers_come_where_two_are_wanted(at):
    choices = at.chat(n=2, temperature=1, seed=3).choices
    expect([choice.index for choice in choices] == [0, 1], choices)
    expect(all(choice.message.content for choice in choices), choices)
    indexes = {choice.index for chunk in at.chat(n=2, temperature=1, seed=3, stream=True) for choice in chunk.choices}
    expect(indexes == {0, 1}, indexes)


@check
def logprobs_come_with_each_token(at):
    answer = at.chat(logprobs=True, top_logprobs=2)
    content = answer.choices[0].logprobs.content
    expect(len(content) == answer.usage.completion_tokens, len(content))
    expect(all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in content), content[0])


@check
def a_tool_is_called(at):
    answer = at.chat(messages=COAXED, tools=[WEATHER], max_tokens=120)
    call = answer.choices[0].message.tool_calls[0]
    expect(answer.choices[0].finish_reason == "tool_calls", answer.choices[0].finish_reason)
    expect(call.function.name == "get_weather", call)
    expect(set(json.loads(call.function.arguments)) == {"city"}, call)


@check
def a_tool_is_called_piece_by_piece(at):
    pieces, kinds = "", set()
    request = {**at.question(), "messages": COAXED, "tools": [WEATHER], "max_tokens": 120}
    with at.client.chat.completions.stream(**request) as stream:
        for event in stream:
            kinds.add(event.type)
            if event.type == "tool_calls.function.arguments.delta":
                pieces += event.arguments_delta
        final = stream.get_final_completion()
    expect("tool_calls.function.arguments.done" in kinds, kinds)
    call = final.choices[0].message.tool_calls[0]
    expect(final.choices[0].finish_reason == "tool_calls", final)
    expect(pieces == call.function.arguments and set(json.loads(pieces)) == {"city"}, pieces)


@check
def a_tools_result_can_be_told(at):
    first = at.chat(messages=COAXED, tools=[WEATHER], max_tokens=120).choices[0].message
    told = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "It rains."}
    answer = at.chat(messages=[*COAXED, first, told], tools=[WEATHER])
    expect(answer.usage.prompt_tokens > 0, answer)


@check
def a_required_tool_is_called(at):
    answer = at.chat(tools=[WEATHER], tool_choice="required", max_tokens=120).choices[0]
    expect(answer.message.tool_calls[0].function.name == "get_weather", answer)
    expect(answer.finish_reason == "tool_calls", answer.finish_reason)


@check
def an_answer_has_the_form_that_was_asked_for(at):
    answer = at.client.chat.completions.parse(**{**at.question(), "max_tokens": 200}, response_format=City)
    expect(isinstance(answer.choices[0].message.parsed, City), answer.choices[0].message)


@check
def a_completion_comes_whole_and_streamed(at):
    request = {"model": at.model, "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}
    whole = at.client.completions.create(**request)
    streamed = at.client.completions.create(**request, stream=True)
    text = "".join(choice.text for chunk in streamed for choice in chunk.choices)
    expect(text and text == whole.choices[0].text, (text, whole.choices[0].text))
    expect(whole.usage.completion_tokens > 0, whole.usage)


@check
def many_prompts_have_many_completions(at):
    answer = at.client.completions.create(model=at.model, prompt=["One two", "The capital"], max_tokens=4)
    expect([choice.index for choice in answer.choices] == [0, 1], answer.choices)


@check
def a_wrong_key_is_an_authentication_error(at):
    error = raises(openai.AuthenticationError, lambda: at.of(at.url, api_key="wrong").models.list())
    expect(error.status_code == 401, error)


@check
def an_unknown_model_is_a_not_found_error(at):
    error = raises(openai.NotFoundError, lambda: at.chat(model="nope"))
    expect(error.param == "model" and "does not exist" in str(error), error)


@check
def an_unknown_route_is_a_not_found_error(at):
    raises(openai.NotFoundError, lambda: at.client.embeddings.create(model=at.model, input="x"))


@check
def a_bad_request_is_a_bad_request_error(at):
    longest = at.client.models.list().data[0].max_model_len
    long = [{"role": "user", "content": "word " * (longest + 1)}]
    error = raises(openai.BadRequestError, lambda: at.chat(messages=long))
    expect("maximum context length" in str(error), error)
    raises(openai.BadRequestError, lambda: at.chat(messages=long, stream=True))
    error = raises(openai.BadRequestError, lambda: at.chat(temperature=-1))
    expect(error.param == "temperature", error)
    raises(openai.BadRequestError, lambda: at.chat(max_tokens="many"))


@check
def a_failing_engine_is_an_internal_server_error(at):
    if at.failing is None:
        return "no engine that fails was given"
    failing = at.of(at.failing)
    error = raises(openai.InternalServerError, lambda: failing.chat.completions.create(**at.question()))
    expect(error.status_code == 500, error)


@check
def an_engine_that_is_not_there_is_a_connection_error(at):
    raises(openai.APIConnectionError, lambda: at.of("http://127.0.0.1:9").models.list())


@check
def a_timeout_ends_the_request_at_both_ends(at):
    slow = at.client.with_options(timeout=0.3)
    request = {**at.question(), "max_tokens": 3000, "extra_body": {"ignore_eos": True}}
    raises(openai.APITimeoutError, lambda: slow.chat.completions.create(**request))
    for _ in range(100):
        if at.running() == 0:
            return
        time.sleep(0.1)
    raise AssertionError("the engine goes on")


@check
def sixteen_streams_run_side_by_side(at):
    async def one(client, number):
        said = 0
        messages = [{"role": "user", "content": f"Number {number}: what is the capital of France?"}]
        request = {**at.question(), "messages": messages, "extra_body": {"ignore_eos": True}}
        stream = await client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True})
        async for chunk in stream:
            said = chunk.usage.completion_tokens if chunk.usage else said
        return said

    async def all_of_them():
        async with at.of(at.url, openai.AsyncOpenAI) as client:
            return await asyncio.gather(*(one(client, number) for number in range(16)))

    counts = asyncio.run(all_of_them())
    expect(counts == [20] * 16, counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--key", default="sk-compare")
    parser.add_argument("--model", default="m")
    parser.add_argument("--failing", metavar="URL")
    parser.add_argument("--only", help="only checks whose name contains this")
    at = Context(parser.parse_args())
    only = parser.parse_args().only or ""
    n_failed = 0
    for function in [function for function in CHECKS if only in function.__name__]:
        name = function.__name__.replace("_", " ")
        try:
            skipped = function(at)
            print(f"ok    {name}" if skipped is None else f"skip  {name}: {skipped}", flush=True)
        except Exception as error:  # Whatever it is, the next check is of another thing.
            n_failed += 1
            print(f"FAIL  {name}: {type(error).__name__}: {error}", flush=True)
    print(f"openai {openai.__version__}: {len(CHECKS)} checks, {n_failed} failed")
    sys.exit(1 if n_failed else 0)


main()

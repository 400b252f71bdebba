"""Sync examples in async form. tests/unit/test_docs.py runs all of those that the pages have."""

from __future__ import annotations

from textwrap import dedent

import pytest

from docsite.async_form import ConversionError, initial_names, is_async, to_async
from docsite.examples import async_forms


def converted(code: str) -> str | None:
    return to_async(dedent(code), initial_names())


@pytest.mark.parametrize(
    ("sync", "asynchronous"),
    [
        ("endpoint.run(input={})", "await endpoint.run(input={})"),
        ("print('…', endpoint.run(input={}))", "print('…', await endpoint.run(input={}))"),
        ("print(endpoint.health().jobs)", "print((await endpoint.health()).jobs)"),
        ("endpoint.run(input={}).result()", "await (await endpoint.run(input={})).result()"),
        ("endpoint.run(input={}).wait().output", "(await (await endpoint.run(input={})).wait()).output"),
        (
            "print(endpoint.run(input={}).wait().status.value)",
            "print((await (await endpoint.run(input={})).wait()).status.value)",
        ),
        ("each = endpoint.batches.list()[0]", "each = (await endpoint.batches.list())[0]"),
        ("not endpoint.health()", "not await endpoint.health()"),
        ("endpoint.health() ** 2", "(await endpoint.health()) ** 2"),
        ("client.close()", "await client.aclose()"),
        ("for state in job.watch(): pass", "async for state in job.watch(): pass"),
        ("for each in client.manage.pods.list(): pass", "for each in await client.manage.pods.list(): pass"),
        ("with endpoint.map([]) as results: pass", "async with endpoint.map([]) as results: pass"),
        ("list(job.stream())", "[item async for item in job.stream()]"),
        ("[chunk for chunk in job.stream()]", "[chunk async for chunk in job.stream()]"),
        ("next(job.stream())", "await anext(job.stream())"),
        ("job.state.result()", None),  # of a model
        ("endpoint.job('JOB_ID')", None),
        ("json.loads('{}').result()", None),  # unknown
        ("import runpod; runpod.Runpod()", "import runpod; runpod.AsyncRunpod()"),
        ("from runpod import RetryPolicy, Runpod", "from runpod import AsyncRunpod, RetryPolicy"),
        ("from runpod import Runpod as R; R().close()", "from runpod import AsyncRunpod as R; await R().aclose()"),
        ("import httpx; httpx.Client().get('/')", "import httpx; await httpx.AsyncClient().get('/')"),
        ("client.load_balancer('x').http.get('/')", "await client.load_balancer('x').http.get('/')"),
        ("client.openai('x').models.list().data", "(await client.openai('x').models.list()).data"),
        (
            "for each in client.openai('x').models.list(): pass",
            "async for each in client.openai('x').models.list(): pass",
        ),
        ("def handler(job): return job['input']", None),
        ("f = lambda job: job['input']", None),
        ("endpoint = 7\nendpoint.run()", None),
    ],
)
def test_an_example_in_async_form(sync: str, asynchronous: str | None) -> None:
    assert asynchronous == converted(sync)


def test_functions_become_async_where_they_have_to() -> None:
    sync = """
        from runpod import Job, Runpod

        def before(prompt: str) -> Job:
            return submit(client, prompt)

        def submit(client: Runpod, prompt: str) -> Job:
            return client.endpoint("x").run(input={"prompt": prompt})

        def chunks(job: Job):
            for chunk in job.stream():
                yield chunk.output

        def title(prompt):
            return prompt.title()

        for chunk in chunks(before(title("a horse"))):
            print(chunk)
        """
    asynchronous = """
        from runpod import AsyncJob, AsyncRunpod

        async def before(prompt: str) -> AsyncJob:
            return await submit(client, prompt)

        async def submit(client: AsyncRunpod, prompt: str) -> AsyncJob:
            return await client.endpoint("x").run(input={"prompt": prompt})

        async def chunks(job: AsyncJob):
            async for chunk in job.stream():
                yield chunk.output

        def title(prompt):
            return prompt.title()

        async for chunk in chunks(await before(title("a horse"))):
            print(chunk)
        """
    assert dedent(asynchronous) == converted(sync)


@pytest.mark.parametrize(
    ("sync", "message"),
    [
        ("f = lambda: endpoint.health()", "line 1: a lambda cannot await"),
        ("print(f'{endpoint.health()}')", "line 1: an f-string cannot be converted"),
        ("\nsum(each.output for each in job.stream())", "line 2: a generator expression would become async"),
        ("sum(endpoint.run(input=each).result() for each in [])", "a generator expression would become async"),
        ("enumerate(job.stream())", "`enumerate` cannot iterate asynchronously"),
        ("pool.map(endpoint.run, [])", "`endpoint.run` is a coroutine function, and is not called here"),
        ("with open('x') as file, job.stream() as chunks: pass", "sync and async context managers in one `with`"),
        ("class A:\n    def f(self):\n        return endpoint.health()", "line 2: a method would become async"),
    ],
)
def test_what_has_no_async_form_is_an_error(sync: str, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        converted(sync)


def test_the_examples_of_a_page() -> None:
    def block(code: str, label: str = "") -> str:
        return f"{label}```python\n{code}\n```\n"

    first = block("endpoint.run(input={})\nlast = job")
    page = first + block("last.wait()") + block("pool.map(endpoint.run, [])", "<!-- example: sync -->\n")
    assert {0: "await endpoint.run(input={})\nlast = job\n", len(first): "await last.wait()\n"} == async_forms(page)
    assert {} == async_forms(block("endpoint.health()") + block("await endpoint.health()"))
    with pytest.raises(ConversionError, match=r"The example at line 7 has no async form .*: change it, or label it"):
        async_forms(first + "\n" + block("pool.map(endpoint.run, [])"))


def test_async_examples_are_recognized() -> None:
    assert is_async("await x")
    assert is_async("async def f(): ...")
    assert not is_async("with x: ...")

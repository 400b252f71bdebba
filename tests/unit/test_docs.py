"""The pages are correct: their Python runs on a local server, and their links and names exist.

A comment before a block says how it is run, unless it is run as it is:

    <!-- example: job -->       with a `job`, besides `client` and `endpoint`
    <!-- example: pytest -->    as a file of tests
    <!-- example: worker -->    by tests/conformance/test_local_server_page.py
    <!-- example: client -->    as well
    <!-- example: sync -->      as it is, and the site shows no async form of it
    <!-- example: tutorial -->  by tests/unit/test_tutorial.py
    <!-- example: before -->    not at all: it is code for another package
    <!-- example: ray -->       by tests/integrations; likewise dask, spark, celery and celery-call

The site shows the sync examples in async form as well (scripts/docsite): these are run, too.
"""

from __future__ import annotations

import ast
import inspect
import logging
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

import runpod
from docsite.examples import FENCE, async_forms
from runpod import AsyncRunpod, Runpod
from runpod.local import LocalEndpoint, LocalServer, samples
from runpod.public import FluxSchnell
from tests.manage.stand_in import StandIn
from tests.media.samples import PNG
from tests.media.samples import text as base64_text
from tests.unit.api_app import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCS = {path.stem: path for path in sorted((ROOT / "docs").rglob("*.md"))}
ERRORS = ROOT / "docs" / "errors" / "index.md"
FAILED = ROOT / "docs" / "errors" / "job-failed-error.md"
WITH_EXAMPLES = [README, *DOCS.values()]
PAGES = [
    *WITH_EXAMPLES,
    CONTRIBUTING,
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
]


# They run elsewhere, or belong to another package.
COMPILED = {"worker", "client", "tutorial", "before", "ray", "dask", "spark", "celery", "celery-call"}


class Block(NamedTuple):
    page: Path
    line: int
    how: str
    code: str
    form: str = "sync"

    def compiled(self) -> CodeType:
        # Padded, so that a traceback shows the line of the page.
        code = "\n" * (self.line - 1) + self.code
        return compile(code, str(self.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    @property
    def is_async(self) -> bool:
        return bool(self.compiled().co_flags & inspect.CO_COROUTINE)


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: m.start("code")].count("\n") + 1, m["how"] or "run", m["code"]) for m in FENCE.finditer(text)
    ]


def async_blocks(page: Path) -> list[Block]:
    forms = async_forms(page.read_text(encoding="utf-8"))
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    pairs = zip(found, blocks(page), strict=True)
    return [block._replace(code=forms[m.start()], form="async") for m, block in pairs if m.start() in forms]


def containing(page: Path, text: str) -> Block:
    [found] = [block for block in blocks(page) if text in block.code]
    return found


def horse(job: dict[str, Any]) -> dict[str, str]:
    prompt = job["input"]["prompt"]
    if "unicorn" in prompt:
        raise ValueError("there are no unicorns")
    keys = {"id": job["input"]["id"]} if "id" in job["input"] else {}
    return {**keys, "prompt": prompt, "image": "…"}


def horses(job: dict[str, Any]) -> Iterator[str]:
    for number in range(1, int(job["input"]["prompt"][0]) + 1):
        yield f"photo {number}"


def photos(job: dict[str, Any]) -> Iterator[dict[str, str]]:
    for text in horses(job):
        yield {"url": f"https://example.com/{text[-1]}.png"}


def picture(job: dict[str, Any]) -> dict[str, Any]:
    return {"images": [{"filename": "horse.png", "type": "base64", "data": base64_text(PNG)}]}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    handlers = {
        "ENDPOINT_ID": horse,
        "STREAM_ENDPOINT_ID": horses,
        "PHOTO_ENDPOINT_ID": photos,
        "PICTURE_ENDPOINT_ID": picture,
        "LLM_ENDPOINT_ID": samples.ALL["vllm"],
    }
    public = dict.fromkeys((FluxSchnell.slug, "qwen-image-edit-2511", "hailuo-02"), samples.public_flux)
    with LocalServer({**handlers, **public, "API_ENDPOINT_ID": LocalEndpoint(app=app)}) as server:
        monkeypatch.setenv("RUNPOD_LOAD_BALANCER_URL", server.load_balancer_url)
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        monkeypatch.setenv("RUNPOD_WEBHOOK_TOKEN", "t" * 32)
        # It has no list of public models.
        monkeypatch.setenv("RUNPOD_API_BASE_URL", server.management_url)
        # Between the polls of a batch.
        monkeypatch.setattr("runpod._protocol.batch_wait.FIRST_INTERVAL", 0.05)
        yield server


@pytest.fixture(scope="module")
def management() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def same_signals() -> Iterator[None]:
    """Blocks handle signals."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


async def evaluate(block: Block, names: dict[str, Any]) -> None:
    result = eval(block.compiled(), names)
    if result is not None:
        await result


def run_async(block: Block) -> dict[str, Any]:
    """Runs the async form of a block like `run`."""
    names: dict[str, Any] = {}

    async def main() -> None:
        client = AsyncRunpod()
        endpoint = client.endpoint("ENDPOINT_ID")
        names.update(client=client, endpoint=endpoint)
        if block.page == DOCS["media"]:
            names["pictures"] = client.endpoint("PICTURE_ENDPOINT_ID")
        if block.page == DOCS["openai"] and block.line != blocks(block.page)[0].line:
            await evaluate(async_blocks(block.page)[0], names)
        if block.how == "job":
            names["job"] = await endpoint.run(input={"prompt": "a horse"})
        try:
            await evaluate(block, names)
        finally:
            for each in (client, *names.values()):
                if isinstance(each, AsyncRunpod):
                    await each.aclose()
                elif isinstance(each, AsyncOpenAI):
                    await each.close()

    anyio.run(main)
    return names


def run(block: Block, http_client: httpx.Client | None = None) -> dict[str, Any]:
    """Runs a block after the one that defines `client` and `endpoint` or `pictures`, and returns its variables."""
    if block.form == "async":
        return run_async(block)
    client = Runpod(http_client=http_client)
    endpoint = client.endpoint("ENDPOINT_ID")
    names: dict[str, Any] = {"client": client, "endpoint": endpoint}
    if block.page == DOCS["media"]:
        names["pictures"] = client.endpoint("PICTURE_ENDPOINT_ID")
    if block.page == DOCS["openai"] and block != blocks(block.page)[0]:
        exec(blocks(block.page)[0].compiled(), names)
    if block.how == "job":
        names["job"] = endpoint.run(input={"prompt": "a horse"})
    try:
        if block.is_async:

            async def main() -> None:
                await eval(block.compiled(), names)

            anyio.run(main)
        else:
            exec(block.compiled(), names)
    finally:
        for each in (client, *names.values()):
            if isinstance(each, (Runpod, OpenAI)):
                each.close()
    return names


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks write files."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "block",
    [block for page in WITH_EXAMPLES for block in (*blocks(page), *async_blocks(page))],
    ids=lambda block: f"{block.page.stem}:{block.line}-{block.form}",
)
@pytest.mark.usefixtures("same_signals")
def test_a_block_runs(
    block: Block, server: LocalServer, management: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if block.page.stem in {"pods-and-billing", "management", "from-graphql-and-rest-v1"}:
        management.reset()  # a block deletes an endpoint
        monkeypatch.setenv("RUNPOD_API_BASE_URL", management.url)
    (tmp_path / "captions.csv").write_text("id,caption\n1,a horse\n2,a foal\n", encoding="utf-8")
    (tmp_path / "horse.png").write_bytes(PNG)
    # Blocks set up logging.
    monkeypatch.setattr(logging.getLogger("runpod"), "level", logging.NOTSET)
    monkeypatch.setattr(logging.getLogger(), "handlers", list(logging.getLogger().handlers))
    if block.how == "pytest":
        file = tmp_path / "test_block.py"
        file.write_text(block.code, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert f"{block.code.count('def test_')} passed" in result.stdout, result.stdout + result.stderr
    elif block.how in COMPILED:
        block.compiled()
    else:
        assert block.how in {"run", "job", "sync"}
        run(block)


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_no_block_is_missed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("```python") == len(blocks(page))
    assert text.count("<!-- example:") == len([block for block in blocks(page) if block.how != "run"])


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 200


def test_the_first_lines_print_the_output(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    sync, asynchronous = blocks(README)[:2]
    assert (False, True) == (sync.is_async, asynchronous.is_async)
    run(sync)
    run(asynchronous)
    printed = "{'prompt': 'a photo of a horse the size of a Boeing 787', 'image': '…'}\n"
    assert printed * 2 == capsys.readouterr().out


def test_the_async_lines_equal_the_sync_lines() -> None:
    sync, asynchronous = blocks(README)[:2]
    text = asynchronous.code.replace("AsyncRunpod", "Runpod").replace("async with", "with").replace("await ", "")
    assert sync.code == text


@pytest.mark.parametrize(
    ("page", "text"), [(README, "chunk_type=str"), (DOCS["waiting"], "in job.stream(timeout=600):")], ids=lambda _: ""
)
def test_the_stream_prints_every_chunk(
    page: Path, text: str, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run(containing(page, text))
    assert "".join(f"photo {n}\n" for n in range(1, 8)) == capsys.readouterr().out


def test_typed_chunks_have_their_type(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(containing(DOCS["waiting"], "chunk_type=Photo"))
    assert isinstance(names["chunk"].output, names["Photo"])
    assert "https://example.com/1.png\nhttps://example.com/2.png\n" == capsys.readouterr().out


def test_a_closed_stream_continues_in_its_handle(server: LocalServer) -> None:
    names = run(containing(DOCS["waiting"], "with job.stream("))
    assert "photo 1" == names["first"].output


@pytest.mark.parametrize("page", [README, DOCS["waiting"]], ids=lambda page: page.stem)
def test_watching_starts_in_the_queue(page: Path, server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(containing(page, "job.watch("))
    printed = [line for line in capsys.readouterr().out.splitlines() if line.isupper() or " " in line]
    assert "IN_QUEUE None" == printed[0]
    assert "COMPLETED None" == printed[-1]


def test_a_failed_state_is_explained(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(containing(FAILED, "(state.worker_error.traceback"))
    printed = capsys.readouterr().out
    assert "FAILED ValueError: there are no unicorns" in printed
    assert "Traceback (most recent call last):" in printed


def test_a_failure_is_explained(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(containing(FAILED, "JobFailedError as error"))
    first, *rest = capsys.readouterr().out.splitlines()
    assert "ValueError: there are no unicorns" in first
    assert "Traceback (most recent call last):" in rest


# What does not raise in these examples only shows how the error is caught.
RAISED = {"api-status", "authentication", "bad-request", "client-closed", "configuration", "input-too-large"}
RAISED |= {"invalid-request", "job", "job-failed", "job-output", "media", "no-text", "not-found", "run-file"}
RAISED |= {"webhook-token"}


@pytest.mark.parametrize("name", sorted(RAISED))
def test_the_example_of_an_error_raises_it(name: str, server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "errors" / f"{name}-error.md"
    [cls] = re.findall(r"^# `(\w+)`$", page.read_text(encoding="utf-8"), re.MULTILINE)
    block = containing(page, f"except {cls} as error:")
    caught = f"except {cls} as error:"
    indent = re.findall(rf"^( *){caught}", block.code, re.MULTILINE)[0] + "    "
    run(block._replace(code=block.code.replace(caught, f"{caught}\n{indent}print('caught {cls}')")))
    printed = capsys.readouterr().out
    assert f"caught {cls}\n" in printed
    # The page shows what it prints.
    shown = re.findall(
        r"^It prints:\n\n```text\n(.*?)\n```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for text in shown:
        assert text in printed


@pytest.mark.parametrize("name", ["from-javascript", "from-official-package"])
def test_migrated_programs_print_the_output(name: str, server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    migrated = [block for block in blocks(DOCS[name]) if block.how == "run"]
    for block in migrated:
        run(block)
    assert "{'prompt': 'a horse', 'image': '…'}\n" * len(migrated) == capsys.readouterr().out


@pytest.mark.parametrize("page", [DOCS["waiting"]], ids=lambda page: page.stem)
def test_a_typed_output_has_its_type(page: Path, server: LocalServer) -> None:
    names = run(containing(page, "output_type=Horse"))
    assert isinstance(names["horse"], names["Horse"])


def test_a_public_endpoint_is_called_as_its_page_says(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    page = DOCS["public-endpoints"]
    names = run(containing(page, "the size of a Boeing 787"))
    assert (1, 0.000629) == (len(names["output"].media), names["output"].cost)
    capsys.readouterr()
    block = containing(page, "except InvalidRequestError")
    run(block)
    # The comment shows the message.
    assert block.code.rpartition("# ")[2] == capsys.readouterr().out
    assert {"z-image-turbo", "p-image-t2i"} == set(run(containing(page, "cheap ="))["cheap"])


def test_a_webhook_is_received_as_its_page_says(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    page = DOCS["webhooks"]
    run(containing(page, "def hook"))
    assert "403" == capsys.readouterr().out.splitlines()[-1]
    seen = run(containing(page, "class Seen"))["receiver"]._seen
    assert [True, True, False] == [seen.add(key) for key in ("a", "b", "a")]
    seen.discard("a")
    assert [True, False] == [seen.add(key) for key in ("a", "b")]


def test_the_results_of_a_batch_have_their_keys(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(containing(DOCS["batches"], 'key="id"'))
    _, counts, *results = capsys.readouterr().out.splitlines()
    assert "3 of 3 completed" == counts
    assert {"row-0 ", "row-1 ", "row-2 "} == {line.partition(" ")[2][:6] for line in results}


def test_the_policies_of_both_forms_are_the_same(server: LocalServer) -> None:
    run(containing(DOCS["submitting"], '"executionTimeout": 60_000'))
    run(containing(DOCS["submitting"], "ExecutionPolicy(execution_timeout=timedelta"))
    mapping, models = (record.body for record in server.requests if record.path.endswith("/run"))
    assert b'"policy":{"executionTimeout":60000,"ttl":3600000}' in mapping
    assert b'"policy":{"executionTimeout":60000,"ttl":3600000,"lowPriority":true}' in models


def test_a_number_is_no_duration(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    block = containing(DOCS["submitting"], "ExecutionPolicy(execution_timeout=60)")
    run(block)
    # The comment shows the end of the message.
    assert block.code.rpartition("# … ")[2] in capsys.readouterr().out


def test_a_job_that_takes_longer_than_the_timeout_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()
    wait = runpod.Job.wait

    def found_and_wait(self: runpod.Job, **options: Any) -> runpod.JobState:
        found.set()
        return wait(self, **options)

    def slow(job: dict[str, Any]) -> bool:
        return found.wait(60)

    monkeypatch.setattr(runpod.Job, "wait", found_and_wait)
    block = containing(DOCS["timeouts"], "RunpodTimeoutError as error")
    # A shorter timeout, but long enough to receive the ID.
    block = block._replace(code=block.code.replace("timeout=5)", "timeout=3)"))
    with LocalServer({"ENDPOINT_ID": slow}) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        state = run(block)["state"]
    assert state.succeeded
    assert [state.id] == [job["id"] for job in server.jobs["ENDPOINT_ID"]]


def lost(request: httpx.Request) -> httpx.Response:
    if request.method == "POST":
        raise httpx.ReadError("reset")
    return httpx.Response(200, json={"jobs": {"inQueue": 1}})


def cut_short(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text='{"id": "JOB_ID", "status": "IN_')


def refused(request: httpx.Request) -> httpx.Response:
    return httpx.Response(401)


def test_what_to_do_if_a_submission_may_be_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "key")
    block = containing(DOCS["submissions"], "error.maybe_submitted")
    with pytest.raises(runpod.APIConnectionError):
        run(block, httpx.Client(transport=httpx.MockTransport(lost)))
    assert "There may be a job without a handle: completed=0" in capsys.readouterr().out
    assert "JOB_ID" == run(block, httpx.Client(transport=httpx.MockTransport(cut_short)))["job"].id
    with pytest.raises(runpod.AuthenticationError):
        run(block, httpx.Client(transport=httpx.MockTransport(refused)))
    assert "" == capsys.readouterr().out


def test_the_tree_of_errors_is_the_one_in_the_docstring() -> None:
    tree = inspect.cleandoc(runpod.errors.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0]
    assert inspect.cleandoc(tree) in ERRORS.read_text(encoding="utf-8")


def test_every_error_is_in_the_table() -> None:
    table = ERRORS.read_text(encoding="utf-8").partition("## What each error means")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| [`")]
    named = set(re.findall(r"`(\w+Error)`", "\n".join(row.split("|")[1] for row in rows)))
    assert set(runpod.errors.__all__) - {"RunpodError", "JobError"} == named


def anchors(page: Path) -> set[str]:
    titles: list[str] = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    found: set[Path] = set()
    left = [README]
    while left:
        page = left.pop()
        if page not in found:
            found.add(page)
            targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
            left += [
                (page.parent / target).resolve() for target in targets if target.endswith(".md") and ":" not in target
            ]
    assert set(PAGES) <= found


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_names_of_methods_and_fields_exist(page: Path) -> None:
    client = Runpod("key")
    endpoint = client.endpoint("ENDPOINT_ID")
    job = endpoint.job("JOB_ID")
    errors = [getattr(runpod, name)("") for name in runpod.errors.__all__]
    server = LocalServer({})
    known: dict[str, set[str]] = {
        "client": {*dir(client)},
        "endpoint": {*dir(endpoint)},
        "job": {*dir(job)},
        "batch": {*dir(endpoint.batches.get("BATCH_ID"))},
        "state": {*dir(job.state), *dir(runpod.BatchState(id="BATCH_ID"))},
        "error": {name for error in errors for name in dir(error)},
        "server": {*dir(server)},
        "faults": {*dir(server.faults)},
    }
    text = re.sub(r"\]\([^)]+\)", "]", page.read_text(encoding="utf-8"))  # without the targets of links
    if page in {DOCS["from-javascript"], DOCS["from-official-package"]}:
        # The first column of its tables is the API of others, and so are some blocks.
        text = re.sub(r"^<!-- example: before -->\n```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"^\| `[^|]*\|", "|", text, flags=re.MULTILINE)
    if page == DOCS["opentelemetry"]:
        # The names of attributes and metrics.
        text = re.sub(r"`(?:runpod\.|server\.|error\.|…)[^`]*`", "", text)
    for name, attribute in re.findall(rf"\b(?:runpod_)?({'|'.join(known)})\.([a-z_]+)", text):
        assert attribute in known[name], f"{name}.{attribute}"


def test_defaults_are_those_of_the_code() -> None:
    def default(function: Any) -> Any:
        return inspect.signature(function).parameters["timeout"].default

    assert 30.0 == default(Runpod) == default(AsyncRunpod)
    for name in ("run", "status", "cancel", "retry", "health", "purge_queue"):
        assert default(getattr(runpod.Endpoint, name)) is runpod.CLIENT_DEFAULT
    assert default(runpod.Job.refresh) is runpod.CLIENT_DEFAULT
    assert 90.0 == default(runpod.Endpoint.run_sync) == default(runpod.Endpoint.status_sync)
    for function in (
        runpod.Job.wait,
        runpod.Job.result,
        runpod.Job.watch,
        runpod.Job.stream,
        runpod.Endpoint.stream,
    ):
        assert default(function) is None


def test_the_layout_names_what_exists() -> None:
    table = CONTRIBUTING.read_text(encoding="utf-8").partition("## Layout")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) < 30
    for path in re.findall(r"`([\w.]+/[\w./]*)`", "\n".join(rows)):
        assert (ROOT / path).exists(), path

"""The sync and asyncio clients of the released official package against the local server."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import LocalServer
from tests.conformance.programs import Driver, ProgramError
from tests.local.api import Api, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.programs import Call

PROMPT = {"prompt": "a photo of a horse the size of a Boeing 787"}

CLIENTS = ("sync", "asyncio")
DRIVE = Path(__file__).parent / "official" / "drive.py"


class Setup:
    """A local server, and a separate process for each of the official clients, sync and asyncio.

    They are shared by all tests, since the package takes a second or two to import, and reads the base URL only then.
    Each client has its own endpoints, and each test its own gates.
    """

    def __init__(self, stack: ExitStack, python: Path, home: Path) -> None:
        self.gates: dict[str, Gate] = {}
        handlers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "horse": horse,
            "gated": self.gated,
            "photos": self.photos,
            "health": self.gated,
            "purge": self.gated,
        }
        self.server = stack.enter_context(LocalServer({f"{c}-{n}": h for c in CLIENTS for n, h in handlers.items()}))
        environment = {"RUNPOD_ENDPOINT_BASE_URL": self.server.base_url, "RUNPOD_API_KEY": self.server.api_key}
        self.drivers = {
            client: stack.enter_context(Driver([python, DRIVE, client], home=home, environment=environment))
            for client in CLIENTS
        }

    def gated(self, job: dict[str, Any]) -> Any:
        return self.gates[job["input"]["gate"]](job)

    def photos(self, job: dict[str, Any]) -> Iterator[Any]:
        yield {"photo": 1}
        self.gated(job)
        yield {"photo": 2}
        if "unicorn" in job["input"]:
            raise ValueError("the film is full")


def horse(job: dict[str, Any]) -> dict[str, Any]:
    if "unicorn" in job["input"]["prompt"]:
        raise ValueError("there are no unicorns")
    return {"image": "…", "prompt": job["input"]["prompt"]}


@pytest.fixture(scope="module")
def setup(official_python: Path, home: Path) -> Iterator[Setup]:
    with ExitStack() as stack:
        yield Setup(stack, official_python, home)


class Client:
    """One of the official clients."""

    def __init__(self, setup: Setup, name: str) -> None:
        self.name = name
        self.setup = setup
        self._driver = setup.drivers[name]

    def start(self, name: str, *arguments: Any, **command: Any) -> Call:
        if "endpoint" in command:
            command["endpoint"] = f"{self.name}-{command['endpoint']}"
        return self._driver.start(name, arguments=arguments, **command)

    def call(self, name: str, *arguments: Any, **command: Any) -> Any:
        return self.start(name, *arguments, **command).result()

    def run(self, endpoint: str, job_input: Any) -> str:
        job_id: str = self.call("run", job_input, endpoint=endpoint)["job"]
        return job_id

    def api(self, endpoint: str) -> Api:
        """The same endpoint, for plain HTTP requests."""
        return Api(self.setup.server, f"{self.name}-{endpoint}")

    def end(self, endpoint: str, job_id: str) -> Any:
        """Wait for the end of a job without the official client, which polls once a second."""
        with self.api(endpoint) as api:
            return api.end(job_id)

    def body_of(self, job_id: str) -> Any:
        """The body of the last request, which must be the submission of this job."""
        request = self.setup.server.requests[-1]
        assert ("POST", f"/v2/{self.name}-horse/run") == (request.method, request.path)
        return json.loads(request.body)


@pytest.fixture(params=CLIENTS)
def client(setup: Setup, request: pytest.FixtureRequest) -> Client:
    return Client(setup, request.param)


@pytest.fixture
def both_clients(setup: Setup) -> list[Client]:
    return [Client(setup, name) for name in CLIENTS]


@pytest.fixture
def sync_client(setup: Setup) -> Client:
    return Client(setup, "sync")


@pytest.fixture
def gate(setup: Setup) -> Iterator[Gate]:
    gate = Gate()
    setup.gates[name_of(gate)] = gate
    yield gate
    gate.open()


def name_of(gate: Gate) -> str:
    return str(id(gate))


def input_for(gate: Gate, **more: Any) -> dict[str, Any]:
    """The input of a job that waits at a gate."""
    return {"gate": name_of(gate), **more}


def test_run_returns_a_job(client):
    job_id = client.run("horse", PROMPT)
    assert job_id.endswith("-u1")
    assert {"input": PROMPT} == client.body_of(job_id)


@pytest.mark.fact("protocol 12: requests of jobs")
def test_run_with_a_whole_request(client):
    request = {"input": PROMPT, "policy": {"executionTimeout": 60_000, "ttl": 3_600_000, "lowPriority": True}}
    job_id = client.run("horse", request)
    # The asyncio client wraps a complete request, with its policy, as the input.
    assert ({"input": request} if client.name == "asyncio" else request) == client.body_of(job_id)


def test_status_and_output(client):
    job_id = client.run("horse", PROMPT)
    client.end("horse", job_id)
    assert "COMPLETED" == client.call("status", job=job_id)
    assert {"image": "…", **PROMPT} == client.call("output", job=job_id)


def test_output_waits_for_the_job(client):
    job_id = client.run("horse", PROMPT)
    client.end("horse", job_id)
    assert {"image": "…", **PROMPT} == client.call("output", job=job_id, keywords={"timeout": 10})


def test_output_of_a_job_that_takes_longer(client, gate):
    job_id = client.run("gated", input_for(gate))
    gate.wait_entered()
    with pytest.raises(ProgramError) as caught:
        client.call("output", job=job_id, keywords={"timeout": 1})
    assert ("TimeoutError", "Job timed out.") == (caught.value.kind, caught.value.message)


def test_output_without_timeout_is_none_while_the_job_runs(sync_client, gate):
    job_id = sync_client.run("gated", input_for(gate))
    gate.wait_entered()
    assert sync_client.call("output", job=job_id) is None


@pytest.mark.fact("protocol 12: failed jobs")
def test_a_job_that_failed_has_no_output_and_no_error(client):
    job_id = client.run("horse", {"prompt": "a unicorn"})
    client.end("horse", job_id)
    assert "FAILED" == client.call("status", job=job_id)
    assert client.call("output", job=job_id, keywords={"timeout": 10}) is None


# Only the sync client has `run_sync`.


def test_run_sync(sync_client):
    assert {"image": "…", **PROMPT} == sync_client.call("run_sync", PROMPT, endpoint="horse")
    request = sync_client.setup.server.requests[-1]
    assert ("/v2/sync-horse/runsync", {}) == (request.path, dict(request.query))


def test_run_sync_of_a_job_that_fails(sync_client):
    assert sync_client.call("run_sync", {"prompt": "a unicorn"}, endpoint="horse") is None


# The official clients sleep for a second before each poll of a stream, so both are tested concurrently.


def test_stream_yields_outputs_while_the_job_runs(both_clients, gate):
    calls = [client.start("stream", job=client.run("photos", input_for(gate))) for client in both_clients]
    for call in calls:
        assert {"photo": 1} == call.item()
    gate.open()
    for call in calls:
        assert [{"photo": 2}] == call.result()


@pytest.mark.fact("protocol 12: streams")
def test_stream_of_a_failing_job_ends_without_error(both_clients, gate):
    gate.open()
    calls = []
    for client in both_clients:
        job_id = client.run("photos", input_for(gate, unicorn=True))
        assert "handler: the film is full" == client.end("photos", job_id)["error"].split(" \n")[0]
        calls.append(client.start("stream", job=job_id))
    # Captured: `{"status":"FAILED","stream":[]}`, "no error text on /stream"; and "leftovers with the final status".
    for call in calls:
        assert [{"photo": 1}, {"photo": 2}] == call.result()


def test_cancel(client, gate):
    running, queued = (client.run("gated", input_for(gate)) for _ in range(2))
    gate.wait_entered()
    for job_id, status in ((queued, "IN_QUEUE"), (running, "IN_PROGRESS")):
        assert status == client.call("status", job=job_id)
        assert {"id": job_id, "status": "CANCELLED"} == client.call("cancel", job=job_id)
        assert "CANCELLED" == client.call("status", job=job_id)


def test_health(client, gate):
    assert {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0} == (
        client.call("health", endpoint="health")["jobs"]
    )
    for _ in range(3):
        client.run("health", input_for(gate))
    gate.wait_entered()
    health = client.call("health", endpoint="health")
    assert {"completed": 0, "failed": 0, "inProgress": 1, "inQueue": 2, "retried": 0} == health["jobs"]
    assert {"idle", "initializing", "ready", "running", "throttled", "unhealthy"} == health["workers"].keys()
    assert 1 == health["workers"]["running"]


def test_purge_queue(client, gate):
    jobs = [client.run("purge", input_for(gate)) for _ in range(4)]
    gate.wait_entered()
    assert {"removed": 3, "status": "completed"} == client.call("purge_queue", endpoint="purge")
    gate.open()
    assert "COMPLETED" == client.end("purge", jobs[0])["status"]


# Errors. "Async client checks no HTTP status: 401/404 bodies become `KeyError`"


@pytest.mark.parametrize("name", ["run", "health", "purge_queue"])
def test_a_wrong_key(client, name):
    arguments = [PROMPT] if name == "run" else []
    call = client.start(name, *arguments, endpoint="horse", api_key="wrong")
    if client.name == "sync":
        with pytest.raises(ProgramError, match="RuntimeError: 401 Unauthorized"):
            call.result()
    elif name == "run":
        with pytest.raises(ProgramError, match="KeyError: 'id'"):
            call.result()
    else:
        assert {"error": "unauthorized"} == call.result()


def test_unknown_endpoint(client):
    with pytest.raises(ProgramError) as caught:
        client.run("cow", PROMPT)
    expected = ("HTTPError", 404) if client.name == "sync" else ("KeyError", None)
    assert expected == (caught.value.kind, caught.value.status)


def test_expired_job(client, gate):
    running, queued = (client.run("purge", input_for(gate)) for _ in range(2))
    gate.wait_entered()
    client.call("purge_queue", endpoint="purge")
    with pytest.raises(ProgramError) as caught:
        client.call("status", job=queued)
    expected = ("HTTPError", 404) if client.name == "sync" else ("KeyError", None)
    assert expected == (caught.value.kind, caught.value.status)
    assert "IN_PROGRESS" == client.call("status", job=running)

# Generated from tests/_async/test_files.py by scripts/generate_sync.py. Do not edit.

"""Tests of files in inputs: what is read, uploaded, sent and released by `run`, `run_sync`, `map` and bulk runs."""

from __future__ import annotations

import base64
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
import httpx
import pytest

from runpod import (
    Runpod,
    ClientClosedError,
    ConfigurationError,
    EndpointLimits,
    File,
    InputTooLargeError,
    InvalidRequestError,
    Media,
    RetryPolicy,
    RunpodError,
)
from runpod._sync import endpoint as endpoint_module
from runpod._primitives import in_stoppable_thread
from runpod._protocol.encoding import submission
from runpod._protocol.limiter import Limiter
from runpod.bulk import BulkRun
from tests._sync.calls import DONE, collect
from tests._sync.mapped import Service, running, until
from tests.servers import KEY, TEST_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Callable

    from runpod import Endpoint

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(100))
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


class Store:
    """Stores files in memory. It notes what is called, in which thread and with what."""

    threshold = 50

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.contents: list[bytes] = []
        self.threads: set[int] = set()
        self.uses: dict[str, int] = {}
        # What `acquire` does first, and what `release` returns or raises.
        self.before: Callable[[File, threading.Event], Any] = lambda _file, _stop: None
        self.left: Any = None
        # What `release` does at the end.
        self.after: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def acquire(self, file: File, stop: threading.Event) -> str:
        self.threads.add(threading.get_ident())
        self.before(file, stop)
        with self._lock:
            if file.name not in self.uses:
                with file.open() as data:
                    self.contents.append(data.read())
            self.uses[file.name] = self.uses.get(file.name, 0) + 1
            self.calls.append(("acquire", file.name))
        return f"https://bucket.example/{file.name}"

    def release(self, file: File, *, used: bool) -> str | None:
        with self._lock:
            self.uses[file.name] -= 1
            self.calls.append(("release", file.name, used))
        self.after()
        if isinstance(self.left, BaseException):
            raise self.left
        return None if used else self.left

    @property
    def released(self) -> list[tuple[str, bool]]:
        assert all(count == 0 for count in self.uses.values())
        return [call[1:] for call in self.calls if call[0] == "release"]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def service() -> Service:
    service = Service()
    service.answer = lambda operation, _: DONE if operation == "runsync" else None
    return service


@pytest.fixture
def endpoint(service: Service) -> Iterator[Endpoint]:
    with service.client() as client:
        yield client.endpoint("ep")


@pytest.fixture
def uploading(service: Service, store: Store) -> Iterator[Endpoint]:
    with service.client(uploads=store) as client:
        yield client.endpoint("ep")


def picture(name: str = "horse.png", size: int = 0) -> File:
    return File(PNG + bytes(size), name=name)


def small() -> File:
    return File(b"small", name="small.txt")


SMALL = "data:text/plain;base64,c21hbGw="


def noted_opens(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Note which files are opened, and in which threads."""
    opened: list[tuple[Path, int]] = []
    real = Path.open

    def note(path: Path, *args: Any, **options: Any) -> Any:
        opened.append((path, threading.get_ident()))
        return real(path, *args, **options)

    monkeypatch.setattr(Path, "open", note)
    return opened


# --- without uploads --------------------------------------------------------------------------


def test_a_file_is_sent_as_a_data_url(tmp_path: Path, service: Service, endpoint: Endpoint) -> None:
    path = tmp_path / "horse.png"
    path.write_bytes(PNG)
    given = {"prompt": "a horse", "image": File(path), "more": [File(path, form="base64")]}
    endpoint.run(input=given)
    endpoint.run({"input": given, "webhook": "https://hooks.example"})
    assert 2 * [{"prompt": "a horse", "image": URL, "more": [URL.partition(",")[2]]}] == service.sent("run")


def test_a_picture_out_is_a_picture_in(service: Service, endpoint: Endpoint) -> None:
    data = Media("image/png", "out.png", None, PNG)
    link = Media("image/png", "out.png", "https://bucket.example/out.png")
    endpoint.run(input={"image": data, "other": link})
    assert [{"image": URL, "other": link.url}] == service.sent("run")


def test_a_file_that_changed_is_an_error_and_nothing_is_sent(
    tmp_path: Path, service: Service, endpoint: Endpoint
) -> None:
    path = tmp_path / "horse.png"
    path.write_bytes(PNG)
    given = {"image": File(path)}
    path.write_bytes(PNG + b"more")
    for call in (endpoint.run, endpoint.run_sync):
        with pytest.raises(InvalidRequestError, match=r"horse.png' has changed since its File was created"):
            call(input=given)
    (result,) = collect(endpoint.map_unordered([given]))
    assert isinstance(result.error, InvalidRequestError)
    assert [] == service.requests


@pytest.mark.fact("protocol 1.3: 502 for the size")
@pytest.mark.parametrize("what", ["image", "text"])
def test_a_request_over_the_limit_is_refused(what: str, service: Service, endpoint: Endpoint) -> None:
    given: dict[str, Any] = {what: picture(size=8_000_000) if what == "image" else "x" * 10_600_000}
    with pytest.raises(
        InputTooLargeError, match=r"more than the limit of 10 MB\. Nothing was sent\. .* run_sync accepts 20 MB"
    ):
        endpoint.run(input=given)
    assert [] == service.requests
    assert (endpoint.run_sync(input=given)).succeeded
    other = endpoint.with_options(limits=EndpointLimits(run_bytes=None, run_sync_bytes=1000))
    assert (other.run(input=given)).id
    with pytest.raises(InputTooLargeError, match=r"limit of 1,000 bytes\. .*EndpointLimits\(run_sync_bytes=…\)"):
        other.run_sync(input=given)
    assert ["runsync", "run"] == [operation for operation, _ in service.requests]


def test_in_a_map_too_large_inputs_are_results_and_the_others_go_on(
    service: Service, endpoint: Endpoint
) -> None:
    endpoint = endpoint.with_options(limits=EndpointLimits(run_bytes=1000))
    inputs = [{"n": 0}, {"text": "x" * 1000}, {"image": picture(size=1000)}, {"n": 3}]
    results = sorted(collect(endpoint.map_unordered(inputs)), key=lambda result: result.index)
    assert [True, False, False, True] == [result.succeeded for result in results]
    for result, part in zip(
        results[1:3], ["input.text: 1,002 bytes", "input.image: 1,504 bytes (the file 'horse.png')"], strict=True
    ):
        assert isinstance(result.error, InputTooLargeError)
        assert part in str(result.error)
    assert [{"n": 0}, {"n": 3}] == service.sent("run")


def test_a_file_in_a_hundred_jobs_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Service, endpoint: Endpoint
) -> None:
    path = tmp_path / "horse.png"
    path.write_bytes(PNG)
    file = File(path)
    opened = noted_opens(monkeypatch)
    results = collect(endpoint.map_unordered({"n": n, "image": file} for n in range(100)))
    assert 100 == sum(result.succeeded for result in results)
    assert {URL} == {given["image"] for given in service.sent("run")}
    assert [path] == [each for each, _ in opened]


def test_a_request_is_not_kept_while_its_job_is_waited_for(
    service: Service, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[weakref.ref[Any]] = []
    kept: list[bool] = []

    def encode(*arguments: Any, **options: Any) -> Any:
        request = submission(*arguments, **options)
        requests.append(weakref.ref(request))
        return request

    def answer(operation: str, _: Any) -> Any:
        kept.append(requests[0]() is not None)
        status = "IN_QUEUE" if operation == "runsync" else "COMPLETED"
        return {"id": "job", "status": status}

    monkeypatch.setattr(endpoint_module, "submission", encode)
    service.answer = answer
    endpoint.run_sync(input={"prompt": "a horse"})
    assert [True, False] == kept


def test_a_postponed_input_is_encoded_again(service: Service, endpoint: Endpoint) -> None:
    refusals = iter([429, 429])
    service.answer = lambda operation, _: next(refusals, None) if operation == "run" else None
    (result,) = collect(endpoint.map_unordered([{"image": picture()}]))
    assert result.succeeded
    assert 3 * [{"image": URL}] == service.sent("run")


# --- with uploads -----------------------------------------------------------------------------


def test_large_files_are_uploaded_and_their_urls_are_sent(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    shared = picture("shared.png")
    raw = File(PNG, name="raw.png", form="base64")
    given = {"a": shared, "b": [shared, small(), raw]}
    expected = {
        "a": "https://bucket.example/shared.png",
        "b": ["https://bucket.example/shared.png", SMALL, "https://bucket.example/raw.png"],
    }
    uploading.run(input=given)
    assert (uploading.run_sync(input=given)).succeeded
    assert [expected] == service.sent("run")
    assert {"shared.png": 0, "raw.png": 0} == store.uses
    assert {("shared.png", True), ("raw.png", True)} == set(store.released)
    assert 4 == len(store.released)


def test_small_files_are_uploaded_if_the_request_is_too_large(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    store.threshold = 10**9
    uploading = uploading.with_options(limits=EndpointLimits(run_bytes=200))
    uploading.run(input={"a": picture(), "b": small()})
    uploading.run(input={"b": small()})
    with pytest.raises(InputTooLargeError, match=r"input.text: 302 bytes"):
        uploading.run(input={"a": picture(), "text": "x" * 300})
    assert [{"a": "https://bucket.example/horse.png", "b": SMALL}, {"b": SMALL}] == service.sent("run")
    assert [("horse.png", True)] == store.released


@pytest.mark.parametrize(
    ("answer", "used"),
    [(401, False), (400, False), (500, True), (httpx.ConnectError("refused"), False), (httpx.ReadError("cut"), True)],
)
@pytest.mark.parametrize("name", ["run", "runsync"])
def test_after_a_failed_submission_files_are_released(
    answer: Any, used: bool, name: str, service: Service, store: Store
) -> None:
    service.answer = lambda _operation, _what: answer
    store.left = "s3://inputs/horse.png"
    with service.client(uploads=store, retry=RetryPolicy(max_retries=0)) as client:
        endpoint = client.endpoint("ep")
        with pytest.raises(RunpodError) as info:
            (endpoint.run if name == "run" else endpoint.run_sync)(input={"image": picture()})
    assert used == info.value.maybe_submitted
    assert [("horse.png", used)] == store.released
    left = " These uploaded files could not be removed: s3://inputs/horse.png."
    assert info.value.message.endswith(left) is not used


def test_an_error_of_the_store_does_not_hide_that_of_the_submission(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    service.answer = lambda _operation, _what: 401
    store.left = ValueError("a bug")
    with pytest.raises(RunpodError, match=r"could not be removed: horse.png \(ValueError\)\."):
        uploading.run(input={"image": picture()})


def test_a_closed_client_uploads_nothing(service: Service, store: Store) -> None:
    client = service.client(uploads=store)
    client.close()
    with pytest.raises(ClientClosedError):
        client.endpoint("ep").run(input={"image": picture()})
    assert [] == store.calls


def test_a_failed_upload_is_the_error_of_the_call(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    def fail(file: File, _stop: threading.Event) -> None:
        if file.name == "b.png":
            raise errors.pop()

    store.before = fail
    errors: list[Exception] = [RunpodError("The bucket does not exist."), OSError("disk full")]
    given = {"a": picture("a.png"), "b": picture("b.png"), "c": picture("c.png")}
    with pytest.raises(RunpodError, match=r"The file 'b.png' was not uploaded: OSError: disk full") as info:
        uploading.run(input=given)
    assert not info.value.maybe_submitted
    with pytest.raises(RunpodError, match=r"^The bucket does not exist\. See ") as info:
        uploading.run_sync(input=given)
    assert not info.value.maybe_submitted
    assert 2 * [("a.png", False)] == store.released
    assert [] == service.requests


def test_the_time_of_an_upload_does_not_count(service: Service, store: Store) -> None:
    with service.client(uploads=store, timeout=5.0) as client:
        store.before = lambda _file, _stop: client._session.clock._slept(3600, client._session.clock.now())
        endpoint = client.endpoint("ep")
        assert (endpoint.run(input={"image": picture("a.png")})).id
        assert (endpoint.run_sync(input={"image": picture("b.png")}, timeout=5)).succeeded


class Interrupted(BaseException):
    """Such as Ctrl-C."""


def test_after_an_interrupted_submission_files_may_be_used(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    service.answer = lambda _operation, _what: Interrupted()
    with pytest.raises(Interrupted):
        uploading.run(input={"image": picture()})
    assert [("horse.png", True)] == store.released


@pytest.mark.parametrize(("answer", "used"), [(429, False), (500, True)])
def test_after_an_interruption_between_two_attempts_files_may_be_used(
    answer: int, used: bool, service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise Interrupted

    service.answer = lambda _operation, _what: answer
    with service.client(uploads=store, retry=RetryPolicy(resubmit=True)) as client:
        monkeypatch.setattr(client._session.clock, "sleep", interrupt)
        with pytest.raises(Interrupted):
            client.endpoint("ep").run(input={"image": picture()})
    assert [("horse.png", used)] == store.released


def test_files_of_a_submission_that_was_not_sent_are_removed_or_named(
    service: Service,
    store: Store,
    uploading: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    store.left = "s3://inputs/horse.png"
    monkeypatch.setattr(Limiter, "acquire", interrupt)
    with pytest.raises(Interrupted):
        uploading.run(input={"image": picture()})
    assert [("horse.png", False)] == store.released
    assert "could not be removed: s3://inputs/horse.png" in caplog.text


def test_after_an_interrupted_upload_nothing_is_left(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    def interrupt(file: File, _stop: threading.Event) -> None:
        if file.name == "b.png":
            raise Interrupted

    store.before = interrupt
    with pytest.raises(Interrupted):
        uploading.run(input={"a": picture("a.png"), "b": picture("b.png")})
    assert [("a.png", False)] == store.released
    assert [] == service.requests


# --- map with uploads -------------------------------------------------------------------------


def test_in_a_map_files_are_uploaded_just_before_their_submission(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    most: list[int] = []
    store.before = lambda _file, _stop: most.append(sum(store.uses.values()))
    shared = picture("shared.png")
    inputs = [{"image": shared, "other": picture(f"{n}.png")} for n in range(20)]
    results = collect(uploading.map(inputs, in_flight=2))
    assert [f"https://bucket.example/{n}.png" for n in range(20)] == [each["other"] for each in results]
    assert max(most) <= 4
    assert 21 == len(store.contents)
    assert 40 == len(store.released)
    assert {True} == {used for _, used in store.released}


def test_a_postponed_input_keeps_its_uploads(service: Service, store: Store, uploading: Endpoint) -> None:
    refusals = iter([429, 429, httpx.ConnectError("refused")])
    service.answer = lambda operation, _: next(refusals, None) if operation == "run" else None
    (result,) = collect(uploading.map_unordered([{"image": picture()}]))
    assert result.succeeded
    assert [("acquire", "horse.png"), ("release", "horse.png", True)] == store.calls


@pytest.mark.parametrize(("answer", "used"), [(400, False), (500, True)])
def test_in_a_map_files_of_failed_submissions_are_released(
    answer: int, used: bool, service: Service, store: Store, uploading: Endpoint
) -> None:
    store.left = "s3://inputs/0.png"
    service.answer = lambda operation, what: answer if operation == "run" and "0.png" in what["image"] else None
    results = collect(uploading.map_unordered([{"image": picture(f"{n}.png")} for n in range(3)]))
    (failed,) = [result for result in results if not result.succeeded]
    assert ("s3://inputs/0.png" in str(failed.error)) is not used
    assert sorted([("0.png", used), ("1.png", True), ("2.png", True)]) == sorted(store.released)


def test_in_a_map_a_failed_upload_is_a_result(service: Service, store: Store, uploading: Endpoint) -> None:
    tried: list[str] = []

    def fail(file: File, _stop: threading.Event) -> None:
        tried.append(file.name)
        if file.name == "0.png":
            raise RunpodError("Wrong credentials.", maybe_submitted=False)
        if file.name == "1.png" and tried.count("1.png") < 3:
            raise RunpodError("No connection.", maybe_submitted=False, retryable=True)

    store.before = fail
    results = collect(uploading.map_unordered([{"image": picture(f"{n}.png")} for n in range(3)]))
    assert {0: "Wrong credentials.", 1: None, 2: None} == {
        each.index: each.error and each.error.message for each in results
    }
    assert {("1.png", True), ("2.png", True)} == set(store.released)
    assert (1, 3) == (tried.count("0.png"), tried.count("1.png"))


def test_refused_credentials_end_a_map_and_release_its_files(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    service.answer = lambda operation, _: 401 if operation == "run" else None
    results = uploading.map_unordered([{"image": picture(f"{n}.png")} for n in range(5)])
    with pytest.raises(RunpodError, match="401"):
        collect(results)
    results.close()
    assert store.released
    assert {False} == {used for _, used in store.released}


def test_a_map_that_is_left_stops_its_uploads(service: Service, store: Store, uploading: Endpoint) -> None:
    begun, ended = threading.Event(), threading.Event()

    def wait(file: File, stop: threading.Event) -> None:
        if file.name == "1.png":
            begun.set()
            for _ in range(round(TEST_TIMEOUT / 0.002)):
                if stop.is_set():
                    ended.set()
                    raise InterruptedError
                ended.wait(0.002)

    store.before = wait
    results = uploading.map_unordered([{"image": picture("0.png")}, {"image": small(), "b": picture("1.png")}])
    for _ in results:
        until(begun.is_set)
        break
    results.close()
    assert ended.wait(TEST_TIMEOUT)
    until(lambda: not any(store.uses.values()))
    assert [("0.png", True)] == store.released
    assert 1 == len(service.sent("run"))


def test_a_map_that_is_left_releases_what_it_did_not_submit(
    service: Service, store: Store, uploading: Endpoint
) -> None:
    # The first is submitted; the second is refused, and postponed.
    service.answer = lambda operation, what: 429 if operation == "run" and "1.png" in what["image"] else None
    store.left = "s3://inputs/1.png"
    results = uploading.map_unordered([{"image": picture(f"{n}.png")} for n in range(2)])
    uploading._session.clock.skips = lambda: False
    for _ in results:
        until(lambda: 2 == len(service.sent("run")))
        break
    results.close()
    until(lambda: not any(store.uses.values()))
    assert [("0.png", True), ("1.png", False)] == sorted(store.released)


# --- bulk runs, and settings ------------------------------------------------------------------


def test_in_a_bulk_run_files_are_embedded_when_rows_are_added(
    tmp_path: Path, service: Service, store: Store, uploading: Endpoint
) -> None:
    with BulkRun(tmp_path / "run.sqlite") as run:
        run.add([{"image": picture()}])
        with pytest.raises(InputTooLargeError, match=r"row 1: The request has 10\.7 MB.*Nothing was added\."):
            run.add([{"image": picture(size=8_400_000)}])
        added = run.add([{"image": picture(size=8_400_000)}, {"n": 1}], key=str, on_error="skip")
        assert (1, 1) == (added.added, added.skipped_count)
        results = collect(run.run(uploading))
    assert sorted(map(str, [{"image": URL}, {"n": 1}])) == sorted(str(result.output) for result in results)
    assert [] == store.calls


def test_a_row_that_is_too_large_is_reported_and_can_be_run_later(
    tmp_path: Path, service: Service, endpoint: Endpoint
) -> None:
    with BulkRun(tmp_path / "run.sqlite") as run:
        run.add([{"text": "x" * 1000}, {"n": 1}])
        limited = endpoint.with_options(limits=EndpointLimits(run_bytes=1000))
        first, second = sorted(collect(run.run(limited)), key=lambda result: result.key)
        assert ("FAILED", "COMPLETED") == (first.status, second.status)
        assert "more than the limit of 1,000 bytes" in first.error
        assert "input.text: 1,002 bytes" in first.error
        (result,) = collect(run.run(endpoint, resubmit="failed"))
    assert ("COMPLETED", first.key) == (result.status, result.key)


@pytest.mark.parametrize("uploads", ["s3://bucket", Path, {"bucket": "x"}])
def test_uploads_must_be_a_store(uploads: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"uploads must be an S3Uploads, or have what runpod.media.FileStore"):
        Runpod(KEY, uploads=uploads)

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.local.conftest import Serve


class Unprintable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no")


class Unreadable(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


def circle() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


def nested() -> list[Any]:
    items: list[Any] = []
    for _ in range(200_000):
        items = [items]
    return items


def raising(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    def handler(job: dict[str, Any]) -> Any:
        raise error

    return handler


def raising_async(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    async def handler(job: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        raise error

    return handler


def raising_generator(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    def handler(job: dict[str, Any]) -> Iterator[Any]:
        yield "before"
        raise error

    return handler


def raising_async_generator(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    async def handler(job: dict[str, Any]) -> AsyncIterator[Any]:
        yield "before"
        await asyncio.sleep(0)
        raise error

    return handler


@pytest.mark.fact("protocol 1.8: exception of a handler")
@pytest.mark.parametrize("make", [raising, raising_async])
def test_exception_of_a_handler_is_json_text(serve: Serve, make: Callable[[BaseException], Any]) -> None:
    done = serve(make(ValueError("no such horse"))).run_sync()
    assert {"id", "status", "delayTime", "executionTime", "workerId", "error"} == set(done)
    assert "FAILED" == done["status"]
    error = json.loads(done["error"])
    assert {
        "error_type",
        "error_message",
        "error_traceback",
        "hostname",
        "worker_id",
        "runpod_version",
    } == set(error)
    assert "<class 'ValueError'>" == error["error_type"]
    assert "no such horse" == error["error_message"]
    assert error["error_traceback"].startswith("Traceback (most recent call last):\n")
    assert "ValueError: no such horse\n" in error["error_traceback"]
    assert done["workerId"] == error["worker_id"]


@pytest.mark.fact("protocol 1.8: exception of a generator", "protocol 3: failed stream")
@pytest.mark.parametrize("make", [raising_generator, raising_async_generator])
@pytest.mark.parametrize("aggregate", [False, True])
def test_exception_of_a_generator_is_plain_text(
    serve: Serve, make: Callable[[BaseException], Any], aggregate: bool
) -> None:
    api = serve(make(ValueError("no such horse")), return_aggregate_stream=aggregate)
    done = api.run_sync()
    assert "FAILED" == done["status"]
    assert "output" not in done
    start = "handler: no such horse \ntraceback: Traceback (most recent call last):\n"
    assert done["error"].startswith(start)
    assert {"status": "FAILED", "stream": [{"output": "before"}]} == api.stream(done["id"])


@pytest.mark.parametrize("make", [raising, raising_async, raising_generator, raising_async_generator])
@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt("stop"),
        SystemExit(3),
        GeneratorExit(),
        asyncio.CancelledError("of its own"),
        StopIteration(1),
        StopAsyncIteration(2),
        BaseException("bare"),
        Unprintable(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_exception_of_a_handler_breaks_the_server(
    serve: Serve, make: Callable[[BaseException], Any], error: BaseException
) -> None:
    api = serve(make(error))
    for _ in range(2):
        done = api.run_sync()
        assert "FAILED" == done["status"]
        assert done["error"]
    assert 1 == api.get("/health")["workers"]["idle"]


@pytest.mark.fact("protocol 1.8: returned error")
def test_returned_error_becomes_the_error_of_the_job(serve: Serve) -> None:
    api = serve(lambda job: job["input"]["output"])
    done = api.run_sync(output={"error": "bad seed", "detail": 1})
    assert ("FAILED", "bad seed", {"detail": 1}) == (done["status"], done["error"], done["output"])
    done = api.run_sync(output={"error": "bad seed"})
    assert ("FAILED", "bad seed") == (done["status"], done["error"])
    assert "output" not in done


@pytest.mark.parametrize("error", ["", None, 0, False, []])
def test_falsy_error_is_ignored(serve: Serve, error: Any) -> None:
    done = serve(lambda _: {"error": error, "n": 1}).run_sync()
    assert ("COMPLETED", {"n": 1}) == (done["status"], done["output"])
    assert "error" not in done


@pytest.mark.fact("protocol 1.8: error that is no text")
def test_error_that_is_not_a_string_is_lost_as_on_the_service(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "runpod.local"):
        done = serve(lambda _: {"error": {"code": 7}, "n": 1}).run_sync()
    assert "COMPLETED" == done["status"]
    assert {"output", "error"}.isdisjoint(done)
    assert "Return a str as `error`" in caplog.text


@pytest.mark.fact("protocol 1.8: error in an output")
def test_nested_error_stays_in_the_output(serve: Serve) -> None:
    done = serve(lambda _: [{"error": "mine"}]).run_sync()
    assert ("COMPLETED", [{"error": "mine"}]) == (done["status"], done["output"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (object, "object"),
        (lambda: {"horse": {1, 2}}, "set"),
        (lambda: b"bytes", "bytes"),
        (lambda: float("nan"), "float"),
        (lambda: {"a": float("inf")}, "float"),
        (circle, "ircular"),
        (nested, ""),
        (lambda: {(1, 2): 3}, "keys"),
        (lambda: [Unreadable(a=1)], "no items"),
        (lambda: {"error": Unreadable(a=1)}, "neither true nor false"),
        (lambda: (n for n in range(3)), "generator"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_output_that_is_not_json_fails_the_job(
    serve: Serve, make: Callable[[], Any], message: str, is_async: bool
) -> None:
    def handler(job: dict[str, Any]) -> Any:
        return make() if "bad" in job["input"] else "fine"

    async def handler_async(job: dict[str, Any]) -> Any:
        return handler(job)

    api = serve(handler_async if is_async else handler)
    done = api.run_sync(bad=True)
    assert "FAILED" == done["status"]
    assert "output" not in done
    error = json.loads(done["error"])
    assert message in error["error_message"]
    assert "fine" == api.run_sync(good=True)["output"]


@pytest.mark.parametrize("aggregate", [False, True])
def test_yield_that_is_not_json_fails_the_job(serve: Serve, aggregate: bool) -> None:
    def handler(_: dict[str, Any]) -> Iterator[Any]:
        yield 1
        yield {1, 2}
        yield 3

    api = serve(handler, return_aggregate_stream=aggregate)
    done = api.run_sync()
    assert "FAILED" == done["status"]
    assert done["error"].startswith("handler: Object of type set is not JSON serializable \n")
    assert {"status": "FAILED", "stream": [{"output": 1}]} == api.stream(done["id"])


@pytest.mark.fact("protocol 1.8: yielded error")
@pytest.mark.parametrize("is_async", [False, True])
def test_yielded_error_fails_the_job(serve: Serve, is_async: bool) -> None:
    closed: list[bool] = []

    def handler(_: dict[str, Any]) -> Iterator[Any]:
        try:
            yield 1
            yield {"error": 404, "more": True}
            raise AssertionError("never reached")
        finally:
            closed.append(True)

    async def handler_async(job: dict[str, Any]) -> AsyncIterator[Any]:
        try:
            for value in handler(job):
                yield value
        finally:
            closed.append(True)

    api = serve(handler_async if is_async else handler)
    done = api.run_sync()
    assert ("FAILED", "404") == (done["status"], done["error"])
    assert "output" not in done
    assert {"status": "FAILED", "stream": [{"output": 1}]} == api.stream(done["id"])
    assert closed


def test_exception_in_the_cleanup_of_a_generator_is_ignored(serve: Serve) -> None:
    def handler(_: dict[str, Any]) -> Iterator[Any]:
        try:
            yield {"error": "first"}
        finally:
            raise RuntimeError("second")

    assert "first" == serve(handler).run_sync()["error"]


def generator_without_job() -> Iterator[int]:
    yield 1


async def coroutine_without_job() -> int:
    return 1


async def async_generator_without_job() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    "handler",
    [lambda: 1, generator_without_job, coroutine_without_job, async_generator_without_job],
    ids=lambda handler: handler.__name__,
)
def test_handler_with_the_wrong_signature_fails_its_jobs(serve: Serve, handler: Callable[..., Any]) -> None:
    done = serve(handler).run_sync()
    assert "FAILED" == done["status"]
    assert "positional argument" in done["error"]

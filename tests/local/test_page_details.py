"""The details, values and media of jobs on the local server's page."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import LocalServer, progress_update, samples
from tests.local.page_browser import Browser

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.local.api import Gate


def png(width: int = 1) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * (width + 1))) + chunk(b"IEND", b"")


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


PNG = png()
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(range(200))
HTML = b"<!doctype html><script>alert(1)</script>" * 10
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>' * 10


@contextmanager
def opened(handler: Callable[[dict[str, Any]], Any], **settings: Any) -> Generator[Browser, None, None]:
    with LocalServer({"horse": handler}, page=True, **settings) as server, Browser(server) as browser:
        yield browser


def test_a_completed_job() -> None:
    with opened(lambda job: {"image": "…", "seed": 2**64 - 1}) as browser:
        job = browser.ended(prompt="a horse")
        row = {name: job[name] for name in ("endpoint", "status", "summary", "retries", "progress")}
        summary = '{"prompt": "a horse"}'
        assert {"endpoint": "horse", "status": "COMPLETED", "summary": summary, "retries": 0, "progress": None} == row
        assert {"json": {"prompt": "a horse"}} == job["input"]
        assert {"json": {"image": "…", "seed": {"$number": "18446744073709551615"}}} == job["output"]
        assert {"items": [], "total": 0} == job["chunks"]
        nothing: dict[str, Any] = {"update": None, "error": None, "policy": None, "webhook": None, "media": []}
        assert nothing == {name: job[name] for name in nothing}


def test_policy_and_webhook() -> None:
    with opened(lambda job: 1) as browser:
        body = {
            "input": {"n": 1},
            "policy": {"ttl": 20_000, "executionTimeout": 6000, "lowPriority": True},
            "webhook": "https://example.com/hooks",
        }
        job = browser.details(browser.post("/page/endpoints/horse/jobs", body)["id"])
        assert body["policy"] == job["policy"]
        assert body["webhook"] == job["webhook"]
        assert {"json": {"n": 1}} == job["input"]


def test_a_failed_job_has_a_traceback() -> None:
    def horse(job: dict[str, Any]) -> None:
        raise ValueError("no \ud800 horse </script>")

    with opened(horse) as browser:
        error = browser.ended()["error"]
        assert ("ValueError", "no \ud800 horse </script>") == (error["type"], error["message"])
        assert error["traceback"].startswith("Traceback (most recent call last):")
        assert "in horse" in error["traceback"]


def test_a_failed_generator_has_a_traceback() -> None:
    def horse(job: dict[str, Any]) -> Iterator[int]:
        yield 1
        raise KeyError("saddle")

    with opened(horse) as browser:
        job = browser.ended()
        assert ("KeyError", "'saddle'") == (job["error"]["type"], job["error"]["message"])
        assert "in horse" in job["error"]["traceback"]
        assert {"items": [{"json": 1}], "total": 1} == job["chunks"]


@pytest.mark.parametrize(
    "text",
    [
        "out of memory",
        "{",
        "[" * 100_000,
        '{"error_message": ' + "[" * 900 + "]" * 900 + "}",
        '{"error_message": 1, "error_type": {"__proto__": []}, "error_traceback": ["x"]}',
        '{"error_message": "x", "self": 1, "model_config": 2}',
        "\0\ud800",
        "x" * 1_000_000,
        json.dumps({"error_message": "x" * 1_000_000, "error_traceback": "y" * 1_000_000}),
        "handler: a \ntraceback: " + "b" * 200_000,
    ],
    ids=range(10),
)
def test_errors_of_any_kind(text: str) -> None:
    with opened(lambda job: {"error": text}) as browser:
        error = browser.ended()["error"]
        assert error["message"] is not None
        assert len(error["message"]) <= 20_000
        assert len(error.get("traceback") or "") <= 100_001


def test_progress_and_stream_of_a_running_job(gate: Gate) -> None:
    def horse(job: dict[str, Any]) -> Iterator[Any]:
        progress_update(job, {"preview": text_of(PNG)})
        yield {"text": "a"}
        yield {"image": text_of(png(2))}
        gate(job)
        yield "end"

    with opened(horse) as browser, browser.events() as events:
        events.next("snapshot")
        job_id = browser.submit()["id"]
        gate.wait_entered()
        job = browser.details(job_id)
        assert "IN_PROGRESS" == job["status"]
        assert job["output"] is None
        assert {"json": {"preview": text_of(PNG)}} == job["update"]
        assert 2 == job["chunks"]["total"]
        assert ["progress.preview", "chunks[1].image"] == [each["where"] for each in job["media"]]
        gate.open()
        events.job("COMPLETED")
        # Clients that take the chunks do not take them from the page.
        assert 3 == len(browser_stream(browser, job_id))
        after = browser.details(job_id)
        assert [{"text": "a"}, "end"] == [each["json"] for each in after["chunks"]["items"][::2]]
        assert after["update"] is None


def browser_stream(browser: Browser, job_id: str) -> list[Any]:
    url = f"{browser.server.base_url}/horse/stream/{job_id}"
    response = browser.http.get(url, headers={"Authorization": browser.server.api_key})
    stream: list[Any] = response.json()["stream"]
    return stream


def test_the_newest_chunks_are_kept() -> None:
    def horse(job: dict[str, Any]) -> Iterator[Any]:
        yield from range(250)
        for _ in range(3):
            yield ["y" * 100] * 3000

    with opened(horse) as browser:
        job = browser.ended()
        items = job["chunks"]["items"]
        assert (200, 253) == (len(items), job["chunks"]["total"])
        assert list(range(53, 250)) == [each["json"] for each in items[:-3]]
        # Those that are too large together are links.
        [link, *_] = [each["href"] for each in items[-3:] if "href" in each]
        response = browser.http.get(link)
        assert ["y" * 100] * 3000 == response.json()
        path = f"/page/endpoints/horse/jobs/{job['id']}/chunks"
        assert 249 == browser.get(f"{path}/249")
        for index in ("52", "253", "-1", "x", "²", "9" * 5000):
            assert 404 == browser.http.get(f"{path}/{index}").status_code


def test_a_retried_job_begins_without_chunks(gate: Gate) -> None:
    def horse(job: dict[str, Any]) -> Iterator[int]:
        if gate.entered.is_set():
            gate(job)
        yield 1
        gate.entered.set()
        raise ValueError("no")

    with opened(horse) as browser:
        job = browser.ended()
        assert 1 == job["chunks"]["total"]
        browser.post(f"/page/endpoints/horse/jobs/{job['id']}/retry")
        assert {"items": [], "total": 0} == browser.details(job["id"])["chunks"]


def test_values_are_downloads() -> None:
    output = {"rows": ["x" * 100] * 5000, "\ud800": "\u2028"}
    with opened(lambda job: output) as browser:
        job = browser.ended(prompt="</script>")
        assert job["output"].keys() == {"size", "href", "head"}
        assert 2000 == len(job["output"]["head"])
        response = browser.http.get(job["output"]["href"])
        assert len(response.content) == job["output"]["size"]
        assert output == json.loads(response.content)
        assert "sandbox; default-src 'none'" == response.headers["content-security-policy"]
        assert response.headers["content-disposition"].startswith("attachment; ")
        assert "application/json" == response.headers["content-type"]
        path = f"/page/endpoints/horse/jobs/{job['id']}"
        assert {"prompt": "</script>"} == browser.get(f"{path}/input")
        assert 404 == browser.http.get(f"{path}/progress").status_code


@pytest.mark.parametrize(
    "output",
    [
        "\ud800\0</script>\u2028",
        {"__proto__": {"polluted": 1}, "constructor": {"prototype": 1}, "": [], "$string": "x", "length": 3},
        "x" * 5_000_000,
        None,
        [],
        0,
        json.loads("[" * 500 + "]" * 500),
    ],
    ids=range(7),
)
def test_hostile_outputs(output: Any) -> None:
    with opened(lambda job: output) as browser:
        job = browser.ended()
        assert "COMPLETED" == job["status"]
        if output == "x" * 5_000_000:
            assert {"json": {"$string": "x" * 120, "length": 5_000_000}} == job["output"]
        else:
            # The page removes the `$` again.
            shown = json.dumps(job["output"]["json"]).replace("$$string", "$string")
            assert output == json.loads(shown)


def test_an_input_nested_too_deeply_is_refused() -> None:
    with opened(lambda job: 1) as browser:
        content = b'{"input": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
        headers = {"Content-Type": "application/json"}
        response = browser.http.post("/page/endpoints/horse/jobs", content=content, headers=headers)
        assert 400 == response.status_code
        assert "Traceback" not in response.text


# Media


def test_media_are_shown_by_their_content() -> None:
    output = {
        "images": [{"type": "base64", "data": text_of(PNG), "filename": '../a"b\r\n.png'}],
        "message": f"data:image/png;base64,{text_of(png(3))}",
        "audio_base64": text_of(WAV),
    }
    with opened(lambda job: output) as browser:
        job = browser.ended(image=text_of(png(4)))
        found = {each["where"]: each for each in job["media"]}
        assert ["output.images[0].data", "output.message", "output.audio_base64", "input.image"] == list(found)
        assert ["image", "image", "audio", "image"] == [each["kind"] for each in job["media"]]
        picture = found["output.images[0].data"]
        assert ("image/png", len(PNG), None) == (picture["mime"], picture["size"], picture["href"])
        assert "/" not in picture["name"]
        response = browser.http.get(picture["src"])
        assert (PNG, "image/png") == (response.content, response.headers["content-type"])
        assert "sandbox; default-src 'none'" == response.headers["content-security-policy"]
        assert "nosniff" == response.headers["x-content-type-options"]
        assert response.headers["content-disposition"].startswith("inline; filename*=UTF-8''")
        assert png(4) == browser.http.get(found["input.image"]["src"]).content
        assert WAV == browser.http.get(found["output.audio_base64"]["src"]).content


@pytest.mark.parametrize(
    "value",
    [
        f"data:image/png;base64,{text_of(HTML)}",
        f"data:image/svg+xml;base64,{text_of(SVG)}",
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        f"data:text/html;base64,{text_of(HTML)}",
        f"data:video/mp4;base64,{text_of(HTML)}",
        {"type": "image/png", "data": text_of(HTML)},
        {"type": "text/html", "data": text_of(HTML), "filename": "a.html"},
        {"type": "base64", "data": "not base64!", "filename": "a.png"},
        text_of(b"%PDF-1.7" + bytes(200)),
    ],
    ids=range(9),
)
def test_what_only_claims_to_be_a_picture_is_a_download(value: Any) -> None:
    with opened(lambda job: {"image": value}) as browser:
        [media] = browser.ended()["media"]
        assert "other" == media["kind"]
        response = browser.http.get(media["src"])
        if response.status_code == 200:
            assert response.headers["content-disposition"].startswith("attachment; ")
            assert "application/octet-stream" == response.headers["content-type"]
            assert "sandbox; default-src 'none'" == response.headers["content-security-policy"]
        else:
            assert 404 == response.status_code
            assert "cannot be decoded" in response.json()["error"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a.png", True),
        ("http://127.0.0.1:1/a.png", True),
        ("javascript:alert(1)//a.png", False),
        ("file:///etc/passwd.png", False),
        ("//example.com/a.png", False),
        ("ftp://example.com/a.png", False),
    ],
)
def test_addresses_of_other_hosts_are_links(url: str, shown: bool) -> None:
    with opened(lambda job: {"image_url": url}) as browser:
        media = browser.ended()["media"]
        assert ([(None, url)] if shown else []) == [(each["src"], each["href"]) for each in media]
        if shown:
            job = browser.server.jobs["horse"][0]["id"]
            response = browser.http.get(f"/page/endpoints/horse/jobs/{job}/media/0")
            assert (404, "The file is on another host. Open its own address.") == (
                response.status_code,
                response.json()["error"],
            )


def test_pictures_that_this_server_draws_are_shown() -> None:
    endpoint = "black-forest-labs-flux-1-schnell"
    server = LocalServer({endpoint: samples.ALL[endpoint]}, page=True)
    with server, Browser(server) as browser, browser.events() as events:
        browser.submit(endpoint, prompt="a horse")
        job = browser.details(events.job("COMPLETED")["id"], endpoint)
        [media] = job["media"]
        assert ("image", None) == (media["kind"], media["href"])
        assert browser.http.get(media["src"]).content.startswith(b"\x89PNG")
        assert [] == server.requests


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        ("bytes=0-", 206, WAV),
        ("bytes=8-11", 206, b"WAVE"),
        ("bytes=-4", 206, WAV[-4:]),
        ("bytes=-99999", 206, WAV),
        ("bytes=100-99999", 206, WAV[100:]),
        ("bytes=99999-", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=9-8", 416, b""),
        ("bytes=-", 200, WAV),
        ("bytes=0-1,3-4", 200, WAV),
        ("lines=1-2", 200, WAV),
        ("", 200, WAV),
    ],
)
def test_players_read_parts(header: str, status: int, content: bytes) -> None:
    with opened(lambda job: {"audio": text_of(WAV)}) as browser:
        [media] = browser.ended()["media"]
        response = browser.http.get(media["src"], headers={"Range": header})
        assert (status, content) == (response.status_code, response.content)
        if status == 206:
            start = WAV.index(content)
            assert f"bytes {start}-{start + len(content) - 1}/{len(WAV)}" == response.headers["content-range"]


def test_media_of_an_old_version_are_gone() -> None:
    with opened(lambda job: {"image": text_of(PNG), "error": "no"}) as browser:
        [media] = browser.ended()["media"]
        assert "private, max-age=3600" == browser.http.get(media["src"]).headers["cache-control"]
        path = media["src"].partition("?")[0]
        assert "no-store" == browser.http.get(path).headers["cache-control"]
        for address in (f"{path}?v=1", f"{path[:-1]}1", f"{path[:-1]}x", f"{path[:-1]}-1"):
            assert 404 == browser.http.get(address).status_code


def test_many_media_are_cut() -> None:
    with opened(lambda job: {"images": [text_of(png(n)) for n in range(1, 300)]}) as browser:
        assert 200 == len(browser.ended()["media"])


def test_places_of_media() -> None:
    picture = text_of(PNG)
    output = {"a b": [[{"é": f" {picture}\n"}]], "x" * 500: text_of(png(2)), "__proto__": {"": text_of(png(3))}}
    with opened(lambda job: output) as browser:
        places = [each["where"] for each in browser.ended()["media"]]
        assert 'output["a b"][0][0]["\\u00e9"]' == places[0]
        assert ("output." + "x" * 192 + "…", 200) == (places[1], len(places[1]))
        assert 'output.__proto__[""]' == places[2]

"""The look-alikes of popular workers, over HTTP."""

from __future__ import annotations

import base64
import io
import re
import struct
import subprocess
import sys
import wave
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import runpod
from runpod import Runpod
from runpod.local import LocalEndpoint, LocalServer, samples
from runpod.local.__main__ import main
from runpod.local.samples.picture import draw, key_of
from tests.local.api import TIMEOUT, Api
from tests.media.samples import PNG, WAV, data_url, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKFLOW: dict[str, Any] = {
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a horse", "clip": ["30", 1]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    "27": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 64, "batch_size": 1}},
    "31": {"class_type": "KSampler", "inputs": {"seed": 42, "latent_image": ["27", 0]}},
}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "a horse"}]},
]
FLUX = "black-forest-labs-flux-1-schnell"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    links = {
        "comfyui-bucket": partial(samples.comfyui, bucket=True),
        "sdxl-bucket": partial(samples.sdxl, bucket=True),
    }
    with LocalServer({**samples.ALL, **links}) as server:
        yield server


@pytest.fixture
def run(server: LocalServer) -> Iterator[Callable[..., Any]]:
    """Run a job on a sample, and return the body of the response."""
    with httpx.Client(headers={"Authorization": f"Bearer {server.api_key}"}, timeout=TIMEOUT, trust_env=False) as http:

        def run(endpoint: str, **job_input: Any) -> Any:
            return Api.ok(http.post(f"{server.base_url}/{endpoint}/runsync", json={"input": job_input}))

        yield run


def with_nodes(**changes: Any) -> dict[str, Any]:
    """The workflow with other inputs of nodes, such as n27={"width": 64}."""
    changed = {number[1:]: inputs for number, inputs in changes.items()}
    return {number: {**node, "inputs": node["inputs"] | changed.get(number, {})} for number, node in WORKFLOW.items()}


def output_of(job: dict[str, Any]) -> Any:
    assert "COMPLETED" == job["status"], job
    return job["output"]


def error_of(job: dict[str, Any]) -> str:
    assert "FAILED" == job["status"], job
    error: str = job["error"]
    return error


def get(url: str) -> bytes:
    """Download without an API key."""
    response = httpx.get(url, trust_env=False, timeout=TIMEOUT)
    assert (200, "image/png") == (response.status_code, response.headers["content-type"])
    assert len(response.content) == int(response.headers["content-length"])
    return response.content


def size_of(png: bytes) -> tuple[int, int]:
    """Check a PNG file to its last byte, and return its width and height."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, chunks = 8, list[tuple[bytes, bytes]]()
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        data = png[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length) == (zlib.crc32(kind + data),)
        chunks.append((kind, data))
        place += 12 + length
    (first, header), (_, pixels), last = chunks
    width, height, *rest = struct.unpack(">IIBBBBB", header)
    assert (b"IHDR", [8, 2, 0, 0, 0], (b"IEND", b"")) == (first, rest, last)
    rows = zlib.decompress(pixels)
    assert (1 + 3 * width) * height == len(rows)
    assert {0} == set(rows[:: 1 + 3 * width])
    assert len(set(rows)) > 8  # It is not blank.
    return width, height


# comfyui


@pytest.mark.fact("protocol-2 6: ComfyUI")
def test_comfyui(run: Callable[..., Any]) -> None:
    output = output_of(run("comfyui", workflow=WORKFLOW))
    [image] = output["images"]
    data = base64.b64decode(image["data"], validate=True)
    assert {
        "images": [{"filename": "ComfyUI_00001_.png", "type": "base64", "data": base64.b64encode(data).decode()}]
    } == output
    assert (128, 64) == size_of(data)
    assert output == output_of(run("comfyui", workflow=WORKFLOW))


def test_comfyui_with_a_batch(run: Callable[..., Any]) -> None:
    workflow = with_nodes(n9={"filename_prefix": "horses/white"}, n27={"batch_size": 3, "width": ["12", 0]})
    images = output_of(run("comfyui", workflow=workflow))["images"]
    assert ["white_00001_.png", "white_00002_.png", "white_00003_.png"] == [image["filename"] for image in images]
    assert 3 == len({image["data"] for image in images})


def test_comfyui_depends_on_the_seed_and_the_images(run: Callable[..., Any]) -> None:
    inputs: list[dict[str, Any]] = [
        {"workflow": WORKFLOW},
        {"workflow": with_nodes(n31={"seed": 43})},
        {"workflow": WORKFLOW, "images": [{"name": "horse.png", "image": data_url(PNG, "image/png")}]},
        {"workflow": WORKFLOW, "images": [{"name": "horse.png", "image": text(PNG)}]},
    ]
    outputs = [output_of(run("comfyui", **job_input)) for job_input in inputs]
    assert 4 == len({output["images"][0]["data"] for output in outputs})


@pytest.mark.fact("protocol-2 6: ComfyUI with a bucket")
def test_comfyui_with_a_bucket(run: Callable[..., Any], server: LocalServer) -> None:
    output = output_of(run("comfyui-bucket", workflow=WORKFLOW))
    url = output["images"][0]["data"]
    assert {"images": [{"filename": "ComfyUI_00001_.png", "type": "s3_url", "data": url}]} == output
    assert url.startswith(server.base_url.removesuffix("/v2") + "/samples/128x64-")
    [image] = output_of(run("comfyui", workflow=WORKFLOW))["images"]
    assert base64.b64decode(image["data"]) == get(url)


def test_comfyui_without_images(run: Callable[..., Any]) -> None:
    job = run("comfyui", workflow={"1": {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}})
    assert {"status": "success_no_images", "images": []} == output_of(job)


@pytest.mark.parametrize(
    ("job_input", "error"),
    [
        ({"prompt": "a horse"}, "Missing 'workflow' parameter"),
        (
            {"workflow": WORKFLOW, "images": ["horse.png"]},
            "'images' must be a list of objects with 'name' and 'image' keys",
        ),
        ({"workflow": WORKFLOW, "images": {}}, "'images' must be a list of objects with 'name' and 'image' keys"),
        (
            {"workflow": WORKFLOW, "images": [{"name": "horse.png", "image": "x"}]},
            "Failed to upload one or more input images",
        ),
        ({"workflow": {}}, "Prompt has no outputs. Add a node such as SaveImage to the workflow."),
        ({"workflow": "a horse"}, "Prompt has no outputs. Add a node such as SaveImage to the workflow."),
        (
            {"workflow": {"nodes": [], "version": 0.4}},
            (
                "Cannot execute because node 'nodes' is missing the class_type property. "
                "Export the workflow in the API format."
            ),
        ),
        (
            {"workflow": with_nodes(n27={"width": "wide"})},
            "Workflow validation failed:\n• Node 27 (errors): width must be 1 or more",
        ),
        ({"workflow": with_nodes(n27={"height": 10**9})}, "Job processing failed"),
        ({"workflow": with_nodes(n27={"batch_size": 10**9})}, "Job processing failed"),
    ],
)
def test_comfyui_refuses(run: Callable[..., Any], job_input: dict[str, Any], error: str) -> None:
    assert error == error_of(run("comfyui", **job_input))


# sdxl


@pytest.mark.fact("protocol-2 6: SDXL")
def test_sdxl(run: Callable[..., Any]) -> None:
    output = output_of(run("sdxl", prompt="a horse", width=64, height=128, seed=7, num_images=2, guidance_scale=7))
    first, second = output["images"]
    assert {"images": [first, second], "image_url": first, "seed": 7} == output
    assert first != second
    for image in (first, second):
        assert image.startswith("data:image/png;base64,")
        assert (64, 128) == size_of(base64.b64decode(image.partition(",")[2], validate=True))


def test_sdxl_without_a_seed(run: Callable[..., Any]) -> None:
    output = output_of(run("sdxl", prompt="a horse", width=64, height=64))
    assert output == output_of(run("sdxl", prompt="a horse", width=64, height=64, seed=output["seed"]))


def test_sdxl_with_a_bucket_and_a_picture(run: Callable[..., Any]) -> None:
    output = output_of(run("sdxl-bucket", prompt="a horse", width=64, height=64, seed=1, image_url="https://x/y.png"))
    assert {"images", "image_url", "seed"} == output.keys()  # `refresh_worker` is for the service.
    assert [output["image_url"]] == output["images"]
    assert (64, 64) == size_of(get(output["image_url"]))


@pytest.mark.parametrize(
    ("job_input", "error"),
    [
        ({"seed": 1}, "Unexpected error: Provide a `prompt`."),
        ({"prompt": 1}, "prompt should be <class 'str'> type, not <class 'int'>."),
        (
            {"prompt": "a horse", "steps": 20, "seed": "x"},
            (
                "Unexpected input. steps is not a valid input option. "
                "seed should be <class 'int'> type, not <class 'str'>."
            ),
        ),
        ({"prompt": "a horse", "num_images": 3}, "num_images does not meet the constraints."),
        (
            {"prompt": "a horse", "width": 100},
            "Unexpected error: `height` and `width` have to be divisible by 8 but are 1024 and 100.",
        ),
        (
            {"prompt": "a horse", "height": None},
            "Unexpected error: `height` and `width` have to be divisible by 8 but are None and 1024.",
        ),
        ({"prompt": "a horse", "width": 80_000}, "RuntimeError: out of memory for an image of 80000x1024"),
    ],
)
def test_sdxl_refuses(run: Callable[..., Any], job_input: dict[str, Any], error: str) -> None:
    assert error == error_of(run("sdxl", **job_input))


# whisper


@pytest.mark.fact("protocol-2 6: Whisper")
def test_whisper(run: Callable[..., Any]) -> None:
    output = output_of(run("whisper", audio="https://example.com/horse.wav"))
    assert [
        {
            "id": number,
            "seek": 0,
            "start": 3.0 * (number - 1),
            "end": 3.0 * number,
            "text": segment["text"],
            "tokens": segment["tokens"],
            "temperature": 0.0,
            "avg_logprob": -0.25,
            "compression_ratio": 1.1,
            "no_speech_prob": 0.01,
        }
        for number, segment in enumerate(output["segments"], 1)
    ] == output.pop("segments")
    assert {
        "detected_language": "en",
        "transcription": (
            "This is a photo of a horse. It is the size of a Boeing 787. "
            "It stands on the runway, and waits for its wings."
        ),
        "translation": None,
        "device": "cpu",
        "model": "base",
    } == output


def test_whisper_formats(run: Callable[..., Any]) -> None:
    output = output_of(
        run("whisper", audio="https://example.com/horse.wav", transcription="srt", translation="vtt", translate=True)
    )
    assert output["transcription"].startswith(
        "1\n00:00:00,000 --> 00:00:03,000\nThis is a photo of a horse.\n\n2\n00:00:03,000 --> 00:00:06,000\n"
    )
    assert output["transcription"].endswith("wings.\n\n")
    assert output["translation"].startswith("00:00:00.000 --> 00:00:03.000\nThis is a photo of a horse.\n\n00:00:03.")
    formatted = output_of(run("whisper", audio="https://x/y.wav", transcription="formatted_text", language="de"))
    assert 3 == len(formatted["transcription"].splitlines())
    assert "de" == formatted["detected_language"]


def test_whisper_takes_the_length_from_the_audio(run: Callable[..., Any]) -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(1)
        audio.setframerate(1)
        audio.writeframes(bytes(2 * 3600))
    job = run("whisper", audio_base64=text(buffer.getvalue()), word_timestamps=True, transcription="srt")
    output = output_of(job)
    assert 7200.0 == output["segments"][-1]["end"]
    assert "--> 02:00:00,000\n" in output["transcription"]
    words = output["word_timestamps"]
    assert {"word": " This", "start": 0.0, "end": 342.86} == words[0]
    assert {"word": " wings.", "start": 6960.0, "end": 7200.0} == words[-1]
    assert 9.0 == output_of(run("whisper", audio_base64=text(b"not a WAV file")))["segments"][-1]["end"]


@pytest.mark.parametrize(
    ("job_input", "error"),
    [
        ({"model": "base"}, "^Must provide either audio or audio_base64$"),
        (
            {"audio": "https://x/y.wav", "audio_base64": text(WAV)},
            "^Must provide either audio or audio_base64, not both$",
        ),
        ({"audio": ["x"]}, "^audio should be <class 'str'> type, not <class 'list'>.$"),
        ({"audio_base64": "x"}, "binascii.Error"),
        ({"audio": "https://x/y.wav", "model": "huge"}, "Invalid model name: huge. Available models are: tiny, base"),
    ],
)
def test_whisper_refuses(run: Callable[..., Any], job_input: dict[str, Any], error: str) -> None:
    assert re.search(error, error_of(run("whisper", **job_input)))


# public flux


def test_public_flux(run: Callable[..., Any], server: LocalServer) -> None:
    output = output_of(run(FLUX, prompt="a horse", width=512, height=256, seed=7, image_format="jpeg"))
    assert {"image_url": output["image_url"], "cost": 0.000315} == output
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/samples/512x256-[0-9a-f]{32}\.png", output["image_url"])
    assert (512, 256) == size_of(get(output["image_url"]))
    assert output == output_of(run(FLUX, prompt="a horse", width=512, height=256, seed=7))


def test_public_flux_with_defaults(run: Callable[..., Any]) -> None:
    outputs = [output_of(run(FLUX, prompt="a horse")) for _ in range(2)]
    assert [0.002517, 0.002517] == [output["cost"] for output in outputs]
    assert outputs[0]["image_url"] != outputs[1]["image_url"]  # The default is a random seed.
    assert (1024, 1024) == size_of(get(outputs[0]["image_url"]))


@pytest.mark.parametrize(
    ("job_input", "error"),
    [
        ({"width": 512}, "prompt is required, and must be a string"),
        ({"prompt": ["a horse"]}, "prompt is required, and must be a string"),
        ({"prompt": "a horse", "width": 500}, "width must be a multiple of 64 from 256 to 1536"),
        ({"prompt": "a horse", "width": True}, "width must be a multiple of 64 from 256 to 1536"),
        ({"prompt": "a horse", "height": 6400}, "height must be a multiple of 64 from 256 to 1536"),
        ({"prompt": "a horse", "seed": "x"}, "seed must be an integer"),
    ],
)
def test_public_flux_refuses(run: Callable[..., Any], job_input: dict[str, Any], error: str) -> None:
    assert error == error_of(run(FLUX, **job_input))


def test_surrogates_in_a_prompt(run: Callable[..., Any]) -> None:
    first, second = (output_of(run(FLUX, prompt=prompt, seed=1)) for prompt in ("🐴", "🐎"))
    assert first["image_url"] != second["image_url"]
    key_of("\ud800")  # A lone surrogate, which JSON can contain.


# URLs of pictures


def test_head_of_a_picture(server: LocalServer) -> None:
    url = f"{server.base_url.removesuffix('/v2')}/samples/64x32-{'0a' * 16}.png"
    response = httpx.head(url, trust_env=False, timeout=TIMEOUT)
    png = draw(bytes.fromhex("0a" * 16), 64, 32)
    assert (200, str(len(png)), b"") == (response.status_code, response.headers["content-length"], response.content)
    assert png == get(url + "?version=2")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "horse.png",
        "0x64-{key}.png",
        "64x0-{key}.png",
        "64x2049-{key}.png",
        "99999x64-{key}.png",
        "64x64-{key}.jpg",
        "64x64-{key}0.png",
        "64x64-{key}.png/",
        "64x64-..%2f..%2fetc%2fpasswd.png",
        "../../etc/passwd",
    ],
)
def test_no_other_pictures(server: LocalServer, name: str) -> None:
    url = f"{server.base_url.removesuffix('/v2')}/samples/{name.format(key='0a' * 16)}"
    response = httpx.get(url, trust_env=False, timeout=TIMEOUT)
    assert (404, {"error": "not found"}) == (response.status_code, response.json())


def test_pictures_are_only_read(server: LocalServer) -> None:
    url = f"{server.base_url.removesuffix('/v2')}/samples/64x64-{'0a' * 16}.png"
    assert 404 == httpx.post(url, trust_env=False, timeout=TIMEOUT).status_code


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (2048, 1), (1, 2048), (333, 77)])
def test_any_size(size: tuple[int, int]) -> None:
    for key in range(0, 256, 15):
        png = draw(bytes([key]) * 16, *size)
        assert size == struct.unpack_from(">II", png, 16)
    assert size_of(draw(bytes(16), 64, 64))


# vLLM


@pytest.mark.fact("protocol-2 4: vLLM from 2.24")
@pytest.mark.parametrize(
    ("job_input", "kind", "expected"),
    [
        ({"prompt": "a horse"}, "text_completion", "You said: a horse"),
        ({"prompt": "a horse", "sampling_params": {"max_tokens": 2}}, "text_completion", "You said:"),
        ({"prompt": "a horse", "stream": True}, "", "You said: a horse"),
        ({"messages": MESSAGES}, "chat.completion", "You said: a horse"),
        ({"messages": MESSAGES, "stream": True}, "", "You said: a horse"),
        ({"openai_route": "/v1/completions", "openai_input": {"prompt": "a"}}, "text_completion", "You said: a"),
        ({"route": "/v1/chat/completions", "body": {"messages": MESSAGES}}, "chat.completion", "You said: a horse"),
    ],
)
def test_vllm(run: Callable[..., Any], job_input: dict[str, Any], kind: str, expected: str) -> None:
    output = output_of(run("vllm", **job_input))
    # A list, since the original is started with `return_aggregate_stream`: of one object, or of events.
    assert expected == runpod.text(output)
    if kind:
        assert [kind] == [each["object"] for each in output]
    else:
        assert all(each.startswith("data: ") and each.endswith("\n\n") for each in output)


@pytest.mark.fact("protocol-2 4: names of models")
def test_vllm_models(run: Callable[..., Any]) -> None:
    for job_input in ({"openai_route": "/v1/models"}, {"route": "/v1/models"}):
        [models] = output_of(run("vllm", **job_input))
        assert ["local/horse-1b"] == [model["id"] for model in models["data"]]


@pytest.mark.parametrize(
    ("job_input", "error"),
    [
        ({"n": 1}, "Job input must contain one of"),
        ({"route": "/v1/embeddings", "body": {"input": "x"}}, "vLLM returned HTTP 404"),
        ({"route": "/v1/chat/completions"}, "vLLM returned HTTP 404"),
        ({"messages": MESSAGES, "sampling_params": {"model": "other"}}, "The model `other` does not exist."),
        ({"messages": []}, "vLLM returned HTTP 400"),
        ({"messages": "a horse"}, "vLLM returned HTTP 400"),
        ({"openai_route": "/v1/completions", "openai_input": {"n": 1}}, "prompt: Field required"),
    ],
)
def test_vllm_errors(run: Callable[..., Any], job_input: dict[str, Any], error: str) -> None:
    body = run("vllm", **job_input)
    assert "FAILED" == body["status"]
    assert error in body["error"]


# Ways to serve


def test_seconds_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    inputs: list[tuple[Any, dict[str, Any]]] = [
        (samples.comfyui, {"workflow": WORKFLOW}),
        (samples.sdxl, {"prompt": "a horse", "width": 64, "height": 64}),
        (samples.whisper, {"audio": "https://x/y.wav"}),
    ]
    for handler, job_input in inputs:
        assert "error" not in handler({"id": "job", "input": job_input}, seconds=2.5)
    assert [2.5, 2.5, 2.5] == slept


def test_url_without_a_server() -> None:
    with pytest.raises(RuntimeError, match="There is no local server for the URL of a picture"):
        samples.public_flux({"id": "job", "input": {"prompt": "a horse"}})


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX only")
def test_in_a_worker_process(tmp_path: Path) -> None:
    # The worker of the other tests, with a sample as its handler.
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, runpy, sys\n"
        f"sys.path.insert(0, {str(Path(runpod.__file__).parents[1])!r})\n"  # Workers do not inherit PYTHONPATH.
        "from runpod.local import samples\n"
        "job = {'id': 'job', 'input': {'prompt': 'a horse', 'seed': 7, 'width': 256, 'height': 256}}\n"
        "os.environ['FLUX_URL'] = samples.public_flux(job)['image_url']\n"
        f"runpy.run_path({str(Path(__file__).with_name('worker.py'))!r}, run_name='__main__')\n"
    )
    with LocalServer({"horse": LocalEndpoint(command=[sys.executable, str(worker)])}) as server, Api(server) as api:
        url = api.run_sync(do="environment")["output"]["FLUX_URL"]
        assert url.startswith(server.base_url.removesuffix("/v2") + "/samples/256x256-")
        assert (256, 256) == size_of(get(url))


def test_two_servers_at_once(run: Callable[..., Any]) -> None:
    async def flux(job: dict[str, Any]) -> Any:
        return samples.public_flux(job)

    with LocalServer({"flux": flux}) as server, Runpod(server.api_key, base_url=server.base_url) as client:
        first = client.endpoint("flux").run_sync(input={"prompt": "a horse", "seed": 1}).result()["image_url"]
    second = output_of(run(FLUX, prompt="a horse", seed=1))["image_url"]
    assert first.startswith(server.base_url.removesuffix("/v2"))
    assert not second.startswith(server.base_url.removesuffix("/v2"))
    assert first.rpartition("/")[2] == second.rpartition("/")[2]


def test_command_line(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "runpod.local", "serve", "--port", "0", "--samples"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path) as serve:
        try:
            assert serve.stdout is not None
            key, base_url = (serve.stdout.readline().strip().partition("=")[2] for _ in range(2))
            with Runpod(key, base_url=base_url) as client:
                job = client.endpoint(FLUX).run(input={"prompt": "a horse", "width": 256, "height": 256})
                assert (256, 256) == size_of(get(job.result(timeout=TIMEOUT)["image_url"]))
                for endpoint in ("comfyui", "sdxl", "vllm", "whisper"):
                    assert client.endpoint(endpoint).health().workers.idle
        finally:
            serve.terminate()
        assert 0 == serve.wait(TIMEOUT)


def test_command_line_with_an_endpoint_of_the_same_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--samples", "--endpoint", "sdxl", "--handler", "runpod.local.samples:sdxl"])
    assert 2 == caught.value.code
    assert "Endpoint 'sdxl' is one of --samples: give yours another name." in capsys.readouterr().err

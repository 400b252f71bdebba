"""The commands `public`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod.cli.field_options import field_types, parse_fields
from runpod.local import LocalServer, samples
from runpod.public.catalogue import typed_inputs
from tests.cli.programs import Terminal
from tests.media.samples import PNG, data_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command

FLUX = "black-forest-labs-flux-1-schnell"
EDIT = "qwen-image-edit-2511"


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


@pytest.fixture(scope="module")
def running() -> Iterator[LocalServer]:
    with LocalServer({**samples.ALL, EDIT: echo, "hailuo-02": echo}) as server:
        yield server


@pytest.fixture(autouse=True)
def server(running: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalServer:
    monkeypatch.setenv("RUNPOD_API_KEY", running.api_key)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", running.base_url)
    # It has no list: that of the library is used.
    monkeypatch.setenv("RUNPOD_API_BASE_URL", running.base_url.removesuffix("/v2"))
    monkeypatch.chdir(tmp_path)
    Path("horse.png").write_bytes(PNG)
    return running


def test_the_list(cli: Command) -> None:
    done = cli("public", "list")
    assert (0, "") == (done.status, done.err)
    assert "shipped" == done.json["source"]
    models = {model["slug"]: model for model in done.json["models"]}
    assert models.keys() == typed_inputs().keys()
    assert ("image", ["prompt"]) == (models[FLUX]["kind"], models[FLUX]["required"])
    done = cli("public", "list", "--kind", "audio")
    assert {"audio"} == {model["kind"] for model in done.json["models"]}


def test_one_model(cli: Command) -> None:
    done = cli("public", "show", EDIT)
    assert (0, "") == (done.status, done.err)
    fields = done.json["fields"]
    assert {"type": "text", "required": True} == fields["prompt"]
    assert {"type": "URL or @FILE; can be repeated", "required": True} == fields["images"]
    assert "Example" not in done.json["description"]
    done = cli("public", "show", "qwen-image-edit-2512")
    assert (2, "") == (done.status, done.out)
    assert EDIT in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_tables_in_a_terminal() -> None:
    with Terminal("public", "list", "--kind", "image") as terminal:
        done = terminal.end()
    assert f"{FLUX} " in done.err
    assert "The list is that of this version, since " in done.err
    with Terminal("public", "show", FLUX) as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert "--width" in done.err
    assert "required" in done.err


def test_a_run_with_options(cli: Command) -> None:
    done = cli("public", "run", FLUX, "--prompt", "a horse", "--width", "512", "--height=256", "--save", "out")
    assert (0, "") == (done.status, done.err)
    [path] = done.json["saved"]
    assert path == done.json["output"]["image_url"]
    assert (512, 256) == tuple(int.from_bytes(Path(path).read_bytes()[at : at + 4], "big") for at in (16, 20))
    assert done.json["output"]["cost"] > 0


def test_values(cli: Command) -> None:
    options = ["--prompt", "@@night", "--images", "@horse.png", "--images", "https://a.test/b.png", "--seed", "-1"]
    done = cli("public", "run", EDIT, "--output-only", *options)
    picture = data_url(PNG, "image/png")
    expected = {"prompt": "@night", "images": [picture, "https://a.test/b.png"], "seed": -1}
    assert (0, expected, "") == (done.status, done.json, done.err)
    # With --input, a field can be newer than this version. Options take precedence.
    job_input = json.dumps({"prompt": "x", "images": ["@horse.png"], "newer": 1})
    done = cli("public", "run", EDIT, "--output-only", "--input", job_input, "--prompt", "by day")
    assert {"prompt": "by day", "images": [picture], "newer": 1} == done.json
    # A model that this version does not know.
    done = cli("public", "run", "hailuo-02", "--output-only", "--prompt", "7", "--fast", "--tags", "a", "--tags", "b")
    assert {"prompt": 7, "fast": True, "tags": ["a", "b"]} == done.json
    # A value can begin with a dash, which is no option.
    for value in ("-very old horse", "-seven", "-", "-vh"):
        done = cli("public", "run", "hailuo-02", "--output-only", "--prompt", value, "--last", "x")
        assert {"prompt": value, "last": "x"} == done.json
    done = cli("public", "run", EDIT, *options, "--no-wait")
    assert {"id", "status"} == done.json.keys()


def test_files_in_an_input_from_elsewhere(cli: Command) -> None:
    command = ["public", "run", EDIT, "--output-only", "--input", "-"]
    stdin = json.dumps({"prompt": "x", "images": ["@horse.png"]}).encode()
    done = cli(*command, stdin=stdin)
    assert (["@horse.png"], True) == (done.json["images"], "Pass --files" in done.err)
    assert [data_url(PNG, "image/png")] == cli(*command, "--files", stdin=stdin).json["images"]


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ([FLUX], ["prompt"]),
        ([FLUX, "--prompt"], ["--prompt needs a value."]),
        ([FLUX, "--prompt", "-v"], ["--prompt needs a value."]),
        ([FLUX, "a", "horse"], ["'a' is not the name of a field."]),
        ([FLUX, "--prompt", "x", "--prompt", "y"], ["--prompt is given twice"]),
        ([FLUX, "--prompt", "x", "--width", "100"], ["width"]),
        ([FLUX, "--prompt", "x", "--width", "wide"], ["width"]),
        ([FLUX, "--prompt", "x", "--hight", "512"], ["'height'", "--input", f"`runpod-sdk public show {FLUX}`"]),
        ([EDIT, "--prompt", "x", "--image", "@horse.png"], ["'images', a list, not 'image'"]),
        ([EDIT, "--prompt", "x", "--images", "@foal.png"], ["images[0]: ", "foal.png", "'@@foal.png'"]),
        ([EDIT, "--input", '{"prompt": "x", "image": "y"}'], ["'images', a list, not 'image'"]),
        ([EDIT, "--prompt", "x", "--images", "horse.png"], ["@FILE"]),
    ],
)
def test_an_invalid_field(server: LocalServer, cli: Command, words: list[str], messages: list[str]) -> None:
    before = len(server.requests)
    done = cli("public", "run", *words)
    assert (2, "") == (done.status, done.out)
    for message in messages:
        assert message in done.err
    assert "Traceback" not in done.err
    assert before == len(server.requests)


@pytest.mark.parametrize("slug", typed_inputs())
def test_every_model_has_options(slug: str) -> None:
    model = typed_inputs()[slug]
    types = field_types(model)
    assert types.keys() == model.model_fields.keys()
    assert all(types.values())
    values = {"whole number": 1, "number": 1.5, "true or false": True, "text": "a", "URL or @FILE": "https://a.test"}
    for name, words in types.items():
        value = values.get(words)
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            assert {name: value} == parse_fields([f"--{name.replace('_', '-')}", text], model)

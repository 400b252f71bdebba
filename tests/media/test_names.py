from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod.media.names import MAX_NAME, numbered, safe_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("horse.png", "horse.png"),
        ("ComfyUI_00001_.png", "ComfyUI_00001_.png"),
        ("../../etc/passwd", "passwd.png"),
        ("..\\..\\horse.png", "horse.png"),
        ("/root/horse.png", "horse.png"),
        ("C:horse.png", "horse.png"),
        ("C:\\temp\\horse.png", "horse.png"),
        ("horse.png:stream", "horse.png_stream.png"),
        ("ho\0rse\n.png", "horse.png"),
        ("\u202ehorse.png", "horse.png"),  # it would show the name from right to left
        ("h\ud800orse.png", "horse.png"),
        ("..", "image.png"),
        (".", "image.png"),
        ("", "image.png"),
        ("/", "image.png"),
        (None, "image.png"),
        (".horse.png", "horse.png"),
        ("horse.png. . ", "horse.png"),
        ("output/", "output.png"),
        ("CON", "_CON.png"),
        ("con.png", "_con.png"),
        ("nul.tar.png", "_nul.tar.png"),
        ("COM1.png", "_COM1.png"),
        ("lpt\u00b9.png", "_lpt\u00b9.png"),
        ("com10.png", "com10.png"),
        ('a<b>c|d?e*f"g.png', "a_b_c_d_e_f_g.png"),
        ("Pferd größe.png", "Pferd größe.png"),
        ("u\u0308.png", "ü.png"),
        ("horse.jpg", "horse.png"),
        ("horse.v2 final", "horse.v2 final.png"),
    ],
)
def test_names_of_workers_are_made_safe(name: str | None, expected: str) -> None:
    assert expected == safe_name(name, default="image", extension=".png")


@pytest.mark.parametrize(
    ("name", "extension", "expected"),
    [
        ("horse.jpeg", ".jpg", "horse.jpeg"),
        ("horse.JPG", ".jpg", "horse.JPG"),
        ("horse.jpg", ".webp", "horse.webp"),
        ("weights.npz", ".zip", "weights.npz"),
        ("horse.png", ".zip", "horse.zip"),
        ("horse.safetensors", None, "horse.safetensors"),
        ("horse", None, "horse"),
    ],
)
def test_the_extension_is_that_of_the_content(name: str, extension: str | None, expected: str) -> None:
    assert expected == safe_name(name, default="file", extension=extension)


def test_long_names_are_cut_and_keep_their_extension() -> None:
    assert "a" * (MAX_NAME - 4) + ".png" == safe_name("a" * 300 + ".png", default="image", extension=".png")
    assert "ü" * ((MAX_NAME - 4) // 2) + ".png" == safe_name("ü" * 300 + ".png", default="image", extension=".png")
    assert MAX_NAME >= len(safe_name("\U0001f40e" * 100_000, default="image", extension=".png").encode())


def test_numbered_names() -> None:
    assert ["horse.png", "horse-2.png"] == [numbered("horse.png", n) for n in (1, 2)]
    assert "horse-3" == numbered("horse", 3)


@given(st.text() | st.text('./\\: aC\0"', max_size=12), st.sampled_from([None, ".png", ".zip"]))
def test_any_name_stays_in_its_folder(name: str, extension: str | None) -> None:
    made = safe_name(name, default="file", extension=extension)
    for path in (PurePosixPath("out") / made, PureWindowsPath("out") / made):
        assert ("out", made) == path.parts
    assert not made.startswith(".")
    assert made.strip(". ") == made
    assert made.isprintable()
    assert MAX_NAME >= len(made.encode())
    assert made == safe_name(made, default="file", extension=extension)

"""`config`: the profiles in `~/.runpod/config.toml`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runpod import Runpod
from tests.cli.programs import PROGRAM, program

if TYPE_CHECKING:
    from tests.cli.conftest import Command

KEY = "rpa_PLANTEDKEY0123456789"

WITH_COMMENTS = """\
# my profiles
[default]  # the first
api_key = "old-key"  # of May
other = 1

[other]
# kept
x = [1,
  2]
"""


@pytest.fixture
def file() -> Path:
    return Path.home() / ".runpod" / "config.toml"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_private(cli: Command, file: Path) -> None:
    done = cli("config", "set", stdin=f"{KEY}\n".encode())
    assert (0, "") == (done.status, done.out)
    assert "Set api_key of profile 'default' in ~/.runpod/config.toml.\n" == done.err
    assert f'[default]\napi_key = "{KEY}"\n' == file.read_text()
    if sys.platform != "win32":
        assert (0o600, 0o700) == (mode(file), mode(file.parent))
    with Runpod() as client:
        assert client._session.engine.config.api_key.get_secret_value() == KEY


def test_everything_else_in_the_file_is_kept(cli: Command, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(WITH_COMMENTS)
    file.chmod(0o644)
    assert 0 == cli("config", "set", "--api-key", "-", stdin=KEY.encode()).status
    assert WITH_COMMENTS.replace("old-key", KEY) == file.read_text()
    if sys.platform != "win32":
        assert 0o600 == mode(file)
    done = cli("config", "set", "--profile", "work", "--base-url", "https://work.example/v2")
    assert "Set base_url of profile 'work' in ~/.runpod/config.toml.\n" == done.err
    expected = WITH_COMMENTS.replace("old-key", KEY) + '\n[work]\nbase_url = "https://work.example/v2"\n'
    assert expected == file.read_text()
    arguments = ["--profile", "work", "config", "set", "--base-url", "https://b.example", "--api-key", "-"]
    assert "Set base_url and api_key of profile 'work'" in cli(*arguments, stdin=b"work-key").err
    assert 'base_url = "https://b.example"\napi_key = "work-key"\n' in file.read_text()
    assert [file] == list(file.parent.iterdir())  # no temporary files


@pytest.mark.parametrize(
    ("content", "profile", "expected"),
    [
        ("[work.sub]\nx=1\n", "work", '[work]\napi_key = "K"\n\n[work.sub]\nx=1\n'),
        ("[work.sub]\nx=1\n[b]\n[work]\ny=2\n", "work", '[work.sub]\nx=1\n[b]\n[work]\ny=2\napi_key = "K"\n'),
        ("work.x=1\n", "work", 'work.x=1\nwork.api_key = "K"\n'),
        ("work={api_key='old'}\n", "work", 'work={api_key="K"}\n'),
        ("[default]\nx=1", "a.b", '[default]\nx=1\n["a.b"]\napi_key = "K"\n'),
    ],
)
def test_every_form_of_a_table(cli: Command, file: Path, content: str, profile: str, expected: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    assert 0 == cli("config", "set", "--profile", profile, stdin=b"K").status
    # With spaces as tomlkit sets them.
    assert expected.replace(" ", "") == file.read_text().replace(" ", "")
    assert "set" == cli("config", "show", "--profile", profile).json["api_key"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")
def test_a_link_stays_a_link(cli: Command, file: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.toml"
    target.write_text("# mine\n")
    file.parent.mkdir()
    file.symlink_to(target)
    assert 0 == cli("config", "set", stdin=KEY.encode()).status
    assert file.is_symlink()
    assert f'# mine\n\n[default]\napi_key = "{KEY}"\n' == target.read_text()


def test_the_profile_of_the_environment(cli: Command, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_PROFILE", "work")
    assert "of profile 'work'" in cli("config", "set", stdin=KEY.encode()).err
    assert '"profile":"work","api_key":"set"' in cli("config", "show").out


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["--api-key", KEY], "", "--api-key takes no key, which would remain in the history of the shell. Pass - to"),
        ([], "", "The API key is blank. Enter it when `runpod-sdk config set` asks, or pipe it into that command.\n"),
        (["--api-key", "-"], "\udcff", "Standard input is not UTF-8. Convert it first."),
        (["--api-key", "-"], "a b", "The API key contains a line break, a space or another character"),
        (["--base-url", "api.test"], "", "--base-url must start with https://"),
        (["--base-url", f"https://u:{KEY}@a.test"], "", "; set the API key with `runpod-sdk config set`. Use a URL"),
        (["--base-url", "http://a.test"], "", "Use https://, or pass --allow-insecure if you trust that network."),
        (["--profile", " "], KEY, "--profile is blank."),
    ],
)
def test_invalid_settings_are_not_written(
    cli: Command, file: Path, arguments: list[str], stdin: str, message: str
) -> None:
    done = cli("config", "set", *arguments, stdin=stdin.encode(errors="surrogateescape"))
    assert (2, "") == (done.status, done.out)
    assert message in done.err
    assert KEY not in done.err
    assert not file.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell for redirecting standard input")
@pytest.mark.parametrize(
    ("redirection", "problem"), [("0>written", "cannot be read: Bad file descriptor"), ("<&-", "is closed")]
)
def test_standard_input_that_cannot_be_read(tmp_path: Path, redirection: str, problem: str) -> None:
    command = ["/bin/sh", "-c", f'cd "$0" && exec "$@" {redirection}', str(tmp_path), *PROGRAM]
    done = program("config", "set", "--api-key", "-", command=command)
    assert (2, "", f"Standard input {problem}. Pipe the API key into the command.\n") == (
        done.status,
        done.out,
        done.err,
    )


def test_the_key_is_the_first_line(cli: Command, file: Path) -> None:
    assert 0 == cli("config", "set", stdin=f"\ufeff{KEY} \r\nlogin: me\n".encode()).status
    assert f'[default]\napi_key = "{KEY}"\n' == file.read_text()


def test_an_insecure_address_with_the_option(cli: Command, file: Path) -> None:
    assert 0 == cli("config", "set", "--base-url", "http://a.test", "--allow-insecure").status
    assert 'base_url = "http://a.test"' in file.read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'[default]\napi_key = "{KEY}', "is not valid TOML. Fix or rename it."),
        ("default = 5", "'default' in ~/.runpod/config.toml is not a table. Use another name."),
        (b"\xff", "cannot be read (UnicodeDecodeError). Fix or rename it."),
    ],
)
def test_a_file_that_cannot_be_changed_is_kept(cli: Command, file: Path, content: str | bytes, message: str) -> None:
    content = content if isinstance(content, bytes) else content.encode()
    file.parent.mkdir()
    file.write_bytes(content)
    done = cli("config", "set", stdin=b"new-key")
    assert (2, "") == (done.status, done.out)
    assert message in done.err
    assert KEY not in done.err
    assert content == file.read_bytes()
    assert [file] == list(file.parent.iterdir())


def test_a_folder_that_cannot_be_written(cli: Command, file: Path) -> None:
    file.parent.write_text("a file")
    done = cli("config", "set", stdin=KEY.encode())
    assert (2, "") == (done.status, done.out)
    assert "~/.runpod/config.toml cannot be written: " in done.err


def test_list_and_show_hide_keys(cli: Command, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [] == cli("config", "list").json
    file.parent.mkdir()
    file.write_text(f"""
        [default]
        api_key = "{KEY}"
        [work]
        base_url = "https://work.example/v2/"
        [bad]
        base_url = "https://user:{KEY}@work.example/v2/"
    """)
    done = cli("config", "list")
    assert KEY not in done.out + done.err
    assert [
        {"profile": "default", "api_key": "set", "base_url": None},
        {"profile": "work", "api_key": "not set", "base_url": "https://work.example/v2"},
        {"profile": "bad", "api_key": "not set", "base_url": "(invalid)"},
    ] == done.json
    assert {
        "profile": "default",
        "api_key": "set",
        "api_key_source": "api_key under [default] in ~/.runpod/config.toml",
        "base_url": "https://api.runpod.ai/v2",
        "base_url_source": "default",
        "management_url": "https://api.runpod.io",
        "management_url_source": "default",
    } == cli("config", "show").json
    work = cli("config", "show", "--profile", "work").json
    assert ("not set", None, "https://work.example/v2") == (work["api_key"], work["api_key_source"], work["base_url"])
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    shown = cli("--base-url", "https://a.test", "config", "show").json
    assert ("RUNPOD_API_KEY", "--base-url") == (shown["api_key_source"], shown["base_url_source"])
    assert "(invalid)" == cli("config", "show", "--profile", "bad").json["base_url"]
    done = cli("config", "show", "--profile", "x")
    assert (2, "") == (done.status, done.out)
    assert "there is no profile 'x' in ~/.runpod/config.toml. It has: default, work, bad." in done.err


def test_show_accepts_the_addresses_that_a_client_accepts(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", " https://example.com/v2/ ")
    assert "https://example.com/v2" == cli("config", "show").json["base_url"]
    assert "https://example.com/v2" == Runpod(api_key=KEY)._session.engine.config.base_url


def test_path(cli: Command, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (0, f"{file}\n") == (cli("config", "path").status, cli("config", "path").out)

    def no_home(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    done = cli("config", "path")
    assert (2, "~/.runpod/config.toml has no path: the home folder is unknown. Set HOME.\n") == (done.status, done.err)
    done = cli("config", "set", stdin=KEY.encode())
    assert (2, "~/.runpod/config.toml cannot be written: Could not determine home directory.\n") == (
        done.status,
        done.err,
    )
    monkeypatch.setattr("runpod.cli.config.at_terminal", lambda: True)
    done = cli("config", "list")
    assert (0, "", "~/.runpod/config.toml") == (done.status, done.err, done.out.splitlines()[0].strip())

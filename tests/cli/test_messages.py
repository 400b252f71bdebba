"""What errors say to users of the command line, instead of what callers of the library do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import runpod
from runpod import ConfigurationError
from runpod._config import check_api_key, check_base_url
from runpod.cli.exit_status import _TRANSLATIONS, message_of

PACKAGE = Path(runpod.__file__).parent


def library_texts() -> list[str]:
    """The texts that the library can produce, with a null character for what is inserted and not a constant."""
    files = [file for file in PACKAGE.rglob("*.py") if not {"cli", "_sync"} & {*file.relative_to(PACKAGE).parts}]
    trees = [ast.parse(file.read_bytes()) for file in files]
    constants = {
        node.targets[0].id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }

    def text_of(node: ast.AST) -> str:
        if isinstance(node, ast.JoinedStr):
            return "".join(map(text_of, node.values))
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name) and node.conversion == -1:
            return str(constants.get(node.value.id, "\0"))
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "\0"

    nodes = [node for tree in trees for node in ast.walk(tree)]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        text_of(node)
        for node in nodes
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in docstrings
    ]


def test_the_library_says_what_is_translated() -> None:
    texts = library_texts()
    assert [] == [each for each in _TRANSLATIONS if not any(each in text for text in texts)]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Check the queue first, or allow retries with RetryPolicy(resubmit=True).", "Check the queue first."),
        (
            "No worker has taken it: endpoint.diagnose() says why.",
            "No worker has taken it: `runpod-sdk diagnose` says why.",
        ),
        (
            "min (2) must not be greater than max (1), which the endpoint has now. Pass max, too: scale(min=2, max=2).",
            "min (2) must not be greater than max (1), which the endpoint has now. Pass --max, too.",
        ),
        (
            "image is blank: pass a URL, a data URL or a runpod.File.",
            "image is blank: pass a URL, a data URL or @FILE.",
        ),
    ],
)
def test_translations(message: str, expected: str) -> None:
    assert expected == message_of(ConfigurationError(message))


def test_advice_about_the_key_is_about_commands() -> None:
    with pytest.raises(ConfigurationError) as info:
        check_api_key(" ", "The API key")
    advice = "Enter it when `runpod-sdk config set` asks, or pipe it into that command."
    assert f"The API key is blank. {advice}" == message_of(info.value)
    with pytest.raises(ConfigurationError) as info:
        check_base_url("https://me:secret@a.test", "--base-url")
    assert message_of(info.value).startswith(
        "--base-url must not contain a user name or password; set the API key with `runpod-sdk config set`. Use a URL"
    )

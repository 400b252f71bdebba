"""Prism, a server made by others that mocks the management API by its official description, and checks requests.

The description is not part of the repository, since it states no license. It is found at RUNPOD_OPENAPI, or beside the
repository at `../shared/openapi-v2.json`; without it, the tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from tests.conformance.programs import TEST_TIMEOUT, Process
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.environments import NodeEnvironment

# Read here, since tests do not see the developer's settings.
DESCRIPTION = Path(os.environ.get("RUNPOD_OPENAPI") or Path(__file__).parents[3] / "shared" / "openapi-v2.json")


class Description:
    """The description of the API."""

    def __init__(self, path: Path) -> None:
        self.document: Any = json.loads(path.read_text(encoding="utf-8"))
        # Its examples of URLs have placeholders in braces, which are no URIs.
        for part in _objects(self.document):
            if part.get("format") == "uri":
                del part["format"]

    @property
    def operations(self) -> dict[str, tuple[str, str]]:
        """The method and path of each operation, by its ID."""
        return {
            operation["operationId"]: (method.upper(), path)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method != "parameters"
        }

    def operation(self, method: str, path: str) -> str:
        """The ID of the operation for a request."""
        # Fixed paths first: `/v2/registries/delegations` matches `/v2/registries/{id}`.
        for name, (verb, template) in sorted(self.operations.items(), key=lambda item: item[1][1].count("{")):
            if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                return name
        raise AssertionError(f"there is no operation {method} {path}")

    def problems(self, operation: str, body: Any) -> list[str]:
        """What is wrong with the body of a request, unknown fields included, which Prism accepts."""
        method, path = self.operations[operation]
        content = self.document["paths"][path][method.lower()].get("requestBody", {}).get("content")
        if content is None:
            return [] if body is None else ["it has no body"]
        schema = {**content["application/json"]["schema"], "components": self.document["components"]}
        return [error.message for error in Draft202012Validator(schema).iter_errors(body)]


class Prism(Process):
    """Prism, for a description.

    Attributes:
        url: Its address, as `management_url`.
    """

    def __init__(self, node: NodeEnvironment, description: Description, folder: Path) -> None:
        file = folder / "description.json"
        file.write_text(json.dumps(description.document), encoding="utf-8")
        # When the tests are killed, standard input ends.
        guard = folder / "guard.cjs"
        guard.write_text('process.stdin.resume().on("end", () => process.exit());', encoding="utf-8")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._ready = threading.Event()
        script = node.folder / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
        arguments = ["mock", "--errors", "--seed", "1", "--host", "127.0.0.1", "--port", str(port), str(file)]
        super().__init__([node.node, "--require", guard, script, *arguments], home=folder, environment={})

    def wait(self) -> None:
        """Wait until it listens."""
        self._ready.wait(TEST_TIMEOUT)
        assert "listening" in self.recent_output, self.recent_output

    def _handle_line(self, line: str) -> None:
        if "Prism is listening" in line:
            self._ready.set()

    def _handle_exit(self) -> None:
        self._ready.set()


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)

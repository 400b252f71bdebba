"""The client of the `openai` package for an endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

from runpod._protocol.error_bodies import error_in
from runpod._text import readable
from runpod.errors import ConfigurationError

try:
    from openai import APIError, AsyncOpenAI, AsyncStream, BaseModel
except ModuleNotFoundError as error:
    if error.name != "openai":  # One of its own dependencies.
        raise
    msg = 'client.openai needs the package openai: pip install "runpod-sdk[openai]".'
    raise ConfigurationError(msg) from None

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pydantic import SecretStr

T = TypeVar("T")

# The header with which the package marks calls of `with_raw_response` and `with_streaming_response`.
_RAW = "x-stainless-raw-response"


class AsyncRunpodOpenAI(AsyncOpenAI):
    """An `AsyncOpenAI` that sends no settings of OpenAI to Runpod, and raises what came with HTTP 200 but is no result."""

    def __init__(
        self,
        *,
        admin_api_key: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(default_headers=default_headers, **options)
        # By default, the package takes these from variables such as OPENAI_ORG_ID and OPENAI_CUSTOM_HEADERS, and sends
        # them. A copy (`with_options`) is made by a call of this method.
        self.admin_api_key = admin_api_key
        self.organization = organization
        self.project = project
        self._custom_headers = dict(default_headers or {})

    # The package parses every body here: of a response, of a page of a list, and of an event of a stream.
    def _process_response_data(self, *, data: object, cast_to: type[T], response: Any) -> T:
        problem = self._error_in(data)
        if problem is not None:
            raise _error(f"reported an error: {problem}", response, data)
        return super()._process_response_data(data=data, cast_to=cast_to, response=response)

    async def _process_response(self, *, response: Any, stream: bool, cast_to: Any, **options: Any) -> Any:
        is_raw = _RAW in response.request.headers
        if stream and not is_raw and "json" in _content_type(response):
            # Read as events, a JSON body would be a stream without any.
            body = _json(await response.aread())
            problem = self._error_in(body)
            found = "sent JSON instead of a stream" if problem is None else f"reported an error: {problem}"
            raise _error(found, response, body)
        if not stream and not is_raw and _is_model(cast_to) and not response.content.lstrip().startswith(b"{"):
            # The package would return what it is, such as the text of a page.
            raise _error(f"sent no JSON object ({_content_type(response)})", response, None)
        result = await super()._process_response(response=response, stream=stream, cast_to=cast_to, **options)
        return _unless_empty(result, response) if isinstance(result, AsyncStream) else result

    def _error_in(self, body: object) -> str | None:
        """The error that a body is, without the key, which some servers quote."""
        problem = error_in(body)
        return None if problem is None else problem.replace(self.api_key, "[key]")


def _unless_empty(stream: Any, response: Any) -> Any:
    """The stream, which raises an error at its end if it had no events."""
    events: AsyncIterator[object] = stream._iterator  # noqa: SLF001 - it has no public name

    async def checked() -> AsyncIterator[object]:
        is_empty = True
        async for event in events:
            is_empty = False
            yield event
        if is_empty:
            # What is no event was skipped, such as a page.
            raise _error(f"sent an empty stream ({_content_type(response)})", response, None)

    stream._iterator = checked()  # noqa: SLF001 - as above
    return stream


def _is_model(cast_to: Any) -> bool:
    return isinstance(cast_to, type) and issubclass(cast_to, BaseModel)


def _content_type(response: Any) -> str:
    return readable(str(response.headers.get("content-type", "no content type")), 40)


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _error(found: str, response: Any, body: object) -> APIError:
    message = f"The endpoint responded with HTTP {response.status_code}, but {found}"
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    # As for an error in a stream, the error within the body.
    return APIError(message, response.request, body=fields.get("error") or fields)


def openai_client(base_url: str, api_key: SecretStr, options: dict[str, Any]) -> AsyncOpenAI:
    """Creates the client for an endpoint."""
    for name in ("api_key", "base_url"):
        if name in options:
            msg = f"client.openai takes no {name}, but uses that of the client: set it with Runpod({name}=...)."
            raise ConfigurationError(msg)
    return AsyncRunpodOpenAI(base_url=base_url, api_key=api_key.get_secret_value(), **options)

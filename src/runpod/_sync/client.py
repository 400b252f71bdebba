# Generated from src/runpod/_async/client.py by scripts/generate_sync.py. Do not edit.

"""The client: one API key, one address, one pool of connections."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar, overload

from runpod._sync.endpoint import Endpoint
from runpod._sync.engine import Engine
from runpod._sync.session import Session
from runpod._config import load_config
from runpod._protocol.deadlines import CLIENT_DEFAULT, parse_timeout
from runpod._protocol.decoding import OutputReader
from runpod._protocol.operations import check_id
from runpod.errors import ConfigurationError
from runpod.models.limits import WaitLimits
from runpod.models.retry import RetryPolicy

if TYPE_CHECKING:
    from types import TracebackType

    import httpx
    from typing_extensions import Self

    from runpod._protocol.deadlines import Timeout, TimeoutOrDefault

T = TypeVar("T")


class Runpod:
    """A client for Runpod serverless endpoints.

    Args:
        api_key: By default `RUNPOD_API_KEY`, then `[default] api_key` of
            `~/.runpod/config.toml`.
        base_url: By default `RUNPOD_ENDPOINT_BASE_URL`, then `https://api.runpod.ai/v2`.
        timeout: Seconds or timedelta for a whole call, where the call has no default of its
            own; None: no limit.
        retry: How often a request may be sent again.
        wait_limits: How often jobs may be polled while they are waited for.
        http_client: An `httpx.Client` of yours, for its proxies, TLS settings, event hooks
            or transports. It stays yours to close. In sync code, a call over a client of yours
            can miss its deadline: by one read (what was left of the deadline when the request was
            sent, at most 30 s, in a long poll 120 s), by a host look-up, and longer only where a
            server drips its response header.
        allow_insecure: Whether `base_url` may be http:// to another machine, which sends the
            API key in the clear.

    Raises:
        ConfigurationError: There is no API key, or a setting cannot be used.

    Example:
        >>> with Runpod() as client:
        ...     endpoint = client.endpoint("ENDPOINT_ID")
        ...     result = endpoint.run_sync({"input": {"prompt": "a horse"}})
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: Timeout = 30.0,
        retry: RetryPolicy | None = None,
        wait_limits: WaitLimits | None = None,
        http_client: httpx.Client | None = None,
        allow_insecure: bool = False,
    ) -> None:
        config = load_config(api_key, base_url, allow_insecure=allow_insecure)
        self._base_url = config.base_url
        self._session = Session(
            Engine(config, http_client),
            timeout=parse_timeout(timeout, ConfigurationError),
            retry=RetryPolicy() if retry is None else retry,
            wait_limits=WaitLimits() if wait_limits is None else wait_limits,
        )

    @overload
    def endpoint(self, endpoint_id: str) -> Endpoint[Any]: ...

    @overload
    def endpoint(self, endpoint_id: str, *, output_type: type[T]) -> Endpoint[T]: ...

    # A union or an Annotated is no `type` to a type checker.
    @overload
    def endpoint(self, endpoint_id: str, *, output_type: Any) -> Endpoint[Any]: ...

    def endpoint(self, endpoint_id: str, *, output_type: Any = None) -> Any:
        """An endpoint by its id. No request.

        Args:
            endpoint_id: The endpoint's id, or the slug of a public one.
            output_type: What the output of its jobs is: a pydantic model or any type that
                pydantic can validate. Applied to jobs that completed. Type checkers follow
                classes; for a union, annotate: `horses: Endpoint[Horse | None] = …`.

        Raises:
            InvalidRequestError: The id is empty or not text, or pydantic cannot validate the
                type.

        Example:
            >>> endpoint = client.endpoint("ENDPOINT_ID", output_type=Horse)
        """
        endpoint_id = check_id(endpoint_id, "endpoint_id")
        return Endpoint(self._session, endpoint_id, OutputReader(output_type))

    def with_options(
        self,
        *,
        timeout: TimeoutOrDefault = CLIENT_DEFAULT,
        retry: RetryPolicy | None = None,
        wait_limits: WaitLimits | None = None,
    ) -> Self:
        """A client with other options, over the same connections. What is not given stays as it is.

        Closing it does not close the connections, which belong to the client it came from.

        Args:
            timeout: Seconds or timedelta for a whole call, where the call has no default of its
                own (`run_sync` and `status_sync` have 90 s, waits and streams none); None: no
                limit.
            retry: How often a request may be sent again.
            wait_limits: How often jobs may be polled while they are waited for. Waits under
                other limits are counted separately.

        Raises:
            ConfigurationError: An option cannot be used.

        Example:
            >>> patient = client.with_options(timeout=300, retry=RetryPolicy(max_retries=10))
        """
        other = copy.copy(self)
        other._session = self._session.with_options(  # noqa: SLF001 - the same class
            timeout=timeout, retry=retry, wait_limits=wait_limits
        )
        return other

    def close(self) -> None:
        """Closes the connections. An `http_client` of yours stays open."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={getattr(self, '_base_url', None)!r})"

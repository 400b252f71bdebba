# Generated from src/runpod/_async/client.py by scripts/generate_sync.py. Do not edit.

"""The client: an API key, a base URL and a connection pool."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar, overload

from runpod._sync.closing import Closing
from runpod._sync.downloads import MAX_BYTES, DownloadOptions, fetch
from runpod._sync.endpoint import Endpoint
from runpod._sync.engine import Engine
from runpod._sync.saver import Saver
from runpod._sync.session import Session
from runpod._config import load_config
from runpod._protocol.deadlines import CLIENT_DEFAULT, parse_timeout
from runpod._protocol.decoding import OutputReader
from runpod._protocol.operations import check_id
from runpod.errors import ConfigurationError
from runpod.models.limits import EndpointLimits
from runpod.models.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta
    from os import PathLike
    from pathlib import Path

    import httpx
    from openai import OpenAI
    from typing_extensions import Self

    from runpod._sync.load_balancer import LoadBalancer
    from runpod._sync.manage.manage import Manage
    from runpod._sync.public import Public
    from runpod._protocol.deadlines import ClientDefault
    from runpod.media.file_store import FileStore
    from runpod.media.item import HasMedia, Media

T = TypeVar("T")


class Runpod(Closing):
    """A client for Runpod serverless endpoints.

    Args:
        api_key: By default `RUNPOD_API_KEY`, then `api_key` of the profile.
        base_url: By default `RUNPOD_ENDPOINT_BASE_URL`, then `base_url` of the profile, then
            `https://api.runpod.ai/v2`.
        management_url: The address of the management API. By default `RUNPOD_API_BASE_URL`, then
            `management_url` of the profile, then `https://api.runpod.io`.
        load_balancer_url: The address of load-balancing endpoints, in which `{endpoint_id}` stands for
            the endpoint's ID. By default `RUNPOD_LOAD_BALANCER_URL`, then `load_balancer_url` of the
            profile, then `https://{endpoint_id}.api.runpod.ai`.
        profile: A table of `~/.runpod/config.toml` to take `api_key` and the addresses from, instead
            of from environment variables. By default, these come first, then the profile named by
            `RUNPOD_PROFILE`, or `[default]`.
        timeout: Default timeout of a whole call, in seconds or as timedelta; None: no limit.
            `run_sync` and `status_sync` have their own default of 90 s, waits and streams have no
            limit by default.
        retry: Retry settings.
        limits: Rate limits for the polls and submissions of each endpoint, and the size of a request; see
            `EndpointLimits`.
        uploads: Where large files of inputs are stored, such as `runpod.uploads.S3Uploads`. A `File`
            from its `threshold` on is uploaded before its job is submitted, and its URL is sent
            instead; smaller ones only if the request would be too large otherwise.
        http_client: Your `httpx.Client`, for custom proxies, TLS settings, event hooks or
            transports. It is not closed with this client. In sync code, a call over your own
            client can exceed its deadline by one read (at most 30 s, or 120 s in a long poll, and
            no more than the time that remained when the request was sent), by a host name
            resolution, and longer only if a server sends its response header byte by byte.
        allow_insecure: Whether the addresses may be http:// to a non-loopback host, which sends the
            API key unencrypted.

    Raises:
        ConfigurationError: No API key was found, the profile does not exist, or a setting is
            invalid.

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
        management_url: str | None = None,
        load_balancer_url: str | None = None,
        profile: str | None = None,
        timeout: float | timedelta | None = 30.0,
        retry: RetryPolicy | None = None,
        limits: EndpointLimits | None = None,
        uploads: FileStore | None = None,
        http_client: httpx.Client | None = None,
        allow_insecure: bool = False,
    ) -> None:
        config = load_config(
            api_key,
            base_url,
            profile,
            management_url=management_url,
            load_balancer_url=load_balancer_url,
            allow_insecure=allow_insecure,
        )
        self._base_url = config.base_url
        self._session = Session(
            Engine(config, http_client),
            timeout=parse_timeout(timeout, ConfigurationError),
            retry=RetryPolicy() if retry is None else retry,
            limits=EndpointLimits() if limits is None else limits,
            uploads=uploads,
        )

    @overload
    def endpoint(self, endpoint_id: str) -> Endpoint[Any]: ...

    @overload
    def endpoint(self, endpoint_id: str, *, output_type: type[T]) -> Endpoint[T]: ...

    # For type checkers, a union or an Annotated is not a `type`.
    @overload
    def endpoint(self, endpoint_id: str, *, output_type: Any) -> Endpoint[Any]: ...

    def endpoint(self, endpoint_id: str, *, output_type: Any = None) -> Endpoint[Any]:
        """Returns an endpoint by its ID, without sending a request.

        Args:
            endpoint_id: The endpoint's ID, the slug of a public one, or the address of its page in
                the console.
            output_type: The type of the output of completed jobs: a pydantic model or any type
                that pydantic can validate. Type checkers infer classes; for a union, annotate:
                `horses: Endpoint[Horse | None] = …`.

        Raises:
            InvalidRequestError: The ID is blank or not a str, or pydantic cannot validate the type.

        Example:
            >>> endpoint = client.endpoint("ENDPOINT_ID", output_type=Horse)
        """
        endpoint_id = check_id(endpoint_id, "endpoint_id")
        return Endpoint(self._session, endpoint_id, OutputReader(output_type))

    @property
    def public(self) -> Public:
        """Runpod's public endpoints: models that Runpod hosts. See `runpod.public`.

        Example:
            >>> from runpod.public import FluxSchnell
            >>> client.public.run_sync(FluxSchnell(prompt="a horse", width=512, height=512))
        """
        # Imported on first use: only callers of public endpoints need it.
        from runpod._sync.public import Public

        return Public(self._session)

    @property
    def manage(self) -> Manage:
        """The management API: endpoints, templates, pods, volumes, the catalog and billing of your account.

        Example:
            >>> for endpoint in client.manage.serverless.list():
            ...     print(endpoint.id, endpoint.name, endpoint.workers.max)
        """
        from runpod._sync.manage.manage import Manage  # few programs need it

        return Manage(self._session)

    def with_options(
        self,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
        retry: RetryPolicy | None = None,
        limits: EndpointLimits | None = None,
    ) -> Self:
        """Returns a client with other options that shares the connections. Omitted options are unchanged.

        Closing it does not close the connections, which belong to the original client.

        Args:
            timeout: Default timeout of a whole call, in seconds or as timedelta; None: no limit.
                `run_sync` and `status_sync` have their own default of 90 s, waits and streams have
                no limit by default.
            retry: Retry settings.
            limits: Rate limits for polls and submissions. Requests under different limits are
                counted separately.

        Raises:
            ConfigurationError: An option is invalid.

        Example:
            >>> patient = client.with_options(timeout=300, retry=RetryPolicy(max_retries=10))
        """
        other = copy.copy(self)
        other._session = self._session.with_options(  # noqa: SLF001 - the same class
            timeout=timeout, retry=retry, limits=limits
        )
        return other

    def openai(self, endpoint_id: str, *, max_retries: int = 0, **options: Any) -> OpenAI:
        """Returns a client of the `openai` package for an endpoint with an OpenAI-compatible API, such as vLLM's.

        It needs the extra `openai`, versions 2 and 3. It has connections of its own: use it in a `with`
        block, or close it. The settings of OpenAI in the environment (`OPENAI_BASE_URL`,
        `OPENAI_API_KEY`, `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`, `OPENAI_CUSTOM_HEADERS`) are not used.
        An error that comes with HTTP 200, and a body that is no JSON object or no stream, raise
        `openai.APIError`; `with_raw_response` returns them unchanged.

        Args:
            endpoint_id: The endpoint's ID, the slug of a public one, or the address of its page in
                the console.
            max_retries: How often the package repeats a request after 408, 409, 429, 5xx and
                transport errors. Each repeated request can be a second job, which is billed.
            options: More arguments of the package's client, such as `timeout`: seconds for a
                response, or between two parts of one; by default the package's 600, whatever the
                timeout of this client, since a worker may have to start first.

        Raises:
            ConfigurationError: The package is not installed, or `api_key` or `base_url` was passed.
            InvalidRequestError: The ID is blank or not a str.

        Example:
            >>> with client.openai("ENDPOINT_ID") as llm:
            ...     models = llm.models.list()
        """
        # Imported on first use: the package takes most of a second.
        from runpod._sync.openai import openai_client

        config = self._session.engine.config
        options["max_retries"] = max_retries
        return openai_client(self.endpoint(endpoint_id).openai_base_url, config.api_key, options)

    def load_balancer(self, endpoint_id: str) -> LoadBalancer:
        """Returns a load-balancing endpoint by its ID, without sending a request.

        Args:
            endpoint_id: The endpoint's ID, or the address of its page in the console.

        Raises:
            InvalidRequestError: The ID is blank or not a str, or cannot be part of a host name where
                `load_balancer_url` needs that.
            ConfigurationError: `load_balancer_url` cannot be used.

        Example:
            >>> balancer = client.load_balancer("ENDPOINT_ID")
            >>> response = balancer.http.post("/generate", json={"prompt": "a horse"})
        """
        # Imported on first use: few programs need it.
        from runpod._sync.load_balancer import LoadBalancer

        return LoadBalancer(self._session, check_id(endpoint_id, "endpoint_id"))

    def fetch(
        self,
        media: Media | str,
        *,
        timeout: float | timedelta | None = None,
        max_bytes: int = MAX_BYTES,
        allow_private: bool = False,
    ) -> bytes:
        """Returns the content of media: downloaded if it has a URL, otherwise decoded.

        The API key is never sent. Only https:// is allowed, and http:// to this machine if
        `base_url` is on it, too; redirects likewise. Transport errors, 408, 429 and 5xx are
        retried. With your own `http_client`, requests go through it, without its default headers,
        authentication and cookies.

        Args:
            media: Media of an output, or a URL.
            timeout: Seconds or timedelta for the whole call; None: no limit, but a server that sends
                nothing for 30 s is given up.
            max_bytes: The maximum size in bytes; by default 2 GiB. The content is in memory.
            allow_private: Whether private addresses may be connected to: an output must not make a
                program read your network. Behind a proxy of the environment, which resolves names
                itself, only addresses and names in the URL are checked; with your own
                `http_client`, the address that it connected to, before the response is used.

        Raises:
            MediaError: The link has expired, the content cannot be downloaded or decoded, is too
                large, or the URL is not allowed.
            RunpodTimeoutError: The timeout passed.
            ClientClosedError: The client is closed.
            InvalidRequestError: An argument is invalid.

        Example:
            >>> for media in state.media:
            ...     content = client.fetch(media, max_bytes=50_000_000)
        """
        return fetch(self._session, media, self._download_options(timeout, max_bytes, allow_private))

    def save(
        self,
        media: Media | Iterable[Media] | HasMedia,
        folder: str | PathLike[str] = ".",
        *,
        timeout: float | timedelta | None = None,
        max_bytes: int = MAX_BYTES,
        allow_private: bool = False,
        progress: bool | Callable[[int, int | None], object] = False,
    ) -> list[Path]:
        """Saves media to files, one after the other: downloaded if it has a URL, otherwise decoded.

        A file appears when it is complete, and never replaces another one: after `horse.png` come
        `horse-2.png`, `horse-3.png` and so on. If some media cannot be saved, the others are saved
        before the error is raised.

        Args:
            media: Media of an output, several of them, or what has some: a `JobState`, a
                `StreamChunk`, a `MapResult` or a `PublicOutput`.
            folder: Where to save it. It is created if it does not exist.
            timeout: Seconds or timedelta for the whole call; None: no limit; see `fetch`.
            max_bytes: The maximum size of each file in bytes; by default 2 GiB.
            allow_private: Whether private addresses may be connected to; see `fetch`.
            progress: True shows a bar (extra `progress`). A callable is called with the bytes so far
                and their total, None if it is not known. The bytes can decrease: a download that
                breaks off starts again.

        Returns:
            The paths, in the order of the media. Empty if a job has no media; a warning is logged
            then.

        Raises:
            MediaError: Something was not saved: the first problem, and in `saved` the paths of what
                was. Also if the worker left its files on its own disk.
            RunpodTimeoutError: The timeout passed.
            ClientClosedError: The client is closed.
            ConfigurationError: `progress=True` needs tqdm, which is not installed.
            InvalidRequestError: An argument is invalid.

        Example:
            >>> state = endpoint.run_sync({"input": {"prompt": "a horse"}})
            >>> paths = client.save(state, "horses")
        """
        options = self._download_options(timeout, max_bytes, allow_private)
        return Saver(self._session, folder, options, progress).save(media)

    def _download_options(
        self, timeout: float | timedelta | None, max_bytes: int, allow_private: bool
    ) -> DownloadOptions:
        return DownloadOptions(self._session.deadline(timeout), max_bytes, allow_private)

    def close(self) -> None:
        """Closes the connections, but not your own `http_client`."""
        self._session.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={getattr(self, '_base_url', None)!r})"

"""Runpod's public endpoints: jobs by typed input or slug, and the list of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from runpod._async.endpoint import AsyncEndpoint
from runpod._async.public_list import request_list
from runpod._config import check_base_url
from runpod._logging import logger
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.decoding import OutputReader
from runpod._protocol.operations import check_id
from runpod.errors import InvalidRequestError, NotFoundError
from runpod.public.catalogue import (
    NoListError,
    PublicModels,
    received_models,
    shipped_models,
    similar_slug,
    typed_inputs,
)
from runpod.public.inputs.base import PublicInput, check_mapping
from runpod.public.inputs.fields import is_mapping
from runpod.public.output import PublicOutput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from pydantic import BaseModel

    from runpod._async.job import AsyncJob
    from runpod._async.session import AsyncSession
    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.jobs import JobState
    from runpod.models.requests import ExecutionPolicy, ExecutionPolicyDict, S3Config, S3ConfigDict


class AsyncPublic:
    """Runpod's public endpoints: `client.public`. Billed per picture, second or token, from your account's credit.

    Example:
        >>> from runpod.public import FluxSchnell
        >>> state = await client.public.run_sync(FluxSchnell(prompt="a horse", width=512, height=512))
        >>> output = state.result()
        >>> output.media, output.cost
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def endpoint(self, slug: str) -> AsyncEndpoint[PublicOutput]:
        """Returns a public endpoint by its slug, for `map`, `stream`, or a job whose ID you kept. Sends no request.

        Args:
            slug: The slug, such as "z-image-turbo".

        Raises:
            InvalidRequestError: The slug is blank or not a str.

        Example:
            >>> flux = client.public.endpoint(FluxSchnell.slug)
            >>> async for output in flux.map([FluxSchnell(prompt="a horse"), FluxSchnell(prompt="a foal")]):
            ...     print(output.media)
        """
        return AsyncEndpoint(self._session, check_id(slug, "endpoint_id"), OutputReader(PublicOutput))

    @overload
    async def run(
        self,
        model: PublicInput,
        /,
        *,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> AsyncJob[PublicOutput]: ...

    @overload
    async def run(
        self,
        slug: str,
        /,
        *,
        input: Mapping[str, Any] | BaseModel,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> AsyncJob[PublicOutput]: ...

    async def run(
        self,
        model: PublicInput | str,
        /,
        *,
        input: Mapping[str, Any] | BaseModel | None = None,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> AsyncJob[PublicOutput]:
        """Submits a job and returns its handle at once. `POST /run`.

        Args:
            model: A typed input, such as `FluxSchnell(prompt="a horse")`; or a slug.
            input: With a slug: the input. It is sent as it is; if a required field of a known model
                is missing, a name that other models have for it is an error.
            policy: Time limits and priority on the platform.
            webhook: A URL that the platform calls when the job ends.
            s3_config: An S3 bucket for the worker.
            timeout: Seconds or timedelta for the submission, not for the job; None: no limit. By
                default the client's.

        Raises:
            InvalidRequestError: The arguments are invalid. Nothing was sent.
            RunpodError: The job was not submitted, or `maybe_submitted` is True.

        Example:
            >>> job = await client.public.run("z-image-turbo", input={"prompt": "a horse"})
            >>> output = await job.result(timeout=120)
        """
        endpoint, value = self._resolved(model, input)
        try:
            return await endpoint.run(input=value, policy=policy, webhook=webhook, s3_config=s3_config, timeout=timeout)
        except NotFoundError as error:
            _add_advice(error, endpoint.id)
            raise

    @overload
    async def run_sync(
        self,
        model: PublicInput,
        /,
        *,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = 90.0,
    ) -> JobState[PublicOutput]: ...

    @overload
    async def run_sync(
        self,
        slug: str,
        /,
        *,
        input: Mapping[str, Any] | BaseModel,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = 90.0,
    ) -> JobState[PublicOutput]: ...

    async def run_sync(
        self,
        model: PublicInput | str,
        /,
        *,
        input: Mapping[str, Any] | BaseModel | None = None,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = 90.0,
    ) -> JobState[PublicOutput]:
        """Submits a job and waits until it ends, whatever its final status. `POST /runsync`.

        Args:
            model: A typed input, such as `FluxSchnell(prompt="a horse")`; or a slug.
            input: With a slug: the input; see `run`.
            policy: Time limits and priority on the platform.
            webhook: A URL that the platform calls when the job ends.
            s3_config: An S3 bucket for the worker.
            timeout: Seconds or timedelta for submission and wait together; None: no limit. Videos
                take minutes.

        Returns:
            The final state, which may be a failure: see `state.result()`.

        Raises:
            InvalidRequestError: The arguments are invalid. Nothing was sent.
            RunpodTimeoutError: The timeout passed. The job was not cancelled; `job_id` has its ID.
            RunpodError: See `runpod.errors`, and its attributes `maybe_submitted` and `job_id`.

        Example:
            >>> state = await client.public.run_sync(FluxSchnell(prompt="a horse", width=512, height=512))
            >>> state.result().media
        """
        endpoint, value = self._resolved(model, input)
        try:
            return await endpoint.run_sync(
                input=value, policy=policy, webhook=webhook, s3_config=s3_config, timeout=timeout
            )
        except NotFoundError as error:
            _add_advice(error, endpoint.id)
            raise

    def _resolved(self, model: object, value: Any) -> tuple[AsyncEndpoint[PublicOutput], Any]:
        """The endpoint and the input of a job."""
        if isinstance(model, PublicInput):
            if value is not None:
                msg = f"input must not be passed besides a {type(model).__name__}, which is the input."
                raise InvalidRequestError(msg)
            return self.endpoint(_slug_of(type(model))), model
        if not isinstance(model, str):
            kind = getattr(model, "__name__", type(model).__name__)
            msg = (
                f'Pass a typed input, such as FluxSchnell(prompt="a horse"), or a slug and input=, not {kind}. '
                "client.public.models() lists the slugs."
            )
            raise InvalidRequestError(msg)
        if value is None:
            msg = f'input is missing. Pass it by keyword: run({model!r}, input={{"prompt": "…"}}).'
            raise InvalidRequestError(msg, endpoint_id=model)
        if isinstance(value, PublicInput):
            slug = _slug_of(type(value))
            if slug != model:
                msg = f"{type(value).__name__} is an input of {slug!r}, not of {model!r}. Pass it without a slug."
                raise InvalidRequestError(msg, endpoint_id=model)
        elif is_mapping(value) and model in typed_inputs():
            check_mapping(value, typed_inputs()[model])
        return self.endpoint(model), value

    async def models(
        self, *, timeout: float | timedelta | None = 10.0, catalogue_url: str | None = None
    ) -> PublicModels:
        """Fetches the list of public models: slugs, prices, and the fields of those that have a typed input.

        The request has no API key. If the service does not answer, or not with a list, it is the list
        of this version of the library; `source` and `reason` say so. Retired models may be in it.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit.
            catalogue_url: The URL of the list, a GraphQL API. By default `/graphql` of the client's
                `management_url`.

        Raises:
            InvalidRequestError: The timeout is not positive.
            ConfigurationError: The URL is invalid.
            ClientClosedError: The client is closed.

        Example:
            >>> print(await client.public.models())
        """
        deadline = self._session.deadline(timeout)
        if catalogue_url is None:
            base = self._session.engine.config.management_url
            url = f"{base}/graphql"
        else:
            # Without the key, http:// is as good as https://.
            url = check_base_url(catalogue_url, "catalogue_url", allow_insecure=True)
        try:
            return received_models(await request_list(self._session, url, deadline))
        except NoListError as error:
            logger.info("The list of public models is that of the library: %s", error)
            return shipped_models(str(error))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _slug_of(model: type[PublicInput]) -> str:
    slug: object = getattr(model, "slug", None)
    if not isinstance(slug, str):
        msg = f'{model.__name__} has no slug. Add one: `slug = "…"` in the class.'
        raise InvalidRequestError(msg)
    return slug


def _add_advice(error: NotFoundError, slug: str) -> None:
    """Says what the slug may be, if it is the slug that was not found, and not the job."""
    if error.job_id is None:
        hint = "" if slug in typed_inputs() else similar_slug(slug, typed_inputs())
        error.message += f" Or there is no public model {slug!r}{hint}: client.public.models() lists them."

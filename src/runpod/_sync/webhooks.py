# Generated from src/runpod/_async/webhooks.py by scripts/generate_sync.py. Do not edit.

"""The receiver of webhooks."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runpod._primitives import in_stoppable_thread, in_thread, shield
from runpod._protocol.deliveries import MAX_BYTES, Delivery, RecentDeliveries, confirmed, parse, unknown_job
from runpod._protocol.webhook_addresses import TOKEN_VARIABLE, WebhookAddresses
from runpod.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from pydantic import SecretStr

    from runpod._sync.client import Runpod
    from runpod._sync.endpoint import Endpoint
    from runpod._protocol.deadlines import ClientDefault
    from runpod._protocol.deliveries import SeenDeliveries


class WebhookReceiver:
    """Receives webhooks, in any web framework.

    The service does not sign webhooks. So their address contains a token, and the state of the job is
    fetched again with the API key: a forged delivery does no harm.

    Args:
        client: The client that fetches the states. It is not closed with the receiver.
        token: A random text of at least 32 characters, the same in every process that submits jobs or
            receives webhooks. By default `RUNPOD_WEBHOOK_TOKEN`. Each endpoint has a token of its
            own in its address, derived from this one.
        seen: Where it is noted what was received. By default in this process: the latest 10,000
            deliveries. Pass your own if several processes receive.
        max_bytes: The maximum size of a body in bytes, by default 50 MB.

    Raises:
        ConfigurationError: There is no token, or it is too short.

    Example:
        >>> receiver = WebhookReceiver(client=client)
        >>> url = receiver.url("https://example.com/hooks", endpoint)
        >>> job = endpoint.run(input={"prompt": "a horse"}, webhook=url)
    """

    def __init__(
        self,
        *,
        client: Runpod,
        token: str | SecretStr | None = None,
        seen: SeenDeliveries | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if token is None:
            # An empty variable counts as missing, as for the other settings.
            self._addresses = WebhookAddresses(os.environ.get(TOKEN_VARIABLE) or None, TOKEN_VARIABLE)
        else:
            self._addresses = WebhookAddresses(token, "token")
        self._client = client
        self._seen: SeenDeliveries = RecentDeliveries() if seen is None else seen
        self._max_bytes = max_bytes

    def url(self, base: str, endpoint: Endpoint[Any] | str) -> str:
        """Returns the address for the webhooks of an endpoint: `{base}/{endpoint ID}/{token}`. It is a secret.

        Args:
            base: The public address of your receiver, such as "https://example.com/hooks". Runpod has
                to be able to call it. http:// is for this machine only, with the local server.
            endpoint: The endpoint, or its ID.

        Raises:
            InvalidRequestError: `base` is not such an address, or the ID cannot be part of one.

        Example:
            >>> receiver.url("https://example.com/hooks", "ENDPOINT_ID")
            'https://example.com/hooks/ENDPOINT_ID/…'
        """
        return self._addresses.url(base, getattr(endpoint, "id", endpoint))

    def check(self, url: str) -> str:
        """Checks the token in the address of a request, and returns the ID of its endpoint. Sends no request.

        `receive` does the same first. Call it before the body is read, which can have megabytes.

        Args:
            url: The URL of the request, or its path. Only the last two segments of the path matter.

        Raises:
            WebhookTokenError: The token is missing or wrong: answer 403.

        Example:
            >>> receiver.check(request.url.path)
        """
        return self._addresses.endpoint_id(url)

    def receive(
        self,
        url: str,
        body: bytes | bytearray | str | Mapping[str, Any],
        *,
        timeout: float | timedelta | ClientDefault | None = 10.0,
    ) -> Delivery:
        """Receives a delivery: checks its address, parses it, and fetches the state of its job.

        Answer with `http_status(error)` if it raises a `RunpodError`, with 200 otherwise, also to a
        duplicate. Answer quickly, and do the work afterwards: a delivery without an answer is repeated.

        Args:
            url: The URL of the request, or its path.
            body: The body of the request, or the JSON object in it.
            timeout: Seconds or timedelta for fetching the state; None: no limit. The service does not
                document how long it waits for an answer.

        Raises:
            WebhookTokenError: The token in the address is wrong. Nothing was parsed or sent.
            InvalidRequestError: The body is too large, is not JSON, or has no job ID or status.
            NotFoundError: The job is not one of this endpoint, or its result has expired. `parse` returns
                what was delivered, if you want to use it all the same.
            JobError: The job has not ended.
            RunpodError: The state cannot be fetched; see `runpod.errors`.

        Example:
            >>> delivery = receiver.receive(request.url.path, request.body())
            >>> if not delivery.duplicate:
            ...     print(delivery.state.output)
        """
        endpoint_id = self.check(url)
        delivered = parse(body, max_bytes=self._max_bytes)
        try:
            state = self._client.endpoint(endpoint_id).status(delivered.id, timeout=timeout)
        except NotFoundError as error:
            raise unknown_job(delivered.id, endpoint_id, error) from error
        delivery = confirmed(delivered, state, endpoint_id)
        # At the very end: a delivery that could not be received is not a duplicate when it is repeated.
        return replace(delivery, duplicate=not self._note(delivery.key))

    def _note(self, key: str) -> bool:
        is_new = False

        def add() -> bool:
            nonlocal is_new
            is_new = self._seen.add(key)
            return is_new

        try:
            return in_stoppable_thread(add, threading.Event())
        except BaseException:
            # Cancelled after it was noted: its repetition is the first one that is received.
            if is_new:
                with shield():
                    in_thread(self._seen.discard, key)
            raise

    def failed(self, delivery: Delivery) -> None:
        """Forgets a delivery: its repetition is no duplicate. Call it if you answer with an error after `receive`.

        Example:
            >>> receiver.failed(delivery)
        """
        in_thread(self._seen.discard, delivery.key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

"""Hints for addresses of the service that are mixed up: jobs go to api.runpod.ai/v2, the management API is api.runpod.io."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runpod._config import DEFAULT_BASE_URL, DEFAULT_MANAGEMENT_URL
from runpod._protocol.operations import JOBS
from runpod._protocol.outcomes import Response

if TYPE_CHECKING:
    from runpod._config import Config
    from runpod._protocol.operations import Call, Service
    from runpod._protocol.outcomes import Outcome

_JOBS_HOST = urlsplit(DEFAULT_BASE_URL).hostname
_MANAGEMENT_HOST = urlsplit(DEFAULT_MANAGEMENT_URL).hostname
_V1_HOST = "rest.runpod.io"

# What a server answers to a path that it does not have, or to a key that it does not know.
_STATUSES = frozenset({401, 403, 404, 405, 410})


def with_address_hint(call: Call, outcome: Outcome, config: Config) -> Outcome:
    """An error response with a hint if the address of the service is known to be wrong."""
    if not isinstance(outcome, Response) or outcome.status not in _STATUSES:
        return outcome
    service = call.operation.service
    hint = address_hint(service, config.base_url if service is JOBS else config.management_url)
    return replace(outcome, hint=hint) if hint else outcome


def address_hint(service: Service, url: str) -> str:
    """What is wrong with the address of a service, as sentences; empty if nothing is known to be.

    Args:
        service: The service.
        url: Its setting, without a slash at its end.
    """
    parts = urlsplit(url)
    this = f"This {service.setting}"
    if service is JOBS:
        to = f"jobs are sent to {DEFAULT_BASE_URL}."
        if parts.hostname in {_MANAGEMENT_HOST, _V1_HOST}:
            return f"{this} is the management API; {to}"
        is_wrong = parts.hostname == _JOBS_HOST and parts.path != urlsplit(DEFAULT_BASE_URL).path
        return f"{this} has another path than that of the service; {to}" if is_wrong else ""
    if parts.hostname == _JOBS_HOST:
        return f"{this} is the API of jobs; the management API is {DEFAULT_MANAGEMENT_URL}."
    if parts.hostname == _V1_HOST:
        return f"{this} is version 1 of the management API, which was retired; version 2 is {DEFAULT_MANAGEMENT_URL}."
    if parts.path.endswith("/v2"):
        return f"{this} ends with /v2, with which each path begins, too: leave it out."
    return ""

"""The addresses of a webhook receiver, which authenticate its deliveries."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from pydantic import SecretStr

from runpod._config import is_loopback
from runpod._protocol.operations import check_id, encoded
from runpod._text import readable
from runpod.errors import ConfigurationError, InvalidRequestError, WebhookTokenError

TOKEN_VARIABLE = "RUNPOD_WEBHOOK_TOKEN"  # noqa: S105 - the name of a variable

# 32 characters of `token_hex` have 128 random bits.
_MIN_TOKEN = 32

_MAKE_TOKEN = "python -c 'import secrets; print(secrets.token_urlsafe())'"  # noqa: S105 - a command


class WebhookAddresses:
    """Creates and recognizes the addresses of one receiver: `{base}/{endpoint ID}/{token of the endpoint}`.

    The service does not sign deliveries, and does not say which endpoint they are from: the address does both. The token
    of an endpoint is derived from that of the receiver: whoever learns one address cannot guess those of other endpoints.

    Args:
        token: The token of the receiver.
        source: Where it is from, for messages.

    Raises:
        ConfigurationError: There is no token, or it is too short.
    """

    def __init__(self, token: object, source: str) -> None:
        if token is None:
            msg = (
                f"No webhook token found. Pass token=…, or set {TOKEN_VARIABLE}, to the same text in every process "
                f"that submits jobs or receives webhooks. This command makes one: {_MAKE_TOKEN}"
            )
            raise ConfigurationError(msg)
        text = token.get_secret_value() if isinstance(token, SecretStr) else token
        if not isinstance(text, str):
            msg = f"{source} must be a str, not {type(text).__name__}."
            raise ConfigurationError(msg)
        if len(text.strip()) < _MIN_TOKEN:
            msg = (
                f"{source} has fewer than {_MIN_TOKEN} characters, and might be guessed. "
                f"This command makes a random one: {_MAKE_TOKEN}"
            )
            raise ConfigurationError(msg)
        self._key = _to_bytes(text.strip())

    def url(self, base: object, endpoint_id: object) -> str:
        """The address for the webhooks of an endpoint.

        Raises:
            InvalidRequestError: `base` is not an address that the service can call, or the ID cannot be a segment of a
                path.
        """
        endpoint_id = check_id(endpoint_id, "endpoint_id")
        if encoded(endpoint_id) != endpoint_id:
            msg = f"The webhooks of endpoint {readable(endpoint_id, 80)!r} cannot be received: its ID needs quoting in a URL."
            raise InvalidRequestError(msg)
        problem = _problem(base)
        if problem is not None:
            msg = f'base {problem}. Pass the public address of your receiver, such as "https://example.com/hooks".'
            raise InvalidRequestError(msg)
        return f"{str(base).rstrip('/')}/{endpoint_id}/{self._token(endpoint_id)}"

    def endpoint_id(self, url: object) -> str:
        """The ID of the endpoint that an address, or its path, is for.

        Raises:
            InvalidRequestError: It is not a str.
            WebhookTokenError: It is not an address of this receiver.
        """
        if not isinstance(url, str):
            msg = f"url must be a str, not {type(url).__name__}: the URL of the request, or its path."
            raise InvalidRequestError(msg)
        path = url.partition("?")[0].partition("#")[0]
        *_, endpoint_id, token = ["", *path.rstrip("/").split("/")]
        if not hmac.compare_digest(_to_bytes(self._token(endpoint_id)), _to_bytes(token)):
            msg = (
                "A webhook was refused: the token in its path is not that of this receiver. Answer 403. If the delivery "
                "is from Runpod, create its address with `url` of a receiver with the same token."
            )
            raise WebhookTokenError(msg)
        return endpoint_id

    def _token(self, endpoint_id: str) -> str:
        digest = hmac.new(self._key, b"runpod webhook:" + _to_bytes(endpoint_id), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _problem(base: object) -> str | None:
    if not isinstance(base, str):
        return f"must be a str, not {type(base).__name__}"
    if not base.isprintable() or " " in base:
        return "contains a space or a control character"
    try:
        parts = urlsplit(base)
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        return "is not an absolute https:// URL"
    if "?" in base or "#" in base:
        return "has a query or a fragment"
    if parts.username is not None or parts.password is not None:
        return "has a user name or a password"
    if parts.scheme.lower() == "http" and not is_loopback(parts.hostname):
        return "uses http://, which would send the token and the output unencrypted, other than to this machine"
    return None


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

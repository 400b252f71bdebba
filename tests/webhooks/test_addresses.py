"""Tests of the addresses of a receiver that are refused before they are used."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from runpod import ConfigurationError, InvalidRequestError
from runpod._protocol.webhook_addresses import WebhookAddresses

ADDRESSES = WebhookAddresses("t" * 32, "token")
PUBLIC = "https://example.com/hooks"


@pytest.mark.parametrize(
    "base",
    [PUBLIC, "https://example.com:8443", "http://127.0.0.1:8000/a/b/", "http://localhost:1", "HTTPS://EXAMPLE.COM"],
)
def test_an_address_is_recognized(base: str) -> None:
    url = ADDRESSES.url(base, "ep")
    assert url.startswith(f"{base.rstrip('/')}/ep/")
    assert "ep" == ADDRESSES.endpoint_id(url)


def test_the_token_can_be_a_secret_and_stays_the_same() -> None:
    url = WebhookAddresses(SecretStr(" " + "t" * 32), "token").url(PUBLIC, "ep")
    assert ADDRESSES.url(PUBLIC, "ep") == url
    # Another release must not refuse the webhooks of jobs that are running.
    assert f"{PUBLIC}/ep/AH5QjDs1BokPXD0_ZFgij0lZVQzXD1zQUJUfVgVZSgs" == url


@pytest.mark.fact("protocol 6: public address")
@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ("http://example.com/hooks", "base uses http://, which would send the token and the output unencrypted"),
        ("http://localhost.example.com", "base uses http://"),
        ("example.com/hooks", "base is not an absolute https:// URL"),
        ("ftp://example.com", "base is not an absolute https:// URL"),
        ("https:///hooks", "base is not an absolute https:// URL"),
        ("", "base is not an absolute https:// URL"),
        ("https://[::1", "base is not a URL"),
        ("https://example.com:port", "base is not a URL"),
        ("https://example.com/?a=b", "base has a query or a fragment"),
        ("https://example.com/#hooks", "base has a query or a fragment"),
        ("https://user:password@example.com", "base has a user name or a password"),
        ("https://example.com/my hooks", "base contains a space or a control character"),
        ("https://example.com/\n", "base contains a space or a control character"),
        (None, "base must be a str, not NoneType"),
    ],
)
def test_the_service_must_be_able_to_call_the_address(base: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ADDRESSES.url(base, "ep")
    assert str(caught.value).startswith(problem)
    assert 'such as "https://example.com/hooks"' in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint_id", "problem"),
    [
        ("a/b", "needs quoting"),
        ("..", "needs quoting"),
        ("ä", "needs quoting"),
        (" ", "is blank"),
        (None, "must be str"),
    ],
)
def test_an_id_must_be_a_segment_of_a_path(endpoint_id: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        ADDRESSES.url(PUBLIC, endpoint_id)


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (b"t" * 32, "token must be a str, not bytes"),
        ("t" * 31, "token has fewer than 32 characters"),
        (" " * 40, "token has fewer than 32 characters"),
        (SecretStr("short"), "token has fewer than 32 characters"),
    ],
)
def test_a_token_that_could_be_guessed_is_refused(token: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        WebhookAddresses(token, "token")


def test_the_url_of_a_request_is_text() -> None:
    with pytest.raises(InvalidRequestError, match="url must be a str, not bytes: the URL of the request, or its path"):
        ADDRESSES.endpoint_id(b"/ep/token")

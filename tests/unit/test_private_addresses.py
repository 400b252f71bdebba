"""Which addresses and URLs a download may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod._http.async_network import AsyncBackend
from runpod._http.network import Backend
from runpod._http.private_addresses import PrivateAddressError, Reach, RefusedURLError

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:0a00:0001::1",
    "2002:7f00:0001::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "2002:0101:0101::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    with pytest.raises(PrivateAddressError):
        Reach().check_address(address)
    Reach(private=True).check_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    Reach().check_address(address)


def test_this_machine() -> None:
    for address in "127.0.0.1", "127.1.2.3", "::1":
        Reach(loopback=True).check_address(address)
    for address in "10.0.0.1", "0.0.0.0", "::", "169.254.169.254":
        with pytest.raises(PrivateAddressError):
            Reach(loopback=True).check_address(address)


@pytest.mark.parametrize(
    "host",
    [
        *[f"[{address}]" if ":" in address else address for address in PRIVATE if "%" not in address],
        "127.1",
        "2130706433",
        "0x7f000001",
        "10.1",
        "10.0.0.1.",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "db.localhost",
        "intranet",
        "printer.local",
        "metadata.google.internal",
        "router.lan",
        "nas.home.arpa",
        "wiki.corp.",
    ],
)
def test_urls_of_private_hosts(host: str) -> None:
    with pytest.raises(PrivateAddressError):
        Reach().check_url(f"https://{host}/horse.png")
    Reach(private=True).check_url(f"https://{host}/horse.png")


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.com/",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "//files.example.com/",
        "https:///horse.png",
        "https://user@files.example.com/",
        "https://user:password@files.example.com/",
        "https://files.example.com:99999999/",
        "https://0177.0.0.1/",
        "https://\0/",
        "https://" + "x" * 70000,
        "https://xn--\u00e4/",
    ],
)
def test_urls_that_are_never_allowed(url: str) -> None:
    with pytest.raises(RefusedURLError):
        Reach(private=True, loopback=True).check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.com/a?b=c",
        "https://files.example.com.:8443/",
        "HTTPS://1.1.1.1/",
        "https://m\u00fcller.example.com/",
    ],
)
def test_urls_that_are_allowed(url: str) -> None:
    Reach().check_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://localhost/", "http://[::1]/", "https://127.0.0.1/"])
def test_urls_of_this_machine(url: str) -> None:
    Reach(loopback=True).check_url(url)
    with pytest.raises(PrivateAddressError):
        Reach().check_url(url)


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["2606:4700:4700::1111", "::1"]])
async def test_every_address_of_a_name_is_checked_before_the_first_connection(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def async_resolve(host: str, port: int) -> list[str]:
        return addresses

    def connect(*args: Any, **kwargs: Any) -> Any:
        pytest.fail("it must not connect")

    monkeypatch.setattr("runpod._http.async_network.async_resolve", async_resolve)
    monkeypatch.setattr("runpod._http.async_network._AsyncioStream.connect", connect)
    monkeypatch.setattr("runpod._http.network.resolve", lambda *_: addresses)
    monkeypatch.setattr("httpcore.SyncBackend.connect_tcp", connect)
    check: Callable[[str], None] = Reach().check_address
    with pytest.raises(PrivateAddressError):
        await AsyncBackend(to_tls_proxy=False, check_address=check).connect_tcp("files.example.com", 443)
    with pytest.raises(PrivateAddressError):
        Backend(to_tls_proxy=False, check_address=check).connect_tcp("files.example.com", 443)

"""Where a webhook may lead: public addresses, unless who added it allowed others.

A name is looked up when something is sent, every address it has is checked, and the connection goes to a checked one: a name that leads elsewhere the
next moment changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from pilotage.core import Refused


def is_public(address: str) -> bool:
    """Whether the address is one of the open internet."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            found = inner
        elif found in ipaddress.ip_network("64:ff9b::/96"):  # an IPv4 address behind a translator
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.is_global and not found.is_multicast and not found.is_reserved


def check_literal(host: str, *, private: bool) -> None:
    """Raise ``Refused`` if ``host`` is written as an address that is not public, or names this machine."""
    if private:
        return
    name = host.rstrip(".").lower()
    try:
        # 127.1 and 0x7f000001 are addresses to a connecting socket, too.
        address = socket.inet_ntoa(socket.inet_aton(name)) if ":" not in name else name
        public = is_public(address)
    except (OSError, ValueError):
        public = name != "localhost" and not name.endswith(".localhost")
    if not public:
        raise _refused(host)


def resolver(*, private: bool) -> Any:
    """A resolver for aiohttp that gives checked addresses only."""
    from aiohttp import ThreadedResolver

    class Checked(ThreadedResolver):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
            found = await super().resolve(host, port, family)
            if not private and not all(is_public(each["host"]) for each in found):
                raise _refused(host)
            return found

    return Checked()


def _refused(host: str) -> Refused:
    return Refused(
        "This webhook leads to this machine or into a private network.",
        where=host[:200],
        why="a web address typed by one person must not reach what only the machine may reach",
        mend="if it is meant, add it with leave to (--private)",
    )

"""Addresses and networks: who is a neighbour of whom, and which text names a network."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from typecase.blocks.errors import InvalidAccess

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def parse_address(text: str) -> Address | None:
    """Return an address, IPv4 also where it comes as IPv6; None for what is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def network_of(text: str) -> str:
    """Return who an address counts as: itself, or its /64 for IPv6, where one host has many."""
    found = parse_address(text)
    if found is None:
        return "unknown"
    return str(IPv6Network((int(found), 64), strict=False) if isinstance(found, IPv6Address) else found)


def parse_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return networks as they are kept. Raises `InvalidAccess`."""
    found: list[str] = []
    for text in texts:
        try:
            found.append(str(ip_network(text)))
        except ValueError:
            raise InvalidAccess(
                f"{text!r} is no network.", hint="Write an address or a prefix: 10.1.0.0/16, 2001:db8::/32."
            ) from None
    return tuple(dict.fromkeys(found))


def is_inside(address: str, networks: Sequence[str]) -> bool:
    """Tell whether an address is in one of the networks."""
    found = parse_address(address)
    return found is not None and any(found in ip_network(network) for network in networks)


def are_inside(inner: Iterable[str], outer: Sequence[str]) -> bool:
    """Tell whether each network of `inner` is part of one of `outer`."""
    wide = [ip_network(network) for network in outer]
    return all(any(_is_part(ip_network(network), item) for item in wide) for network in inner)


def _is_part(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)

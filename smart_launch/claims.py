"""What a JWT or an answer about a token says, as far as one rule holds for all of them: texts, and addresses of servers."""

import re

from smart_launch.wire import read_address

_PORTS = {"https": 443, "http": 80}
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def is_text(value: str) -> bool:
    """Tell whether UTF-8 and every database can hold it: JSON may write a lone surrogate, and PostgreSQL takes no NUL."""
    return _NOT_TEXT.search(value) is None


def names_server(address: str) -> bool:
    """Tell whether an audience is a server's address, and not a client's id or another name (RFC 7519 4.1.3)."""
    return address.lower().startswith(("https://", "http://"))


def is_server(address: str, base: str) -> bool:
    """Compare two addresses of servers: the same but for one trailing slash, letters of the host and a default port."""
    return _place(address) is not None and _place(address) == _place(base)


def is_above(address: str, base: str) -> bool:
    """Tell whether a server's address is the other's, or above it: its host, or a folder that it stands in."""
    above, below = _place(address), _place(base)
    if above is None or below is None:
        return False
    return above[0] == below[0] and f"{below[1]}/".startswith(f"{above[1]}/")


def _place(address: str) -> tuple[tuple[str, str, int], str] | None:
    """Split an address into its server and its path without a final slash; None if it is none, or has more than these."""
    url = read_address(address)
    if url.scheme not in _PORTS or not url.host or url.query or url.fragment or url.userinfo:
        return None
    return (url.scheme, url.host, url.port or _PORTS[url.scheme]), url.path.removesuffix("/")

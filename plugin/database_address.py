"""What an address of a database says: where its file lies, and whether its connections leave this machine to somebody unknown.

As libpq reads it (https://www.postgresql.org/docs/current/libpq-connect.html): the address, else PGHOST and PGSSLMODE.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_CHECKED = frozenset({"verify-ca", "verify-full"})
_FILE = ":///"  # what stands before the path of an SQLite database
_HERE = frozenset({"localhost", "127.0.0.1", "::1", ""})


def hosts_unchecked(address: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Name the hosts other than this machine that a PostgreSQL address reaches without checking their certificate.

    `allow` and `prefer`, libpq's own choice, go on in clear where the server offers no TLS; `require` encrypts for anybody
    who answers.
    """
    parts = urlsplit(address)
    if not parts.scheme.startswith("postgresql"):
        return ()
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if asked.get("sslmode", environment.get("PGSSLMODE", "prefer")) in _CHECKED:
        return ()
    named = asked.get("host") or parts.netloc.rpartition("@")[2] or environment.get("PGHOST", "")
    hosts = (_host(each) for each in (*named.split(","), *asked.get("hostaddr", "").split(",")))
    return tuple(each for each in hosts if each not in _HERE and not each.startswith("/"))


def beside(address: str, folder: Path) -> str:
    """Give an address whose SQLite file, if it is named by a relative path, counts from a folder."""
    scheme, there, path = address.partition(_FILE)
    is_file = (
        scheme.partition("+")[0] == "sqlite" and there and not path.startswith((":memory:", "file:", "?"))
    )
    return f"{scheme}{_FILE}{folder.resolve() / path}" if is_file and path else address


def _host(text: str) -> str:
    text = unquote(text.strip())
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text

"""What stops a command, told so that a person can mend it."""

import errno
import os
import socket
from typing import Annotated

import typer

from plugin.errors import SettingsInvalid

Port = Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)]

_FILES: dict[int, tuple[str, str]] = {
    errno.ENOENT: ("There is no file {name}.", "Check the name and the folder you are in."),
    errno.EISDIR: ("{name} is a folder; a file is wanted.", "Name the file in it."),
    errno.ENOTDIR: ("{name} cannot be a folder: a file stands there.", "Name another folder."),
    errno.EEXIST: ("{name} cannot be a folder: a file stands there.", "Name another folder."),
    errno.EACCES: (
        "{name} may not be read or written by this user.",
        "Change its permissions, or use another.",
    ),
    errno.EPERM: (
        "{name} may not be read or written by this user.",
        "Change its permissions, or use another.",
    ),
    errno.EROFS: ("{name} lies on a disk that is read-only.", "Name a place that may be written to."),
    errno.ENOSPC: ("The disk is full: {name} could not be written.", "Free some space and run it again."),
    errno.ENAMETOOLONG: ("That name is too long for a file.", "Use a shorter one."),
}


def explain(error: OSError) -> tuple[str, str]:
    """Say what the system refused, and what to do: two sentences."""
    name = str(error.filename) if error.filename is not None else "A file or address"
    what, remedy = _FILES.get(
        error.errno or 0, ("{name}: {reason}.", "Check the name and its permissions, then run it again.")
    )
    return what.format(name=name, reason=os.strerror(error.errno or 0)), remedy


def explain_database(error: Exception) -> tuple[str, str] | None:
    """Say what is wrong with a database that cannot be asked, and what to do; None for what is a fault of ours."""
    cause = getattr(error, "orig", None)  # of SQLAlchemy's errors, which are slow to import
    said = str(cause)
    if "no such table" in said or "no such column" in said or type(cause).__name__.startswith("Undefined"):
        return (
            "The database is not set up, or is of an earlier version.",
            "Run `rapport database upgrade` with the same settings.",
        )
    if "unable to open database file" in said:
        return "The database's file cannot be opened.", "Check `database` in the settings, and its folder."
    return None


def is_of_the_sandbox(error: Exception) -> bool:
    """Say whether the sandbox EHR raised an error, by name: where it does not run, it is not imported."""
    return any(each.__module__ == "sandbox_ehr.errors" for each in type(error).__mro__)


def check_free(host: str, port: int) -> None:
    """Refuse, SettingsInvalid, a port or an address that cannot be listened on here."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsInvalid(
                f"Port {port} is taken.", "Stop what uses it, or choose another with --port."
            ) from None
        if error.errno == errno.EACCES:
            raise SettingsInvalid(
                f"Port {port} may not be used by this user.", "Choose one above 1023 with --port."
            ) from None
        raise SettingsInvalid(
            f"{host} is no address of this machine.",
            "Give one of its own with --host: 127.0.0.1, or 0.0.0.0 for all.",
        ) from None

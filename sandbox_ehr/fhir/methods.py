"""Which HTTP methods an address of the FHIR API has, for the Allow header of a 405. Pure."""

_READ = ("GET",)


def allowed_methods(path: str) -> tuple[str, ...]:
    """Give the methods of an address below the base (RFC 9110: a 405 names them)."""
    match path.strip("/").split("/"):
        case [""]:
            return ("GET", "POST")  # GET: a page of results; POST: transaction or batch
        case ["metadata"] | [".well-known", _]:
            return ("GET", "HEAD")
        case [*_, "$export"] | ["$export-file", _, _]:
            return _READ
        case ["$export-status", _]:
            return ("GET", "DELETE")
        case [_]:
            return ("GET", "POST")
        case [_, "_search"]:
            return ("POST",)
        case [_, _]:
            return ("GET", "PUT")
        case [_, _, "_history"] | [_, _, "_history", _]:
            return _READ
    return ()

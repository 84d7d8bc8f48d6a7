"""Which HTTP methods an address of the FHIR API has, for the Allow header of a 405. Pure."""

_READ = ("GET",)


def allowed_methods(path: str) -> tuple[str, ...]:  # noqa: C901 -- a table
    """Give the methods of an address below the base (RFC 9110: a 405 names them)."""
    if path.strip("/").startswith("Subscription"):
        return _of_subscriptions(path)
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


def _of_subscriptions(path: str) -> tuple[str, ...]:
    match path.strip("/").split("/"):
        case ["Subscription"]:
            return ("POST",)
        case ["Subscription", _]:
            return ("GET", "PUT", "DELETE")
        case ["Subscription", _, "$status"]:
            return ("GET", "POST")
        case ["Subscription", _, "$events"]:
            return _READ
    return ()

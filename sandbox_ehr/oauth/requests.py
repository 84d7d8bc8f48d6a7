"""OAuth requests as authlib wants them, made from plain parameters."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Payload, OAuth2Request

from sandbox_ehr.oauth.launches import Launch
from sandbox_ehr.oauth.records import Context

Pairs = Sequence[tuple[str, str]]
_ECHOED = ("response_type", "client_id", "redirect_uri", "grant_type")


@dataclass(frozen=True, slots=True)
class Decision:
    """That a user lets the app in, with which launch context; `launch` is used up by it."""

    user: str
    context: Context
    launch: Launch | None = None
    signed_in: int | None = None  # None: just now


class _Payload(OAuth2Payload):  # type: ignore[misc]  # authlib is untyped
    """The parameters of a request, first value and all values."""

    def __init__(self, pairs: Pairs) -> None:
        self._lists: dict[str, list[str]] = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)

    @property
    def data(self) -> dict[str, str]:
        """The first value of each."""
        return {name: values[0] for name, values in self._lists.items()}

    @property
    def datalist(self) -> dict[str, list[str]]:
        """All values of each."""
        return self._lists


class SmartRequest(OAuth2Request):  # type: ignore[misc]  # authlib is untyped
    """A request to the authorization or token endpoint, and the decision taken on it."""

    def __init__(self, method: str, uri: str, pairs: Pairs, headers: Mapping[str, str]) -> None:
        # authlib refuses http; the sandbox runs on loopback, where SMART allows it.
        super().__init__(method, uri.replace("http://", "https://", 1), headers=headers)
        self.payload = _Payload(pairs)
        self.pairs = tuple(pairs)
        self.decision: Decision | None = None

    @property
    def form(self) -> dict[str, str]:
        """The parameters, by name."""
        data: dict[str, str] = self.payload.data
        return data

    def decided(self) -> Decision:
        """Give the decision that a code is issued for."""
        if self.decision is None:
            raise RuntimeError("A code was to be issued although nobody had decided on it.")
        return self.decision

    def check_authorization(self) -> None:
        """Raise invalid_client for an Authorization header of HTTP Basic that holds no text (RFC 7617)."""
        scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return
        try:
            client = base64.b64decode(credentials.strip(), validate=True).decode()
        except ValueError:
            client = ""
        if not client:
            text = "The Authorization header is not Basic with client_id:secret in UTF-8 and base64."
            raise InvalidClientError(status_code=401, description=text)

    def check_characters(self) -> None:
        """Raise invalid_request for parameters that authlib would repeat in a message which may not hold them."""
        for name in _ECHOED:
            value = self.payload.data.get(name, "")
            if not all(" " <= each <= "~" and each not in '"\\' for each in value):
                raise InvalidRequestError(f"The parameter '{name}' has characters that are not allowed.")

"""What the authorization server remembers: authorizations, codes, tokens, used assertions, its signing key."""

import hashlib
import secrets
import sqlite3
import uuid
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, TokenMixin
from joserfc.jwk import RSAKey

from sandbox_ehr.database import Database
from sandbox_ehr.oauth.clients import Client
from sandbox_ehr.settings import Clock

CODE_SECONDS = 60
Context = dict[str, object]
"""Launch context as in the token response: patient, encounter, need_patient_banner, intent, fhirContext ..."""


def digest(secret: str) -> str:
    """What is kept of a code or token: enough to recognise it, not to use it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """Make an unguessable opaque value."""
    return secrets.token_urlsafe(32)


@lru_cache(maxsize=8)
def _read_key(text: str) -> RSAKey:
    """Read a JWK; that it is sound is tested for long, so the last few are remembered."""
    return RSAKey.import_key(msgspec.json.decode(text))


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one user (or nobody, for a backend service) let one client do, with the context of the launch."""

    id: str
    client_id: str
    user: str | None  # Practitioner/...
    scope: str
    context: Context
    created: int
    revoked: bool = False


@dataclass(frozen=True)
class Code(AuthorizationCodeMixin):  # type: ignore[misc]  # authlib is untyped
    """An authorization code that was found; the code itself is not kept."""

    digest: str
    authorization: Authorization
    redirect_uri: str
    nonce: str | None
    code_challenge: str
    signed_in: int  # when the user had proved who they are
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        """The redirect_uri of the authorization request."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """The granted scope."""
        return self.authorization.scope

    def get_nonce(self) -> str | None:
        """The nonce of the authorization request."""
        return self.nonce

    def get_auth_time(self) -> int:
        """When the user signed in."""
        return self.signed_in

    def get_acr(self) -> None:
        """Not stated."""

    def get_amr(self) -> None:
        """Not stated."""


@dataclass(frozen=True)
class Token(TokenMixin):  # type: ignore[misc]  # authlib is untyped
    """An access or refresh token that was found; the token itself is not kept."""

    digest: str
    kind: str
    authorization: Authorization
    scope: str
    issued: int
    expires: int
    revoked: bool
    now: int = field(compare=False)

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to this client."""
        return self.authorization.client_id == client.client_id

    def get_scope(self) -> str:
        """Its scope."""
        return self.scope

    def get_expires_in(self) -> int:
        """Its life in seconds."""
        return self.expires - self.issued

    def is_expired(self) -> bool:
        """Whether it has run out."""
        return self.expires <= self.now

    def is_revoked(self) -> bool:
        """Whether it, or what it rests on, was taken back."""
        return self.revoked or self.authorization.revoked

    @property
    def is_active(self) -> bool:
        """Whether it can be used."""
        return not self.is_expired() and not self.is_revoked()


class Records:
    """Keeps the authorization server's state in the sandbox's database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock
        self._key: RSAKey | None = None

    def now(self) -> int:
        """Seconds since 1970."""
        return int(self._clock().timestamp())

    def authorize(
        self, client_id: str, user: str | None, scope: str, context: Context, signed_in: int | None = None
    ) -> Authorization:
        """Keep a new authorization; `signed_in`: when its user signed in, if that was not just now."""
        made = Authorization(str(uuid.uuid4()), client_id, user, scope, context, self.now())
        row = (made.id, client_id, user, scope, msgspec.json.encode(context).decode(), made.created)
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO authorization (id, client_id, user, scope, context, created) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            connection.execute("INSERT INTO signed_in VALUES (?, ?)", (made.id, signed_in or made.created))
        return made

    def revoke(self, authorization_id: str) -> None:
        """Take back an authorization, and with it every token that rests on it."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE authorization SET revoked = 1 WHERE id = ?", (authorization_id,))

    def keep_code(
        self, code: str, authorization: Authorization, *, redirect_uri: str, nonce: str | None, challenge: str
    ) -> None:
        """Keep a new authorization code for a minute."""
        row = (digest(code), authorization.id, redirect_uri, nonce, challenge, self.now() + CODE_SECONDS)
        with self.database.transaction() as connection:
            connection.execute("INSERT INTO code VALUES (?, ?, ?, ?, ?, ?, 0)", row)

    def find_code(self, code: str, client_id: str) -> Code | None:
        """Find a code that this client can still use; a second use revokes what the first one gave."""
        with self.database.transaction() as connection:
            row = connection.execute("SELECT * FROM code WHERE digest = ?", (digest(code),)).fetchone()
            authorization = self._authorization(connection, row["authorization_id"]) if row else None
            if authorization is None or authorization.client_id != client_id:
                return None
            if row["used"]:
                self.revoke(authorization.id)
                return None
            known = connection.execute(
                "SELECT at FROM signed_in WHERE what = ?", (authorization.id,)
            ).fetchone()
        if row["expires"] <= self.now():
            return None
        signed_in = known["at"] if known else authorization.created
        return Code(
            row["digest"], authorization, row["redirect_uri"], row["nonce"], row["challenge"], signed_in
        )

    def use_code(self, code: Code) -> None:
        """Mark a code as used."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE code SET used = 1 WHERE digest = ?", (code.digest,))

    def keep_token(
        self, token: str, kind: str, authorization: Authorization, *, scope: str, seconds: int
    ) -> None:
        """Keep a new token."""
        now = self.now()
        row = (digest(token), kind, authorization.id, scope, now, now + seconds)
        with self.database.transaction() as connection:
            connection.execute("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, 0)", row)

    def find_token(self, token: str, kind: str | None = None) -> Token | None:
        """Find a token, active or not."""
        with self.database.transaction() as connection:
            row = connection.execute("SELECT * FROM token WHERE digest = ?", (digest(token),)).fetchone()
            if row is None or kind not in {None, row["kind"]}:
                return None
            authorization = self._authorization(connection, row["authorization_id"])
        times = (row["issued"], row["expires"], bool(row["revoked"]), self.now())
        return Token(row["digest"], row["kind"], authorization, row["scope"], *times)

    def revoke_token(self, token: Token) -> None:
        """Take back one token."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE token SET revoked = 1 WHERE digest = ?", (token.digest,))

    def use_assertion(self, client_id: str, jti: str, expires: int) -> bool:
        """Remember a client's assertion; False if it was used before."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM assertion WHERE expires < ?", (self.now(),))
            added = connection.execute(
                "INSERT OR IGNORE INTO assertion VALUES (?, ?, ?)", (client_id, jti, expires)
            )
        return added.rowcount == 1

    def signing_key(self) -> RSAKey:
        """Give the key that id_tokens are signed with, made when first needed and kept."""
        if self._key is None:
            with self.database.transaction() as connection:
                row = connection.execute("SELECT jwk FROM signing_key").fetchone()
                if row is None:
                    made = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": new_secret()[:16]})
                    text = msgspec.json.encode(made.as_dict(private=True)).decode()
                    connection.execute("INSERT INTO signing_key VALUES (?)", (text,))
                    row = {"jwk": text}
            self._key = _read_key(row["jwk"])
        return self._key

    def _authorization(self, connection: sqlite3.Connection, authorization_id: str) -> Authorization:
        row = connection.execute("SELECT * FROM authorization WHERE id = ?", (authorization_id,)).fetchone()
        context = msgspec.json.decode(row["context"], type=dict[str, object])
        who = (row["id"], row["client_id"], row["user"], row["scope"])
        return Authorization(*who, context, row["created"], bool(row["revoked"]))

"""What is hashed of a row stays the same when the table gets new columns."""

import hashlib
from datetime import UTC, datetime

from plugin.audit.leaves import row_content
from plugin.ledger import Vault

VAULT = Vault((b"a key of the tests, 32 bytes long",))
ATTEMPT = {
    "id": 1,
    "response": "r",
    "started": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    "finished": datetime(2026, 3, 2, 9, 1, tzinfo=UTC),
    "state": "saved",
    "detail": "The EHR cannot be reached.",
}
NEWER = {"number": None, "writer": None, "status": None, "answer": None, "revision": None}


def test_an_attempt_that_was_logged_before_schema_0003_has_its_digest_still() -> None:
    content = row_content("attempt", {**ATTEMPT, **NEWER}, VAULT)
    assert content == (
        b'[["detail","The EHR cannot be reached."],["finished",1772442060000000],["id",1],["response","r"],'
        b'["started",1772442000000000],["state","saved"]]'
    )


def test_a_newer_attempt_whose_status_is_taken_away_has_another_digest() -> None:
    whole = {**ATTEMPT, **NEWER, "number": 1, "writer": "response", "status": 422}
    contents = {row_content("attempt", {**whole, "status": status}, VAULT) for status in (422, None, 500)}
    assert len({hashlib.sha256(each).digest() for each in contents}) == 3

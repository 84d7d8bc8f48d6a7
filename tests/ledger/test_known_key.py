"""The keys that a ledger was written under: it opens under a ring that has one of them, whatever was altered, and under no other."""

from pathlib import Path

import pytest

from plugin.errors import SettingsInvalid
from plugin.ledger import Ledger, Vault
from plugin.ledger import tables as t
from tests.ledger.test_store import KEY, audit

OTHER = KEY[::-1]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/ledger.sqlite3"


async def test_a_ledger_opens_under_the_keys_it_was_written_under_and_no_others(url: str) -> None:
    ledger = Ledger(url, Vault([KEY]))  # empty: any key is taken
    await ledger.record(audit("e1"))
    await ledger.record(audit("e2"))
    with pytest.raises(SettingsInvalid, match=f"names key {ledger.vault.key_ids[0]}, configured is"):
        Ledger(url, Vault([OTHER]))
    Ledger(url, Vault([OTHER, KEY])).close()
    newest = t.audit.update().where(t.audit.c.event == "e2").values(sealed_resource=bytes(40))
    await ledger.bookkeep(lambda connection: connection.execute(newest))
    Ledger(url, Vault([KEY])).close()  # an entry that was altered is for `rapport audit verify` to tell
    ledger.close()

"""Secret keys are replaced while Rapport is in use: everything is sealed anew, and the old key is needed no more."""

import asyncio
import base64
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.errors import SettingsInvalid
from plugin.ledger import Vault
from plugin.ledger import tables as t
from plugin.ledger.sealed import SEALED
from plugin.ledger.store import open_database
from plugin.rotation import count_by_key, rotate
from plugin.secret_keys import derive_log_key, read_log_key, read_secret, read_vault_keys
from tests.postgres import PostgresMissing, postgres_server
from tests.product.forms import ANSWERS
from tests.product.world import World, run_world
from tests.terminal import run_rapport

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)


def drawn(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


async def fill_one(world: World) -> None:
    world.browser = world.new_browser()
    page = await world.launch("amara")
    people = await world.people()
    secret = await world.hand_over(page, f"Patient/{people['amara']}")
    kept = await world.browser.put(
        "/fill/answers", headers={"X-Rapport-Invitation": secret}, json={"answers": ANSWERS}
    )
    assert kept.status_code in {200, 204}, kept.text
    sent = await world.fill(secret, ANSWERS)
    assert sent.status_code == 200, sent.text


def sealed_by(url: str) -> set[str]:
    engine = open_database(url)
    with engine.connect() as connection:
        counts = count_by_key(connection)
    engine.dispose()
    return set(counts)


def test_every_sealed_column_is_known_to_the_rotation() -> None:
    sealed = {
        (table.name, column.name)
        for table in t.metadata.tables.values()
        for column in table.c
        if column.name.startswith("sealed_")
    }
    assert sealed == {(table, column) for table, columns in SEALED.items() for column in columns}


async def test_a_key_is_replaced_while_forms_are_filled_and_the_old_one_goes(tmp_path: Path) -> None:
    async with run_world(tmp_path, vault_keys=(OLD,)) as world:
        for _ in range(3):
            await fill_one(world)
    # Both keys: the new one seals. Meanwhile another process seals anew what the old one sealed.
    async with run_world(tmp_path, vault_keys=(NEW, OLD)) as world:
        engine = open_database(world.settings.database)
        vault = Vault((NEW, OLD))
        rotating = asyncio.create_task(asyncio.to_thread(rotate, engine, vault))
        await fill_one(world)
        rotated = await rotating
        engine.dispose()
        assert rotated.broken == []
        assert rotated.values > 10
        assert sealed_by(world.settings.database) == {vault.key_ids[0]}
    async with run_world(tmp_path, vault_keys=(NEW,)) as world:
        await fill_one(world)
        page = await world.launch("amara", browser=world.new_browser())
        assert page.text.count('class="response"') >= 4


async def test_a_value_that_does_not_open_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    async with run_world(tmp_path, vault_keys=(OLD,)) as world:
        await fill_one(world)
        url = world.settings.database
    engine = open_database(url)
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        broken = connection.execute(sa.select(t.response.c.id)).scalar_one()
        body = connection.execute(sa.select(t.response.c.sealed_body)).scalar_one()
        altered = body[:-1] + bytes([body[-1] ^ 1])
        connection.execute(t.response.update().values(sealed_body=altered))
    rotated = rotate(engine, Vault((NEW, OLD)))
    with engine.connect() as connection:
        after = connection.execute(sa.select(t.response.c.sealed_body)).scalar_one()
    engine.dispose()
    assert rotated.broken == [f"response.sealed_body {broken}"]
    assert after == altered


def test_values_are_found_and_sealed_anew_on_postgresql() -> None:
    try:
        with postgres_server() as server:
            _rotate_on_postgresql(server.url)
    except PostgresMissing as missing:
        pytest.skip(str(missing))


def _rotate_on_postgresql(url: str) -> None:
    admin = sa.create_engine(url.format("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE keys"))
    admin.dispose()
    engine = open_database(url.format("keys"))
    old, both = Vault((OLD,)), Vault((NEW, OLD))
    t.metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [
            {
                "state": f"s{place}",
                "handle": "h",
                "site": "s",
                "created": _now(),
                "sealed_pending": old.seal("pending", f"s{place}", b"x"),
            }
            for place in range(450)
        ]
        connection.execute(t.pending_launch.insert(), rows)
    assert rotate(engine, both).values == 450
    with engine.connect() as connection:
        assert count_by_key(connection) == {both.key_ids[0]: 450}
        row = connection.execute(sa.select(t.pending_launch).limit(1)).one()
        assert Vault((NEW,)).open("pending", row.state, bytes(row.sealed_pending)) == b"x"
    engine.dispose()


def _now() -> object:
    from datetime import UTC, datetime

    return datetime(2026, 1, 1, tzinfo=UTC)


def rapport(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    config = folder / "rapport.toml"
    config.write_text(
        f'[server]\nbase_url = "https://rapport.invalid"\ndatabase = "sqlite:///{folder}/rapport.sqlite3"\n\n[[site]]\n'
        'id = "a"\nname = "A"\norganization = "A"\nfhir_base = "https://ehr.invalid/r4"\nclient_id = "r"\n'
        'authentication = "public"\n',
        encoding="utf-8",
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAPPORT_")}
    return run_rapport(*arguments, environment={**own, "RAPPORT_CONFIG": str(config), **environment})


async def test_the_commands_say_by_which_key_how_much_is_sealed(tmp_path: Path) -> None:
    async with run_world(tmp_path, vault_keys=(OLD,)) as world:
        await fill_one(world)
    log = drawn(derive_log_key((OLD,)))
    old, new = Vault((OLD,)).key_ids[0], Vault((NEW,)).key_ids[0]
    missing = rapport(tmp_path, "keys", "list", RAPPORT_SECRET_KEY=drawn(NEW))
    assert missing.returncode == 1
    assert f"{old}  is not configured" in missing.stdout
    both = {"RAPPORT_SECRET_KEY": f"{drawn(NEW)},{drawn(OLD)}", "RAPPORT_LOG_KEY": log}
    done = rapport(tmp_path, "keys", "rotate", **both)
    assert done.returncode == 0, done.stderr
    assert f"under key {new}" in done.stdout
    listed = rapport(tmp_path, "keys", "list", RAPPORT_SECRET_KEY=drawn(NEW), RAPPORT_LOG_KEY=log)
    assert listed.returncode == 0, listed.stdout
    assert drawn(NEW) not in listed.stdout


def test_what_derived_the_log_key_so_far_can_be_printed_and_set(tmp_path: Path) -> None:
    printed = rapport(tmp_path, "keys", "log-key", RAPPORT_SECRET_KEY=drawn(OLD))
    assert printed.returncode == 0, printed.stderr
    before = read_log_key({}, (OLD,))
    after = read_log_key({"RAPPORT_LOG_KEY": printed.stdout.strip()}, (NEW, OLD))
    assert before.private_bytes_raw() == after.private_bytes_raw()


def test_several_keys_without_a_log_key_are_refused() -> None:
    with pytest.raises(SettingsInvalid, match="several keys"):
        read_log_key({}, (NEW, OLD))


def test_a_key_comes_from_a_file_or_from_a_key_service_s_own_command(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(drawn(OLD) + "\n", encoding="utf-8")
    assert read_vault_keys({"RAPPORT_SECRET_KEY_FILE": str(file)}) == (OLD,)
    service = tmp_path / "kms"
    service.write_text(f"#!/bin/sh\necho {drawn(NEW)},{drawn(OLD)}\n", encoding="utf-8")
    service.chmod(service.stat().st_mode | stat.S_IXUSR)
    assert read_vault_keys({"RAPPORT_SECRET_KEY_COMMAND": f"{service} decrypt --key x"}) == (NEW, OLD)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"K": "x", "K_FILE": "/y"}, "K and K_FILE are set"),
        ({"K_FILE": "/nowhere/at/all"}, "cannot be read"),
        ({"K_COMMAND": "/nowhere/at/all"}, "failed"),
        ({"K_COMMAND": "false"}, "failed"),
        ({"K_COMMAND": "true"}, "gives nothing"),
        ({"K_COMMAND": "'"}, "failed"),
    ],
)
def test_a_place_that_gives_no_key_is_named(environment: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told):
        read_secret(environment, "K")


def test_what_a_key_service_prints_is_never_told() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read_secret({"K_COMMAND": f"{sys.executable} -c \"print('s3cret'); raise SystemExit(1)\""}, "K")
    assert "s3cret" not in str(refused.value)

"""Who may do what: every address asked by every kind of person, and held against the table in the documentation."""

from pathlib import Path

from tests.security.walking import ASKING, END, PAGE, START, lets_in, table, walk_a_world


async def test_every_address_lets_in_whom_the_table_says_and_nobody_else(tmp_path: Path) -> None:
    found = await walk_a_world(tmp_path)
    assert not {each: statuses for each, statuses in found.items() if max(statuses.values()) >= 500}
    documented = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0].strip()
    assert table(found) == documented, "If the change is meant: python -m tests.security.walking"


def test_what_is_a_patients_is_open_to_nobody_else() -> None:
    documented = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    rows = [line.strip("| ").split(" | ") for line in documented.splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    for address, *marks in rows:
        may = {who for who, mark in zip(ASKING, marks, strict=True) if mark == "yes"}
        if "/launches/{launch}" in address:
            assert may <= {"clinician"}, address
        if "/desks/" in address:
            assert may <= {"supervisor", "auditor", "administrator", "researcher"}, address
        if address.startswith(("`PUT /fill", "`POST /fill", "`GET /fill/")):
            assert may <= {"respondent", "another patient's respondent"}, address


def test_a_refusal_is_told_from_a_form_that_is_not_whole() -> None:
    assert [lets_in(status) for status in (200, 303, 422, 401, 403, 404, 410, 500)] == [
        *(True, True, True),
        *(False, False, False, False, False),
    ]

"""Settings: what is missing or wrong stops the start with a sentence that says what to set."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from plugin.errors import SettingsInvalid
from plugin.initial import CONFIGURATION, write_initial
from plugin.interpretation import InterpretationSection, Rupture
from plugin.settings import MEDICATION_SCOPES, Settings, _File, read_settings
from plugin.settings_problems import EXPECTED
from plugin.trends.sequences import Criterion
from smart_launch import PrivateKeyJwt

SECRET = "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc"
MINIMAL = """
[server]
base_url = "https://rapport.invalid"
database = "sqlite:///rapport.sqlite3"

[[site]]
id = "clinic"
name = "Clinic"
organization = "Trust"
fhir_base = "https://ehr.invalid/r4"
client_id = "rapport"
authentication = "public"
"""


def read(folder: Path, text: str, **environment: str) -> Settings:
    file = folder / "rapport.toml"
    file.write_text(text, encoding="utf-8")
    return read_settings(file, {"RAPPORT_SECRET_KEY": SECRET, **environment})


def test_scopes_of_both_versions_and_words_of_an_ehrs_own_can_be_used(tmp_path: Path) -> None:
    scopes = (
        *("launch", "launch/patient", "openid", "fhirUser", "online_access", "patient/Observation.read"),
        *("user/*.*", "patient/Observation.rs?category=survey", "api:fhir", "athena/service/Athenanet.MDP.*"),
    )
    assert read(tmp_path, f"{MINIMAL}scopes = {list(scopes)}\n").sites["clinic"].scopes == scopes


def test_a_minimal_file_is_enough(tmp_path: Path) -> None:
    settings = read(tmp_path, MINIMAL)
    assert settings.sites["clinic"].redirect_uri == "https://rapport.invalid/callback"
    assert settings.policies["clinic"].show_item_answers is False


def test_its_repr_shows_no_secret(tmp_path: Path) -> None:
    assert SECRET not in repr(read(tmp_path, MINIMAL))
    assert "vault" not in repr(read(tmp_path, MINIMAL))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server", "not valid TOML"),
        ("", "server"),
        (MINIMAL.replace('client_id = "rapport"\n', ""), "client_id"),
        (MINIMAL + 'colour = "blue"\n', "site clinic, colour: there is no such setting"),
        (
            MINIMAL + "session_hour = 8\n",
            "site clinic, session_hour: there is no such setting; session_hours is meant?",
        ),
        (
            MINIMAL + "[site.respondents]\nconsent_below = 8\n",
            "respondents.consent_below: .*; consent_below_age is meant",
        ),
        (MINIMAL.replace("https://rapport.invalid", "http://rapport.invalid"), "https"),
        (
            MINIMAL.replace("https://rapport.invalid", "https://rapport.invalid/path"),
            "server.base_url: it must be https:// and a host, .* without a path",
        ),
        (MINIMAL.replace('"clinic"', '"Clinic"'), "site Clinic, id: it must begin with a small letter"),
        (MINIMAL.replace('id = "clinic"\n', ""), "site 1, id: is required"),
        (MINIMAL + 'time_zone = "Europe/Nowhere"\n', "site clinic, time_zone: (?!Value error)"),
        (
            MINIMAL + MINIMAL[MINIMAL.index("[[site]]") :].replace('"clinic"', '"other"'),
            "clinic and other. have the same fhir_base, https://ehr.invalid/r4",
        ),
        (MINIMAL.replace("https://ehr.invalid/r4", "http://ehr.invalid/r4"), "https"),
        (MINIMAL.replace('"public"', '"password"'), "authentication"),
        (MINIMAL.replace('"public"', '"client_secret"'), "RAPPORT_SITE_CLINIC_SECRET"),
        (MINIMAL.replace('"public"', '"private_key_jwt"'), "RAPPORT_SIGNING_KEYS"),
        (MINIMAL + MINIMAL[MINIMAL.index("[[site]]") :], "twice"),
        (MINIMAL + "link_from_age = false\n", "link_from_age: Input should be a valid integer"),
        (MINIMAL + "[site.respondents]\nconsent_below_age = true\n", "respondents.consent_below_age"),
        (MINIMAL + '[site.respondents]\nask_before_sharing = "off"\n', "respondents.ask_before_sharing"),
        (MINIMAL + "[site.research]\nsalt = 7\n", "research.salt"),
        (MINIMAL + 'backend_scopes = ["system/Everything.zz"]\n', "names Everything, which is no resource"),
        (MINIMAL + 'backend_scopes = ["system/Observation.rz"]\n', "does not end as a scope does"),
        (MINIMAL + 'backend_scopes = ["system/Observations.rs"]\n', "Observation is meant"),
        (MINIMAL + 'scopes = ["launch", "openId"]\n', "openid is meant"),
        (MINIMAL + 'scopes = ["patients/Observation.rs"]\n', "begins with none of"),
        (MINIMAL + 'scopes = ["patient/Observation.rs openid"]\n', "not one scope"),
        *(
            (f'{MINIMAL}{hosts}[site.cds]\nissuer = "https://ehr.invalid"\njwks_url = "{keys}"\n', told)
            for hosts, keys, told in (
                ("", "https://evil.invalid/jwks", 'site clinic, cds.jwks_url: .* add "evil.invalid" to'),
                (
                    'extra_hosts = ["keys.invalid"]\n',
                    "https://keys.invalid:8443/jwks",
                    'keys.invalid:8443 is neither .* add "keys.invalid:8443" to extra_hosts',
                ),
                ("", "http://ehr.invalid/jwks", "http://ehr.invalid/jwks is not an https address"),
            )
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "secret", ["", "changeme", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "not base64 !"]
)
def test_a_missing_weak_or_default_secret_refuses_to_start(tmp_path: Path, secret: str) -> None:
    with pytest.raises(SettingsInvalid, match="RAPPORT_SECRET_KEY"):
        read(tmp_path, MINIMAL, RAPPORT_SECRET_KEY=secret)


def test_the_secret_is_not_repeated_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        read(tmp_path, MINIMAL, RAPPORT_SECRET_KEY="hunter2hunter2")
    assert "hunter2" not in str(refusal.value)


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="rapport init"):
        read_settings(tmp_path / "rapport.toml", {})


@pytest.mark.parametrize("place", ["ehr.invalid", "keys.invalid", "keys.invalid:8443"])
def test_keys_of_cds_may_stand_on_each_of_the_sites_hosts(tmp_path: Path, place: str) -> None:
    hosts = 'extra_hosts = ["keys.invalid", "keys.invalid:8443"]\n'
    cds = f'[site.cds]\nissuer = "https://ehr.invalid"\njwks_url = "https://{place}/jwks"\n'
    assert read(tmp_path, MINIMAL + hosts + cds).policies["clinic"].cds is not None


def test_two_keys_rotate(tmp_path: Path) -> None:
    other = "dn89f8O20gBHHd2CudJ5FJ2A2JvljTPBY9OJAPtIMpo"
    both = {"RAPPORT_SECRET_KEY": f"{other},{SECRET}", "RAPPORT_LOG_KEY": SECRET}
    assert len(read(tmp_path, MINIMAL, **both).vault_keys) == 2


def test_init_writes_what_serve_reads(tmp_path: Path) -> None:
    configuration, environment, keys = write_initial(tmp_path / "new")
    lines = [
        line for line in environment.read_text().splitlines() if "=" in line and not line.startswith("#")
    ]
    settings = read_settings(configuration, dict(line.split("=", 1) for line in lines))
    assert settings.sites["clinic"].client_id == "rapport"
    assert isinstance(settings.sites["clinic"].authentication, PrivateKeyJwt)
    assert {each.alg for each in settings.signing_keys} == {"RS384", "ES384"}
    assert {oct(path.stat().st_mode & 0o777) for path in (environment, *keys.iterdir())} == {"0o600"}


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    write_initial(tmp_path / "new")
    with pytest.raises(SettingsInvalid, match="exists already"):
        write_initial(tmp_path / "new")


def test_every_setting_is_explained_where_people_look() -> None:
    from plugin.settings import _Server, _Site

    reference = Path("docs/reference/settings.md").read_text(encoding="utf-8")
    for name in (*_Server.model_fields, *_Site.model_fields):
        assert f"`{name}`" in reference, f"docs/reference/settings.md does not explain {name}"
        assert name in CONFIGURATION, f"the file of `rapport init` does not show {name}"


WRITES = """
writers = ["response", "flowsheet", "document", "companion"]
flowsheet_performer = "practitioner"

[[site.flowsheet]]
score = "rapport-checkin-child-total"
system = "http://loinc.org"
code = "x"

[site.document]
formats = ["text", "pdf"]

[site.companion]
fhir_base = "https://companion.invalid/r4"
client_id = "rapport"
authentication = "client_secret"
"""
COMPANION_SECRET = {"RAPPORT_SITE_CLINIC_COMPANION_SECRET": "s3cret"}


def test_a_site_says_how_it_writes(tmp_path: Path) -> None:
    settings = read(tmp_path, MINIMAL + WRITES, **COMPANION_SECRET)
    writing = settings.writing["clinic"]
    assert [kind.value for kind in writing.kinds] == ["response", "flowsheet", "document", "companion"]
    assert writing.rows[0].category == "vital-signs"
    assert writing.document is not None
    assert [form.value for form in writing.document.formats] == ["text/plain", "application/pdf"]
    assert writing.companion is not None
    assert writing.companion.base == "https://companion.invalid/r4"


def test_documents_ask_for_their_scope_unless_scopes_are_set(tmp_path: Path) -> None:
    documents = '[site.document]\nformats = ["text"]\n'
    wanted = "patient/DocumentReference.crus"
    assert wanted in read(tmp_path, MINIMAL + documents).sites["clinic"].scopes
    assert wanted not in read(tmp_path, MINIMAL).sites["clinic"].scopes
    own = 'scopes = ["launch"]\n' + documents
    assert wanted not in read(tmp_path, MINIMAL + own).sites["clinic"].scopes


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ('writers = ["flowsheet"]', "no flowsheet section"),
        ('writers = ["companion"]', "no companion section"),
        ("writers = []", "writers"),
        ('writers = ["fax"]', "writers"),
        ('[site.document]\nformats = ["word"]', "formats"),
        ('[[site.flowsheet]]\nscore = "a"\nsystem = "s"\ncode = "1"\n' * 2, "twice"),
        (
            '[site.companion]\nfhir_base = "http://companion.invalid"\nclient_id = "x"\nauthentication = "client_secret"',
            "https",
        ),
    ],
)
def test_what_contradicts_itself_in_writing_stops_the_start(
    tmp_path: Path, wrong: str, expected: str
) -> None:
    with pytest.raises(SettingsInvalid, match=expected):
        read(tmp_path, f"{MINIMAL}{wrong}\n", **COMPANION_SECRET)


def test_a_companion_without_its_secret_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="RAPPORT_SITE_CLINIC_COMPANION_SECRET"):
        read(tmp_path, MINIMAL + WRITES)


OWN = """
[instruments]
rater = "therapist"

[[instruments.canonical]]
id = "a-form"
canonical = "https://forms.invalid/q|1"
server = "https://forms.invalid/r4/"
rater = "caregiver"
"""


def test_forms_of_a_sites_own_are_set(tmp_path: Path) -> None:
    settings = read(tmp_path, MINIMAL + 'instruments = ["here"]\n' + OWN)
    (pinned,) = settings.own_forms.pinned
    assert (pinned.server, pinned.canonical) == ("https://forms.invalid/r4", "https://forms.invalid/q|1")
    assert settings.own_forms.manner.raters == {"a-form": "caregiver"}
    assert settings.own_forms.manner.rater == "therapist"
    assert settings.policies["clinic"].instruments == (tmp_path / "here",)
    assert settings.instrument_folders == (tmp_path / "here",)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (OWN.replace("|1", ""), "canonical"),
        (OWN.replace('"therapist"', '"teacher"'), "rater"),
        (OWN.replace("https://forms.invalid/r4", "http://forms.invalid/r4"), "plain http"),
        (OWN + OWN.partition("\n\n")[2], "names an id twice"),
        (OWN.replace("a-form", "A form"), "id"),
    ],
)
def test_forms_that_cannot_be_named_so_stop_the_start(tmp_path: Path, wrong: str, expected: str) -> None:
    with pytest.raises(SettingsInvalid, match=expected):
        read(tmp_path, MINIMAL + wrong)


ACCEPTED = """
[site.interpretation]
accepted_by = "Head of service"
accepted_on = 2026-01-31
instruments = ["rapport-checkin-child"]
"""


def test_nothing_is_interpreted_unless_a_site_accepts_it_by_name(tmp_path: Path) -> None:
    assert read(tmp_path, MINIMAL).policies["clinic"].interpretation is None
    found = read(tmp_path, MINIMAL + ACCEPTED).policies["clinic"].interpretation
    assert found is not None
    assert (found.accepted_by, found.rupture) == ("Head of service", "none")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ('accepted_by = ""', "accepted_by"),
        ("instruments = []", "instruments"),
        ('rupture = "stiles"', "rupture"),
        ("sessions_before = 2", "sessions_before"),
        ("smallest_fall = nan", "smallest_fall"),
        ("divergence = 0", "divergence"),
    ],
)
def test_an_interpretation_that_cannot_be_used_is_named(tmp_path: Path, wrong: str, named: str) -> None:
    text = "\n".join(line for line in ACCEPTED.splitlines() if not line.startswith(f"{named} ="))
    with pytest.raises(SettingsInvalid, match=named):
        read(tmp_path, MINIMAL + text + f"\n{wrong}\n")


def test_every_criterion_that_can_be_set_is_known_and_documented() -> None:
    assert set(get_args(Rupture)) == {*Criterion, "none"}
    page = Path("docs/reference/interpretation.md").read_text(encoding="utf-8")
    for name in (*InterpretationSection.model_fields, *Criterion):
        assert f"`{name}`" in page


def test_medicines_are_asked_for_only_where_they_are_shown(tmp_path: Path) -> None:
    assert not set(MEDICATION_SCOPES) & set(read(tmp_path, MINIMAL).sites["clinic"].scopes)
    shown = read(tmp_path, MINIMAL + "show_medication = true\n")
    assert set(MEDICATION_SCOPES) < set(shown.sites["clinic"].scopes)


def with_database(line: str) -> str:
    return re.sub(r'database = "[^"]+"', lambda _: line, MINIMAL)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://rapport@db.example.org/rapport",
        "postgresql+psycopg://rapport:secret@10.0.0.7:5433/rapport?sslmode=prefer",
        "postgresql+psycopg://rapport:secret@db.example.org/rapport?sslmode=require",
        "postgresql+psycopg://rapport@/rapport?host=db.example.org",
        "postgresql+psycopg://rapport@localhost,db.example.org/rapport",
        "postgresql+psycopg://rapport@[2001:db8::1]:5432/rapport",
        "postgresql+psycopg://rapport@localhost/rapport?hostaddr=10.0.0.7",
    ],
)
def test_a_database_on_another_host_is_asked_for_tls(tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingsInvalid, match="without TLS that checks who answers") as refused:
        read(tmp_path, with_database(f'database = "{address}"'))
    assert "secret" not in str(refused.value)
    allowed = read(tmp_path, with_database(f'database = "{address}"\ndatabase_in_clear = true'))
    assert allowed.database == address


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://rapport@db.example.org/rapport?sslmode=verify-full",
        "postgresql+psycopg://rapport@db.example.org/rapport?sslmode=verify-ca",
        "postgresql+psycopg://rapport@127.0.0.1:5433/rapport",
        "postgresql+psycopg://rapport@[::1]:5432/rapport",
        "postgresql+psycopg:///rapport?host=/run/postgresql",
        "postgresql+psycopg:///rapport",
        "sqlite:////var/lib/rapport.sqlite3",
    ],
)
def test_a_database_that_is_here_or_encrypted_is_taken(tmp_path: Path, address: str) -> None:
    assert read(tmp_path, with_database(f'database = "{address}"')).database == address


def test_what_the_environment_says_of_the_database_counts_too(tmp_path: Path) -> None:
    line = with_database('database = "postgresql+psycopg://rapport@db.example.org/rapport"')
    assert read(tmp_path, line, PGSSLMODE="verify-full").database
    nameless = with_database('database = "postgresql+psycopg:///rapport"')
    with pytest.raises(SettingsInvalid, match=r"db\.example\.org"):
        read(tmp_path, nameless, PGHOST="db.example.org")


def test_the_auditors_way_into_the_database_is_asked_for_tls_too(tmp_path: Path) -> None:
    line = (
        'database = "sqlite:///r.sqlite3"\naudit_database = "postgresql+psycopg://a@db.example.org/rapport"'
    )
    with pytest.raises(SettingsInvalid, match="audit_database"):
        read(tmp_path, with_database(line))


@pytest.mark.parametrize("name", ["Mars/Olympus", "America", "", "../UTC", "/etc/localtime", "UTC+8"])
def test_a_time_zone_that_there_is_not_is_named_with_its_place_and_the_remedy(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        read(tmp_path, f'{MINIMAL}time_zone = "{name}"\n')
    assert "time_zone: " in str(refusal.value)
    assert f"“{name}” is no time zone" in str(refusal.value)
    assert "America/Los_Angeles" in str(refusal.value)


def test_a_site_without_a_time_zone_goes_by_utc(tmp_path: Path) -> None:
    assert str(read(tmp_path, MINIMAL).policies["clinic"].zone) == "UTC"
    named = read(tmp_path, f'{MINIMAL}time_zone = "Australia/Sydney"\n')
    assert str(named.policies["clinic"].zone) == "Australia/Sydney"


def test_a_list_with_one_bad_entry_is_told_once(tmp_path: Path) -> None:
    """Else it is said, too, to have no entry: the bad one does not count."""
    with pytest.raises(SettingsInvalid) as told:
        read(tmp_path, MINIMAL + 'writers = ["Telepathy"]\n')
    assert "site clinic, writers 1: it must be" in str(told.value)
    assert "at least" not in str(told.value)


def test_a_relative_sqlite_file_counts_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for written, meant in (
        ("sqlite:///rapport.sqlite3", f"sqlite:///{tmp_path}/rapport.sqlite3"),
        ("sqlite:////var/lib/rapport.sqlite3", "sqlite:////var/lib/rapport.sqlite3"),
        ("postgresql+psycopg:///rapport", "postgresql+psycopg:///rapport"),
    ):
        text = re.sub('database = ".*"', f'database = "{written}"', MINIMAL)
        assert read(tmp_path, text).database == meant


def test_every_pattern_of_a_setting_has_words() -> None:
    """Nobody has to read a regular expression to write a setting."""

    def patterns(node: Any) -> set[str]:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        own = {node["pattern"]} if isinstance(node, dict) and isinstance(node.get("pattern"), str) else set()
        return own.union(*map(patterns, inner))

    found = patterns(_File.model_json_schema())
    assert len(found) > 4
    assert found <= EXPECTED.keys()

"""Writes the first configuration of an installation: a commented file, fresh secrets, signing keys."""

import secrets
from pathlib import Path

from plugin.errors import SettingsInvalid
from plugin.settings import DEFAULT_SCOPES
from smart_launch import generate_key

_SCOPES = "\n".join(f'#   "{scope}",' for scope in DEFAULT_SCOPES)

CONFIGURATION = f"""\
# Rapport's configuration: one [server], one [[site]] for each EHR.
# Secrets are not kept here but in the environment; `rapport init` wrote them to rapport.env.

[server]
# Rapport's own address, as browsers and the EHR see it. https, except on this machine (127.0.0.1, localhost).
base_url = "https://rapport.example.org"

# Where answers, scores and the audit trail are kept.
#   sqlite:///rapport.sqlite3                          one serving process; the folder must be backed up
#   postgresql+psycopg://rapport@db.example.org/rapport?sslmode=verify-full   many processes
database = "sqlite:///rapport.sqlite3"
# The same database by a PostgreSQL role that may only read, for auditors' pages (rapport database auditor-role).
# audit_database = "postgresql+psycopg://rapport_auditor@db.example.org/rapport?sslmode=verify-full"
# A PostgreSQL on another host whose certificate is not checked (?sslmode=verify-full) stops the start. In a network
# that nobody else can listen to:
# database_in_clear = true
# Browsers are told to speak https only, also to names below base_url's host; where one of those is plain http:
# hsts_subdomains = false

# Folder of wording packs for licensed instruments (one JSON file a language), beside this file.
# wording = "wording"

# Forms of your own: Questionnaire files, folders of them, or folders of instruments (docs: how-to/bring-your-own.md).
# instruments = ["forms", "phq-9.json"]

# Folder of the transparency log: static files with digests of everything that is stored, for auditors. Back it up apart
# from the database, or let somebody else fetch <base_url>/log/checkpoint from time to time.
# log = "log"

# How forms of your own are taken in, where they leave it unsaid.
# [instruments]
# rater = "child"                                  # who answers: child, caregiver, therapist, observer
# base = "https://clinic.example.org/fhir"         # begins the addresses of forms and codes that have none
# store = "fetched-instruments"                    # where fetched forms are kept and pinned

# Who answers one of them; its id is the file's name in small letters.
# [[instruments.form]]
# id = "phq-9"
# rater = "child"

# A form on a FHIR server, fetched at the first start or by `rapport instruments fetch`.
# [[instruments.canonical]]
# id = "gad-7"
# canonical = "https://forms.example.org/Questionnaire/gad-7|1.0.0"
# server = "https://forms.example.org/fhir"
# token_env = "FORMS_TOKEN"                        # the environment variable with the access token, if it wants one

[[site]]
# A short name for the addresses and the environment: small letters, digits, hyphens.
id = "clinic"
# What people read.
name = "Example Clinic"
# On whose behalf scores are computed (Provenance.agent.onBehalfOf).
organization = "Example Clinic Trust"
# The EHR's FHIR R4 base, exactly as it stands in the launch's `iss`.
fhir_base = "https://ehr.example.org/fhir/r4"
# The client id that the EHR gave when Rapport was registered there. Register with
#   launch URL    <base_url>/launch
#   redirect URL  <base_url>/callback
#   JWKS URL      <base_url>/.well-known/jwks.json   (private_key_jwt)
client_id = "rapport"
# How Rapport proves who it is: private_key_jwt (best), client_secret, or public.
# client_secret takes the secret from RAPPORT_SITE_CLINIC_SECRET.
authentication = "private_key_jwt"
# Which pages may show Rapport in a frame: the origins of the EHR's user interface.
frame_ancestors = ["https://ehr.example.org"]

# What Rapport asks for at launch; these are the defaults. An EHR may grant less: Rapport goes by what is granted.
# scopes = [
{_SCOPES}
# ]

# A token of Rapport's own, to deliver when the clinician's sign-in is over (SMART Backend Services):
# backend_scopes = ["system/QuestionnaireResponse.crus", "system/Observation.crus", "system/Provenance.c"]

# What is written into the record, and how (docs: reference/settings.md, "What is written"). By default the answers and
# the scores as far as the EHR takes them; `rapport doctor` says what that is.
# writers = ["response", "observations", "flowsheet", "document", "companion"]
# flowsheet_performer = "practitioner"

# Hosts besides fhir_base's own that its discovery may name for signing in.
# extra_hosts = ["login.example.org"]

# The id_token's issuer, where it differs from what discovery says.
# id_token_issuer = "https://login.example.org"

# The EHR stands in a private network (10.x, 192.168.x ...).
# allow_private_addresses = true

# May clinicians see single answers? By default they see scores only.
# show_item_answers = false
# May auditors, who are named in [site.roles]? And export periods, which hold answers?
# auditors_see_answers = false

# How long an invitation to fill a form lives, and a launch.
# invitation_hours = 24
# session_hours = 8
# How many minutes a code that is read out counts (2 to 30); it opens its form once.
# code_minutes = 10

# From which age on a young person may be sent a link; below, the form is handed over in the session. 0: any age.
# link_from_age = 12

# The time zone in which your service works, by its name in the IANA database: what day it is, and which day a form was
# answered on. Without it a day ends at midnight UTC.
# time_zone = "America/Los_Angeles"

# The pages' language where the browser asks for none that Rapport has: en, es, fr, de or pt.
# language = "en"

# At which sessions a form is due: "every", or "1,3,4,+4" for sessions 1, 3, 4 and then every fourth,
# or a PlanDefinition: beside this file "plan.json", or in the EHR "PlanDefinition/17" or "https://clinic.example/plan|1.0"
# (docs: reference/settings.md, "Schedules").
# schedule = "every"
# ehr_patience_seconds = 2.5  # the patient page then opens from Rapport's own ledger

# Let clinicians write a note, drafted from the scores, into the record; asks for the scope to create documents.
# notes = false

# Show on the patient page from when to when medicines were taken; asks for the scopes to read them.
# show_medication = false

# Forms of your own that only this site is offered.
# instruments = ["forms-of-this-site"]

# Instruments whose scores are entered from paper (srs, csrs, gsrs, cgsrs), once somebody attests the licence.
# [[site.licence]]
# instrument = "srs"
# reference = "licence number or letter"
# attested_by = "name and role"
# attested_on = 2026-01-31
# threshold = 34.0        # your service's own, if it has one; none is built in

# Reading scores, beyond showing them: off unless somebody of the site accepts it by name (docs: reference/interpretation.md).
# [site.interpretation]
# accepted_by = "name and role"
# accepted_on = 2026-01-31
# instruments = ["rapport-checkin-child", "rapport-checkin-caregiver", "rapport-checkin-therapist"]
# rupture = "gumz-1sd"    # or gumz-2sd, tukey, any; none marks nothing
# tips = true             # what to do next; false, or a file of your own

# Who looks beyond one patient, by the person's reference in the EHR or by a code of PractitionerRole there
# (docs: reference/permissions.md). Without this nobody does.
# [site.roles]
# administrator = ["Practitioner/123"]    # deliveries, the state of this installation, what the EHR takes
# auditor = ["Practitioner/456"]          # the trail, every number's origin
# supervisor = ["Practitioner/789"]       # the caseload
# researcher = ["Practitioner/987"]       # de-identified administrations
# [[site.roles.code]]
# role = "supervisor"
# system = "http://snomed.info/sct"
# code = "..."
# [[site.roles.team]]                     # whose patients a supervisor sees; without a team nobody's
# supervisor = ["Practitioner/789"]
# clinicians = ["Practitioner/123"]       # or ["*"], every clinician of the site

# Administrations for research, without names, of people whose consent stands in the EHR (docs: how-to/export-for-research.md).
# [site.research]
# salt = "research.salt"    # made by `rapport research salt`
# consent = "agreed"        # or not-refused
# smallest_cell = 11
# age_bands = [7, 12, 18]        # where bands of age begin

# Score what the EHR's own forms or portal collect, without a launch; needs backend_scopes (docs: how-to/collected.md).
# [site.collected]
# way = "auto"            # a Subscription where the EHR offers one, else polling
# poll_seconds = 60

# The EHR asks when a chart is opened whether something needs attention (CDS Hooks; docs: how-to/cds-hooks.md).
# [site.cds]
# issuer = "https://ehr.example.org/fhir/r4"         # the iss of its tokens
# jwks_url = "https://ehr.example.org/jwks.json"     # its public keys, on one of the site's hosts

# How long what is kept; without it everything is (docs: how-to/keep-and-remove.md).
# [site.retention]
# drafts_days = 7
# launches_days = 30
# attempts_days = 90
# answers_days = 730
# audit_days = 3653

# What the people who answer are asked, and what they see (docs: reference/respondents.md).
# [site.respondents]
# consent_below_age = 16         # a caregiver agrees before a younger person's form opens; 0: never asked
# consent_days = 365             # how long that counts
# link_with_caregiver = false    # true: a link may go to a child under link_from_age, for a caregiver to open
# ask_before_sharing = false     # true: the young person decides whether single answers may be read
# show_score_to = []             # who sees the result after sending: child, caregiver, observer
# ask_why_skipped = false        # true: whoever does not answer a question is asked why
# whole_form_from_age = 0        # 12: young people's forms for 12 years and older show all questions at once

# A score under a code of the EHR's own: a flowsheet row or a LOINC code.
# [[site.flowsheet]]
# score = "rapport-checkin-child-total"
# system = "http://loinc.org"
# code = "..."

# A summary to read, in the notes.
# [site.document]
# formats = ["text", "pdf"]

# How fast and how stubbornly the EHR is written to (docs: reference/delivery.md).
# [site.delivery]
# at_once = 4
# per_second = 10.0

# A second FHIR server that takes everything.
# [site.companion]
# fhir_base = "https://fhir.example.org/r4"
# client_id = "rapport"
"""


def write_initial(folder: Path) -> tuple[Path, ...]:
    """Write rapport.toml, rapport.env and keys/ into a folder; SettingsInvalid rather than overwrite any."""
    configuration, environment, keys = folder / "rapport.toml", folder / "rapport.env", folder / "keys"
    for path in (configuration, environment, keys):
        if path.exists():
            raise SettingsInvalid(f"{path} exists already.", "Move it away first: nothing is overwritten.")
    folder.mkdir(parents=True, exist_ok=True)
    configuration.write_text(CONFIGURATION, encoding="utf-8")
    write_keys(keys)
    _write_secret(
        environment,
        "# Secrets of this installation. Keep a copy in a safe place: without the key nothing stored can be read.\n"
        f"RAPPORT_SECRET_KEY={secrets.token_urlsafe(32)}\n"
        f"RAPPORT_SIGNING_KEYS={keys.resolve()}\n"
        "# Signs the transparency log; keep it when you change RAPPORT_SECRET_KEY.\n"
        f"RAPPORT_LOG_KEY={secrets.token_urlsafe(32)}\n",
    )
    return configuration, environment, keys


def write_keys(folder: Path) -> None:
    """Make one signing key for each algorithm that SMART asks clients to know."""
    folder.mkdir(parents=True, mode=0o700)
    for algorithm in ("ES384", "RS384"):
        _write_secret(folder / f"{algorithm.lower()}.jwk.json", generate_key(algorithm).to_jwk())


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")

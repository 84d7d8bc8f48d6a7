"""Whether the forms and scores that the settings name are here, and all is filled in: what is not stops the start."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from plugin.errors import SettingsInvalid
from plugin.plan import Plan
from plugin.settings import Settings
from questionnaires import Catalogue, LeftOut

_NEAREST = 3
_UNFILLED = "FILL IN"


def check_names(settings: Settings, catalogue: Catalogue, left_out: tuple[LeftOut, ...] = ()) -> None:
    """SettingsInvalid with every place that names a form or a score which is not here, and the names nearest to it.

    So is what a template left to be filled in. What was `left_out` is told elsewhere and keeps nothing else from working: its own names pass.
    """
    if unfilled := [place for place, value in _texts(settings) if value.startswith(_UNFILLED)]:
        raise SettingsInvalid(
            f"The settings are not filled in yet: {', '.join(unfilled)} still begins with {_UNFILLED}.",
            "The EHR's registration gives the client_id; the other places say what belongs there.",
        )
    forms = {each.id for each in catalogue.versions()}
    aside = {word for each in left_out for word in re.split(r"[/\\ .]", each.file)}
    problems = [
        f"{place} names the form “{name}”, which is not here{_nearest(name, forms)}"
        for place, name in _forms(settings)
        if name not in forms | aside
    ]
    scores = {
        code.code
        for each in catalogue.versions()
        for score in each.scores
        for code in (score.code, *score.also)
    }
    problems += [
        f"{place} names the score “{name}”, which no form here has{_nearest(name, scores)}"
        for place, name in _scores(settings)
        if name not in scores and not any(word and name.startswith(f"{word}-") for word in aside)
    ]
    addresses = {each.url for each in catalogue.versions()}
    families = {_family(each) for each in addresses}  # a plan may name forms that are not for Rapport
    problems += [
        f"{place} names {name}, which is not here{_nearest(name, addresses)}"
        for place, name in _planned(settings)
        if name not in addresses and _family(name) in families and name.rpartition("/")[2] not in aside
    ]
    if problems:
        raise SettingsInvalid(
            f"The settings name what does not exist: {'; '.join(problems)}.",
            "Correct the names: `rapport instruments list` has the forms, `rapport instruments show FORM` the codes of "
            "its scores.",
        )


def _texts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give what the doctor's section of a site, and the pages for vendors, leave to be filled in."""
    for site, known in settings.sites.items():
        yield f"client_id of {site}", known.client_id
        yield f"organization of {site}", settings.policies[site].organization
    for site, writing in settings.writing.items():
        for row in writing.rows:
            yield f"system in [[site.flowsheet]] of {site}", row.system
            yield f"code in [[site.flowsheet]] of {site}", row.code
        if writing.companion:
            yield f"client_id in [site.companion] of {site}", writing.companion.client_id


def _forms(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in settings.own_forms.manner.raters:
        yield "[[instruments.form]]", name
    for site, policy in settings.policies.items():
        for name in policy.interpretation.instruments if policy.interpretation else ():
            yield f"[site.interpretation] of {site}", name
        for name in policy.attested:
            yield f"[[site.licence]] of {site}", name


def _scores(settings: Settings) -> Iterator[tuple[str, str]]:
    for site, writing in settings.writing.items():
        for row in writing.rows:
            yield f"[[site.flowsheet]] of {site}", row.score


def _planned(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give the addresses that a plan beside the settings names; one in the EHR is not the settings' to correct."""
    for site, policy in settings.policies.items():
        for rule in policy.schedule.rules if isinstance(policy.schedule, Plan) else ():
            yield f"the schedule of {site}", rule.address


def _family(address: str) -> str:
    return address.rpartition("/")[0]


def _nearest(name: str, known: set[str]) -> str:
    found = get_close_matches(name, sorted(known), n=_NEAREST, cutoff=0.6)
    return f" (nearest: {', '.join(found)})" if found else ""

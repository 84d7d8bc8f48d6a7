"""What an examination comes to: findings, plan, questions for the vendor, and the site's section. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from plugin.delivery.choosing import NAMES, Planned
from plugin.writing import WriterKind


class Level(StrEnum):
    """How good a finding is."""

    WORKS = "works"
    LOOK = "look"  # works, and there is something to know
    FAILS = "fails"


class Verdict(StrEnum):
    """What the EHR is good for, in one word."""

    WRITES = "writes"  # launches work, and something can be written
    READS = "reads"  # launches work; results stay in Rapport
    UNUSABLE = "unusable"


EXIT_STATUS = {Verdict.WRITES: 0, Verdict.UNUSABLE: 1, Verdict.READS: 3}
"""Exit status of the command; 2 is the command line's own, for what it did not understand."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found out: about what, how good, in a sentence, and what to do about it."""

    topic: str
    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """All of it. `scopes` are those that were granted to Rapport's own token, None if none was asked for."""

    issuer: str
    findings: tuple[Finding, ...]
    planned: tuple[Planned, ...] = ()
    once: str | None = None  # what must be there before this kind of EHR takes a response
    questions: tuple[str, ...] = ()
    section: str = ""
    scopes: tuple[str, ...] | None = None

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        if any(each.level is Level.FAILS for each in self.findings):
            return Verdict.UNUSABLE
        return Verdict.WRITES if any(each.used for each in self.planned) else Verdict.READS

    def once_of(self, planned: Planned) -> str | None:
        """Say what must be there before a way of writing succeeds, where that is known."""
        return self.once if planned.used and planned.kind is WriterKind.RESPONSE else None

    def to_json(self) -> dict[str, object]:
        """Write it for programs."""
        return {
            "issuer": self.issuer,
            "verdict": self.verdict.value,
            "findings": [
                {"topic": each.topic, "level": each.level.value, "text": each.text, "remedy": each.remedy}
                for each in self.findings
            ],
            "writers": [
                {
                    "kind": each.kind.value,
                    "used": each.used,
                    "reason": each.reason,
                    "once": self.once_of(each),
                }
                for each in self.planned
            ],
            "questions": list(self.questions),
            "scopes": None if self.scopes is None else list(self.scopes),
            "section": self.section,
        }


_SIGNS = {Level.WORKS: "ok", Level.LOOK: "note", Level.FAILS: "FAILS"}
_VERDICTS = {
    Verdict.WRITES: "Rapport can be launched from this EHR and write into its records.",
    Verdict.READS: "Rapport can be launched from this EHR. Nothing can be written there: results stay readable in Rapport.",
    Verdict.UNUSABLE: "Rapport cannot be used with this address as it is.",
}


def as_text(examination: Examination) -> str:
    """Write it for people."""
    lines = [examination.issuer, ""]
    topic = ""
    for each in examination.findings:
        if each.topic != topic:
            topic = each.topic
            lines.append(topic)
        lines.append(f"  {_SIGNS[each.level]:<6}{each.text}")
        if each.remedy:
            lines.append(f"        {each.remedy}")
    if examination.planned:
        lines += ["", "What will be written"]
        lines += [
            f"  {'yes' if each.used else 'no':<6}{NAMES[each.kind]}{f': {told}' if (told := each.reason or examination.once_of(each)) else ''}"
            for each in examination.planned
        ]
    if examination.questions:
        lines += ["", "What to ask the vendor or the EHR's administrator"]
        lines += [f"  {number}. {each}" for number, each in enumerate(examination.questions, 1)]
    if examination.section:
        lines += ["", "For rapport.toml", "", examination.section.rstrip("\n")]
    return "\n".join([*lines, "", _VERDICTS[examination.verdict]]) + "\n"

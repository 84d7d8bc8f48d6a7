"""Names the class of a medicine: the third level of its ATC code, or what the site says of another code. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from plugin.trends.medication import Course

ATC = frozenset({"http://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73"})
UNCLASSIFIED = "unclassified"
NONE = "none"
UNKNOWN = "unknown"
_LEVEL = 4  # characters: the third, pharmacological, level
ATC_SOURCE = "WHO Collaborating Centre for Drug Statistics Methodology, ATC/DDD Index, https://atcddd.fhi.no/atc_ddd_index/"
ATC_NAMES = {
    "C02A": "antiadrenergic agents, centrally acting (clonidine, guanfacine)",
    "N03A": "antiepileptics",
    "N05A": "antipsychotics",
    "N05B": "anxiolytics",
    "N05C": "hypnotics and sedatives",
    "N06A": "antidepressants",
    "N06B": "psychostimulants, agents used for ADHD and nootropics",
    "N06C": "psycholeptics and psychoanaleptics in combination",
}
"""What a reader of the codebook is told of the classes that are usual in child and adolescent mental health."""


@dataclass(frozen=True, slots=True)
class MedicineClasses:
    """How a site's medicines are classified; `own` maps (system, code) to a class, before ATC is looked at."""

    own: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def on(self, courses: Iterable[Course], day: date) -> str | None:
        """Give the classes taken on a day, joined by `+` in order; `none`; None where the record does not say of a day."""
        classes = set()
        for course in courses:
            taken = course.covers(day)
            if taken is None:
                return None
            if taken:
                classes.add(self.of(course))
        return "+".join(sorted(classes)) or NONE

    def of(self, course: Course) -> str:
        """Give the class of a medicine; `unclassified` where neither its codes nor the site tell."""
        named = (self.own.get(code) for code in course.codes)
        atc = (code[:_LEVEL] for system, code in course.codes if system in ATC and len(code) >= _LEVEL)
        return next((each for each in named if each), None) or next(atc, UNCLASSIFIED)

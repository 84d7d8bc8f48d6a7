"""What a person sees: frozen view models in, HTML out. No database, no HTTP, no FHIR.

Each page is a dataclass and a `render_x` function of it; `plugin.routes` fills the one and sends the other.
"""

from plugin.pages.delivery import DeliveryMark, delivery_label
from plugin.pages.form import (
    Audience,
    FormMode,
    FormView,
    LockPage,
    Option,
    Question,
    render_code,
    render_fill,
    render_form,
    render_lock,
)
from plugin.pages.patient import (
    Banner,
    Contact,
    InstrumentChoice,
    LinkPage,
    Notice,
    NoticeKind,
    OpenForm,
    PatientPage,
    RecentResponse,
    RespondentChoice,
    ScoreLine,
    render_link,
    render_patient,
)
from plugin.pages.public import (
    FailurePage,
    HomePage,
    Link,
    SiteLink,
    render_failure,
    render_home,
)
from plugin.pages.response import (
    AnswerLine,
    DeliveryAttempt,
    ResponsePage,
    ScoreAccount,
    render_response,
)
from plugin.pages.trend import Trend, TrendPoint, TrendSeries
from plugin.pages.words import choose_language, interface_language, language_name

__all__ = [
    "AnswerLine",
    "Audience",
    "Banner",
    "Contact",
    "DeliveryAttempt",
    "DeliveryMark",
    "FailurePage",
    "FormMode",
    "FormView",
    "HomePage",
    "InstrumentChoice",
    "Link",
    "LinkPage",
    "LockPage",
    "Notice",
    "NoticeKind",
    "OpenForm",
    "Option",
    "PatientPage",
    "Question",
    "RecentResponse",
    "RespondentChoice",
    "ResponsePage",
    "ScoreAccount",
    "ScoreLine",
    "SiteLink",
    "Trend",
    "TrendPoint",
    "TrendSeries",
    "choose_language",
    "delivery_label",
    "interface_language",
    "language_name",
    "render_code",
    "render_failure",
    "render_fill",
    "render_form",
    "render_home",
    "render_link",
    "render_lock",
    "render_patient",
    "render_response",
]

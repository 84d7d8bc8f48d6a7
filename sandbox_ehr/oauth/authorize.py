"""The authorization endpoint: an EHR launch is answered at once, a standalone launch by sign-in pages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from authlib.oauth2.rfc6749 import OAuth2Error

from sandbox_ehr.directory import Clinician, Directory, Person
from sandbox_ehr.oauth.launches import Launches
from sandbox_ehr.oauth.records import Context
from sandbox_ehr.oauth.requests import Decision, Pairs, SmartRequest
from sandbox_ehr.oauth.server import Reply, SmartAuthorizationServer
from sandbox_ehr.oauth.sign_in import SignIn, SignIns
from sandbox_ehr.settings import SandboxSettings


@dataclass(frozen=True, slots=True)
class Redirect:
    """Back to the app, with a code or an error."""

    address: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that cannot be told to the app, because it is not known to be the app."""

    code: str
    description: str


@dataclass(frozen=True, slots=True)
class ChoosePractitioner:
    """Ask who signs in."""

    key: str
    app: str
    redirect_uri: str
    clinicians: tuple[Clinician, ...]


@dataclass(frozen=True, slots=True)
class SignInAgain:
    """Ask whoever is signed in to prove it again, as the app wants (prompt, max_age)."""

    key: str
    app: str
    redirect_uri: str
    name: str


@dataclass(frozen=True, slots=True)
class ChoosePatient:
    """Ask whose chart the app shall open."""

    key: str
    app: str
    redirect_uri: str
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Consent:
    """Ask whether the app may have these scopes."""

    key: str
    app: str
    redirect_uri: str
    clinician: Clinician
    person: Person | None
    scopes: tuple[str, ...]


Step = Redirect | Failure | ChoosePractitioner | SignInAgain | ChoosePatient | Consent


class AuthorizationEndpoint:
    """Takes authorization requests one step further."""

    def __init__(
        self,
        settings: SandboxSettings,
        server: SmartAuthorizationServer,
        launches: Launches,
        sign_ins: SignIns,
        directory: Directory,
    ) -> None:
        self._settings = settings
        self._server = server
        self._launches = launches
        self._sign_ins = sign_ins
        self._directory = directory

    def begin(self, method: str, uri: str, pairs: Pairs) -> Step:
        """Answer a new authorization request."""
        request = SmartRequest(method, uri, pairs, {})
        with self._server.records.database.transaction():
            decision = self._decide_launch(request)
            checked = self._check(request, decision)
            if isinstance(checked, (Redirect, Failure)):
                return checked
            if decision is not None and self._wants_sign_in(request, decision):
                return self._ask_again(self._sign_ins.begin(request.pairs), request, decision)
            if decision is not None:
                return self._finish(request, decision)
            return self._ask(self._sign_ins.begin(request.pairs), request)

    def go_on(self, form: Mapping[str, str]) -> Step:
        """Take what was chosen on a sign-in page."""
        with self._server.records.database.transaction():
            sign_in = self._sign_ins.find(form.get("key", ""))
            if sign_in is None:
                return Failure("expired", "This sign-in is over. Start again from the app.")
            request = SmartRequest("POST", f"{self._settings.base_url}/auth/authorize", sign_in.request, {})
            decision = self._decide_launch(request)
            checked = self._check(request, decision)
            if isinstance(checked, (Redirect, Failure)):
                return checked
            if decision is not None:
                if "again" not in form:
                    return self._ask_again(sign_in, request, decision)
                self._sign_ins.end(sign_in)
                return self._finish(request, replace(decision, signed_in=self._server.records.now()))
            if "decision" in form and sign_in.practitioner is not None:
                return self._decide(sign_in, request, allowed=form["decision"] == "allow")
            return self._ask(self._choose(sign_in, form), request)

    def _check(self, request: SmartRequest, decision: Decision | None) -> Step | None:
        try:
            request.check_characters()
            self._server.get_consent_grant(request, end_user=decision.user if decision else None)
        except OAuth2Error as error:
            return _to_step(self._server.handle_error_response(request, error))
        return None

    def _decide_launch(self, request: SmartRequest) -> Decision | None:
        data = request.payload.data
        launch = self._launches.find(data.get("launch", ""), data.get("client_id", ""))
        if launch is None:
            return None
        return Decision(launch.user, self._complete(launch.context), launch, launch.signed_in)

    def _wants_sign_in(self, request: SmartRequest, decision: Decision) -> bool:
        """Whether the app wants a sign-in that is newer than the user's: OpenID Connect Core 3.1.2.1."""
        data = request.payload.data
        if "login" in data.get("prompt", "").split():
            return True
        oldest = data.get("max_age", "")
        since = self._server.records.now() - (decision.signed_in or 0)
        return oldest.isdecimal() and since >= int(oldest)

    def _ask_again(self, sign_in: SignIn, request: SmartRequest, decision: Decision) -> SignInAgain:
        clinician = self._directory.clinician(decision.user.rpartition("/")[2])
        name = clinician.name if clinician else decision.user
        return SignInAgain(sign_in.key, request.client.registered.name, request.payload.redirect_uri, name)

    def _decide(self, sign_in: SignIn, request: SmartRequest, *, allowed: bool) -> Step:
        if not sign_in.practitioner or (sign_in.wants_patient and not sign_in.patient):
            return self._ask(sign_in, request)
        self._sign_ins.end(sign_in)
        if not allowed:
            return self._finish(request, None)
        context: Context = {"need_patient_banner": True}
        if sign_in.patient is not None:
            context["patient"] = sign_in.patient
            visit = self._directory.visit_today(sign_in.patient) if sign_in.wants_encounter else None
            if visit is not None:
                context["encounter"] = visit.id
        return self._finish(
            request, Decision(f"Practitioner/{sign_in.practitioner}", self._complete(context))
        )

    def _finish(self, request: SmartRequest, decision: Decision | None) -> Step:
        request.decision = decision
        user = decision.user if decision else None
        grant = self._server.get_authorization_grant(request)
        return _to_step(self._server.create_authorization_response(request, grant_user=user, grant=grant))

    def _complete(self, context: Context) -> Context:
        style = f"{self._settings.base_url}/auth/style-1.json"
        return {**context, "smart_style_url": style, "tenant": "sandbox"}

    def _choose(self, sign_in: SignIn, form: Mapping[str, str]) -> SignIn:
        clinician = self._directory.clinician(form.get("practitioner", ""))
        person = self._directory.person(form.get("patient", ""))
        return self._sign_ins.choose(
            sign_in,
            practitioner=clinician.id if clinician else None,
            patient=person.id if person and sign_in.practitioner else None,
        )

    def _ask(self, sign_in: SignIn, request: SmartRequest) -> Step:
        app = request.client.registered.name
        shared = (sign_in.key, app, request.payload.redirect_uri)
        clinician = self._directory.clinician(sign_in.practitioner or "")
        if clinician is None:
            return ChoosePractitioner(*shared, self._directory.clinicians())
        if sign_in.wants_patient and sign_in.patient is None:
            return ChoosePatient(*shared, self._directory.people())
        person = self._directory.person(sign_in.patient) if sign_in.patient else None
        return Consent(*shared, clinician, person, tuple(request.scope.split()))


def _to_step(reply: Reply) -> Step:
    _, body, headers = reply
    location = dict(headers).get("Location")
    if location is not None:
        return Redirect(location)
    error = dict(body) if isinstance(body, dict) else {}
    return Failure(str(error.get("error", "invalid_request")), str(error.get("error_description", "")))

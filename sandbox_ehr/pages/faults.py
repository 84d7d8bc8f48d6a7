"""The sandbox's control address: which personality it has, which faults stand, and ways to change them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import ValidationError
from starlette.responses import Response

from sandbox_ehr.faults import FaultBook, FaultKind, FaultSpec
from sandbox_ehr.faults.book import OF_SUBSCRIPTIONS, STANDING, WORDS
from sandbox_ehr.pages.engine import Pages
from sandbox_ehr.pages.routes import check_text
from sandbox_ehr.personalities import Personality, load_personality, personality_ids
from sandbox_ehr.settings import SandboxSettings


@dataclass(frozen=True, slots=True)
class Control:
    """What the control address works with; the application keeps it in `state.control`."""

    settings: SandboxSettings
    pages: Pages
    book: FaultBook
    personality: Callable[[], Personality]

    def show(self, problem: str = "", status: int = 200) -> Response:
        """Show the page of personality and faults, with what could not be done."""
        return self.pages.render(
            "control.html",
            status=status,
            personality=self.personality(),
            started_as=self.settings.behaviour,
            changed=self.book.personality() is not None,
            faults=self.book.all(),
            kinds=[(kind, WORDS[kind]) for kind in FaultKind],
            words=WORDS,
            standing=STANDING,
            unrouted=STANDING | OF_SUBSCRIPTIONS,
            personalities=[load_personality(each) for each in personality_ids()],
            problem=problem,
        )


async def _control(request: Request) -> Control:
    return cast("Control", request.app.state.control)


TheControl = Annotated[Control, Depends(_control)]
router = APIRouter()  # made once, as those of the pages


def add_fault_pages(app: FastAPI, control: Control) -> None:
    """Add the control address and its page to the application."""
    app.state.control = control
    app.router.routes.extend(router.routes)


@router.get("/sandbox")
async def page(control: TheControl) -> Response:
    """Sandbox only: the page of personality and faults."""
    return control.show()


@router.post("/sandbox/control")
async def change(
    control: TheControl,
    kind: Annotated[str, Form()],
    path: Annotated[str, Form()] = "/r4*",
    method: Annotated[str, Form()] = "*",
    count: Annotated[str, Form()] = "",
    probability: Annotated[str, Form()] = "1",
    seconds: Annotated[str, Form()] = "1",
    personality: Annotated[str, Form()] = "",
) -> Response:
    """Sandbox only: enter a fault from the page."""
    asked = {
        "kind": kind,
        "path": path,
        "method": method,
        "count": count or None,
        "probability": probability,
        "seconds": seconds,
        "personality": personality if kind == FaultKind.CAPABILITY else None,
    }
    try:
        control.book.add(FaultSpec.model_validate(asked))
    except ValidationError as error:
        return control.show(_explain(error), 422)
    return RedirectResponse("/sandbox", 303)


@router.post("/sandbox/control/clear")
async def clear(control: TheControl, fault: Annotated[str, Form()] = "") -> Response:
    """Sandbox only: remove one fault, or all."""
    if fault:
        control.book.remove(fault)
    else:
        control.book.clear()
    return RedirectResponse("/sandbox", 303)


@router.get("/sandbox/faults")
async def list_faults(control: TheControl) -> list[dict[str, object]]:
    """Sandbox only: the faults there are, with how often each has happened."""
    return [each.to_json() for each in control.book.all()]


@router.post("/sandbox/faults", dependencies=[Depends(check_text)])
async def add_fault(control: TheControl, spec: FaultSpec) -> JSONResponse:
    """Sandbox only: enter a fault."""
    return JSONResponse(control.book.add(spec).to_json(), 201)


@router.delete("/sandbox/faults")
async def clear_faults(control: TheControl) -> Response:
    """Sandbox only: remove all faults."""
    control.book.clear()
    return Response(status_code=204)


@router.delete("/sandbox/faults/{fault}")
async def remove_fault(control: TheControl, fault: str) -> Response:
    """Sandbox only: remove one fault."""
    if not control.book.remove(fault):
        return JSONResponse({"error": f"There is no fault {fault}."}, 404)
    return Response(status_code=204)


def _explain(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'fault'}: {each['msg']}" for each in error.errors()
    )

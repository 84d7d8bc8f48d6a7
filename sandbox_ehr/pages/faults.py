"""The sandbox's control address: which personality it has, which faults stand, and ways to change them."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Form
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import ValidationError
from starlette.responses import Response

from sandbox_ehr.faults import FaultBook, FaultKind, FaultSpec
from sandbox_ehr.faults.book import OF_SUBSCRIPTIONS, STANDING, WORDS
from sandbox_ehr.pages.engine import Pages
from sandbox_ehr.pages.routes import check_text
from sandbox_ehr.personalities import Personality, load_personality, personality_ids
from sandbox_ehr.settings import SandboxSettings


def add_fault_pages(
    app: FastAPI,
    settings: SandboxSettings,
    pages: Pages,
    book: FaultBook,
    personality: Callable[[], Personality],
) -> None:
    """Add the control address and its page to the application."""
    _add_control(app, book)

    def show(problem: str = "", status: int = 200) -> Response:
        return pages.render(
            "control.html",
            status=status,
            personality=personality(),
            started_as=settings.behaviour,
            changed=book.personality() is not None,
            faults=book.all(),
            kinds=[(kind, WORDS[kind]) for kind in FaultKind],
            words=WORDS,
            standing=STANDING,
            unrouted=STANDING | OF_SUBSCRIPTIONS,
            personalities=[load_personality(each) for each in personality_ids()],
            problem=problem,
        )

    @app.get("/sandbox")
    async def control() -> Response:
        """Sandbox only: the page of personality and faults."""
        return show()

    @app.post("/sandbox/control")
    async def change(
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
            book.add(FaultSpec.model_validate(asked))
        except ValidationError as error:
            return show(_explain(error), 422)
        return RedirectResponse("/sandbox", 303)

    @app.post("/sandbox/control/clear")
    async def clear(fault: Annotated[str, Form()] = "") -> Response:
        """Sandbox only: remove one fault, or all."""
        if fault:
            book.remove(fault)
        else:
            book.clear()
        return RedirectResponse("/sandbox", 303)


def _add_control(app: FastAPI, book: FaultBook) -> None:
    @app.get("/sandbox/faults")
    async def list_faults() -> list[dict[str, object]]:
        """Sandbox only: the faults there are, with how often each has happened."""
        return [each.to_json() for each in book.all()]

    @app.post("/sandbox/faults", dependencies=[Depends(check_text)])
    async def add_fault(spec: FaultSpec) -> JSONResponse:
        """Sandbox only: enter a fault."""
        return JSONResponse(book.add(spec).to_json(), 201)

    @app.delete("/sandbox/faults")
    async def clear_faults() -> Response:
        """Sandbox only: remove all faults."""
        book.clear()
        return Response(status_code=204)

    @app.delete("/sandbox/faults/{fault}")
    async def remove_fault(fault: str) -> Response:
        """Sandbox only: remove one fault."""
        if not book.remove(fault):
            return JSONResponse({"error": f"There is no fault {fault}."}, 404)
        return Response(status_code=204)


def _explain(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'fault'}: {each['msg']}" for each in error.errors()
    )

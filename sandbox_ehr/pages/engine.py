"""Renders templates into responses that carry their own Content-Security-Policy."""

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from sandbox_ehr.settings import NOTICE


class Pages:
    """The templates of the sandbox, escaped by default and strict about what they are given."""

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        form_action: Sequence[str] = (),
        frames: Sequence[str] = (),
        **values: object,
    ) -> HTMLResponse:
        """Render a page; `form_action` and `frames` are origins it may send forms to and show in frames."""
        body = _environment().get_template(template).render(**values)
        policy = "; ".join(
            (
                "default-src 'none'",
                "style-src 'self'",
                "script-src 'self'",
                "img-src 'self'",
                "connect-src 'self'",
                "base-uri 'none'",
                "frame-ancestors 'self'",
                " ".join(("form-action 'self'", *form_action)),
                " ".join(("frame-src 'self'", *frames)),
            )
        )
        headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return HTMLResponse(body, status, headers)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sandbox_ehr.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["notice"] = NOTICE
    return environment

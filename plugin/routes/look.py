"""The EHR's look as a style sheet; its values stand in the address, so no session is needed and a cache may keep it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from plugin.pages.look import write_look

router = APIRouter()


@router.get("/look.css")
async def look(request: Request) -> Response:
    """Write the colours, sizes and fonts that the address names, as far as they are any and can be read on."""
    return Response(
        write_look(dict(request.query_params)),
        media_type="text/css",
        headers={"Cache-Control": "public, max-age=86400"},
    )

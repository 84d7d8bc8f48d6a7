"""An EHR that says of a token whose it is as a test wants."""

import json

import httpx


class Naming(httpx.AsyncBaseTransport):
    """An EHR that names another user when it is asked about a token, or none."""

    def __init__(self, ehr: httpx.AsyncBaseTransport, user: str | None) -> None:
        self.ehr, self.user = ehr, user

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.ehr.handle_async_request(request)
        if not request.url.path.endswith("/introspect"):
            return answer
        told = json.loads(await answer.aread()) | {"fhirUser": self.user}
        return httpx.Response(200, json={key: value for key, value in told.items() if value is not None})

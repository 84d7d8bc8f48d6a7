"""EHRs of every personality in this process, and examinations of them."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import httpx

from plugin.doctor import Examination, examine
from sandbox_ehr import RegisteredClient, SandboxSettings, create_app

BASE = "https://ehr.invalid"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def examined(
    personality: str = "full", clients: tuple[RegisteredClient, ...] = (), **more: Any
) -> Examination:
    settings = SandboxSettings(base_url=BASE, personality=personality, clients=clients, seed=False)
    app = create_app(settings, clock=lambda: NOW)
    with closing(app.state.store.database):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
            return await examine(f"{BASE}/r4", http, NOW, **more)

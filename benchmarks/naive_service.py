"""What one would write in an afternoon: validate with fhir.resources, insert one row, commit. For benchmarks.submit.

Three ways. Two as FastAPI's documentation writes such a service, with the model as the endpoint's parameter: `threads` (`def`)
and `async` (`async def`, which is faster with SQLite, for whose lock the threads fight). `tuned` reads the body itself, as
pydantic does it fastest, and stores it as it came.
"""

import sqlite3
import sys
from datetime import UTC, datetime

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Request, Response
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

metadata = sa.MetaData()
row = sa.Table(
    "questionnaire_response",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("received", sa.String(40), nullable=False),
    sa.Column("resource", sa.LargeBinary, nullable=False),
)


def create_app(file: str, way: str) -> FastAPI:
    engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # The settings of Rapport's own database, so that a commit is worth the same.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    metadata.create_all(engine)
    app = FastAPI()

    def keep(body: bytes) -> Response:
        with engine.begin() as connection:
            connection.execute(row.insert().values(received=datetime.now(UTC).isoformat(), resource=body))
        return Response(status_code=201)

    async def take_tuned(request: Request) -> Response:
        body = await request.body()
        QuestionnaireResponse.model_validate_json(body)
        return keep(body)

    async def take_in_loop(response: QuestionnaireResponse) -> Response:
        return keep(response.model_dump_json().encode())

    def take_in_thread(response: QuestionnaireResponse) -> Response:
        return keep(response.model_dump_json().encode())

    ways = {"threads": take_in_thread, "async": take_in_loop, "tuned": take_tuned}
    app.post("/QuestionnaireResponse")(ways[way])
    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1], sys.argv[3]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        access_log=False,
        log_level="warning",
    )

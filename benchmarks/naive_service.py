"""What one would write in an afternoon: validate with fhir.resources, insert one row, commit. For benchmarks.submit."""

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


def create_app(file: str) -> FastAPI:
    engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # The settings of Rapport's own database, so that a commit is worth the same.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    metadata.create_all(engine)
    app = FastAPI()

    @app.post("/QuestionnaireResponse")
    async def take(request: Request) -> Response:
        # In the event loop: in a thread pool, where SQLite's lock is fought for, it was slower (docs/reference/benchmarks.md).
        body = await request.body()
        QuestionnaireResponse.model_validate_json(body)
        with engine.begin() as connection:
            connection.execute(row.insert().values(received=datetime.now(UTC).isoformat(), resource=body))
        return Response(status_code=201)

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        access_log=False,
        log_level="warning",
    )

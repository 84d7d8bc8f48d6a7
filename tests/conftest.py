"""What tests of every part may ask for: an empty database on a real PostgreSQL."""

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.postgres import PostgresMissing, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Run one PostgreSQL for the session; gives its URL with `{}` for the database's name."""
    try:
        with running_postgres() as url:
            yield url
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """Give the URL of a new, empty database."""
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return postgres.format(name)

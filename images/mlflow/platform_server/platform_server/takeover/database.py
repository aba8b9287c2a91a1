"""The two databases: what the earlier one is like, and the migration of the copy."""

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from mlflow.store.db.base_sql_model import Base
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from platform_server.takeover import rewrite

REVISIONS = Path("/opt/mlflow/schema-revisions")
PASSWORDS = Path("/tmp/pgpass")
SESSIONS = """
SELECT usename, host(client_addr) AS address, application_name FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
    -- A role without the right to see more learns of others' sessions only who they are.
    AND (backend_type = 'client backend' OR (backend_type IS NULL AND usename IS NOT NULL))
"""


@contextmanager
def connection_to(url, read_only=False):
    options = {"options": "-cdefault_transaction_read_only=on"} if read_only else {}
    engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10, **options})
    with engine.begin() as connection:
        yield connection


def earlier_url(settings):
    return sqlalchemy.URL.create(
        "postgresql+psycopg2",
        username=settings["user"],
        password=settings["password"],
        host=settings["host"],
        port=settings["port"],
        database=settings["database"],
    )


def stack_url():
    """The stack's database of TAKEOVER_DATABASE, for the owner; his password is only known for the one it is for."""
    # Database is the third field; a colon within a field has a backslash before it.
    lines = Path(os.environ["PGPASSFILE"]).read_text().splitlines()
    any_database = [re.sub(r"^((?:\\.|[^:\\])*:(?:\\.|[^:\\])*:)(?:\\.|[^:\\])*", r"\1*", line) for line in lines]
    PASSWORDS.touch(mode=0o600)
    PASSWORDS.write_text("\n".join(any_database) + "\n")
    os.environ["PGPASSFILE"] = str(PASSWORDS)
    url = sqlalchemy.make_url(os.environ["MLFLOW_BACKEND_STORE_URI"])
    return url.set(database=os.environ["TAKEOVER_DATABASE"])


def tables_of(connection):
    """MLflow's tables in the schema that the connection uses, and what else is there."""
    there = set(sqlalchemy.inspect(connection).get_table_names())
    ours = there & {*Base.metadata.tables, "alembic_version"}
    return sorted(ours), sorted(there - ours)


def rows_of(connection):
    return {
        table: connection.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(sqlalchemy.table(table)))
        for table in tables_of(connection)[0]
    }


def report(settings, earlier):
    """What the earlier database is like; an error that is the user's comes as `refused`."""
    known = REVISIONS.read_text().split()
    try:
        with connection_to(earlier_url(settings), read_only=True) as connection:
            tables, others = tables_of(connection)
            revisions = []
            if "alembic_version" in tables:
                revisions = list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())
            result = {
                "version": connection.exec_driver_sql("SHOW server_version").scalar(),
                "versionNumber": int(connection.exec_driver_sql("SHOW server_version_num").scalar()),
                "schema": connection.exec_driver_sql("SELECT current_schema()").scalar(),
                "revisions": revisions,
                "known": bool(revisions) and set(revisions) <= set(known),
                "sessions": [dict(row) for row in connection.exec_driver_sql(SESSIONS).mappings()],
                "tables": tables,
                "others": others,
                "bytes": connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar(),
            }
            if result["known"]:
                result |= {"rows": rows_of(connection), **rewrite.summary(connection, earlier)}
            return result
    except DBAPIError as error:
        return {"refused": str(error.orig).strip().splitlines()[0]}


def migrate():
    """Brings the copy to this MLflow's schema, just as an update of the stack does."""
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": stack_url().render_as_string(hide_password=False),
        "PGPASSFILE": str(PASSWORDS),
        "LOGIN": "false",
    }
    done = subprocess.run(["/usr/local/bin/migrate"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"refused": (done.stderr or done.stdout).strip().splitlines()[-1]}
    return {"migrated": done.stdout.strip()}

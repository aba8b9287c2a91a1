"""The locations in a database of MLflow: planned, written in one transaction, written back."""

import json
from collections import Counter
from typing import NamedTuple

import sqlalchemy
from mlflow.store.db.base_sql_model import Base

from platform_server.takeover.locations import is_in, is_passed_on, proxied

HISTORY = "mlflow.log-model.history"


class Place(NamedTuple):
    """A column that holds locations."""

    table: str
    column: str
    # Only the rows with this key.
    key: str | None = None


PLACES = (
    Place("experiments", "artifact_location"),
    Place("runs", "artifact_uri"),
    Place("logged_models", "artifact_location"),
    Place("model_versions", "source"),
    Place("model_versions", "storage_location"),
    Place("trace_tags", "value", "mlflow.artifactLocation"),
    Place("tags", "value", HISTORY),
)
# What MLflow finds nothing by, and may say where something came from: numbers, and texts in the words of users.
SKIPPED = {"metrics", "latest_metrics", "alembic_version"}


class Change(NamedTuple):
    """One value. `keys` are the columns of the primary key with the row's values."""

    table: str
    keys: dict
    column: str
    old: str
    new: str


def history(text, earlier):
    """The tag in which a run has the models it logged, as JSON, with the locations in it rewritten."""
    try:
        models = json.loads(text)
    except ValueError:
        return text
    changed = False
    for model in models if isinstance(models, list) else []:
        path = model.get("artifact_path") if isinstance(model, dict) else None
        if isinstance(path, str) and (new := proxied(path, earlier)):
            model["artifact_path"] = new
            changed = True
    return json.dumps(models) if changed else text


def root_of(location):
    """What stays and is listed: a scheme and, where it has one, a host or bucket."""
    scheme, colon, rest = location.partition(":")
    if not colon:
        return "(a path)"
    return f"{scheme}://{rest[2:].partition('/')[0]}" if rest.startswith("//") else f"{scheme}:"


def reflected(connection):
    """MLflow's tables as this database has them: an earlier schema has fewer tables and columns."""
    there = set(sqlalchemy.inspect(connection).get_table_names())
    metadata = sqlalchemy.MetaData()
    metadata.reflect(connection, only=sorted(there & set(Base.metadata.tables)))
    return metadata.tables


def plan(connection, earlier):
    """The changes, and what is left alone as (table, column, root, reason) → number."""
    changes, left = [], Counter()
    tables = reflected(connection)
    for place in PLACES:
        table = tables.get(place.table)
        if table is None or place.column not in table.c:
            continue
        column, keys = table.c[place.column], list(table.primary_key.columns)
        query = sqlalchemy.select(*keys, column.label("location")).where(column.is_not(None), column != "")
        if place.key is not None:
            query = query.where(table.c.key == place.key)
        for row in connection.execute(query.execution_options(stream_results=True)):
            old = row.location
            new = history(old, earlier) if place.key == HISTORY else proxied(old, earlier)
            if new is not None and new != old and len(new) <= (column.type.length or len(new)):
                values = {key.name: getattr(row, key.name) for key in keys}
                changes.append(Change(place.table, values, place.column, old, new))
            elif place.key != HISTORY and not is_ours(old, earlier):
                reason = "elsewhere"
                if new is not None:
                    reason = "too long"
                elif is_in(old, earlier.bucket) or is_passed_on(old):
                    reason = "no name for it here"
                left[place.table, place.column, root_of(old), reason] += 1
    return changes, left


def is_ours(location, earlier):
    """What needs no change: locations of this server, and names of runs and models that lead to them."""
    return location.startswith(("runs:/", "models:/")) or (is_passed_on(location) and not earlier.prefix)


def mentions(connection, earlier):
    """Where else the bucket is named: what users wrote, where data came from. (table, column) → number."""
    found = Counter()
    rewritten = {(place.table, place.column) for place in PLACES}
    for name, table in reflected(connection).items():
        for column in table.c if name not in SKIPPED else ():
            if not isinstance(column.type, sqlalchemy.String) or (name, column.name) in rewritten:
                continue
            named = sqlalchemy.func.strpos(column, f"s3://{earlier.bucket}") > 0
            if count := connection.scalar(sqlalchemy.select(sqlalchemy.func.count()).where(named)):
                found[name, column.name] = count
    return found


def summary(connection, earlier):
    changes, left = plan(connection, earlier)
    return {
        "changes": as_rows(Counter((change.table, change.column) for change in changes)),
        "left": as_rows(left),
        "mentions": as_rows(mentions(connection, earlier)),
    }


def as_rows(counter):
    return [[*words, count] for words, count in sorted(counter.items())]


def write(connection, changes):
    """All of them; values that are the old ones become the new ones."""
    tables = reflected(connection)
    groups = {}
    for change in changes:
        groups.setdefault((change.table, change.column, tuple(change.keys)), []).append(change)
    for (table, column, keys), group in groups.items():
        where = [tables[table].c[key] == sqlalchemy.bindparam(f"key_{key}") for key in keys]
        statement = (
            sqlalchemy.update(tables[table])
            .where(*where, tables[table].c[column] == sqlalchemy.bindparam("old"))
            .values({column: sqlalchemy.bindparam("new")})
        )
        connection.execute(
            statement,
            [{"old": c.old, "new": c.new, **{f"key_{key}": value for key, value in c.keys.items()}} for c in group],
        )


def apply(connection, earlier):
    """Writes the plan. Returns its changes, each of which has its new value."""
    changes, _ = plan(connection, earlier)
    write(connection, changes)
    # Not by another plan: with a prefix, what was just written is once more a location of the earlier server's kind.
    tables = reflected(connection)
    wrong = 0
    for change in changes:
        column = tables[change.table].c[change.column]
        wrong += connection.scalar(sqlalchemy.select(column).where(*row_of(tables, change))) != change.new
    if wrong:
        raise RuntimeError(f"{wrong} locations did not take their new value")
    return changes


def row_of(tables, change):
    """The conditions of its row."""
    return [tables[change.table].c[key] == value for key, value in change.keys.items()]


def revert(connection, changes):
    """Writes the old values back where the new ones still are. Returns how many are, and how many were changed since."""
    tables = reflected(connection)
    done = 0
    for change in changes:
        table = tables[change.table]
        done += connection.execute(
            sqlalchemy.update(table)
            .where(*row_of(tables, change), table.c[change.column] == change.new)
            .values({change.column: change.old})
        ).rowcount
    return done

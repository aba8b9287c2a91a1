"""The administrator of MLflow's users, as the settings name him. For `migrate`, as the owner of the tables.

A table of ours with one row says which user he is. So another name renames him and leaves him what he has, and a user
who only has the same name is not taken for him.
"""

import sqlalchemy
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

from platform_server import accounts

RECORD = """
CREATE TABLE IF NOT EXISTS platform_admin (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE
)
"""
RECORDED = "SELECT username FROM platform_admin JOIN users ON id = user_id"
REMEMBER = """
INSERT INTO platform_admin (user_id) SELECT id FROM users WHERE username = :name
ON CONFLICT (only_one) DO UPDATE SET user_id = excluded.user_id
"""
RENAME = "UPDATE users SET username = :name WHERE username = :earlier"


class NameTaken(Exception):
    """Another user has the name that the administrator is to have."""


def ensure(uri, name, password, model_servers):
    """Brings the schema of the users to this MLflow's, the administrator and the accounts of model servers to the settings.

    Says of each of the two what happened.
    """
    store = SqlAlchemyStore()
    store.init_db(uri)
    try:
        return administer(store, name, password), accounts.ensure(store, model_servers)
    finally:
        store.engine.dispose()


def administer(store, name, password):
    done = []
    with store.engine.begin() as connection:
        connection.execute(sqlalchemy.text(RECORD))
        earlier = connection.scalar(sqlalchemy.text(RECORDED))
        if earlier not in (None, name):
            if store.has_user(name):
                raise NameTaken
            connection.execute(sqlalchemy.text(RENAME), {"name": name, "earlier": earlier})
            done.append(f"renamed from {earlier}")
    if earlier is None:
        if not store.has_user(name):
            store.create_user(name, password, is_admin=True)
            done.append("made")
        # One who is not was made by another administrator, and is somebody.
        elif not store.get_user(name).is_admin:
            raise NameTaken
        with store.engine.begin() as connection:
            connection.execute(sqlalchemy.text(REMEMBER), {"name": name})
    if not store.get_user(name).is_admin:
        store.update_user(name, is_admin=True)
        done.append("made administrator again")
    if not store.authenticate_user(name, password):
        store.update_user(name, password=password)
        done.append("given the password of the settings")
    return ", ".join(done) or "as before"

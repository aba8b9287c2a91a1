"""The accounts of model servers, as the settings list them. For `migrate`, as the owner of the tables.

A table of ours says which users they are and which registered model each reads: `model_servers` goes by it. A user who
only has such a name is not taken for one of them.
"""

import sqlalchemy
from mlflow.server.auth.db.models import SqlUser
from werkzeug.security import generate_password_hash

# What `npm run user` leaves alone, and what spares the server a look-up for everybody else.
PREFIX = "model-server-"
RECORD = """
CREATE TABLE IF NOT EXISTS platform_model_servers (
    user_id integer PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    model text NOT NULL
)
"""
RECORDED = "SELECT username, model FROM platform_model_servers JOIN users ON id = user_id"
REMEMBER = "INSERT INTO platform_model_servers (user_id, model) VALUES (:user_id, :model)"


class NameTaken(Exception):
    """Somebody else has the name of an account."""


def ensure(store, wanted):
    """Brings them to what is wanted, name → model and password; says what happened."""
    with store.engine.begin() as connection:
        connection.execute(sqlalchemy.text(RECORD))
        recorded = {(name, model) for name, model in connection.execute(sqlalchemy.text(RECORDED))}
    names = {name for name, _ in recorded}
    for name in wanted:
        if name not in names and store.has_user(name):
            raise NameTaken(name)
    # One of another model is another account: what was granted to it goes with it.
    kept = recorded & {(name, model) for name, (model, _) in wanted.items()}
    done = []
    for name, _ in sorted(recorded - kept):
        store.delete_user(name)
        done.append(f"{name} removed")
    for name, (model, password) in sorted(wanted.items()):
        if (name, model) not in kept:
            make(store, name, model, password)
            done.append(f"{name} made")
        elif store.get_user(name).is_admin or not store.authenticate_user(name, password):
            store.update_user(name, password, is_admin=False)
            done.append(f"{name} brought to the settings")
    return ", ".join(done) or ("as before" if wanted else "none")


def make(store, name, model, password):
    # In one step, so that there is never a user without the row that restricts it.
    with store.ManagedSessionMaker(read_only=False) as session:
        user = SqlUser(username=name, password_hash=generate_password_hash(password), is_admin=False)
        session.add(user)
        session.flush()
        session.execute(sqlalchemy.text(REMEMBER), {"user_id": user.id, "model": model})

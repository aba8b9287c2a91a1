"""`python -m platform_server.routes` in the server's container: every route that the server has.

A line for each method and path, with Flask's `<path:name>` and FastAPI's `{name:path}` as they are.
"""

import os


def routes():
    # Nothing is served by this process, so any key will do; the other two are what `start` and the server set.
    os.environ.setdefault("MLFLOW_FLASK_SERVER_SECRET_KEY", "none")
    os.environ.setdefault("MLFLOW_AUTH_CONFIG_PATH", "/tmp/auth.ini")
    os.environ["_MLFLOW_SGI_NAME"] = "uvicorn"
    from mlflow.server import app as flask_app

    from platform_server import app, settings

    fastapi_app = app.mlflow_app(settings.read().login)
    for rule in flask_app.url_map.iter_rules():
        yield from ((method, rule.rule) for method in rule.methods)
    yield from of_fastapi(fastapi_app.routes)


def of_fastapi(found):
    for route in found:
        if hasattr(route, "effective_route_contexts"):
            yield from of_fastapi(route.effective_route_contexts())
        elif methods := getattr(route, "methods", None):
            yield from ((method, route.path) for method in methods)
        # What has no methods is Flask's mount, or a websocket.
        elif route.path:
            yield "WEBSOCKET", route.path


if __name__ == "__main__":
    print("\n".join(sorted({f"{method} {path}" for method, path in routes()})))

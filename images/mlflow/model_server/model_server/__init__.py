"""Serves one registered model: a front that answers, and a supervisor that follows the model's alias.

`python -m model_server` is one process without MLflow in it. Each version is an MLflow scoring process in an environment of its
own; a version takes over once it has answered its own input example.
"""

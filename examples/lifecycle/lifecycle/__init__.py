"""The MLflow lifecycle from experiment to production and back, one module for each step."""

import os

# Threads that wait for each other take longer than one does for so little data, above all on a busy host. OpenMP reads this
# when it is loaded, which is later than here.
os.environ.setdefault("OMP_NUM_THREADS", "1")

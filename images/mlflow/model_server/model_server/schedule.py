"""`python -m model_server.schedule --cron "0 * * * *" -- command…`: runs a command at set times, in UTC, one run at a time."""

import argparse
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from cronsim import CronSim, CronSimError

NEXT, LAST = Path("/tmp/next-run"), Path("/tmp/last-run.json")


def main():
    parser = argparse.ArgumentParser(prog="model_server.schedule")
    parser.add_argument("--cron", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        now = datetime.now(UTC)
        try:
            following = next(CronSim(options.cron, now))
        except (CronSimError, StopIteration) as error:
            print(f'schedule: "{options.cron}" is not a time as cron has it: {error}', file=sys.stderr)
            return 78
        NEXT.write_text(following.isoformat())
        # By the clock, which may be set meanwhile.
        while (rest := (following - datetime.now(UTC)).total_seconds()) > 0:
            time.sleep(min(rest, 30))
        process = subprocess.Popen(options.command)
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        print(f"schedule: the run of {following:%Y-%m-%d %H:%M} UTC ended with exit code {code}", flush=True)
        LAST.write_text(json.dumps({"time": following.isoformat(), "code": code}))


if __name__ == "__main__":
    sys.exit(main())

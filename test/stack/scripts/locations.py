"""What the server's image makes of locations: reads a JSON list of them, for the bucket `b`; prints location → the new one, or null."""

import json
import sys

from platform_server.takeover.locations import Earlier, is_reachable, proxied
from platform_server.takeover.rewrite import history

asked = json.load(sys.stdin)
print(
    json.dumps(
        {
            "locations": {location: proxied(location, Earlier("b")) for location in asked["locations"]},
            "passedOn": {location: proxied(location, Earlier("b", "pre/fix")) for location in asked["passedOn"]},
            "keys": {key: is_reachable(key) for key in asked["keys"]},
            "histories": [history(text, Earlier("b")) for text in asked["histories"]],
        }
    )
)

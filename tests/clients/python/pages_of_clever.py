"""Page through lists of Clever's API with a client for it, and print the ids of each list."""

import json
import sys
from importlib import import_module

package, host, token, limit, lists = sys.argv[1:]
clever = import_module(package)
configuration = clever.Configuration()
configuration.host, configuration.access_token = host, token
client = clever.ApiClient(configuration)
client.set_default_header("Authorization", f"Bearer {token}")
apis = [clever.DataApi(client), clever.EventsApi(client)]


def ids_of(operation: str, *wanted: str) -> list[str]:
    """Return the ids of all pages."""
    ask = next(getattr(api, operation) for api in apis if hasattr(api, operation))
    found, page = [], ["a page"]
    while page:
        cursor = {"starting_after": found[-1]} if found else {}
        page = ask(*wanted, limit=int(limit), **cursor).data
        found += [item.data.id for item in page]
    return found


print(json.dumps([ids_of(*asked) for asked in json.loads(lists)]))

# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client in a network namespace: asks again and again, a connection per request, and prints a line of JSON for every answer.

Started there by the tests, alone, with the standard library. Its one argument is JSON: ``address``, ``port``, ``host``, ``path``,
``headers``, ``number`` (0 for: until it is ended), ``pause`` and ``tls`` (whether it speaks TLS, with the host as server name).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import time
from typing import Any

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Takes any certificate; made once, and without the authorities of the machine, whose loading takes longer than a request."""
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


def ask(wanted: dict[str, Any]) -> dict[str, Any]:
    """One request."""
    begin = time.time()
    connection = http.client.HTTPConnection(wanted["address"], wanted["port"], timeout=10)
    try:
        if wanted["tls"]:
            plain = socket.create_connection((wanted["address"], wanted["port"]), timeout=10)
            connection.sock = TLS.wrap_socket(plain, server_hostname=wanted["host"])
        connection.request("GET", wanted["path"], headers={"Host": wanted["host"], "Connection": "close", **wanted["headers"]})
        response = connection.getresponse()
        text = response.read()
        try:
            seen = json.loads(text)
        except ValueError:
            seen = text.decode(errors="replace")[:200]
        where = response.getheader("Location") or ""
        return {"begin": begin, "end": time.time(), "status": response.status, "seen": seen, "location": where}
    except (OSError, http.client.HTTPException) as error:
        return {"begin": begin, "end": time.time(), "status": 0, "seen": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()


def main(text: str) -> None:
    """All of them."""
    wanted = json.loads(text)
    number = wanted["number"]
    while True:
        print(json.dumps(ask(wanted)), flush=True)
        number -= 1
        if number == 0:
            return
        time.sleep(wanted["pause"])


if __name__ == "__main__":
    main(sys.argv[1])

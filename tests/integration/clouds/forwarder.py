# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A load balancer of packets for a network namespace: started there by the tests, alone, with the standard library.

It checks its targets, keeps rules that spread new connections over those that answer, and writes down which those are.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TABLE = "standin"
IN_A_ROW = 2
PROXY_LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"  # version 2, command LOCAL: a connection of the sender's own, as checks are


def answers(setting: dict[str, Any], target: dict[str, Any]) -> bool:
    """One check."""
    place = (target["check_address"] or target["address"], target["check_port"] or target["port"])
    try:
        with socket.create_connection(place, timeout=setting["interval"]) as connection:
            if setting["check"] == "tcp":
                return True
            begin = PROXY_LOCAL if setting["proxy"] else b""
            connection.sendall(begin + f"GET {setting['path']} HTTP/1.1\r\nHost: check\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def taken_out(setting: dict[str, Any]) -> list[str]:
    """Targets that take nothing new, whatever their checks say."""
    if not os.path.exists(setting["taken_out"]):
        return []
    with open(setting["taken_out"], encoding="utf-8") as file:
        return file.read().split()


def rules(setting: dict[str, Any], ready: list[dict[str, Any]]) -> str:
    """All of the table, for nft; where nothing is ready connections are refused."""
    match = f"ip daddr {setting['address']} tcp dport {setting['port']}"
    places = ", ".join(f"{number} : {item['address']} . {item['port']}" for number, item in enumerate(ready))
    spread = f"dnat ip addr . port to numgen inc mod {len(ready)} map {{ {places} }}"
    refuse = f"chain input {{\ntype filter hook input priority filter;\n{match} reject with tcp reset\n}}"
    send = f"chain spread {{\ntype nat hook prerouting priority dstnat;\n{match} {spread}\n}}" if ready else refuse
    return f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{send}\n}}\n"


def main(path: str) -> None:
    """Check and set until the end."""
    with open(path, encoding="utf-8") as file:
        setting = json.load(file)
    targets = setting["targets"]
    state, seen = {item["name"]: False for item in targets}, {item["name"]: (False, 0) for item in targets}
    written: list[str] | None = None
    with ThreadPoolExecutor(len(targets)) as pool:
        while True:
            begin = time.monotonic()
            for item, good in zip(targets, pool.map(lambda one: answers(setting, one), targets), strict=True):
                last, number = seen[item["name"]]
                seen[item["name"]] = (good, number + 1 if good == last else 1)
                if seen[item["name"]][1] >= IN_A_ROW:
                    state[item["name"]] = good
            state |= dict.fromkeys(taken_out(setting), False)
            ready = [item for item in targets if state[item["name"]]]
            if written != [item["name"] for item in ready]:
                subprocess.run(["nft", "-f", "-"], input=rules(setting, ready), text=True, check=True)
                written = [item["name"] for item in ready]
            with open(setting["states"] + ".new", "w", encoding="utf-8") as file:
                json.dump({name: "UP" if good else "DOWN" for name, good in state.items()}, file)
            os.replace(setting["states"] + ".new", setting["states"])
            time.sleep(max(0.0, setting["interval"] - (time.monotonic() - begin)))


if __name__ == "__main__":
    main(sys.argv[1])

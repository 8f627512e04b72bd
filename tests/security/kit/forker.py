# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts modules quickly: imports them once, then forks for each run.

    python forker.py MODULE ...

It reads one job (JSON) a line and answers with a line when a run begins and with one when it ends. A module's file runs as
the main program in its fork, as Ansible runs it; only what it imports is there already. It ends when its input does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import resource
import runpy
import select
import signal
import sys

USUAL = ("ansible.module_utils.basic", "yaml", "jmespath", "kubernetes", "kubernetes.stream", "concurrent.futures.thread")


def load(modules):
    """Import what runs need. What cannot be imported is left to the run, which says so."""
    for name in (*USUAL, *modules):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    for name in modules:
        sys.modules.pop(name, None)
    gc.collect()
    gc.freeze()


def tell(line):
    os.write(1, (json.dumps(line) + "\n").encode())


def gather(running):
    """Report the runs that have ended."""
    while running:
        pid, code, usage = os.wait4(-1, os.WNOHANG)
        if not pid:
            return
        number = running.pop(pid)
        code = os.waitstatus_to_exitcode(code)
        tell({"id": number, "code": code, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss})


def leave(running):
    """End the runs that are still on their way."""
    for pid in running:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def become(job):
    """Turn this process, which was just forked, into a run with the limits, files and folder of its job."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for target, name, mode in ((0, "in", os.O_RDONLY), (1, "out", os.O_WRONLY), (2, "err", os.O_WRONLY)):
        opened = os.open(os.path.join(job["folder"], name), mode | os.O_CREAT, 0o600)
        os.dup2(opened, target)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    os.chdir(job["folder"])
    resource.setrlimit(resource.RLIMIT_AS, (job["memory"] << 10,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu"], job["cpu"] + 1))
    random.seed()


def serve():
    """Fork for each job; gives the job in the new process, and nothing in this one when its input has ended."""
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_args: None)
    signal.set_wakeup_fd(wake)
    running, rest = {}, b""
    while True:
        ready, _none, _neither = select.select([0, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
        gather(running)
        data = os.read(0, 65536) if 0 in ready else b""
        if 0 in ready and not data:
            return leave(running)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            job = json.loads(line)
            pid = os.fork()
            if not pid:
                become(job)
                return job
            running[pid] = job["id"]
            tell({"id": job["id"], "pid": pid})


def main():
    load(sys.argv[1:])
    job = serve()
    if job is not None:
        sys.argv = [job["module"]]
        runpy.run_module(job["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the product by its public face only: its modules with JSON on standard input, or real ansible-playbook."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

PACKAGE = "ansible_collections.meshlb.istio.plugins.modules"
MEMORY = 4 << 20  # KiB of address space: more than any run needs, and less than would harm the machine
CPU = 40  # seconds, likewise

FIND = """
import json, os, sys
found = []
try:
    import ansible_collections
    found = [os.path.join(item, "kubernetes") for item in ansible_collections.__path__]
except Exception:
    pass
usual = [os.path.expanduser("~/.ansible/collections"), "/usr/share/ansible/collections"]
found += [os.path.join(item, "ansible_collections", "kubernetes") for item in sys.path + usual]
found = [item for item in found if os.path.isdir(os.path.join(item, "core"))]
print(json.dumps({"kubernetes": found, "bin": os.path.dirname(sys.executable)}))
"""


class Run:
    """What a run of a module came to. ``ended``: ``ok``, ``failed`` (with a message), ``crashed`` (a traceback), ``killed``."""

    def __init__(self, code, out, err, wall, cpu, memory, why_killed):
        self.code, self.out, self.err = code, out, err
        self.wall, self.cpu, self.memory, self.why_killed = wall, cpu, memory, why_killed
        self.data = _last_json(out)
        self.message = str((self.data or {}).get("msg") or "")
        self.ended = self._ended()

    def _ended(self):
        if self.why_killed:
            return "killed"
        if self.data is None or "Traceback (most recent call last)" in self.message + str(self.data.get("module_stderr", "")):
            return "crashed"
        if (self.data.get("details") or {}).get("defect"):
            return "crashed"  # it is told in words, and is one all the same
        return "failed" if self.data.get("failed") else "ok"

    @property
    def ok(self):
        return self.ended == "ok"

    @property
    def failed(self):
        """Failed as a module should: with a message."""
        return self.ended == "failed"

    @property
    def changes(self):
        return (self.data or {}).get("changes") or []

    @property
    def findings(self):
        return (self.data or {}).get("findings") or []

    @property
    def routes(self):
        return (self.data or {}).get("routes") or []

    @property
    def told(self):
        """Everything that it says to a user: its message and the messages of its findings."""
        return " ".join([self.message, *(str(item.get("message")) for item in self.findings)])

    def say(self, length=220):
        """What was seen, for a sentence."""
        if self.ended == "killed":
            return f"it was ended after {self.wall:.0f} s ({self.why_killed}; {self.cpu:.0f} s of CPU, {self.memory >> 10} MiB)"
        if self.ended == "crashed":
            lines = [line for line in (self.err or self.message).strip().splitlines() if line.strip()]
            return f"a traceback: {short(lines[-1] if lines else '(no output)', length)}"
        if self.ended == "failed":
            return f"it failed: {short(self.message, length)}"
        return f"it ended ok, changed={self.data.get('changed')}, {len(self.changes)} changes"


def short(text, length=220):
    """One printable line of a text."""
    text = " ".join("".join(c if c.isprintable() else "?" for c in str(text)).split())
    return text if len(text) <= length else text[: length - 3] + "..."


def _last_json(text):
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return None


class Product:
    """The collection under test, and the interpreter that runs it."""

    def __init__(self, collection, python, work):
        self.python, self.work = python, Path(work)
        self.root = Path(collection).resolve() / "ansible_collections" / "meshlb" / "istio"
        if not (self.root / "plugins" / "modules").is_dir():
            raise SystemExit(f"{collection} does not hold ansible_collections/meshlb/istio with plugins/modules.")
        self._lock, self._number, self._started, self._closed = threading.Lock(), 0, [], False
        (self.work / "home").mkdir(parents=True, exist_ok=True)
        self.path = self.work / "path"
        self.env = self._environment()
        found = self._look_around()
        beside = self.root.parent.parent / "kubernetes"
        places = ([str(beside)] if (beside / "core").is_dir() else []) + found["kubernetes"]
        if not places:
            raise SystemExit("The collection kubernetes.core is found neither beside the product nor by the interpreter.")
        self.bin = Path(python).parent if (Path(python).parent / "ansible-playbook").exists() else Path(found["bin"])
        (self.path / "ansible_collections").mkdir(parents=True)
        os.symlink(self.root.parent, self.path / "ansible_collections" / "meshlb")
        os.symlink(places[0], self.path / "ansible_collections" / "kubernetes")
        modules = sorted(file.stem for file in (self.root / "plugins" / "modules").glob("*.py") if file.stem != "__init__")
        self._forker = Forker([python, str(Path(__file__).with_name("forker.py")), *(f"{PACKAGE}.{name}" for name in modules)], self.env)

    def _environment(self):
        home = self.work / "home"
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(self.path),
            "PYTHONPYCACHEPREFIX": str(self.work / "pyc"),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "ANSIBLE_COLLECTIONS_PATH": str(self.path),
            "ANSIBLE_PYTHON_INTERPRETER": self.python,
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "False",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(home / "tmp"),
            "TMPDIR": str(self.folder("tmp")),
        }

    def _look_around(self):
        asked = subprocess.run([self.python, "-c", FIND], capture_output=True, text=True, check=False)
        if asked.returncode:
            raise SystemExit(f"{self.python} cannot be used: {asked.stderr.strip()[-300:]}")
        return json.loads(asked.stdout)

    def close(self):
        """End every process that is still there."""
        self._closed = True
        for process in self._started:
            process.end()
        self._forker.close()

    def folder(self, name="case"):
        """A new empty folder."""
        with self._lock:
            self._number += 1
            made = self.work / f"{name}-{self._number}"
        made.mkdir(parents=True)
        return made

    def module(self, name, args, timeout=60, cpu=CPU, env=None, check_mode=False, python=None):
        """Run a module with the arguments, as Ansible runs it."""
        return self.start(name, args, timeout, cpu, env, check_mode, python).wait()

    def start(self, name, args, timeout=60, cpu=CPU, env=None, check_mode=False, python=None):
        """Start a module. With an environment, or an interpreter, of its own it is a fresh ``python -m``."""
        self._still_open()
        given = {"ANSIBLE_MODULE_ARGS": {**args, "_ansible_check_mode": check_mode, "_ansible_diff": False}}
        module, folder = f"{PACKAGE}.{name}", self.folder("run")
        (folder / "in").write_text(json.dumps(given))
        if env is None and python is None:
            child = self._forker.start(module, folder, cpu)
        else:
            child = Child([python or self.python, "-m", module], {**self.env, **(env or {})}, folder, cpu)
        return self._keep(Process(child, folder, timeout))

    def playbook(self, content, timeout=120, env=None, *more):
        """Run a playbook (a list of plays, or the name of one of the collection's) on this machine alone."""
        self._still_open()
        folder, named = self.folder("play"), content
        if not isinstance(content, str):
            named = str(folder / "play.yml")
            Path(named).write_text(json.dumps(content))
        (folder / "in").write_text("")
        command = [self.python, str(self.bin / "ansible-playbook"), "-i", "localhost,", "-c", "local", named, *more]
        return self._keep(Process(Child(command, {**self.env, **(env or {})}, folder, 120), folder, timeout)).wait()

    def _still_open(self):
        if self._closed:
            raise RuntimeError("the checks were interrupted")

    def _keep(self, process):
        with self._lock:
            self._started = [item for item in self._started if not item.over] + [process]
        return process


class Child:
    """A program that was started afresh, with limits."""

    def __init__(self, command, env, folder, cpu):
        limits = ["/bin/sh", "-c", f'ulimit -v {MEMORY}; ulimit -t {cpu}; exec "$@"', "sh"]
        with open(folder / "in") as source, open(folder / "out", "w") as out, open(folder / "err", "w") as err:
            self._popen = subprocess.Popen(
                [*limits, *command], stdin=source, stdout=out, stderr=err, env=env, start_new_session=True, cwd=folder
            )
        self.pid, self._ended = self._popen.pid, None

    def poll(self):
        """(exit status, seconds of CPU, KiB) once it has ended."""
        if self._ended is None:
            pid, code, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._popen.returncode = os.waitstatus_to_exitcode(code)
                self._ended = (self._popen.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
        return self._ended


class Forker:
    """The program beside this file that forks for each run of a module."""

    def __init__(self, command, env):
        self._lock, self._number, self._told = threading.Lock(), 0, {}
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, start_new_session=True, bufsize=0)
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def _listen(self):
        for line in self._popen.stdout:
            said = json.loads(line)
            self._told.setdefault(said.pop("id"), {}).update(said)

    def start(self, module, folder, cpu):
        """Have it fork for one run."""
        with self._lock:
            self._number += 1
            number = self._number
            job = {"id": number, "module": module, "folder": str(folder), "cpu": cpu, "memory": MEMORY}
            self._popen.stdin.write((json.dumps(job) + "\n").encode())
        until = time.monotonic() + 60
        while "pid" not in self._told.get(number, {}):
            if time.monotonic() > until or self._popen.poll() is not None:
                raise RuntimeError("the program that starts the modules does not answer")
            time.sleep(0.002)
        return Forked(self._told[number], self._popen)

    def close(self):
        self._popen.stdin.close()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._ear.join(2)
        self._popen.stdout.close()


class Forked:
    """A run that was forked. ``told`` is filled in by what the forker says."""

    def __init__(self, told, forker):
        self._told, self._forker, self.pid = told, forker, told["pid"]

    def poll(self):
        """(exit status, seconds of CPU, KiB) once it has ended."""
        told = self._told
        if "peak" not in told:
            return None if self._forker.poll() is None else (-signal.SIGKILL, 0.0, 0)
        return told["code"], told["cpu"], told["peak"]


class Process:
    """A run on its way: ended after ``timeout`` seconds, with all that it left behind."""

    def __init__(self, child, folder, timeout):
        self.child, self.folder, self.timeout, self.began = child, folder, timeout, time.monotonic()
        self._peak, self.over = 0, False

    def _sample(self):
        # What the kernel reports at the end counts the parent's memory at the time of the fork as well.
        try:
            with open(f"/proc/{self.child.pid}/status") as stream:
                self._peak = max([self._peak, *(int(line.split()[1]) for line in stream if line.startswith("VmHWM"))])
        except (OSError, ValueError, IndexError):
            pass

    def poll(self):
        """The exit status, once it has ended."""
        found = self.child.poll()
        if found is None:
            self._sample()
        return None if found is None else found[0]

    def send(self, number, group=False):
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.child.pid, number)

    def end(self):
        """End it, and what it left behind."""
        if not self.over:
            self.send(signal.SIGKILL, group=True)
            self.over = True

    def wait(self):
        """Wait for its end; gives what it came to."""
        late, pause = "", 0.005
        while self.poll() is None:
            if not late and time.monotonic() - self.began > self.timeout:
                late = f"no end after {self.timeout} s"
                self.send(signal.SIGKILL, group=True)
            time.sleep(pause)
            pause = min(0.05, pause * 1.3)
        self.end()
        code, cpu, peak = self.child.poll()
        if not late and code in (-signal.SIGXCPU, -signal.SIGKILL):
            late = "too much CPU time" if cpu > 5 else "killed"
        out, err = ((self.folder / name).read_text(errors="replace") for name in ("out", "err"))
        found = Run(code, out, err, time.monotonic() - self.began, cpu, self._peak or peak, late)
        shutil.rmtree(self.folder, ignore_errors=True)
        return found

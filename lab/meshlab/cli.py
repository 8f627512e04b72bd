# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: arguments, checks of the machine, and one line for every error."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from meshlab import addons, commands
from meshlab import oracle as istio_oracle
from meshlab.cluster.record import DEFAULT_NAME
from meshlab.errors import LabError, UsageError


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> "None":  # type: ignore[override]
        raise UsageError(f"{message} (see 'lab --help')")


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    common = Parser(add_help=False)
    common.add_argument("--name", default=DEFAULT_NAME, help=f"name of the cluster (default: {DEFAULT_NAME})")
    top = Parser(prog="lab", description="A one-node Kubernetes and Istio cluster on a plain Debian machine.")
    sub = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    names = ", ".join(addons.optional())
    up = sub.add_parser("up", parents=[common], help="make the cluster, or repair it")
    up.add_argument("--with", dest="extra", default="", metavar="ADDON,…", help=f"install also: {names}")
    up.add_argument("--prepare", default="", metavar="ADDON,…", help="build and import images of, without installing")
    up.add_argument("--keep-caches", action="store_true", help="keep Go's module and build caches (about 12 GB)")
    sub.add_parser("down", parents=[common], help="remove the cluster and everything it left")
    status = sub.add_parser("status", parents=[common], help="what runs; exit code 0 when all is well, 1 when not")
    status.add_argument("--json", action="store_true", help="for programs: addresses, paths, charts, binaries")
    sub.add_parser("kubeconfig", parents=[common], help="print the path of the administrator's kubeconfig")
    images = sub.add_parser("images", parents=[common], help="list images, their sizes and keys")
    images.add_argument("--json", action="store_true", help="for programs")
    kinds = sub.add_parser("kinds", help="get CustomResourceDefinitions of load balancers that cannot run here; print their folders")
    kinds.add_argument("--built", action="store_true", help="get nothing: only those that are there")
    kinds.add_argument("--json", action="store_true", help="for programs")
    kinds.add_argument("--keep-caches", action="store_true", help="keep Go's module and build caches")
    oracle = sub.add_parser("oracle", help="build the program that answers with Istio's own code; print its path")
    oracle.add_argument("--built", action="store_true", help="build nothing: print nothing where it is not there")
    oracle.add_argument("--keep-caches", action="store_true", help="keep Go's module and build caches, for work on the program")
    oracle.add_argument("--istio", choices=istio_oracle.PROGRAMS, default=istio_oracle.NEWEST, help="the version of Istio's own code")
    oracle.add_argument("--envoy", action="store_true", help="print the path of Envoy, which runs the filters that it answers with")
    restart = sub.add_parser("restart", parents=[common], help="restart a component, as after a crash")
    restart.add_argument("component", metavar="COMPONENT")
    logs = sub.add_parser("logs", parents=[common], help="print the log of a component")
    logs.add_argument("component", metavar="COMPONENT")
    logs.add_argument("-n", "--lines", type=int, default=0, help="only the last so many lines")
    return top


def check_machine() -> None:
    """Refuse, with the reason, what cannot work."""
    if platform.system() != "Linux" or not Path("/etc/debian_version").exists():
        raise UsageError("this needs Debian GNU/Linux")
    if platform.machine() != "x86_64":
        raise UsageError(f"this needs an x86_64 machine, not {platform.machine()}")
    if os.geteuid() != 0:
        raise UsageError("this needs root: network namespaces, mounts and cgroups are made")


def without_cluster(options: argparse.Namespace) -> int:
    """Run a command that builds something for tests."""
    if options.command == "kinds":
        return commands.kinds(options.built, options.json, options.keep_caches)
    return commands.oracle(options.built, options.keep_caches, options.envoy, options.istio)


def dispatch(options: argparse.Namespace) -> int:
    """Run the chosen command."""
    if options.command in ("up", "down") and not commands.external():
        check_machine()
    if options.command == "up":
        extra, prepare = addons.parse_names(options.extra), addons.parse_names(options.prepare)
        return commands.up(options.name, extra, prepare, options.keep_caches)
    if options.command == "down":
        return commands.down(options.name)
    if options.command == "status":
        return commands.status(options.name, options.json)
    if options.command == "kubeconfig":
        return commands.kubeconfig(options.name)
    if options.command == "images":
        return commands.images(options.name, options.json)
    if options.command in ("kinds", "oracle"):
        return without_cluster(options)
    if options.command == "restart":
        return commands.restart(options.name, options.component)
    return commands.logs(options.name, options.component, options.lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    top = parser()
    try:
        options = top.parse_args(argv)
        if not options.command:
            top.print_help()
            return 2
        return dispatch(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_code
    except PermissionError as error:
        print(f"lab: {error.filename}: permission denied; this needs root", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lab: interrupted; 'lab up' goes on from here, 'lab down' removes all", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0

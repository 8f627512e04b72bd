# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception whose text is meant for the person at the terminal."""


class LabError(Exception):
    """Something the user can act on; printed as one line, without a traceback."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UsageError(LabError):
    """The command cannot even start: wrong arguments, wrong machine, not enough room."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)

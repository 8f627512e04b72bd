# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else's regular expressions, in RE2's syntax, evaluated in time that is linear in the text, or not at all.

Python's own engine goes back and tries again, for years if the expression asks for it, so it never gets one of these.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from .re2_syntax import Alternatives, Chars, ExpressionError, Node, NotEvaluated, Place, Repeat, Sequence, parse

MOST_PARTS, MOST_STEPS = 10_000, 300_000
# Of all expressions together; each remembers some states more than it has parts.
_MOST_KEPT, _SOME_STATES = 200_000, 200
States = frozenset[int]
_Surroundings = tuple[bool, bool, bool, bool, bool, bool]
_NOWHERE: _Surroundings = (False,) * 6


@dataclass
class Budget:
    """Steps that are left for one or several evaluations; one takes about a microsecond."""

    left: int = MOST_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise ExpressionError("it takes too many steps")


def matches_whole(pattern: str, text: str, budget: Budget | None = None) -> bool:
    """Whether an expression matches the whole of a text. Raises :class:`ExpressionError` where it is not evaluated."""
    return _answer(pattern, text, budget, anchored=True)


def why_no_expression(pattern: str) -> str:
    """Why RE2 refuses an expression, as a part of a sentence; empty where it does not, or where that is not known."""
    try:
        parse(pattern)
    except NotEvaluated:
        return ""
    except ExpressionError as error:
        return str(error)
    return ""


def matches_part(pattern: str, text: str, budget: Budget | None = None) -> bool:
    """Whether an expression matches somewhere in a text. Raises :class:`ExpressionError` where it is not evaluated."""
    return _answer(pattern, text, budget, anchored=False)


def _answer(pattern: str, text: str, budget: Budget | None, *, anchored: bool) -> bool:
    budget = budget or Budget()
    found = _KNOWN.get(pattern)
    if found is None:
        budget.spend(2 * len(pattern))
        found = _KNOWN.keep(pattern, _made(pattern))
        budget.spend(2 * found.size)
    if isinstance(found, _Refused):
        raise ExpressionError(found.why)
    return found.run(text, anchored, budget)


def _made(pattern: str) -> Machine | _Refused:
    try:
        return Machine(parse(pattern))
    except ExpressionError as error:
        return _Refused(str(error))


@dataclass(frozen=True)
class _Refused:
    """Why an expression has no machine. That is remembered as well, as finding it out took as long."""

    why: str
    size: int = MOST_PARTS // 10


class _Memory:
    """What was found out, up to a number of states."""

    def __init__(self, most: int) -> None:
        self._found: dict[Hashable, States] = {}
        self._size, self._most = 0, most
        self.get = self._found.get

    def keep(self, key: Hashable, found: States) -> States:
        self._size += 2 + len(found)
        if self._size > self._most:
            self._found.clear()
            self._size = 0
        self._found[key] = found
        return found


class Machine:
    """An automaton: each state takes one character (``takes``), or asks for a place (``asks``), and then goes on to others.

    State 0 is the end. What was found out is remembered: from which states one comes where, by which character.
    """

    def __init__(self, tree: Node) -> None:
        self.takes: dict[int, Chars] = {}
        self.asks: dict[int, str] = {}
        self.following: list[tuple[int, ...]] = [()]
        self.size = 0
        self.start = self._add(tree, 0)
        self._memory = _Memory(_SOME_STATES + 2 * self.size)

    def run(self, text: str, anchored: bool, budget: Budget) -> bool:
        """Whether the end is reached: with the text's last character where ``anchored``, else anywhere."""
        begin = frozenset([self.start])
        states = begin
        for place in range(len(text) + 1):
            budget.spend(1)
            reached = self._reach(states, text, place, budget)
            if 0 in reached and (not anchored or place == len(text)):
                return True
            if place == len(text) or (anchored and not reached):
                return False
            states = self._step(reached, text[place], budget)
            states = states if anchored else states | begin
        return False

    def _step(self, reached: States, char: str, budget: Budget) -> States:
        key = (reached, char)
        found = self._memory.get(key)
        if found is None:
            budget.spend(len(reached))
            taken = (state for state in reached if state in self.takes and self.takes[state].has(char))
            found = self._memory.keep(key, frozenset(item for state in taken for item in self.following[state]))
        return found

    def _reach(self, states: States, text: str, place: int, budget: Budget) -> States:
        """All states that are reached from these without a character: those that take one, and the end."""
        surroundings = _surroundings(text, place) if self.asks else _NOWHERE
        key = (states, surroundings)
        found = self._memory.get(key)
        if found is None:
            seen, waiting = set(states), list(states)
            while waiting:
                state = waiting.pop()
                if state in self.takes or (state in self.asks and not _holds(self.asks[state], surroundings)):
                    continue
                fresh = [item for item in self.following[state] if item not in seen]
                seen.update(fresh)
                waiting += fresh
            budget.spend(len(seen))
            found = self._memory.keep(key, frozenset(state for state in seen if state in self.takes or state == 0))
        return found

    def _state(self, *following: int) -> int:
        self.following.append(following)
        return len(self.following) - 1

    def _add(self, node: Node, then: int) -> int:
        """States for a part of the expression, after which ``then`` follows; gives the first."""
        self.size += 1
        if self.size > MOST_PARTS:
            raise ExpressionError("it is too large")
        if isinstance(node, Chars):
            state = self._state(then)
            self.takes[state] = node
            return state
        if isinstance(node, Place):
            state = self._state(then)
            self.asks[state] = node.kind
            return state
        if isinstance(node, Sequence):
            for item in reversed(node.items):
                then = self._add(item, then)
            return then
        if isinstance(node, Alternatives):
            return self._state(*[self._add(item, then) for item in node.items])
        if isinstance(node, Repeat):
            return self._repeat(node, then)
        raise TypeError(f"{type(node).__name__} is no part of an expression")

    def _repeat(self, node: Repeat, then: int) -> int:
        if node.most is None:
            again = self._state(then)
            self.following[again] = (self._add(node.item, again), then)
            then = again
        else:
            end = then
            for _number in range(node.most - node.least):
                then = self._state(self._add(node.item, then), end)
        for _number in range(node.least):
            then = self._add(node.item, then)
        return then


class _Machines:
    """Machines by their expressions, up to a number of parts."""

    def __init__(self) -> None:
        self._found: dict[str, Machine | _Refused] = {}
        self._size = 0
        self.get = self._found.get

    def keep(self, pattern: str, found: Machine | _Refused) -> Machine | _Refused:
        self._size += _SOME_STATES // 4 + found.size
        if self._size > _MOST_KEPT:
            self._found.clear()
            self._size = found.size
        self._found[pattern] = found
        return found


_KNOWN = _Machines()


def _surroundings(text: str, place: int) -> _Surroundings:
    """Text begins, text ends, line begins, line ends, after a word's character, before one."""
    before, after = text[place - 1 : place] if place else "", text[place : place + 1]
    return (not before, not after, before in ("", "\n"), after in ("", "\n"), _in_word(before), _in_word(after))


def _in_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _holds(kind: str, surroundings: Iterable[bool]) -> bool:
    text_begin, text_end, line_begin, line_end, after_word, before_word = surroundings
    word = after_word != before_word
    return {
        "text_begin": text_begin, "text_end": text_end, "line_begin": line_begin, "line_end": line_end, "word": word, "no_word": not word,
    }[kind]

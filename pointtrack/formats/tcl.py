"""The little of Nuke's text syntax (Tcl lists) that a Tracker node needs, both ways."""

from __future__ import annotations

import re

from pointtrack.errors import FormatError

# A word is text; a braced list is a list of words and lists.
Node = str | list["Node"]

_DEEPEST = 50
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | \{(?P<flat>[^{}"\\]*)\}  # a list of plain words, as curves are: the bulk of a file
  | (?P<open>\{)
  | (?P<close>\})
  | "(?P<quoted>(?:[^"\\]|\\.)*)"
  | (?P<word>(?:[^\s{}"\\]|\\.)(?:[^\s{}\\]|\\.)*)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def quote(text: str) -> str:
    """``text`` as one quoted word that survives being inside braces."""
    escaped = re.sub(r'([\\"{}\[\]$])', r"\\\1", text)
    for letter, character in _ESCAPES.items():
        escaped = escaped.replace(character, f"\\{letter}")
    return f'"{escaped}"'


def parse_list(text: str, start: int) -> tuple[list[Node], int]:
    """The braced list that opens at ``text[start]``, and where it ends.

    Raises
    ------
    FormatError
        When a brace or a quote is not closed.
    """
    stack: list[list[Node]] = []
    place = start
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise FormatError(f"its text is malformed at character {place}")
        place = match.end()
        kind = match.lastgroup
        if kind == "flat" and stack:
            stack[-1].append(list(match["flat"].split()))
        elif kind == "flat":
            return list(match["flat"].split()), place
        elif kind == "open":
            stack.append([])
            if len(stack) > _DEEPEST:
                raise FormatError(f"its braces are nested deeper than {_DEEPEST}")
        elif kind == "close":
            done = stack.pop()
            if not stack:
                return done, place
            stack[-1].append(done)
        elif kind in ("quoted", "word") and stack:
            stack[-1].append(_unescape(match[kind]))
        elif not stack:
            break
    raise FormatError("it ends inside a list, a closing brace is missing")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text, flags=re.DOTALL)

"""Expressions that repeat a group possessively mean the same on a Python that gets them wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli import sitemap
from contentmap_cli.sitemap.robots import keys
from contentmap_cli.sitemap.xml import regex_compat, tokenizer

PACKAGE = Path(sitemap.__file__).parent
PIECES = [
    "<",
    "<url>",
    "<loc>",
    "x",
    "</loc>",
    "</url>",
    "<lastmod>",
    "2",
    " ",
    "a='",
    "'",
    ">",
    "Site-map",
    ":",
]
REPEATED = re.compile(r"\)[*+?]\+")


@pytest.mark.parametrize(
    ("written", "without"),
    [
        (r"<(?:<(?=<))*+", r"<(?>(?:<(?=<))*)"),
        (r"(?:a(?:b|(c))?+d)++(e)\3", r"(?>(?:a(?>(?:b|(c))?)d)+)(e)\3"),
        (r"[\])*+]*+\)*+[^]()]++", r"[\])*+]*+\)*+[^]()]++"),
        (r"(?:x)*(?:y)+(?:z)?(?:w)*?", r"(?:x)*(?:y)+(?:z)?(?:w)*?"),
    ],
)
def test_atomic(written: str, without: str) -> None:
    """Groups alone, nested ones too; brackets and escapes are no groups, and groups keep their numbers."""
    assert regex_compat.atomic(written) == without


@given(
    st.sampled_from([tokenizer.LESS_THAN, tokenizer.START, tokenizer.WHOLE_ENTRY, keys.AGAIN]),
    st.lists(st.sampled_from(PIECES)),
)
def test_both_forms_find_the_same(pattern: re.Pattern[str], words: list[str]) -> None:
    """What is found, where, and in which group."""
    other = re.compile(regex_compat.atomic(pattern.pattern), pattern.flags)
    text = "".join(words)

    def found(form: re.Pattern[str]) -> list[list[tuple[int, int]]]:
        groups = range(form.groups + 1)
        return [[match.span(group) for group in groups] for match in form.finditer(text)]

    assert found(pattern) == found(other)


def test_all_are_compiled_here() -> None:
    """Where the interpreter gets them wrong, no module of the parsers has one as it is written."""
    files = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("[a-z]*.py")]
    modules = [".".join(("contentmap_cli.sitemap", *file.parts)) for file in files]
    script = f"""
import importlib, re, sys
sys.version_info = (3, 11, 4)
for name in {modules}:
    for value in vars(importlib.import_module(name)).values():
        if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
            print(ascii(value.pattern))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    patterns = ran.stdout.splitlines()
    assert ascii(r"<(?>(?:<(?=<))*)") in patterns
    assert not [text for text in patterns if REPEATED.search(text)]

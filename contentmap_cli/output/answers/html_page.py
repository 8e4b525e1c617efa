"""The frame of an HTML report: one self-contained document, and its elements.

The charts are drawn by plotly.js, which is part of the package plotly (extra `report`). The content security
policy has the digest of each of our scripts: nothing else is executed, whatever was fetched, and no address
is requested.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, TextIO

from contentmap_cli.errors import UsageError
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.number_format import number


def plotly_source() -> str:
    """Return the source of plotly.js. Raises UsageError if the extra is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise UsageError(
            "a report needs plotly, which is not installed", hint="pip install 'contentmap-cli[report]'"
        ) from None
    return str(get_plotlyjs())


def write_page(out: TextIO, title: str, intro: str, body: Iterable[str], data: dict[str, Any]) -> None:
    """Write the document. `body` is HTML; `data` is what the charts show, read by the page's script."""
    plotly = plotly_source().replace("</script", "<\\/script")
    page = files("contentmap_cli.output") / "page"
    script = (page / "page.js").read_text(encoding="utf-8")
    style = (page / "page.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_digest(plotly)} {_digest(script)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    out.write(
        f"<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name=viewport content="width=device-width, initial-scale=1">\n'
        "<meta name=referrer content=no-referrer>\n"
        f"<title>{text_of(title)} - ContentMap</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{text_of(title)}</h1>\n<p class=soft>{intro}</p>\n"
    )
    for part in body:
        out.write(part + "\n")
    out.write(
        "</main>\n<footer><p>Written by ContentMap. This page makes no network requests.</p></footer>\n"
    )
    out.write(f'<script type="application/json" id=data>{_data(data)}</script>\n')
    out.write(f"<script>{plotly}</script>\n<script>{script}</script>\n</body>\n</html>\n")
    out.flush()


def _digest(script: str) -> str:
    """Return the source expression of a script (Content Security Policy Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _data(data: dict[str, Any]) -> str:
    """Return JSON that an HTML parser cannot read as a tag or a comment."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def text_of(text: str) -> str:
    """Return text for HTML: escaped, without invisible characters and secrets."""
    return html.escape(terminal(redact(text)))


def facts_list(facts: Iterable[tuple[str, str]]) -> str:
    """Return a list of names and values."""
    cells = "".join(f"<div><dt>{name}</dt><dd>{text_of(value)}</dd></div>" for name, value in facts)
    return f"<dl class=facts>{cells}</dl>"


def chart(name: str, label: str) -> str:
    """Return the element that the script fills with a chart; `label` is its text for screen readers."""
    return (
        f'<div class=chart id={name} role=img aria-label="{label}; the same data is in the text below"></div>'
    )


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], more: int, *, numbers: set[int]
) -> str:
    """Return a table. `numbers` are the indexes of right-aligned columns, `more` is the number of rows
    that are left out."""
    heads = "".join(
        f"<th scope=col{' class=number' if place in numbers else ''}>{name}</th>"
        for place, name in enumerate(columns)
    )
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    left = f"<p class=soft>{number(more)} more rows are not shown</p>" if more else ""
    return (
        f"<div class=scroll tabindex=0 role=region aria-label='{title}'>"
        f"<table class=rows><caption>{title}</caption>"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table></div>{left}"
    )


def cell(text: str) -> str:
    """Return a cell with text."""
    return f"<td>{text_of(text)}</td>"


def number_cell(value: int) -> str:
    """Return a cell with a number, sorted by its value."""
    return f"<td class=number data-value={value}>{number(value)}</td>"


def outcome_cell(name: str) -> str:
    """Return a cell with a status, in its colour."""
    return f"<td class={name}>{name}</td>"

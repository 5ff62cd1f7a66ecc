"""A page as a reader without a browser takes it: its elements and its texts. For tests."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

_VOID = frozenset({"meta", "link", "wbr", "rect", "input", "img"})


class Page(HTMLParser):
    """Collects elements, their texts and attributes; refuses elements closed out of order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and its attributes."""
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Refuse an end that is not that of the element opened last."""
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text and the element that it stands in."""
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of that name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def count(self, tag: str) -> int:
        """Return how many elements of that name there are."""
        return len(self.all(tag))

    def text(self) -> str:
        """Return what is to be read on the page itself."""
        unseen = ("", "script", "style", "title")
        return "".join(data for tag, data in self.texts if tag not in unseen)

    def data(self) -> dict[str, Any]:
        """Return the first JSON object that the page carries."""
        return dict(json.loads(next(data for tag, data in self.texts if data.startswith('{"'))))

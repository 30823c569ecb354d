"""What tests of pages share: words that would break one, and what is in it."""

import json
from html.parser import HTMLParser

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>document.title='broken'</script>",
    "<!--<script>",
    "<b>bold</b><br>",
    "&lt;&amp;",
    '"quoted\'s"',
    "$\\frac{1}{2}$",
    "$x$ and $",
    "$\\nonsense{$",
    "line\nbreak\r\ttab",
    "nul\0nul",
    "\ud800lone",
    "\u202eturned",
    "\u2028",
    "שלום",
    "中文",
    "😀",
    "%{y}",
    "{0}",
    "x" * 1_000_000,
    " ",
    "",
)


class Elements(HTMLParser):
    """Elements with their attributes, and their own text."""

    def __init__(self, content):
        super().__init__()
        self.found, self.texts, self.open = [], [], []
        self.feed(content.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "input", "br"}:  # which have no end
            self.open.append(len(self.found))
        self.found.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_endtag(self, tag):
        assert self.found[self.open.pop()][0] == tag

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] += data

    def text(self, tag, **attributes):
        """Return the text of the only such element."""
        (text,) = [
            text
            for (name, found), text in zip(self.found, self.texts, strict=True)
            if name == tag and attributes.items() <= found.items()
        ]
        return text

    def texts_of(self, tag):
        """Return the texts of all such elements."""
        pairs = zip(self.found, self.texts, strict=True)
        return [text for (name, _), text in pairs if name == tag]

    @property
    def spec(self):
        return json.loads(self.text("script", id="spec"))


def check_offline(elements: Elements) -> None:
    """Check that a page names nothing to fetch, and forbids itself to."""
    for tag, attributes in elements.found:
        assert tag not in {"link", "iframe", "img", "base", "object"}
        assert not {"src", "href", "action"} & set(attributes)
    (policy,) = [
        attributes["content"]
        for tag, attributes in elements.found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "http" not in policy

"""Text from outside, as it is shown: nothing in it steers a terminal or a page."""

# Zero-width joiners belong to the spelling of Persian words and of emoji.
_JOINERS = "\u200c\u200d"


def visible(text: str, keep: str = "") -> str:
    r"""Return text with all that is not to be seen written as escapes.

    Controls, line breaks, marks that turn the direction of writing and lone
    surrogates appear as `\u202e` does; `keep` names those that stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep else _visible(c) for c in text)


def shown(word: str, limit: int = 24) -> str:
    """Return a word as a label: one line of visible characters, at most `limit`.

    A longer word ends in `…`.
    """
    # A word may be a megabyte long, so it is cut before its characters are read.
    text = visible(word[: limit + 1])
    if not text.strip():
        return "(blank)" if text else "(empty)"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

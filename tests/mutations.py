"""Valid files, damaged the way files are, and the way an attacker would."""

from hypothesis import strategies as st

# Pieces that readers have stumbled over.
PIECES = (
    *(b"\0", b"\r", b"\r\n", b"\n\n", b"\t", b" ", b"\x0b", b"\x1c", b"\x85", b"\xa0"),
    *(b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"),
    *("\u2028".encode(), "\u202e".encode(), "\u0661".encode(), "\U0001f600".encode()),
    *(b"9" * 400, b"9" * 5000, b"-1", b"1e999", b"nan", b"NaN", b"Infinity", b"1_0"),
    *(b'"', b"'", b",", b":", b"#", b"//", b"{}", b"[]", b"null", b"true", b"\\ud800"),
    *(b"[" * 3000, b'{"a":' * 3000, b"x" * 100_000, b"../../x", b"/", b"~", b"$(x)"),
    *(b"\x1f\x8b", b"PK\x03\x04", b"\x93NUMPY", b"-DOCSTART-", b"B-", b"I-"),
)


@st.composite
def damaged(draw: st.DrawFn, files: tuple[bytes, ...]) -> bytes:
    """Draw one of some files with a few places flipped, cut, doubled or replaced."""
    content = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(1, 40)))
        match draw(st.sampled_from(("flip", "cut", "drop", "double", "put", "splice"))):
            case "flip" if start < len(content):
                content[start] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del content[start:]
            case "drop":
                del content[start:end]
            case "double":
                content[start:start] = content[start:end] * draw(st.integers(1, 50))
            case "put":
                content[start:end] = draw(st.sampled_from(PIECES))
            case "splice":
                other = draw(st.sampled_from(files))
                content[start:] = other[draw(st.integers(0, len(other))) :]
            case _:
                pass
    return bytes(content)

"""Tokens that would break a page, a table, a file name or a terminal: none does."""

import html.parser
import json
import os
import re
import sqlite3
import subprocess
import unicodedata
from contextlib import closing
from pathlib import Path

import forks
import pytest

# Each without white space, as a token is.
HOSTILE = (
    "</script>",
    "<script>alert(1)</script>",
    "<img/src=x/onerror=alert(1)>",
    "<!--",
    "]]>",
    "&lt;&amp;&#0;",
    "nul\0nul",
    "bell\a\x1b[2J\x1b]0;title\a",
    "line\u2028separator\u0085next",
    "\u202egnp.exe",
    "\u2066isolate",
    "\ufeffmark",
    "../../../../etc/passwd",
    "..",
    "/",
    "C:\\windows\\con",
    "=cmd|'/c'!A1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "'quote\"`$(touch${IFS}x)",
    "%(name)s%n{0}${home}",
    "\\ud800\\n\\x00",
    "\U0001f469\u200d\U0001f4bb",
    "e\u0301\u0301\u0301",
    "\uffff\U0010ffff",
    "x" * 1_000_000,
    "NaN",
    "null",
    "__proto__",
)
SMALL = (
    "train.dim=4",
    "train.epochs=1",
    "train.kernel=numpy",
    "train.heldout_split=null",
    "visualize.projections=[pca,tsne]",
    "visualize.tsne_iterations=250",
    "visualize.category_min_count=1",
    "evaluate.builtin_analogies=false",
)


def w2v(*arguments: str, home: Path) -> subprocess.CompletedProcess:
    done = forks.run(*arguments, env=os.environ | {"W2V_HOME": str(home)}, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(
    scope="module",
    params=["conll_files", pytest.param("text_files", marks=pytest.mark.slow)],
)
def run(request, tmp_path_factory) -> tuple[dict, Path]:
    """A run on hostile tokens, whole, tracked by MLflow; and its home."""
    folder = tmp_path_factory.mktemp("hostile")
    others = ["the", "france", "germany", "monday", "a", "b", "c"]
    tokens = [t for hostile in HOSTILE for t in (hostile, *others[:2], hostile)]
    pairs = folder / "=pairs;..%0a.txt"
    pairs.write_text("</script>\tthe\t1.5\n=cmd|'/c'!A1\tfrance\t2\n+1+1\tthe\t3\n")
    asked = folder / "<b>asked.txt"
    asked.write_text(": </script>=1+1\n</script> the -2+3 france\n")
    if request.param == "conll_files":
        name = "train.txt"
        lines = [f"{token} </i> B-=1+1 B-</script>" for token in tokens]
        source = (f"ingest.path={folder}",)
    else:
        name = "text.txt"
        lines = [" ".join(tokens[i : i + 8]) for i in range(0, len(tokens), 8)]
        source = (f"ingest.path={folder / name}", "ingest.heldout_every=0")
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    home = folder / "home"
    w2v(
        *(
            "run",
            f"ingest={request.param}",
            *source,
            *SMALL,
            "train.heldout_split=null",
        ),
        "evaluate.neighbors_of=[the,'=1+1</b>','</script>']",
        f"evaluate.similarity_files=['{folder}/=pairs*.txt']",
        f"evaluate.analogy_files=['{folder}/<b>asked.txt']",
        "visualize.heatmap_words=[the,'</script>','../../../../etc/passwd','<b>not']",
        home=home,
    )
    shown = json.loads(w2v("show", "last", "--json", home=home).stdout)
    assert shown["status"] == "FINISHED"
    return shown, home


class Page(html.parser.HTMLParser):
    """What a browser makes of a page: its elements, and their dangers."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.dangers: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        for name, value in attrs:
            if name.startswith("on") or "javascript:" in (value or ""):
                self.dangers.append(f"{tag} {name}={value}")


def test_pages_show_them_as_text(run):
    shown, _ = run
    pages = [Path(p) for p in shown["artifacts"] if p.endswith(".html")]
    assert {"explorer.html", "heatmap.html", "loss.html"} <= {p.name for p in pages}
    for path in pages:
        text = path.read_text(encoding="utf-8")
        page = Page()
        page.feed(text)
        assert not page.dangers, path.name
        assert "img" not in page.elements
        # As many scripts as end tags: none was ended early, or begun by a word.
        assert page.elements.count("script") == text.count("</script>"), path.name
        assert "alert(1)</script>" not in text
        assert "x" * 200 not in re.sub(r'"[\w+/=]{500,}"', "", text), path.name


def test_files_lie_in_their_folder_under_plain_names(run):
    shown, home = run
    for path in shown["artifacts"]:
        assert Path(path).resolve().is_relative_to(home.resolve())
        assert Path(path).is_file()
        assert re.fullmatch(r"[\w.\-]+", Path(path).name), path
    assert not (home.parent / "x").exists()


def test_tables_hold_them_as_they_are(run):
    shown, _ = run
    tables = {Path(p).stem: Path(p) for p in shown["artifacts"] if "/tables/" in p}
    vocab = json.loads(tables["vocab"].read_bytes())
    words = {row[vocab["columns"].index("word")] for row in vocab["data"]}

    split_off = {t for t in HOSTILE if set(t) & set(" \t\n\r\x0b\x0c")}
    assert {token.lower() for token in set(HOSTILE) - split_off} <= words
    neighbors = json.loads(tables["neighbors"].read_bytes())
    assert {row[0] for row in neighbors["data"]} >= {"the", "</script>"}


def test_the_store_holds_the_run(run):
    shown, home = run
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        names = {row[0] for row in store.execute("SELECT key FROM latest_metrics")}
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert names >= {name for name in shown["metrics"] if name.startswith("similarity")}
    for name in shown["metrics"]:
        assert re.fullmatch(r"[\w./\- ]+", name), name


def test_a_terminal_gets_no_controls(run):
    _, home = run
    for command in (("similar", "the", "--top-k", "100"), ("show", "last")):
        out = w2v(*command, home=home).stdout
        controls = {c for c in out if unicodedata.category(c) in {"Cc", "Cf", "Zl"}}
        assert controls <= {"\n", "\u200d"}, command  # a joiner belongs to its emoji
        assert max(map(len, out.splitlines())) < 1000
    answers = json.loads(
        w2v("similar", "</script>", "--top-k", "100", "--json", home=home).stdout
    )
    assert "x" * 1_000_000 in {answer["word"] for answer in answers}

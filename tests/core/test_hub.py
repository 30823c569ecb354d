"""The hub, as a small server of this test's own: same routes, same client."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hubs import REVISION, serve_dataset

from pipeline.core import hub
from pipeline.core.hub import fetch, read_hub
from pipeline.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
DATASET = "owner/news"
POS, NER = ("NN", "VBZ", "."), ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
ROWS = {
    "train": [
        (["Rome", "wins", "."], [0, 1, 2], [4, 0, 0]),
        ([], [], []),
        (["a\u2028b"], [0], [1]),
    ],
    "validation": [(["x", "y"], [0, 0], [1, 3])],
    "test": [(["z"], [0], [0])],
}


def labels(names):
    return {"feature": {"names": list(names), "_type": "ClassLabel"}, "_type": "List"}


def parquet(rows):
    """Return a Parquet file as the hub's conversion writes it."""
    tokens, pos, ner = zip(*rows, strict=True)
    text = {"dtype": "string", "_type": "Value"}
    features = {
        "id": text,
        "tokens": {"feature": text, "_type": "List"},
        "pos_tags": labels(POS),
        "ner_tags": labels(NER),
    }
    table = pa.table(
        {
            "id": [str(i) for i in range(len(rows))],
            "tokens": pa.array(tokens, pa.list_(pa.string())),
            "pos_tags": pa.array(pos, pa.list_(pa.int64())),
            "ner_tags": pa.array(ner, pa.list_(pa.int64())),
        }
    ).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


FILES = {
    f"default/{split}/0000.parquet": parquet(rows) for split, rows in ROWS.items()
} | {"default/index.duckdb": b"not wanted"}


def run(home, endpoint, **environment):
    """Fetch in a new process; return the files found, or the error."""
    program = (
        "import sys; from pipeline.core.hub import fetch\n"
        "from pipeline.errors import DataError\n"
        "try: folder = fetch(*sys.argv[1:3], ['*.parquet'])\n"
        "except DataError as error: print(error)\n"
        "else: print(*sorted(p.relative_to(folder).as_posix()"
        " for p in folder.rglob('*.*')))"
    )
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    done = subprocess.run(
        [sys.executable, "-c", program, DATASET, REVISION],
        env=clean | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


PARQUET = " ".join(sorted(name for name in FILES if name.endswith(".parquet")))
NOWHERE = "http://hub.invalid"  # a name that never resolves (RFC 2606)


def test_files_come_from_the_network_once_then_from_the_cache(tmp_path):
    with serve_dataset(DATASET, FILES) as (endpoint, asked):
        assert run(tmp_path, endpoint) == PARQUET
        assert "GET /datasets/owner/news/resolve/c0ffee" in "\n".join(asked)

        asked.clear()
        assert run(tmp_path, endpoint) == PARQUET
        assert asked == []

    assert run(tmp_path, NOWHERE) == PARQUET
    assert run(tmp_path, NOWHERE, HF_HUB_OFFLINE="1") == PARQUET


def test_a_proxy_is_honored(tmp_path):
    with serve_dataset(DATASET, FILES) as (proxy, asked):
        assert run(tmp_path, NOWHERE, HTTP_PROXY=proxy) == PARQUET
        assert "HEAD /" in asked[0]


def test_without_network_and_cache_three_ways_on_are_named(tmp_path):
    found = run(tmp_path, NOWHERE)

    assert f"{NOWHERE} cannot be reached" in found
    assert str(tmp_path / "hub") in found
    assert "ingest=conll_files ingest.path=DIR" in found
    assert f"hf download --repo-type dataset --revision {REVISION} {DATASET}" in found
    assert "HF_HOME" in found
    assert "ingest=newswire" in found


def test_offline_mode_is_named_as_the_reason(tmp_path):
    found = run(tmp_path, NOWHERE, HF_HUB_OFFLINE="1")

    assert "offline mode is enabled" in found


def test_a_hub_that_accepts_and_never_answers_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = run(tmp_path, address)

    assert "cannot be reached" in found
    assert "ingest=newswire" in found


def test_a_name_that_takes_forever_to_look_up_is_given_up(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    test_is_over = threading.Event()

    class Hanging:
        def head(self, *_, **__):
            test_is_over.wait()

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "get_session", Hanging)
    monkeypatch.setattr(hub, "CONNECT_SECONDS", 0.1)

    try:
        with pytest.raises(DataError, match=r"\(no answer within 0\.1 s\)"):
            fetch(DATASET, REVISION, ["*"])
    finally:
        test_is_over.set()


@pytest.fixture
def online(tmp_path, monkeypatch) -> Iterator[list[str]]:
    """The hub within this process, and a cache of its own."""
    from huggingface_hub import constants

    for name in list(os.environ):
        if "proxy" in name.lower():
            monkeypatch.delenv(name)
    with serve_dataset(DATASET, FILES) as (endpoint, asked):
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield asked


@pytest.fixture
def unplug(monkeypatch):
    """Return a function that takes the network away."""

    def take_away():
        def refuse():
            raise ConnectionError("unplugged")

        monkeypatch.setattr(hub, "_connect", refuse)

    return take_away


@pytest.mark.parametrize(
    ("dataset", "revision"), [("owner/other", REVISION), (DATASET, "v2")]
)
def test_a_dataset_or_revision_the_hub_does_not_have_is_named(
    online, dataset, revision
):
    with pytest.raises(DataError, match=rf"{dataset} at {revision} cannot be fetched"):
        fetch(dataset, revision, ["*"])


def test_an_id_that_cannot_be_one_is_refused(online):
    with pytest.raises(DataError, match=r"'a/b/c' at 'main': Repo id must be"):
        fetch("a/b/c", "main", ["*"])
    assert online == []


def test_a_cache_that_lost_a_file_is_filled_again_or_refused(online, unplug):
    folder = fetch(DATASET, REVISION, ["*.parquet"])
    lost = folder / "default" / "test" / "0000.parquet"
    lost.unlink()
    assert fetch(DATASET, REVISION, ["*.parquet"]) == folder
    assert lost.exists()

    lost.unlink()
    unplug()
    for counted in (False, True):
        with pytest.raises(DataError, match=r"not in the cache .*\(unplugged\)"):
            fetch(DATASET, REVISION, ["*.parquet"], counted=counted)


def test_files_cached_without_their_list_serve_only_a_caller_who_counts(online, unplug):
    folder = fetch(DATASET, REVISION, ["*.parquet"])
    (listing,) = (folder.parents[1] / "trees").iterdir()
    listing.unlink()
    # The client also keeps what it has read.
    from huggingface_hub import _tree_cache

    _tree_cache._IN_MEMORY_TREE_CACHE.clear()
    unplug()

    assert fetch(DATASET, REVISION, ["*.parquet"], counted=True) == folder
    with pytest.raises(DataError, match="not in the cache"):
        fetch(DATASET, REVISION, ["*.parquet"])


TAGGED = {"tokens": "tokens", "pos": "pos_tags", "ner": "ner_tags"}


def lay_out(folder, files):
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return folder


def read(folder, columns=TAGGED, splits=("train",), config_name=None):
    scratch = folder.with_name("scratch")
    scratch.mkdir(exist_ok=True)
    found: dict[str, dict[str, list[list[str]]]] = {}
    for split, batch in read_hub(
        folder,
        name="owner/news",
        config_name=config_name,
        splits={split: split for split in splits},
        columns=columns,
        scratch=scratch,
    ):
        fields = found.setdefault(split, {name: [] for name in batch.schema.names})
        for name in fields:
            fields[name] += batch[name].to_pylist()
    return found


def test_classes_become_names_and_rows_without_tokens_are_left_out(tmp_path):
    found = read(lay_out(tmp_path / "snapshot", FILES), splits=ROWS)

    assert found == {
        "train": {
            "tokens": [["Rome", "wins", "."], ["a\u2028b"]],
            "pos": [["NN", "VBZ", "."], ["NN"]],
            "ner": [["B-LOC", "O", "O"], ["B-PER"]],  # begun by I-LOC in the file
        },
        "validation": {
            "tokens": [["x", "y"]],
            "pos": [["NN", "NN"]],
            "ner": [["B-PER", "B-LOC"]],
        },
        "test": {"tokens": [["z"]], "pos": [["NN"]], "ner": [["O"]]},
    }


def test_rows_of_many_batches_and_files_keep_their_order(tmp_path):
    rows = [([f"t{i}"] * (i % 4), [0] * (i % 4), [0] * (i % 4)) for i in range(2500)]
    folder = lay_out(
        tmp_path / "snapshot",
        {
            "default/train/0000.parquet": parquet(rows[:1100]),
            "default/train/0001.parquet": parquet(rows[1100:]),
        },
    )

    found = read(folder)["train"]

    assert found["tokens"] == [tokens for tokens, _, _ in rows if tokens]


@pytest.mark.parametrize(
    ("files", "columns"),
    [
        ({"train.txt": "one  two\n\n \nthree\n"}, {"text": "text"}),
        ({"train.csv": 'n,line\n1,one two\n2,\n3,"three "\n'}, {"text": "line"}),
        ({"train.jsonl": '{"t": ["one", "two"]}\n{"t": ["three"]}\n'}, {"tokens": "t"}),
    ],
    ids=["text", "csv", "json"],
)
def test_texts_and_lists_of_other_formats_are_read(tmp_path, files, columns):
    folder = lay_out(tmp_path / "snapshot", files)

    assert read(folder, columns)["train"] == {"tokens": [["one", "two"], ["three"]]}


def test_a_configuration_is_a_folder_or_named_by_the_card(tmp_path):
    files = {"en/train.jsonl": '{"t": ["yes"]}', "fr/train.jsonl": '{"t": ["oui"]}'}
    converted = lay_out(tmp_path / "converted", files)
    card = (
        "---\nconfigs:\n- config_name: english\n  data_files: en/*\n"
        "- config_name: french\n  data_files: fr/*\n---\n"
    )
    carded = lay_out(tmp_path / "carded", files | {"README.md": card})

    french = {"train": {"tokens": [["oui"]]}}
    assert read(converted, {"tokens": "t"}, config_name="fr") == french
    assert read(carded, {"tokens": "t"}, config_name="french") == french
    with pytest.raises(DataError, match=r"'fr' not found. Available: .*'french'"):
        read(carded, {"tokens": "t"}, config_name="fr")


def jsonl(*rows):
    return {"train.jsonl": "\n".join(map(json.dumps, rows))}


@pytest.mark.parametrize(
    ("files", "columns", "message"),
    [
        ({"notes.md": "nothing"}, TAGGED, r"owner/news in .*: its files cannot be"),
        ({"train.parquet": b"PAR1 no"}, TAGGED, r"files cannot be read"),
        (
            jsonl({"words": ["a"]}),
            {"tokens": "tokens"},
            r"split train: there is no column tokens; there are words\. Set ingest",
        ),
        (
            {"train.csv": "line\na\n"},
            {"text": "text"},
            r"split train: there is no column text; there are line\.",
        ),
        (
            jsonl({"text": ["a"]}),
            {"text": "text"},
            r"column text: expected text in each row, found list<.*tokens_column",
        ),
        (
            jsonl({"tokens": "a b"}),
            {"tokens": "tokens"},
            r"column tokens: expected a list in each row, found .*text_column",
        ),
        (
            jsonl({"t": ["a"], "n": ["O"]}, {"t": ["a", "b"], "n": ["O"]}),
            {"tokens": "t", "ner": "n"},
            r"column n, row 1: expected 2 tags, one per token, found 1",
        ),
        (
            jsonl({"t": ["a"], "n": ["O"]}, {"t": ["a"], "n": None}),
            {"tokens": "t", "ner": "n"},
            r"column n, row 1: expected 1 tags, one per token, found 0",
        ),
        (
            jsonl({"t": ["a"], "n": [3]}),
            {"tokens": "t", "ner": "n"},
            r"column n: expected strings or numbered classes with names, found int64",
        ),
        (
            jsonl({"t": ["a", None]}),
            {"tokens": "t"},
            r"column t: expected a string for each token, found null",
        ),
        (
            jsonl({"t": ["a"], "n": ["PER"]}),
            {"tokens": "t", "ner": "n"},
            r"split train, column n: expected a tag in IOB .*found 'PER'",
        ),
        (
            {"train.parquet": parquet([(["a"], [9], [0])])},
            {"tokens": "tokens", "pos": "pos_tags"},
            r"column pos_tags: expected class numbers below 3",
        ),
    ],
)
def test_a_dataset_of_another_form_is_refused(tmp_path, files, columns, message):
    folder = lay_out(tmp_path / "snapshot", files)

    with pytest.raises(DataError, match=message):
        read(folder, columns)


def test_a_split_that_is_not_there_is_named_with_those_that_are(tmp_path):
    folder = lay_out(tmp_path / "snapshot", FILES)

    with pytest.raises(
        DataError, match=r"split dev: .* there are train, validation, test\. Set"
    ):
        read(folder, splits=("train", "dev"))

"""`w2v export`: vectors in the forms that other programs read."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.options import home

if TYPE_CHECKING:
    from pipeline.core.types import Embeddings
    from pipeline.core.vectors import Matrix

log = logging.getLogger(__name__)

# Form -> name of its file, or of the folder that holds its files.
FORMS = {
    "word2vec": "vectors.txt",
    "word2vec-binary": "vectors.bin",
    "npz": "vectors.npz",
    "projector": "projector",
    "pickle": "vectors.pkl",
}


@click.command()
@click.argument("run")
@click.option("--format", "form", type=click.Choice(list(FORMS)), required=True)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="File (projector: folder) to write; by default in the run's own folder, "
    "<home>/runs/<run_id>/exports.",
)
@click.option(
    "--matrix",
    type=click.Choice(["center", "context", "mean"]),
    default="center",
    show_default=True,
    help="Input vectors, output vectors, or their mean; npz holds both matrices.",
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@home
def export(
    run: str,
    *,
    form: str,
    to: Path | None,
    matrix: "Matrix",
    force: bool,
    home: Path,
) -> None:
    """Write the vectors of RUN, or of a file, in a form that other programs read.

    \b
    word2vec         text; gensim's KeyedVectors.load_word2vec_format reads it
    word2vec-binary  binary; the same with binary=True
    npz              this project's own: np.load reads it without pickle
    projector        vectors.tsv and metadata.tsv for projector.tensorflow.org
    pickle           a dictionary of embeddings, word2idx and idx2word

    Prints the path. In word2vec's forms white space in words becomes _. In
    metadata.tsv what is not printable is escaped, and a word that a spreadsheet
    would take for a formula gets an apostrophe in front.
    """  # noqa: D301 - what reaches click must be a backspace
    from pipeline.core.files import make_folder
    from pipeline.loading import load
    from pipeline.records import load_record, run_folder

    if form == "npz" and matrix != "center":
        raise click.UsageError("--format npz holds both matrices: it takes no --matrix")
    if to is None:
        if Path(run).is_file():
            raise click.UsageError(f"{run} is a file, not a run: expected --to PATH")
        run = load_record(home, run).run_id  # `last` may be another one soon
        name = Path(FORMS[form])
        mark = "" if matrix == "center" else f"-{matrix}"
        to = run_folder(home, run) / "exports" / f"{name.stem}{mark}{name.suffix}"
    to = to.expanduser().absolute()
    names = ("vectors.tsv", "metadata.tsv") if form == "projector" else ("",)
    paths = [to / name for name in names]
    for path in paths:
        _check_free(path, force=force)
    embeddings = load(run, home)
    make_folder(paths[0].parent)
    _write(embeddings, form, to, matrix)
    for path in paths:
        click.echo(path)


def _check_free(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise click.UsageError(f"{path} is a folder: expected --to a file")
    if path.exists() and not force:
        raise click.UsageError(f"{path} is there: overwrite it with --force")


def _write(embeddings: "Embeddings", form: str, to: Path, matrix: "Matrix") -> None:
    from pipeline.core.formats import pickled, writing
    from pipeline.core.vectors import choose_matrix, save_vectors

    words, vectors = embeddings.words, choose_matrix(embeddings, matrix)
    match form:
        case "npz":
            save_vectors(to, embeddings)
        case "projector":
            writing.write_projector(to, words, vectors)
        case "pickle":
            pickled.write_pickle(to, words, vectors)
        case _:
            plain, changed = writing.plain_words(words)
            if changed:
                log.warning("white space in %d words is written as _", changed)
            binary = form == "word2vec-binary"
            write = (
                writing.write_word2vec_binary if binary else writing.write_word2vec_text
            )
            write(to, plain, vectors)

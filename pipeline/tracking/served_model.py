"""The model that a run carries: answers most-similar and analogy requests.

MLflow keeps this file beside the vectors and runs it where they are served, so that
it needs MLflow and what MLflow needs, and nothing of this project; it reads no pickle.
A row asks for the words most similar to `word`, or for what is to `c` as `b` is to
`a`; the params `top_k` and `method` (add or mul) hold for all rows:

    {"dataframe_records": [{"word": "germany"}, {"a": "France", "b": "Paris", "c":
     "Germany"}], "params": {"top_k": 5}}

Each row is answered by {"answers": [{"word": ..., "score": ...}, ...]}, best first,
as `w2v similar` and `w2v analogy` answer; one that cannot be, by no answers and an
`error`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from pandas import DataFrame

Doubles = npt.NDArray[np.float64]

# Those of pipeline.core.similarity and pipeline.core.analogy, which say why.
_GRID = 2.0**26
_EPSILON = 1e-6


class Vectors:
    """Words and their vectors.

    Args:
        path: An .npz that `pipeline.core.vectors` wrote.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            center = arrays["center"]  # (V, d)
            text, offsets = arrays["words_utf8"].tobytes(), arrays["words_offsets"]
            settings = json.loads(arrays["settings"].tobytes())["normalization"]
        bounds = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        self.words = [text[start:end].decode() for start, end in bounds]
        self.ids = {word: i for i, word in enumerate(self.words)}
        self._lowercase = settings["lowercase"]
        self._zero_digits = settings["digits"] == "zero"
        unit = center.astype(np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", unit, unit))  # (V,)
        unit /= np.where(norms > 0, norms, 1)[:, np.newaxis]
        self._unit: Doubles = np.rint(unit * _GRID) / _GRID  # exact dot products

    def similar(self, word: str, top_k: int) -> list[dict[str, object]]:
        """Return the words of the highest cosines; KeyError names a missing word."""
        row = self._row(word)
        return self._best(self._cosines(row), [row], top_k)

    def analogy(
        self, a: str, b: str, c: str, top_k: int, method: str
    ) -> list[dict[str, object]]:
        """Return what is to c as b is to a; KeyError names a missing word."""
        rows = [self._row(word) for word in (a, b, c)]
        near_a, near_b, near_c = map(self._cosines, rows)  # each (V,)
        if method == "mul":
            near_a, near_b, near_c = (
                (near + 1) / 2 for near in (near_a, near_b, near_c)
            )
            return self._best(near_b * near_c / (near_a + _EPSILON), rows, top_k)
        first, second, third = self._unit[rows]
        norm = np.sqrt(np.square(second - first + third).sum()) or 1.0
        return self._best((near_b + near_c - near_a) / norm, rows, top_k)

    def _row(self, word: str) -> int:
        normal = word.lower() if self._lowercase else word
        if self._zero_digits:
            normal = "".join("0" if c.isdecimal() else c for c in normal)
        return self.ids[normal]

    def _cosines(self, row: int) -> Doubles:
        product: Doubles = self._unit @ self._unit[row]  # (V,)
        return product.clip(-1, 1)

    def _best(
        self, scores: Doubles, asked: list[int], top_k: int
    ) -> list[dict[str, object]]:
        scores[asked] = -np.inf
        order = np.argsort(-scores, kind="stable")[:top_k].tolist()
        return [
            {"word": self.words[i], "score": float(scores[i])}
            for i in order
            if scores[i] > -np.inf
        ]


class WordVectors(PythonModel):
    """The requests' side of `Vectors`."""

    def load_context(self, context: Any) -> None:
        """Read the vectors."""
        self._vectors = Vectors(Path(context.artifacts["vectors"]))

    def predict(
        self,
        context: Any,
        model_input: DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> list[dict[str, object]]:
        """Answer each row."""
        params = params or {}
        top_k, method = int(params.get("top_k", 10)), params.get("method", "add")
        if top_k < 1 or method not in ("add", "mul"):
            error = (
                "expected top_k of at least 1 and method add or mul, found "
                f"{top_k} and {method!r}"
            )
            return [{"answers": [], "error": error} for _ in range(len(model_input))]
        rows = model_input.to_dict("records")
        return [self._answer(row, top_k, method) for row in rows]

    def _answer(
        self, row: Mapping[str, object], top_k: int, method: str
    ) -> dict[str, object]:
        # A cell without value is None or NaN.
        asked = {name: word for name, word in row.items() if isinstance(word, str)}
        try:
            match asked:
                case {"word": word} if len(asked) == 1:
                    return {"answers": self._vectors.similar(word, top_k)}
                case {"a": a, "b": b, "c": c} if len(asked) == 3:
                    answers = self._vectors.analogy(a, b, c, top_k, method)
                    return {"answers": answers}
        except KeyError as missing:
            return {"answers": [], "error": f"word {missing} is not in the vocabulary"}
        named = ", ".join(asked) or "none of them"
        error = f"expected either word, or a, b and c, found {named}"
        return {"answers": [], "error": error}


set_model(WordVectors())

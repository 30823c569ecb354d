"""Say which stages would run, and what changed since they last did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.cache import Cache, Ingredients
from pipeline.earlier import find_earlier
from pipeline.graph import Stage
from pipeline.ingredients import find_result, ingredients_of


@dataclass(frozen=True)
class Explanation:
    """Why a stage will or will not run.

    Attributes:
        name: The stage.
        state: `hit`, `miss`, or `waits` where it hangs on a stage that misses.
        reasons: What changed, in words.
    """

    name: str
    state: str
    reasons: tuple[str, ...]


def explain(
    stages: Sequence[Stage], configs: Mapping[str, object], cache: Cache
) -> list[Explanation]:
    """Say for each stage whether it is in the cache, and if not, what changed."""
    digests: dict[str, str] = {}
    answers = []
    for stage in stages:
        unknown = [name for name in stage.takes if name not in digests]
        if unknown:
            waits = f"waits for {', '.join(unknown)}"
            answers.append(Explanation(stage.name, "waits", (waits,)))
            continue
        ingredients = ingredients_of(stage, configs[stage.name], digests)
        record = find_result(stage, ingredients.key, cache)
        found = None if record else find_earlier(cache, stage.name, ingredients.key)
        record = found[1] if found else record
        if record:
            digests |= record.outputs
            answers.append(Explanation(stage.name, "hit", ()))
        else:
            reasons = _differences(ingredients, cache)
            answers.append(Explanation(stage.name, "miss", reasons))
    return answers


def _differences(wanted: Ingredients, cache: Cache) -> tuple[str, ...]:
    """Say how a stage's ingredients differ from those of the nearest result."""
    records = cache.records(wanted.stage)
    if not records:
        return ("never run",)
    if any(record.ingredients.key == wanted.key for record in records):
        return ("its cache object is damaged",)
    return min((_changed(r.ingredients, wanted) for r in records), key=len)


def _changed(old: Ingredients, wanted: Ingredients) -> tuple[str, ...]:
    return (
        *_changes(old.code, wanted.code, "{name} {what}"),
        *_changes(old.config, wanted.config, "{name}: {pair}"),
        *_changes(old.inputs, wanted.inputs, "input {name} {what}"),
        *_changes(old.files, wanted.files, "file {name} {what}"),
        *_changes(old.versions, wanted.versions, "{name} {pair}"),
    ) or ("the order of its files changed",)


def _changes(
    old: Mapping[str, object], new: Mapping[str, object], form: str
) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            what = "added"
        elif name not in new:
            what = "removed"
        elif old[name] != new[name]:
            what = "changed"
        else:
            continue
        pair = f"{old.get(name, 'none')} -> {new.get(name, 'none')}"
        yield form.format(name=name, what=what, pair=pair)

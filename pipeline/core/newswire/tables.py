"""What may stand in the slots of the built-in newswire, as weighted tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from pipeline.core.newswire.compile import Group, Name, Table
from pipeline.core.newswire.lexicon import LISTS
from pipeline.core.newswire.world import (
    COMPANIES,
    COUNTRIES,
    CULTURES,
    MEASURES,
    PRODUCTS,
    TOPIC_COUNTRIES,
    WITH_ARTICLE,
)
from pipeline.core.wordlists import CATEGORIES

# A name's weight is SCALE // (rank + offset): Zipf's law, flat below the offset.
# In integers, so that no platform's rounding can change a draw.
SCALE = 100_000
STEEP, FLAT, FLATTER = 3, 30, 60
# Planted words must be frequent enough to be learned from 200,000 tokens.
FLAT_LISTS = frozenset({"sport", "commodity"})

COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TITLES = "President Premier Minister Senator Chancellor Governor Mayor Ambassador"
WINS = "2-1 1-0 2-0 3-1 3-0 3-2 4-1 4-0 4-2 5-1 4-3 5-0 5-2 6-1"
DRAWS = "1-1 0-0 2-2 3-3"
SETS = "6-4 6-3 7-5 6-2 7-6 6-1 6-0"
MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # of 1996


class Country(NamedTuple):
    """A row of `COUNTRIES`; its currency is empty if the newswire has none for it."""

    name: str
    capital: str
    nationality: str
    currency: str
    currencies: str
    culture: str
    cities: tuple[str, ...]


class Company(NamedTuple):
    """A company of `COMPANIES`."""

    name: str
    country: str
    kind: str


def read_countries() -> tuple[Country, ...]:
    """Return the countries, the most newsworthy first."""
    countries = []
    for line in COUNTRIES.strip().splitlines():
        place, capital, nationality, money, culture, cities = line.strip().split("|")
        currency, _, plural = money.strip("-").partition(" ")
        countries.append(
            Country(
                name=place,
                capital=capital,
                nationality=nationality,
                currency=currency,
                currencies=plural or "dollars",
                culture=culture,
                cities=tuple(cities.split()),
            )
        )
    return tuple(countries)


def read_companies() -> tuple[Company, ...]:
    """Return the companies, in the order of their table."""
    companies = []
    for line in COMPANIES.strip().splitlines():
        country, kind, names = line.strip().split("|")
        companies += [Company(firm, country, kind) for firm in names.split()]
    return tuple(companies)


def read_sections(text: str) -> list[tuple[str, str, list[str]]]:
    """Return the (slot, part of speech, words) of `slot TAG: words ...`.

    The slot is empty where there is none. A section goes on over the lines that are
    indented deeper than its first.
    """
    found: list[tuple[str, str, list[str]]] = []
    for line in text.strip("\n").splitlines():
        if line.startswith("        "):
            found[-1][2].extend(line.split())
        else:
            head, _, words = line.partition(": ")
            slot, _, tag = head.strip().rpartition(" ")
            found.append((slot, tag, words.split()))
    return found


def read_name(entry: str, tag: str) -> Name:
    """Return the tokens of `South_Africa` or `heavy/JJ_rain` with their tags."""
    tokens = (part.rpartition("/") for part in entry.split("_") if part)
    return tuple((head, own) if head else (own, tag) for head, _, own in tokens)


def zipf(count: int, offset: int) -> list[int]:
    """Return the weights of `count` names by rank."""
    return [SCALE // (rank + offset) for rank in range(1, count + 1)]


def tables(topics: Mapping[str, int]) -> dict[str, Table]:
    """Return the table of every slot.

    Args:
        topics: Topic -> weight, in the order of the values of slot `topic`.
    """
    countries = read_countries()
    return {
        "topic": Table([()] * len(topics), [list(enumerate(topics.values()))]),
        "country": _country(tuple(topics), countries),
        **_belongings(countries),
        **_people(countries),
        **_lists(),
        **_numbers(),
        **_scores(),
    }


def _ranked(entries: Iterable[str], tag: str, offset: int) -> Table:
    """Return a table without parents, weighted by rank."""
    names = [read_name(entry, tag) for entry in entries]
    return Table(names, [list(enumerate(zipf(len(names), offset)))])


def _single(entries: Iterable[str], tag: str, parent: str) -> Table:
    """Return a table that gives each value of a parent one name."""
    names = [read_name(entry, tag) for entry in entries]
    return Table(names, [[(i, 1)] for i in range(len(names))], (parent,))


def _grouped(
    groups: Iterable[Sequence[str]], tag: str, parents: tuple[str, ...], offset: int
) -> Table:
    """Return a table that gives each value of its parents a list, weighted by rank.

    Where the list is empty, so is the name.
    """
    lists = [group or [""] for group in groups]
    index = {e: i for i, e in enumerate(dict.fromkeys(e for g in lists for e in g))}
    return Table(
        [read_name(entry, tag) for entry in index],
        [
            [(index[e], w) for e, w in zip(g, zipf(len(g), offset), strict=True)]
            for g in lists
        ],
        parents,
    )


def _country(topics: Sequence[str], countries: Sequence[Country]) -> Table:
    """Return the table of countries: which a topic may be set in, and how often."""
    firms = [company.country for company in read_companies()]
    # Of the countries that share a currency, the first trades it.
    holders = {country.currency: country for country in reversed(countries)}

    def once(_: Country) -> int:
        return 1

    factors: dict[str, Callable[[Country], int]] = {
        "companies": lambda country: firms.count(country.name),
        "currency": lambda c: bool(c.currency) and holders[c.currency] == c,
        "league": lambda country: len(country.cities) > 1,
        # England and Scotland play football; Britain does not.
        "international": lambda country: country.name != "Britain",
    }
    names = [country.name for country in countries]
    groups: list[Group] = []
    for topic in topics:
        allowed = TOPIC_COUNTRIES.get(topic, " ".join(names)).split()
        factor = factors.get(topic, once)
        weights = enumerate(zipf(len(countries), FLATTER))
        drawn = [
            (i, weight * factor(countries[i]) * (names[i] in allowed))
            for i, weight in weights
        ]
        groups.append([(i, weight) for i, weight in drawn if weight])
    return Table([read_name(name, "NNP") for name in names], groups, ("topic",))


def _belongings(countries: Sequence[Country]) -> dict[str, Table]:
    """Return the tables of what a country has."""

    def single(entries: Iterable[str], tag: str) -> Table:
        return _single(entries, tag, "country")

    def grouped(groups: Iterable[Sequence[str]], offset: int) -> Table:
        return _grouped(groups, "NNP", ("country",), offset)

    cultures = [CULTURES[country.culture] for country in countries]
    towns = (_joined(c.stems.split(), c.towns.split()) for c in cultures)
    city = grouped([country.cities for country in countries], FLAT)
    clubs = {
        read_name(place, "NNP"): style.replace("*", place)
        for country, culture in zip(countries, cultures, strict=True)
        for place, style in zip(country.cities, culture.clubs.split(), strict=False)
    }
    firms = read_companies()
    names = [country.name for country in countries]
    firm = grouped([[f.name for f in firms if f.country == n] for n in names], FLAT)
    kinds = {read_name(f.name, "NNP"): f.kind for f in firms}
    products = [PRODUCTS.get(kinds.get(n, ""), "").split() for n in firm.names]
    ones = [[pair.partition("/")[0] for pair in pairs] for pairs in products]
    several = [[pair.partition("/")[2] for pair in pairs] for pairs in products]
    return {
        "article": single(("the" if n in WITH_ARTICLE else "" for n in names), "DT"),
        "capital": single((country.capital for country in countries), "NNP"),
        "nationality": single((country.nationality for country in countries), "JJ"),
        "currency": single((country.currency for country in countries), "NN"),
        "money": single((country.currencies for country in countries), "NNS"),
        "town": grouped(towns, STEEP),
        "city": city,
        "club": _single((clubs[place] for place in city.names), "NNP", "city"),
        "firm": firm,
        "kind": _single((kinds.get(n, "") for n in firm.names), "NN", "firm"),
        "product": _grouped(ones, "NN", ("firm",), STEEP),
        "products": _grouped(several, "NNS", ("firm",), STEEP),
    }


def _joined(stems: Sequence[str], endings: Sequence[str]) -> list[str]:
    """Return every stem with every ending; the first names differ in their stems."""
    pairs = sorted(
        (i + len(stems) * j // 2, stem + ending)
        for i, stem in enumerate(stems)
        for j, ending in enumerate(endings)
        if ending != stem.lower()
    )
    return [joined for _, joined in pairs]


def _people(countries: Sequence[Country]) -> dict[str, Table]:
    """Return the tables of people's names; gender 0 is a man, 1 a woman.

    Countries of one culture share its names, but not which of them are frequent: the
    same few people make a country's news.
    """
    firsts: list[list[str]] = []
    lasts: list[list[str]] = []
    for country in countries:
        culture = CULTURES[country.culture]
        endings = [e.strip("-").partition("/") for e in culture.endings.split()]
        men = [man for man, _, _ in endings]
        women = [woman or man for man, _, woman in endings]
        firsts += [culture.men.split(), culture.women.split()]
        for forms in (men, women):
            family = _joined(culture.stems.split(), forms)
            turn = 17 * len(lasts) % len(family)
            lasts.append(family[turn:] + family[:turn])
    parents = ("country", "gender")
    return {
        "gender": Table([(), ()], [[(0, 3), (1, 1)]]),
        "first": _grouped(firsts, "NNP", parents, STEEP),
        "last": _grouped(lasts, "NNP", parents, 1),
        "he": _single(["he", "she"], "PRP", "gender"),
    }


def _lists() -> dict[str, Table]:
    """Return the tables of plain words."""
    found = {
        slot: _ranked(entries, tag, FLAT if slot in FLAT_LISTS else STEEP)
        for slot, tag, entries in read_sections(LISTS)
    }
    commodities = (token for ((token, _),) in found["commodity"].names)
    measures = (MEASURES.get(commodity, "tonne") for commodity in commodities)
    return {
        **found,
        "measure": _single(measures, "NN", "commodity"),
        "title": _ranked(TITLES.split(), "NNP", FLAT),
        "weekday": _ranked(CATEGORIES["weekdays"], "NNP", FLAT),
        "month": _ranked(CATEGORIES["months"], "NNP", FLAT),
    }


def _scattered(low: int, high: int, count: int) -> list[int]:
    """Return distinct numbers from low up to high in no order that shows."""
    # Steps of 7,919, a prime that divides no range used here.
    return [low + k * 7919 % (high - low) for k in range(count)]


def _numbers() -> dict[str, Table]:
    """Return the tables of numbers; with names they are the vocabulary's tail."""

    def hundredths(values: Iterable[int]) -> list[str]:
        return [f"{v // 100:,}.{v % 100:02d}" for v in values]

    days = [
        f"1996-{month:02d}-{day:02d}"
        for month, length in enumerate(MONTH_DAYS, 1)
        for day in range(1, length + 1)
    ]
    exchange = (
        f"{v // 10_000}.{v % 10_000:04d}" for v in _scattered(5_000, 250_000, 900)
    )
    lists: dict[str, tuple[Iterable[object], int]] = {
        "number": (COUNTS, STEEP),
        "casualties": ([*COUNTS, *range(11, 300)], STEEP),
        "wickets": (COUNTS[:-1], STEEP),
        "whole": (range(2, 100), STEEP),
        "degrees": (range(2, 36), FLAT),
        "date": (range(1, 29), FLAT),
        "age": (_scattered(17, 80, 63), FLAT),
        "young_age": (_scattered(17, 40, 23), FLAT),
        "senior_age": (_scattered(38, 70, 32), FLAT),
        "old_age": (_scattered(61, 98, 37), FLAT),
        "minute": (_scattered(2, 91, 89), FLAT),
        "year": ((1996, 1997, 1995, 1998, 1994, 1999, 2000), STEEP),
        "past_year": (_scattered(1900, 1994, 94), FLAT),
        "percent": ((f"{k // 10}.{k % 10}" for k in range(1, 160)), FLAT),
        "amount": ([*range(2, 100), *range(100, 1000, 10)], STEEP),
        "thousands": ((f"{k * 100:,}" for k in range(10, 400)), FLAT),
        "price": (hundredths(_scattered(200, 20_000, 1500)), FLAT),
        "points": (hundredths(_scattered(50, 9_900, 700)), FLAT),
        "cents": (hundredths(range(5, 500, 5)), FLAT),
        "index": (hundredths(_scattered(80_000, 980_000, 800)), FLAT),
        "exchange": (exchange, FLAT),
        "attendance": ((f"{v:,}" for v in _scattered(2_000, 80_000, 700)), FLAT),
        # What a bowler gives away is less than what a side makes.
        "conceded": (_scattered(12, 70, 58), FLAT),
        "runs": (_scattered(70, 200, 130), FLAT),
        "isodate": ((days[i] for i in _scattered(0, 366, 366)), FLATTER),
    }
    return {
        slot: _ranked(map(str, values), "CD", offset)
        for slot, (values, offset) in lists.items()
    }


def _scores() -> dict[str, Table]:
    """Return the tables of sports scores, the winner's first."""
    halves = []
    for score in WINS.split():
        won, lost = map(int, score.split("-"))
        halves.append([f"{a}-{b}" for a in range(won + 1) for b in range(lost + 1)])
    lost_sets = ("-".join(reversed(won.split("-"))) for won in SETS.split())
    return {
        "score": _ranked(WINS.split(), "CD", STEEP),
        "half": _grouped(halves, "CD", ("score",), STEEP),
        "draw": _ranked(DRAWS.split(), "CD", STEEP),
        "goals": _ranked(map(str, range(6)), "CD", STEEP),
        "set": _ranked(SETS.split(), "CD", STEEP),
        "lost_set": _ranked(lost_sets, "CD", STEEP),
    }

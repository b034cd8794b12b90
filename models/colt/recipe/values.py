"""Values that requests are made of, so varied that copying them is easier to learn than knowing them.

Two halves that share no word: `seen` is trained on, `unseen` is kept for evaluation. They differ in their syllables,
names, places and nouns; numbers, dates and times are drawn from everywhere in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from random import Random

from frames import Half, words


@dataclass(frozen=True)
class Lexicon:
    """The words of one half."""

    onsets: tuple[str, ...]
    vowels: tuple[str, ...]
    codas: tuple[str, ...]
    cities: tuple[str, ...]
    names: tuple[str, ...]
    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]


LEXICONS: dict[Half, Lexicon] = {
    "seen": Lexicon(
        onsets=words(
            "b br c d dr f fr g gl gr h j k l m n p pr r s st t tr v z th wh qu x y bl ph gh kr dw vr gw ts zl mw ny "
            "rh ps dj"
        ),
        vowels=words("a e i o u ai ea oo ee ou ae ia uo eu iu ua eo"),
        codas=("", "", "", "", "", "", *words("n r l s m t k nd st x w ng p d f g rd ff lt th mp rk")),
        cities=words(
            "Paris London Berlin Madrid Rome Oslo Tokyo Lima Cairo Delhi Boston Chicago Austin Dublin Vienna Prague "
            "Athens Seoul Sydney Toronto Lyon Milan Porto Geneva Zurich Munich Hamburg Warsaw Riga Helsinki Dakar "
            "Nairobi Accra Lagos Miami Denver Dallas Havana Quito Bogota New_York San_Diego Cape_Town Hong_Kong "
            "Los_Angeles Tel_Aviv Las_Vegas New_Orleans Abu_Dhabi Rio_Grande Port_Louis Addis_Ababa Saint_John"
        ),
        names=words(
            "Anna Ben Carla David Emma Frank Grace Hugo Ida Jack Kate Liam Mia Noah Olga Paul Rosa Sam Tina Victor "
            "Maria Lucas Nina Oscar Peter Sara Tom Leo Eva Max Zoe Alice Bob Clara Daniel Elena Felix Greta Henry"
        ),
        nouns=words(
            "milk eggs rent dentist budget report meeting lunch dinner party flight passport invoice garden bike car "
            "phone laptop printer coffee tea bread laundry gym doctor bank school project slides review launch demo "
            "call interview birthday gift tickets plan draft contract order cake visit train bus hotel roof fence "
            "keys water paint plants parcel taxes insurance market picnic concert match exam homework essay poem song"
        ),
        adjectives=words("weekly monthly new old big small final red blue urgent team family daily quick long green"),
    ),
    "unseen": Lexicon(
        onsets=words("ch cl fl kn pl sc sh sl sp tw w wr sk cr sn"),
        vowels=words("y au ie oa ei ue io oy"),
        codas=("", "", "", "x", "ck", "nd", "sh", "ng", "w", "ph", "b"),
        cities=words(
            "Bratislava Ljubljana Marrakesh Reykjavik Vancouver Tbilisi Kathmandu Montevideo Gothenburg Antwerp Kyoto "
            "Wellington Brisbane Uppsala Yerevan Buenos_Aires Kuala_Lumpur Santa_Fe"
        ),
        names=words(
            "Bjorn Chloe Dmitri Esmeralda Fatima Guillermo Ingrid Jorge Katarzyna Mohammed Nguyen Priya Siobhan "
            "Takeshi Yusuf Xavier"
        ),
        nouns=words(
            "umbrella chimney violin harvest warranty telescope mortgage lantern pottery submarine orchestra vaccine "
            "glacier pumpkin saxophone greenhouse"
        ),
        adjectives=words("quarterly ancient tiny velvet hidden noisy purple frozen"),
    ),
}

UNITS = {
    "length": words("m km cm mm miles feet inches yards meters kilometers"),
    "mass": words("kg g grams pounds ounces tonnes kilograms"),
    "volume": words("liters ml gallons cups pints"),
    "time": words("minutes hours seconds days weeks"),
    "speed": words("km/h mph knots"),
    "temperature": words("celsius fahrenheit kelvin"),
    "data": words("MB GB KB bytes"),
}
_MONTHS = words("January February March April May June July August September October November December")
_TO_PEOPLE = words("call email visit pay meet ask thank help invite remind greet follow")
_TO_THINGS = words("buy bring order check renew clean send finish prepare review print sign collect move sell cancel")
_BETWEEN = words("in to by of near after without until under behind via against over beside on through")
_ADDRESSED = re.compile(r"\b(?:for|to|with) [A-Z]")
_WEEKDAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")


class Values:
    """Draws values from one half."""

    def __init__(self, random: Random, world: Half) -> None:
        self.random = random
        self.world: Half = world
        self.lexicon = LEXICONS[world]

    def vary(self) -> None:
        """From now on draw from a few words and syllables, or from all of them again. What a value begins with then
        stands near by in others as well, as it does in what one person writes: copying has to look further back."""
        whole = LEXICONS[self.world]
        self.lexicon = (
            whole if self.chance(0.4) else Lexicon(*(self._few(getattr(whole, it.name)) for it in fields(whole)))
        )

    def _few(self, options: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.random.sample(options, min(len(options), self.random.randint(5, 18))))

    def pick(self, options: tuple[str, ...] | list[str]) -> str:
        """One of a few."""
        return self.random.choice(options).replace("_", " ")

    def chance(self, share: float) -> bool:
        """True that often."""
        return self.random.random() < share

    def made_up(self) -> str:
        """A word that nobody has seen."""
        lexicon, random = self.lexicon, self.random
        parts = [
            random.choice(lexicon.onsets) + random.choice(lexicon.vowels) + random.choice(lexicon.codas)
            for _ in range(random.choice([1, 1, 2, 2, 2, 3]))
        ]
        return "".join(parts)

    def word(self) -> str:
        """A noun, or a made-up word."""
        return self.pick(self.lexicon.nouns) if self.chance(0.5) else self.made_up()

    def name(self) -> str:
        """A person's first name, seldom with the last."""
        first = self.pick(self.lexicon.names) if self.chance(0.5) else self.made_up().capitalize()
        return f"{first} {self.made_up().capitalize()}" if self.chance(0.1) else first

    def city(self) -> str:
        """A place."""
        if self.chance(0.5):
            return self.pick(self.lexicon.cities)
        parts = self.random.choice([1, 1, 1, 1, 1, 2])
        return " ".join(self.made_up().capitalize() for _ in range(parts))

    def adjective(self) -> str:
        """What a thing is like, or a made-up word: a phrase begins where the sentence says so, not with words known."""
        return self.pick(self.lexicon.adjectives) if self.chance(0.6) else self.made_up()

    def phrase(self) -> str:
        """A few words: what a note, a title or a subject says."""
        forms = [
            lambda: self.word(),
            lambda: f"{self.adjective()} {self.word()}",
            lambda: f"{self.pick(_TO_PEOPLE)} {self.name()}",
            lambda: f"{self.word()} {self.word()}",
            lambda: f"{self.adjective()} {self.adjective()} {self.word()}",
            lambda: f"{self.word()} for {self.name()}",
            lambda: f"{self.word()} and {self.word()}",
            lambda: f"{self.pick(_TO_THINGS)} {self.pick(['the', 'the', 'a', 'my', 'some'])} {self.word()}",
            lambda: f"{self.pick(_TO_THINGS)} {self.adjective()} {self.word()}",
            lambda: f"{self.name()} likes {self.word()}",
            lambda: f"{self.word()} in {self.city()}",
            lambda: f"the {self.word()} is {self.number()}",
            lambda: (
                f"{self.word()} {self.pick(_BETWEEN)} {self.pick(['the', 'a', 'my', self.adjective()])} {self.word()}"
            ),
            lambda: f"{self.pick(_TO_THINGS)} {self.number()} {self.word()}",
            lambda: f"{self.name()}'s {self.word()}",
            lambda: f"{self.word()} {self.code()}",
        ]
        said = self.random.choice(forms)()
        return f"{said} {self.tail()}" if self.chance(0.3) else said

    def subject(self) -> str:
        """What a mail is about: nothing that reads like whom it is for."""
        while _ADDRESSED.search(said := self.phrase()):
            pass
        return said

    def tail(self) -> str:
        """What makes a phrase longer: that it goes on is to be read, not guessed."""
        return self.pick(
            [
                f"about the {self.word()}",
                f"with {self.name()}",
                f"for the {self.adjective()} {self.word()}",
                f"before the {self.word()}",
                f"and {self.pick(_TO_PEOPLE)} {self.name()}",
                f"and {self.pick(_TO_THINGS)} the {self.word()}",
                f"at the {self.word()}",
                f"{self.pick(_BETWEEN)} {self.pick(['the', 'a', 'our', self.adjective()])} {self.word()}",
                f"{self.pick(_BETWEEN)} {self.name()}",
                f"because the {self.word()} is {self.adjective()}",
                f"from {self.city()}",
            ]
        )

    def sentence(self) -> str:
        """The body of a mail or the content of a file."""
        return self.pick(
            [
                f"{self.phrase()}",
                f"{self.phrase()}, {self.phrase()}",
                f"{self.name()} needs the {self.word()}",
                f"{self.phrase()}. {self.name()} {self.pick(['has', 'wants', 'sold', 'lost'])} the {self.word()}",
                self.phrase(),
            ]
        )

    def number(self) -> str:
        """A whole number of up to five digits."""
        return str(self.random.randint(1, 10 ** self.random.randint(1, 5) - 1))

    def decimal(self) -> str:
        """A number, often with decimals, never with trailing zeros."""
        if self.chance(0.6):
            return self.number()
        places = self.random.randint(1, 2)
        text = f"{self.random.random() * 10 ** self.random.randint(1, 3):.{places}f}".rstrip("0").rstrip(".")
        return text if text != "0" else "0.5"

    def expression(self) -> str:
        """Arithmetic, the way people type it."""
        random = self.random
        kind = random.random()
        space = random.choice(["", " ", " ", " "])
        if kind < 0.15:
            return f"{random.randint(1, 99)}% of {self.decimal()}"
        if kind < 0.22:
            return f"sqrt({self.number()})"
        if kind < 0.3:
            return f"({self.number()}{space}{random.choice('+-')}{space}{self.number()}){space}*{space}{self.number()}"
        parts = [self.decimal()]
        for _ in range(random.choice([1, 1, 1, 2])):
            parts += [
                random.choice(["+", "-", "*", "/", "*", "+", "^" if len(parts) == 1 else "-", "x"]),
                self.decimal(),
            ]
        return space.join(parts).replace("x", "*")

    def date(self) -> str:
        """A day, in one of the ways people write it."""
        random = self.random
        year, month, day = random.randint(2024, 2031), random.randint(1, 12), random.randint(1, 28)
        return random.choice(
            [
                f"{year}-{month:02d}-{day:02d}",
                f"{year}-{month:02d}-{day:02d}",
                f"{day} {_MONTHS[month - 1]}",
                f"{_MONTHS[month - 1]} {day}",
                f"{day} {_MONTHS[month - 1]} {year}",
                random.choice(["today", "tomorrow"]),
                random.choice(_WEEKDAYS),
                f"{day}.{month}.{year}",
            ]
        )

    def time(self) -> str:
        """A time of day."""
        hour, minute = self.random.randint(0, 23), self.random.choice([0, 5, 10, 15, 20, 30, 40, 45, 50])
        half = "am" if hour < 12 else "pm"
        return self.random.choice(
            [f"{hour:02d}:{minute:02d}", f"{hour}:{minute:02d}", f"{hour % 12 or 12}{self.pick([' ', ' ', ''])}{half}"]
        )

    def file(self) -> str:
        """A file name, sometimes with a folder."""
        stem = self.random.choice(
            [self.word(), self.word(), f"{self.word()}_{self.word()}", f"{self.word()}-{self.number()}", self.made_up()]
        ).replace(" ", "_")
        stem = self.random.choice([stem, stem, stem, stem, stem, stem, stem.capitalize(), stem.upper()])
        name = stem + self.random.choice([".txt", ".txt", ".md", ".csv", ".log", ".json", ".py", ".yaml", ".html"])
        return f"{self.folder()}/{name}" if self.chance(0.2) else name

    def table(self) -> str:
        """The name of a CSV file."""
        return self.file().rpartition(".")[0] + ".csv"

    def folder(self) -> str:
        """A folder name."""
        return self.word().replace(" ", "_")

    def email(self) -> str:
        """A mail address."""
        return f"{self.name().lower().replace(' ', '.')}@{self.made_up()}.{self.pick(['com', 'org', 'net'])}"

    def recipient(self) -> str:
        """A name or an address."""
        return self.email() if self.chance(0.6) else self.name()

    def code(self) -> str:
        """Letters and digits, like an order number."""
        letters = "".join(self.random.choice("ABCDEFGHKLMNPQRSTVWXYZ") for _ in range(self.random.randint(1, 3)))
        return letters + self.random.choice(["", "-"]) + self.number()

    def units(self) -> tuple[str, str]:
        """Two units of one kind."""
        kind = self.random.choice(list(UNITS.values()))
        return tuple(self.random.sample(kind, 2))  # type: ignore[return-value]

    def column(self) -> str:
        """A column of a table."""
        common = ["price", "amount", "city", "name", "year", "total", "age", "country", "status", "hours", "score"]
        return self.pick(common) if self.chance(0.6) else self.word().replace(" ", "_")

    def condition(self) -> str:
        """A condition on the rows of a table."""
        if self.chance(0.5):
            return f"{self.column()} {self.pick(['>', '<', '>=', '<=', '='])} {self.number()}"
        return f"{self.column()} = {self.pick([self.city(), self.name(), self.word()])}"

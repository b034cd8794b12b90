"""Everything that people ask of the toolbox."""

from __future__ import annotations

from intents import Intent
from intents_days import DAYS
from intents_files import FILES
from intents_numbers import NUMBERS
from intents_writing import WRITING
from phrases import enriched

INTENTS: tuple[Intent, ...] = tuple(map(enriched, (*FILES, *NUMBERS, *DAYS, *WRITING)))

"""How sure the model was: what it made of its choices, over a whole document and over each of its fields.

Read off the scores that were there anyway. High masked mass says that the model wanted something else than the form;
a low probability or a high entropy in a field, that this value is a guess (token entropies as a sign of invention:
Kadavath et al., 2022).
"""

from __future__ import annotations

import codecs
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import exp, log

from bridle.engine.base import Token
from bridle.engine.vocabulary import Vocabulary
from bridle.journal import Certainty, Chosen
from bridle.parse import Syntax
from bridle.parse.spans import spans


def certainty(tokens: Sequence[Token]) -> Certainty:
    """Of some tokens together."""
    signals = [token.signal for token in tokens if token.signal is not None]
    if not signals:
        return Certainty(chosen=0, forced=len(tokens))
    return Certainty(
        chosen=len(signals),
        forced=len(tokens) - len(signals),
        masked=round(sum(signal.masked for signal in signals) / len(signals), 4),
        entropy=round(sum(signal.entropy for signal in signals) / len(signals), 4),
        probability=round(exp(sum(log(max(signal.probability, 1e-30)) for signal in signals)), 6),
    )


def by_token(tokens: Sequence[Token], vocabulary: Vocabulary) -> tuple[list[str], list[Chosen]]:
    """The text of each token, where a character ends in it that began before as well; and what was made of each choice,
    in the order of the tokens that are not forced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    texts = [decoder.decode(vocabulary.spell([token.id])) for token in tokens]
    choices = list[Chosen]()
    for token in tokens:
        if (it := token.signal) is not None:
            other = vocabulary.text([it.other]) if it.other >= 0 else ""
            choices.append((round(it.probability, 3), round(it.masked, 3), other, round(it.chance, 3)))
        elif not token.forced:
            choices.append((1.0, 0.0, "", 0.0))
    return texts, choices


def by_field(tokens: Sequence[Token], vocabulary: Vocabulary, syntax: Syntax) -> Mapping[str, Certainty]:
    """Of each value in a document; a token belongs to the value that its last byte is in, or that it ends."""
    text = vocabulary.spell(token.id for token in tokens)
    ends = list(accumulate(len(vocabulary.spell([token.id])) for token in tokens))
    places = spans(text, syntax)
    starts = [start for _, start, _ in places]
    groups: defaultdict[str, list[Token]] = defaultdict(list)
    for token, end, begin in zip(tokens, ends, [0, *ends], strict=False):
        number = bisect_right(starts, end - 1) - 1
        if number >= 0 and begin < places[number][2]:
            groups[places[number][0]].append(token)
    return {path: certainty(group) for path, group in groups.items()}

"""Sentences from parts: a pattern such as `(find|look for) [the] file {name}` stands for all ways to say it.

`(a|b)` is one of several, `[a]` may be left out, `{name}` is a slot for a value; parts nest. Of all that a pattern can
become, one sentence in eight is held out by its own spelling: training never shows it, evaluation shows nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal

Half = Literal["seen", "unseen"]


def words(text: str) -> tuple[str, ...]:
    """A text's words."""
    return tuple(text.split())


HELD = 8
"""One sentence in so many is held out."""
_CHOICE = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")
_VERBS = words(
    "add arrange ask average book bring calculate cat change check compose compute convert cook count create display "
    "do draft draw email enter evaluate explain express figure filter find fly get give go guess have help inform "
    "jot keep leave let list locate look mail make mark message note open paint plan predict prepare print put read "
    "record remember remind save scan schedule search select send set show sing solve start store sum take teach "
    "tell total transform turn view work write {verb} append grab browse drop fetch file hunt insert inspect load "
    "look retrieve return review run seek translate type accumulate address advise aggregate announce assume block "
    "capture clock collect comb consult copy crunch deduct derive detect determine dictate dig dispatch dump echo "
    "enumerate examine export extract fill flip gather generate identify invite itemize jump key knock measure move "
    "name notify nudge obtain organise output paste peek pencil perform pick pin pinpoint place post produce pull push "
    "recalculate recite reckon reduce register render report reserve resolve reveal rewrite round say scribble see "
    "shift shoot sift simplify skim spell spot squeeze state stick subtract switch tally track verify walk"
)
"""What orders begin with, among the patterns."""
_WORD = re.compile(r"[a-z]{5,}")
_SHORTER = (
    ("what is", "what's"), ("where is", "where's"), ("who is", "who's"), ("I am", "I'm"), ("do not", "don't"),
    ("it is", "it's"), ("cannot", "can't"), ("I would", "I'd"), ("I have", "I've"), ("that is", "that's"),
    ("let us", "let's"),
)  # fmt: skip
"""What people write together."""
_ASKING = ("could", "can", "would", "will", "are you able", "might")
"""What makes an order a question."""

BEFORE = (
    "please", "could you", "can you", "would you", "will you", "I want you to", "I need you to", "I would like you to",
    "help me", "go ahead and", "I have to", "I need to", "I want to", "let us", "now", "next,", "ok,", "hey,", "hi,",
    "could you please", "can you please", "quickly", "just", "do me a favour and", "be so kind and", "first,",
    "(could|can|would|will) you (maybe|perhaps|possibly|quickly|then|also|now)", "I'd like (to|you to)", "let's",
    "(we|you) (should|must|may|need to|have to|ought to)", "I (must|should|wish to|wanted to|am going to)", "try to",
    "(well|okay|alright|right|so|oh|also|then|and|finally|again|secondly|assistant|computer|listen|say),", "time to",
    "(the|your|my) (task|job|next step) is to", "(task|todo|order):", "are you able to", "might you", "make sure to",
    "I wonder if you could", "I'd be glad if you would", "as (a start|agreed|I said|always),", "if you (can|like),",
    "when you (can|find the time),", "(once more|this time|after that|for a start),", "we (want|would like) you to",
)  # fmt: skip
"""What stands before an order: all of these go on with a verb."""
BEFORE_HELD = ("would you mind to", "I was hoping you could", "kindly", "it would be great if you could")
AFTER = (
    "please", "thanks", "thank you", "for me", "now", "if you can", "when you have time", "right away", "today please",
    "would you", "ok", "asap", "as soon as you can", "thx", "(many thanks|thanks a lot|thanks in advance)",
    "thank you so much", "(will|could|can|won't) you", "if possible", "when you can", "(at once|immediately|quickly)",
    "right now", "pls", "okay", "(no hurry|no rush|take your time)", "I am waiting", "that is all",
    "if you (like|please)", "alright", "as (usual|always|agreed|discussed)", "like last time",
    "and (hurry|be quick|that is it)", "you know what I mean",
)  # fmt: skip
AFTER_HELD = ("if that is not too much trouble", "cheers", "before I forget")
ASIDE = (
    "I just came back.", "It was a long day.", "We talked about this.", "My boss asked for it.", "I am in a hurry.",
    "The weather is awful.", "Sorry for all the questions.", "This is for the team.", "I forgot to do it yesterday.",
    "I have two minutes.", "There is one more thing.", "My phone is nearly empty.", "The train is late again.",
    "Good that you are here.", "Lunch was good.", "Nobody told me.", "One more.", "That was useful.", "So.",
    "(The|My|Our) (phone|cat|dog|coffee|soup|heating|sister|landlord|chair|desk|office|car|street|room) is (cold|new|"
    "broken|slow|late|gone|empty|full|dark|nice|terrible|wet|dirty|small|quiet) [again|today|as always|at the moment].",
    "(I|We|They) (slept|ate|worked|ran|waited|talked|laughed) (badly|well|a lot|too much|for hours|very little).",
    "(I|We) (am|are) (on the train|at home|at work|in a meeting|on holiday|very busy|almost done|back).",
    "(It|This|That) is (urgent|easy|not hard|nothing new|what I always do|a bit odd|the last thing|important to me).",
    "(Yesterday|Last week|This morning) (I|we) (lost|missed|sold|met|saw|found) (it|them|him|her|a friend|something).",
    "(Hello|Hi|Hey|Good morning|Good evening)[ there| again|, it is me].", "(Hm|Well|Okay|Right|Listen|Alright|Oh no).",
    "You (are|were) (great|quick|right|very kind|a great help).",
    "(Someone|Everybody|My boss|The team) (is waiting|asked me).",
    "I (hope|think|guess) (you can help|this is right|that works|it is not too late).", "(Next|Another|A new) one.",
)  # fmt: skip
"""Sentences that mean nothing for the task."""
ASIDE_HELD = ("My neighbour is loud again.", "I am writing from the airport.", "You know how it is.")


def sentence(random: Random, patterns: Sequence[str], half: Half) -> str:
    """One way to say one of some patterns, of one half; slots are left as they are.

    >>> seen = {sentence(Random(n), ["(find|look for) [the] file {name}"], "seen") for n in range(99)}
    >>> wide = ["(find|look for|seek|get) [me] [the|a|my] (file|document) {name}"]
    >>> held = {sentence(Random(n), wide, "unseen") for n in range(99)}
    >>> len(seen) > 2, seen & held
    (True, set())
    """
    text = ""
    for _ in range(400):
        text = expand(random, random.choice(patterns))
        if is_held(text) == (half == "unseen"):
            return text
    return text


def expand(random: Random, pattern: str) -> str:
    """One way to say a pattern."""

    def choose(match: re.Match[str]) -> str:
        if match[1] is not None:
            return random.choice(match[1].split("|"))
        return random.choice([random.choice(match[2].split("|")), ""])

    while True:
        chosen = _CHOICE.sub(choose, pattern)
        if chosen == pattern:
            for sign in ",?.:":
                chosen = chosen.replace(f" {sign}", sign)
            return " ".join(chosen.split())
        pattern = chosen


def is_held(text: str) -> bool:
    """Whether a sentence is held out."""
    return hashlib.sha256(text.casefold().encode()).digest()[0] % HELD == 0


def ways(pattern: str) -> int:
    """How many sentences a pattern stands for, at most.

    >>> ways("(a|b) [c] {name}")
    4
    """
    counts: list[int] = []

    def number(match: re.Match[str]) -> str:
        options = (match[1] if match[1] is not None else match[2]).split("|")
        total = 0
        for option in options:
            product = 1
            for index in re.findall(r"\x00(\d+)\x00", option):
                product *= counts[int(index)]
            total += product
        counts.append(total + (match[1] is None))
        return f"\0{len(counts) - 1}\0"

    while (reduced := _CHOICE.sub(number, pattern)) != pattern:
        pattern = reduced
    product = 1
    for index in re.findall(r"\x00(\d+)\x00", pattern):
        product *= counts[int(index)]
    return product


def dress(random: Random, text: str, values: Mapping[str, str], half: Half) -> str:
    """A sentence as somebody types it: with manners, an aside, a slip of the fingers, and its values in place.

    Orders get what goes before an order; questions and everything else only what may stand behind.
    """
    held = half == "unseen"
    is_order = not text.endswith("?") and text.startswith(tuple(f"{verb} " for verb in _VERBS))
    if is_order and random.random() < 0.45:
        manners = expand(random, random.choice(BEFORE_HELD if held and random.random() < 0.3 else BEFORE))
        text = f"{manners} {text}" + ("?" if manners.startswith(_ASKING) and random.random() < 0.6 else "")
    if not text.endswith("?") and random.random() < 0.2:
        after = expand(random, random.choice(AFTER_HELD if held and random.random() < 0.3 else AFTER))
        text += random.choice([" ", ", "]) + after
    if random.random() < 0.3:
        for apart, together in _SHORTER:
            text = re.sub(rf"\b{apart}\b(?! *\{{)", together, text)
    if random.random() < 0.06:
        text = slip(random, text)
    if random.random() < 0.7:
        text = text[:1].upper() + text[1:]
    if text.endswith("?") and random.random() < 0.15:
        text = text[:-1]
    elif text[-1:].isalpha() and random.random() < 0.3:
        text += random.choice([".", ".", "!"])
    if random.random() < 0.15:
        text = f"{expand(random, random.choice(ASIDE_HELD if held and random.random() < 0.3 else ASIDE))} {text}"
    return text.format_map(values)


def slip(random: Random, text: str) -> str:
    """One letter of one longer word left out, doubled, or in the wrong place; never in a slot."""
    places = [match for match in _WORD.finditer(text) if "{" not in text[max(match.start() - 1, 0) : match.end()]]
    places = [match for match in places if text[: match.start()].count("{") == text[: match.start()].count("}")]
    if not places:
        return text
    match = random.choice(places)
    word, at = match[0], random.randrange(1, len(match[0]) - 1)
    wrong = random.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )
    return text[: match.start()] + wrong + text[match.end() :]

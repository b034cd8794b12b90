"""What people say to the verbs: sentences for `verbs`, as patterns (`frames`)."""

from __future__ import annotations

from strangers import STRANGE, STRANGE_HELD

# fmt: off  (tables)
ROUTES: dict[str, tuple[str, ...]] = {
    "travel": (
        "(find|look for|search|get|book|reserve) [me] (a|the cheapest|a cheap|an early) flight (from {city} to {town}|to {city}) [on {day}|for {day}|at {day}]",
        "I (want|need|have|would like) to fly [from {town}] to {city} [on {day}]",
        "(cancel|show|change) (my|the) (flight|booking|flight booking|flights|bookings) [to {city}|from {city}]",
        "(which|what|are there) flights (go|are there|leave) (to|from) {city} [on {day}]?",
        "how (do|can) I fly to {city} [for at most {number} euros|under {number} euros]?",
    ),
    "shop-floor": (
        "(which|what) [production] orders are (late|delayed|overdue|behind) [and why|today|now]?",
        "(report|tell maintenance|say) (that|:) machine {code} (is down|stands still|stopped|is broken|has a fault)",
        "(check|ask|look at) the (ERP|plant|shop floor|production) [server] (for|about) (late|delayed|open) orders",
        "why is [production] order {code} (late|delayed|behind)?",
        "(what|how) is the (state|status) of machine {code}?",
    ),
    "plan-and-execute": (
        "(first|start with) {one}, then {two} (and|, and) [finally|at last] {three}",
        "{one}, {two} and after that {three}",
        "(do|I need) all of this: {one}; {two}; {three}",
        "(make|work out) a plan (and carry it out|and do it): {one}, {two}",
    ),
    "verify": (
        "(write|draft|compose) (a text|a page|an article|a letter|a paragraph) about {word} and (have it checked|have it reviewed|review it|check it twice|look for mistakes)",
        "(write|give me) a (reviewed|checked|careful) (text|answer|summary) (about|on) {word}",
        "(answer|explain) {word}, (and let a critic look at it|reviewed by a critic|and mend what a review finds)",
    ),
    "self-consistency": (
        "(think it through several times|think hard|take a vote|try several ways): (how many|which|what) {word} (is|are) (left|right|enough) (if {name} takes {number}|after {number} days)?",
        "(solve|work out) this (riddle|puzzle|word problem) (several times|in several ways|and vote): {name} has {number} {word}",
        "{name} has {number} {word} and gives away {hour}, how many are left? (be sure|vote on it|think several times)",
    ),
    "clarify": (
        "(do|fix|change|handle|sort out|prepare) (it|that|this|the thing|the other one|everything) [somehow|as usual|like last time]",
        "(help|I need help|I need something|something is wrong)[!|.]",
        "(you know what to do|the same again|do what we said|make it better)",
    ),
    "chat": STRANGE["requests"],
}
"""What people say to each skill that ships; the toolbox's requests are for `react`."""
ROUTES_HELD: dict[str, tuple[str, ...]] = {
    "travel": ("Get me on a plane to {city}", "What does flying to {city} cost?"),
    "shop-floor": ("Is anything running behind in the plant?", "Machine {code} gave up, pass it on"),
    "plan-and-execute": ("Several things, in this order: {one}, {two}, {three}",),
    "verify": ("A piece on {word}, please, proofread",),
    "self-consistency": ("Ponder it more than once: is {number} {word} too much?",),
    "clarify": ("Take care of the matter", "Go on with the stuff"),
    "chat": STRANGE_HELD,
}
TRAVELS: dict[str, tuple[str, ...]] = {
    "look": (
        "(find|look for|search|show) [me] (flights|a flight|cheap flights) [from {town}] to {city} [on {day}]",
        "(which|what) flights (go|are there) to {city} [on {day}]?",
    ),
    "book": (
        "(book|reserve|buy|get) [me] (a flight|a ticket|a seat) [from {town}] to {city} [on {day}] [for at most {number} euros]",
        "I (want|need|have) to fly to {city} [on {day}], book it",
    ),
    "cancel": (
        "(cancel|drop|undo|call off) (my|the) (flight|booking|ticket|trip) [to {city}]",
        "I (cannot|will not) fly [to {city}], cancel it",
    ),
    "something else": (
        "(what is the weather|where do I eat|what do people speak) in {city}?",
        "(how are you|thanks|who are you)?",
    ),
}
ORDERS = (
    "(read|open) {file}",
    "(find|look for|locate) {file}",
    "(note|write down|remember) {phrase}",
    "(add up|sum) {column} in {table}",
    "(list|show) the files in {folder}",
    "(write|draft) a mail to {name} about {word}",
    "(search|look through) the files for {word}",
    "(put|add) {word} in my calendar on {day}",
    "(calculate|work out) {expression}",
    "(find|look up) my notes about {word}",
    "(tell|ask) {name} about {word}",
)
"""Parts of larger requests."""
DECISIONS: dict[str, tuple[str, ...]] = {
    "listed": (
        "Is {x} (in|on) (this|the) list: {xs}?",
        "{xs}. Is {x} among (these|them)?",
        "Does this list have {x}: {xs}?",
    ),
    "names": ("Does this (text|sentence) name {x}? {text}", "{text} (Is {x} mentioned?|Does it say {x}?)"),
    "same": ("Are {x} and {y} the same?", "Is {x} the same as {y}?", "{x}, {y}: (the same|equal)?"),
    "worked": (
        "Did (that|it|the call) work? {text}",
        "{text} Was (that|it) done?",
        "Result: {text} Is (that|it) all right?",
    ),
}
GOOD = ("saved", "done", "ok", "added", "found", "sent", "ready", "finished", "complete")
BAD = ("error: not found", "failed", "no access", "error: too long", "it did not work", "broken", "refused", "missing")
EXTRACTIONS = ("Fill in the form.", "Extract the values.", "What does it say?", "Take the values from that.", "")
SUMMARIES = (
    "(summarise|sum up|shorten) (this|that|the text)[:| for me:]",
    "(tl;dr|in short|briefly)[:| please:]",
    "what is (this|that) about?",
)
TASKS = (
    "write (a note|a mail|a line|a message|a text) (to|for|about) {name} (about|on|with) {word} [that names {city}]",
    "(tell|remind|ask) {name} (about|of) {word} [in {city}]",
    "(invite|greet|thank) {name} (to|for) {word} [in {city}]",
)
DRAFTS = (
    "Dear {name}, this is about {word} in {city}.",
    "{name}: {word}, {city}.",
    "Hello {name}! I write about {word}. See you in {city}.",
)
DRAFTS_SHORT = ("Dear {name}, this is about {word}.", "{name}: {word}.", "Hello {name}! I write about {word}.")
TRIPS = (
    "(fly|a flight|find a flight|book a flight|I want to fly) from {origin} to {destination} (between|from) {first_day} (and|to|until) {last_day}(, at most| for at most| under|, not more than) {most} euros",
    "from {origin} to {destination}, {first_day} (to|until|-) {last_day}, (most|limit|up to) {most}",
)
CONTRADICTIONS = (
    "{order} on {a} and only on {b}",
    "{order} for {a}, no, not {a}, {b}, but {a}",
    "{order} with {a} but without {a}, for {b}",
)
EITHERS = ("(something|it is|I need something) (about|with|for) {a} (or|and|or maybe) {b}", "{a} or {b}?")
PICKS = ("which (one|of them|of these) is (it about|named|meant)?", "(choose|pick) (one|what fits)")
# fmt: on

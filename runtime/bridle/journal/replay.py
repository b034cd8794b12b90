"""What a run did before, by place: what its verbs find there instead of doing it again.

A run is taken up by carrying out its skill once more; whatever is recorded is not done again (durable execution, as
Temporal and DBOS have it).
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

from bridle.errors import JournalError
from bridle.journal.chain import Event
from bridle.journal.event import (
    Body,
    CallAnswered,
    CallIntended,
    Counted,
    Decided,
    Delegated,
    Heard,
    Kept,
    Noted,
    Prompted,
    Returned,
    Ruled,
    StepFailed,
    StepTaken,
    UndoIntended,
    Undone,
)
from bridle.journal.whole import RunAborted, RunEnded, RunJudged, RunStarted


@dataclass(frozen=True)
class Made:
    """A call that was begun; `answer` is what came of it, None if that was never written down."""

    intent: CallIntended
    answer: CallAnswered | None
    begun: int = 1
    """How often: again where a person said that it was not made."""


DOUBT = "doubt@"
"""What a question begins with whose answer only a call that was cut off needs."""
APPROVAL = "approve@"
"""And one whether a call may be made."""


class Past:
    """What events tell, by place."""

    def __init__(self, events: Sequence[Event] = (), *, again: bool = False) -> None:
        """`again`: the run goes on, and the step that it came to its end with is taken again."""
        self.seconds = _seconds(events) if again else 0.0
        """What it took, if it goes on; not what it waited, for a person or for whoever takes it up."""
        self._until = events[-1].at if events else ""
        self._steps: dict[str, list[StepTaken]] = {}
        self._decided: dict[str, Decided] = {}
        self._heard: dict[str, tuple[Heard, str]] = {}
        self._again = again
        self._calls: dict[str, Made] = {}
        self._undone = defaultdict[str, list[Undone]](list)
        self._undoing = Counter[str]()
        self.aborted: RunAborted | None = None
        """It came to nothing, and what it did was being taken back."""
        self._told: dict[tuple[str, str], Body] = {}
        self._met = set[tuple[str, str]]()
        self._prompted: dict[str, list[str]] = {}
        for event in events:
            self._read(event.body, event.at)
            if again and isinstance(event.body, RunEnded):
                self._forget_failure(event.body.reason)

    @property
    def begun(self) -> bool:
        """Whether there is anything."""
        return bool(self._until)

    def _forget_failure(self, reason: str) -> None:
        failed = [it.path for it in self._told.values() if isinstance(it, StepFailed) and it.reason == reason]
        if failed:
            del self._told["step.failed", failed[-1]]

    def prompted(self, path: str) -> str:
        """What somebody has the model told at a place beside what its skill says; empty for nothing."""
        return "\n\n".join(self._prompted.get(path, ()))

    def _read(self, body: Body, at: str) -> None:
        match body:
            case StepTaken(path=path, attempt=attempt):
                if attempt == 1:
                    self._steps[path] = []
                    self._told.pop(("step.failed", path), None)
                self._steps.setdefault(path, []).append(body)
            case Prompted(path=path, text=text):
                self._prompted.setdefault(path, []).append(text)
            case Decided(path=path):
                self._decided[path] = body
            case Heard(path=path):
                self._heard[path] = body, at
            case CallIntended(key=key):
                before = self._calls.get(place_of(key))
                self._forget_undone(place_of(key))
                self._calls[place_of(key)] = Made(body, None, before.begun + 1 if before else 1)
            case CallAnswered(key=key) if (made := self._calls.get(place_of(key))) is not None:
                if made.intent.effect in ("pure", "idempotent"):  # it was made again without another word
                    self._forget_undone(place_of(key))
                self._calls[place_of(key)] = replace(made, answer=body)
            case UndoIntended(key=key):
                self._undoing[place_of(key)] += 1
            case Undone(key=key):
                self._undone[place_of(key)].append(body)
            case RunAborted():
                self.aborted = body
            case Counted() | Noted() | Delegated() | Returned() | Ruled() | Kept() | StepFailed():
                self._told[body.kind, body.path] = body
            case _:
                pass

    def step(self, path: str) -> Sequence[StepTaken] | None:
        """The attempts of a step that came to a value, the last one that did; None if it is not recorded."""
        found = self._steps.get(path)
        self._met.add(("step", path))
        return found if found and found[-1].came else None

    def decision(self, path: str) -> Decided | None:
        """What was decided at a place, if anything was."""
        self._met.add(("decision", path))
        return self._decided.get(path)

    def heard(self, path: str, within: float | None = None) -> Heard | None:
        """What the person said at a place, if that is recorded, and not too many seconds ago."""
        self._met.add(("question", path))
        found, at = self._heard.get(path, (None, ""))
        if found is None or within is None:
            return found
        now = datetime.now(UTC).timestamp() if self._again else _moment(self._until)
        return found if now - _moment(at) <= within else None

    def heard_last(self, path: str) -> Heard | None:
        """What the person said in the end at a place where they may have been asked more than once."""
        found = None
        for number in count(1):
            if (heard := self.heard(again_at(path, number))) is None:
                break
            found = heard
        return found

    def call(self, place: str) -> Made | None:
        """The call that was begun at a place, if one was."""
        self._met.add(("call", place))
        return self._calls.get(place)

    def kept(self, path: str) -> Kept | None:
        """What was kept at a place, if anything was."""
        found = self._telling("kept", path)
        return found if isinstance(found, Kept) else None

    def delegated(self, path: str) -> Delegated | None:
        """What was given away at a place, and to whom, if anything was."""
        found = self._telling("delegated", path)
        return found if isinstance(found, Delegated) else None

    def failed(self, path: str) -> tuple[Sequence[StepTaken], str] | None:
        """The attempts of a step that came to nothing, and why it did; None if it is not recorded that one did."""
        self._met.add(("step", path))
        found = self._telling("step.failed", path)
        return (self._steps.get(path, ()), found.reason) if isinstance(found, StepFailed) else None

    def refused(self, place: str) -> str:
        """Why the policy did not let a call pass; empty if that is not recorded."""
        found = self._telling("ruled", f"call {place}")
        return "; ".join(found.verdicts.values()) if isinstance(found, Ruled) else ""

    def has_counted(self, path: str) -> bool:
        """Whether all takings of a step that was taken several times are recorded."""
        return ("counted", path) in self._told

    def undoing(self, place: str, number: int) -> bool:
        """Whether it was begun to take a call back for that time, from 0."""
        return self._undoing[place] > number

    def undone(self, place: str, number: int) -> Undone | None:
        """What came of taking a call back that time, if anything did."""
        tries = self._undone[place]
        return tries[number] if number < len(tries) else None

    def undos(self, place: str) -> int:
        """How often something came of taking a call back."""
        return len(self._undone[place])

    def _forget_undone(self, place: str) -> None:
        """A call is made, or made again: what was taken back before is another thing."""
        self._undone.pop(place, None)
        self._undoing.pop(place, None)

    def has_told(self, body: Noted | Returned | Ruled) -> bool:
        """Whether it was said before."""
        return self._telling(body.kind, body.path) is not None

    def _telling(self, kind: str, path: str) -> Body | None:
        self._met.add((kind, path))
        return self._told.get((kind, path))

    def unmet(self) -> list[str]:
        """What is recorded and was not come to."""
        recorded = [("step", it) for it in self._steps] + [("decision", it) for it in self._decided]
        asked = [it for it in self._heard if not it.startswith((DOUBT, APPROVAL))]
        recorded += [("question", it) for it in asked] + [("call", it) for it in self._calls]
        recorded += [it for it in self._told if it[0] != "counted"]
        return [f"{what} {place}" for what, place in recorded if (what, place) not in self._met]


@dataclass(frozen=True)
class Seen:
    """What the model saw in a step: the tokens, and the text for people."""

    tokens: array[int] = field(default_factory=lambda: array("i"))
    text: str = ""

    def then(self, taken: StepTaken) -> Seen:
        """What it saw in a later one, that is told by what is new."""
        tokens = self.tokens[: taken.shared_tokens]
        try:
            tokens.extend(taken.prompt_tokens)
        except OverflowError:
            raise JournalError(f"the prompt of {taken.path} holds numbers that are no tokens") from None
        return Seen(tokens, self.text[: taken.shared_text] + taken.prompt_text)


def _seconds(events: Sequence[Event]) -> float:
    """For how long anything went on, of what says how long it took."""
    total, begun = 0.0, float("inf")
    for event in reversed(events):
        if isinstance(event.body, StepTaken | CallAnswered | Decided):
            end = _moment(event.at)
            start = end - event.body.seconds
            total += max(0.0, min(end, begun) - start)
            begun = min(begun, start)
    return total


def _moment(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def prompts(events: Sequence[Event]) -> dict[int, Seen]:
    """The whole prompts of steps, by the number of each event; the journal has what is new in each."""
    found: dict[int, Seen] = {}
    for event in events:
        if isinstance(taken := event.body, StepTaken):
            base = found.get(taken.base) if taken.base is not None else None
            found[event.number] = (base or Seen()).then(taken)
    return found


def last_prompt(events: Sequence[Event]) -> tuple[int | None, Seen]:
    """The event of the last step, and the whole prompt of it; one that grew over thousands of steps fills no memory."""
    steps = {event.number: taken for event in events if isinstance(taken := event.body, StepTaken)}
    last = number = next(reversed(steps), None)
    line = list[StepTaken]()
    while number is not None and number in steps:
        line.append(steps[number])
        number = base if (base := line[-1].base) is not None and base < number else None
    seen = Seen()
    for taken in reversed(line):
        seen = seen.then(taken)
    return last, seen


def beginning(run: str, events: Sequence[Event]) -> RunStarted:
    """How a run began.

    Raises:
        JournalError: its first event is missing.
    """
    first = events[0].body if events else None
    if not isinstance(first, RunStarted):
        raise JournalError(f"the run {run} has no beginning", hint=f"bridle trace {run} shows what is left of it")
    return first


def ending(events: Sequence[Event]) -> RunEnded | None:
    """How a run ended; None while it runs, or where it was killed, or went on since it ended last."""
    body = last_own(events).body if events else None
    return body if isinstance(body, RunEnded) else None


def last_own(events: Sequence[Event]) -> Event:
    """The last event of a run itself, whatever was said of it later."""
    return next(event for event in reversed(events) if not isinstance(event.body, RunJudged))


def asked_of(place: str, exactly: str) -> str:
    """Where a person is asked whether a call may be made, which the digest names."""
    return f"{APPROVAL}{place}.{exactly}"


def asked_about(path: str) -> str:
    """The place of the call that a person was asked about there; empty for another question."""
    if not path.startswith((APPROVAL, DOUBT)):
        return ""
    return path.partition("@")[2].partition("~")[0].rpartition(".")[0]


def again_at(path: str, number: int) -> str:
    """Where a person is asked the same for the n-th time."""
    return path if number == 1 else f"{path}~{number}"


def read_at(place: str) -> str:
    """Where what came of a call is read apart, if a policy demands it.

    >>> read_at("parallel#1.2/3")
    'parallel#1.2/read#3/extract#1'
    """
    before, slash, number = place.rpartition("/")
    return f"{before}{slash}read#{number}/extract#1"


def is_reading(path: str) -> bool:
    """Whether a step read, apart, what came of a call.

    >>> is_reading("parallel#1.2/read#3/extract#1"), is_reading("act#1")
    (True, False)
    """
    return any(it.startswith("read#") for it in path.split("/"))


def owner_of(key: str) -> str:
    """The run that made a call, of the key that names it for ever."""
    return key.partition("/")[0]


def place_of(key: str) -> str:
    """The place of a call in its run, of the key that names it for ever."""
    return key.partition("/")[2]

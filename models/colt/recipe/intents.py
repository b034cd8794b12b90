"""What people ask of the toolbox: phrasings, the arguments they contain, what is asked for when one is missing.

A phrasing names its slots in braces; the words in a slot are the argument, letter by letter. `held` phrasings are
kept for evaluation. Results are made by the tools' own code where they are pure, else in exactly their words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from values import Values

from bridle.errors import ToolError
from bridle.toolbox.calculator import evaluate, show
from bridle.toolbox.units import convert_units

Args: TypeAlias = dict[str, str | float | int]


@dataclass(frozen=True)
class Intent:
    """One thing to do with one tool."""

    tool: str
    slots: Mapping[str, Callable[[Values], str]]
    """How each argument is drawn, by its name."""
    train: tuple[str, ...]
    held: tuple[str, ...]
    result: Callable[[Values, Args], str]
    answer: Callable[[Args, str], str]
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """For an argument that may be missing, requests without it."""
    fixed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Arguments that the phrasing implies."""
    numbers: tuple[str, ...] = ()
    """Arguments that are numbers."""


QUESTIONS = {
    "name": "Which file should I look for?",
    "path": "Which file?",
    "text": "What text?",
    "content": "What should the file say?",
    "expression": "What should I calculate?",
    "date": "Which date?",
    "days": "How many days?",
    "start": "From which date?",
    "end": "To which date?",
    "value": "Which value?",
    "from_unit": "From which unit?",
    "to_unit": "To which unit?",
    "title": "What is the event called?",
    "to": "Who should get the mail?",
    "subject": "What is the mail about?",
    "column": "Which column?",
    "operation": "What should I do with the table?",
}


def _listing(values: Values, make: Callable[[], str], least: int = 0) -> str:
    count = values.random.choice([least or 1, 1, 1, 2, 3, 4])
    return "\n".join(dict.fromkeys(make() for _ in range(count))) or "nothing"


def _found(args: Args, result: str) -> str:
    lines = result.split("\n")
    if result == "nothing":
        return "I found nothing."
    return f"I found {', '.join(lines)}."


def _says(args: Args, result: str) -> str:
    return "The file says: " + result.replace("\n", ", ")


def _done(args: Args, result: str) -> str:
    return f"{result}."


def _arithmetic(values: Values, args: Args) -> str:
    try:
        return show(evaluate(str(args["expression"])))
    except ToolError as error:
        return f"error: {error.message}"


def _conversion(values: Values, args: Args) -> str:
    try:
        return str(convert_units.function(float(args["value"]), str(args["from_unit"]), str(args["to_unit"])))
    except ToolError as error:
        return f"error: {error.message}"


def _day(values: Values) -> str:
    random = values.random
    weekday = values.pick(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
    return f"{random.randint(2024, 2031)}-{random.randint(1, 12):02d}-{random.randint(1, 28):02d} ({weekday})"


# fmt: off  (a table: one intent a block, phrasings side by side)
INTENTS: tuple[Intent, ...] = (
    Intent(
        "list_files",
        {},
        (
            "List the files",
            "What files are here?",
            "Show me the files",
            "Which files do I have?",
            "List files please",
            "What is in this folder?",
            "Show the folder",
            "ls",
            "list everything here",
        ),
        ("Give me a listing of the files", "What have we got in the workspace?"),
        lambda v, a: _listing(v, v.file, 1),
        lambda a, r: f"The files are {', '.join(r.split(chr(10)))}.",
    ),
    Intent(
        "list_files",
        {"folder": Values.folder},
        (
            "List the files in {folder}",
            "What is in the folder {folder}?",
            "Show me the {folder} folder",
            "ls {folder}",
            "Which files are in {folder}?",
            "Show what the folder {folder} contains",
        ),
        ("Take a look inside {folder} and list it", "What lives in the directory {folder}?"),
        lambda v, a: _listing(v, v.file, 1),
        lambda a, r: f"The files are {', '.join(r.split(chr(10)))}.",
    ),
    Intent(
        "find_files",
        {"name": lambda v: v.pick([v.file(), v.word()])},
        (
            "Find the file {name}",
            "Search my files for {name}",
            "Where is {name}?",
            "Look for a file named {name}",
            "Locate the file {name}",
            "Do I have a file called {name}?",
            "find {name}",
            "Find files named {name}",
            "Which files have {name} in their name?",
            "Is there a file {name} somewhere?",
        ),
        ("Can you dig up the file {name}?", "I lost the file {name}, find it", "Track down {name} on disk"),
        lambda v, a: _listing(v, v.file) if v.chance(0.85) else "nothing",
        _found,
        {"name": ("Find a file for me", "Find a file", "I need to find a file")},
    ),
    Intent(
        "search_text",
        {"text": lambda v: v.pick([v.word(), v.phrase(), v.code()])},
        (
            "Search for the text {text}",
            "Which files mention {text}?",
            "Find the lines that contain {text}",
            "grep {text}",
            "Where does it say {text}?",
            "Search the files' contents for {text}",
            "Which lines mention {text}?",
            "Look inside my files for {text}",
        ),
        ("Does any file contain the words {text}?", "Scan all documents for mentions of {text}"),
        lambda v, a: (
            _listing(v, lambda: f"{v.file()}:{v.random.randint(1, 40)}: {v.phrase()}") if v.chance(0.85) else "nothing"
        ),
        _found,
        {"text": ("Search inside my files", "Search the contents of my files")},
    ),
    Intent(
        "read_file",
        {"path": Values.file},
        (
            "Read {path}",
            "Open {path}",
            "Show me {path}",
            "What does {path} say?",
            "Read the file {path}",
            "cat {path}",
            "What is in {path}?",
            "Print {path}",
            "Tell me what {path} says",
        ),
        ("Let me see the contents of {path}", "Pull up {path} and tell me what it says"),
        lambda v, a: "\n".join(v.sentence() for _ in range(v.random.choice([1, 1, 2]))),
        _says,
        {"path": ("Read a file", "Open the file please", "Read it to me")},
    ),
    Intent(
        "write_file",
        {"path": Values.file, "content": Values.sentence},
        (
            "Write {content} to {path}",
            "Create {path} with the text {content}",
            "Save {content} in the file {path}",
            "Make a file {path} that says {content}",
            "Put {content} into {path}",
            "Write the file {path}: {content}",
        ),
        ("I want a file {path} containing {content}", "Store {content} as {path}"),
        lambda v, a: f"Wrote {a['path']}",
        _done,
        {"content": ("Create the file {path}", "Make a file called {path}"), "path": ("Write {content} to a file",)},
    ),
    Intent(
        "calculate",
        {"expression": Values.expression},
        (
            "What is {expression}?",
            "Calculate {expression}",
            "Compute {expression}",
            "How much is {expression}?",
            "{expression}",
            "{expression} = ?",
            "Please work out {expression}",
            "Tell me what {expression} is",
            "what's {expression}",
            "solve {expression}",
        ),
        ("Could you figure out {expression}?", "I need the value of {expression}", "Evaluate {expression} for me"),
        _arithmetic,
        lambda a, r: f"{a['expression']} is {r}.",
        {"expression": ("Calculate something for me", "Do some math", "I need a calculation")},
    ),
    Intent(
        "current_time",
        {},
        (
            "What time is it?",
            "What is the date today?",
            "Tell me the time",
            "What day is it?",
            "Which day is today?",
            "time please",
            "What's the date?",
        ),
        ("Do you have the time?", "How late is it?"),
        lambda v, a: _day(v).replace(" (", f" {v.random.randint(0, 23):02d}:{v.random.randint(0, 59):02d} ("),
        lambda a, r: f"It is {r}.",
    ),
    Intent(
        "current_time",
        {"zone": Values.city},
        (
            "What time is it in {zone}?",
            "Time in {zone}",
            "Tell me the time in {zone}",
            "What is the local time in {zone}?",
            "How late is it in {zone} now?",
        ),
        ("What does the clock say in {zone}?", "Is it morning in {zone}?"),
        lambda v, a: _day(v).replace(" (", f" {v.random.randint(0, 23):02d}:{v.random.randint(0, 59):02d} ("),
        lambda a, r: f"It is {r}.",
    ),
    Intent(
        "shift_date",
        {"date": Values.date, "days": lambda v: str(v.random.randint(1, 400))},
        (
            "What date is {days} days after {date}?",
            "{days} days after {date}",
            "Add {days} days to {date}",
            "Which day is {days} days from {date}?",
            "What comes {days} days after {date}?",
        ),
        ("Count {days} days forward from {date}", "Which date do we get {days} days past {date}?"),
        lambda v, a: _day(v),
        lambda a, r: f"That is {r}.",
        {"days": ("Add some days to {date}",), "date": ("What date is {days} days after that?",)},
        numbers=("days",),
    ),
    Intent(
        "days_between",
        {"start": Values.date, "end": Values.date},
        (
            "How many days are between {start} and {end}?",
            "Days from {start} to {end}",
            "Count the days from {start} to {end}",
            "How many days from {start} until {end}?",
            "How long is it from {start} to {end}?",
        ),
        ("What is the number of days separating {start} and {end}?",),
        lambda v, a: f"{v.random.randint(2, 900)} days",
        lambda a, r: f"It is {r}.",
        {"end": ("How many days are there from {start}?",)},
    ),
    Intent(
        "convert_units",
        {"value": Values.decimal, "from_unit": lambda v: v.units()[0], "to_unit": lambda v: v.units()[1]},
        (
            "Convert {value} {from_unit} to {to_unit}",
            "How many {to_unit} are {value} {from_unit}?",
            "{value} {from_unit} in {to_unit}",
            "What is {value} {from_unit} in {to_unit}?",
            "Change {value} {from_unit} into {to_unit}",
            "{value} {from_unit} to {to_unit} please",
            "How much is {value} {from_unit} in {to_unit}?",
        ),
        ("Express {value} {from_unit} as {to_unit}", "I have {value} {from_unit}, give me {to_unit}"),
        _conversion,
        _done,
        {"to_unit": ("Convert {value} {from_unit}", "Convert {value} {from_unit} for me")},
        numbers=("value",),
    ),
    Intent(
        "add_note",
        {"text": Values.phrase},
        (
            "Note: {text}",
            "Take a note: {text}",
            "Write down {text}",
            "Save a note: {text}",
            "Note down {text} please",
            "Add a note: {text}",
            "Remember {text}",
            "Make a note that says {text}",
            "new note {text}",
            "Please note {text}",
        ),
        ("Jot down {text}", "Make a memo: {text}", "Do not let me forget {text}"),
        lambda v, a: f"Saved note {v.random.randint(1, 400)}",
        _done,
        {"text": ("Take a note", "Save a note for me", "I want to make a note")},
    ),
    Intent(
        "find_notes",
        {"text": Values.word},
        (
            "Find my notes about {text}",
            "What did I note about {text}?",
            "Show notes with {text}",
            "Search my notes for {text}",
            "Do I have a note about {text}?",
            "notes about {text}",
        ),
        ("Dig out the note that mentions {text}", "Did I ever note something on {text}?"),
        lambda v, a: (
            _listing(v, lambda: f"{v.random.randint(1, 99)} ({_day(v)[:10]}): {v.phrase()}")
            if v.chance(0.8)
            else "nothing"
        ),
        _found,
    ),
    Intent(
        "add_event",
        {"title": Values.phrase, "date": Values.date, "time": Values.time},
        (
            "Put {title} in my calendar on {date} at {time}",
            "Add {title} to the calendar on {date} at {time}",
            "Schedule {title} for {date} at {time}",
            "New event: {title}, {date} at {time}",
            "Book {title} on {date}, {time}",
            "Create an event called {title} on {date} at {time}",
            "On {date} at {time} I have {title}, add it to the calendar",
            "calendar: {title} {date} {time}",
        ),
        ("Block {date} at {time} in the calendar for {title}", "Pencil in {title}, {date}, {time}"),
        lambda v, a: (
            f"Added {a['title']} on {_day(v)} at {v.random.randint(0, 23):02d}:{v.random.choice([0, 15, 30, 45]):02d}"
        ),
        _done,
    ),
    Intent(
        "add_event",
        {"title": Values.phrase, "date": Values.date},
        (
            "Put {title} in my calendar on {date}",
            "Add {title} to the calendar for {date}",
            "Schedule {title} on {date}",
            "New event: {title}, {date}",
            "Create an event {title} on {date}",
            "{title} is on {date}, put it in the calendar",
        ),
        ("Enter {title} in the agenda on {date}", "Mark {date} in the calendar: {title}"),
        lambda v, a: f"Added {a['title']} on {_day(v)}",
        _done,
        {
            "date": ("Put {title} in my calendar", "Schedule {title}", "Add {title} to the calendar"),
            "title": ("Put something in my calendar on {date}", "Add an event on {date}"),
        },
    ),
    Intent(
        "list_events",
        {"date": Values.date},
        (
            "What is in my calendar on {date}?",
            "What do I have on {date}?",
            "Show my events on {date}",
            "Events on {date}",
            "Do I have anything on {date}?",
            "List my appointments for {date}",
        ),
        ("Am I busy on {date}?", "Which appointments await me on {date}?"),
        lambda v, a: (
            _listing(v, lambda: f"{_day(v)[:10]} {v.random.randint(7, 20):02d}:00: {v.phrase()}")
            if v.chance(0.8)
            else "nothing"
        ),
        _found,
    ),
    Intent(
        "list_events",
        {},
        (
            "What is in my calendar?",
            "Show my calendar",
            "List my events",
            "What is coming up in the calendar?",
            "Which appointments do I have?",
        ),
        ("What does my agenda look like?",),
        lambda v, a: _listing(v, lambda: f"{_day(v)[:10]} {v.random.randint(7, 20):02d}:00: {v.phrase()}"),
        _found,
    ),
    Intent(
        "draft_mail",
        {"to": Values.recipient, "subject": Values.phrase},
        (
            "Draft an email to {to} about {subject}",
            "Write a mail to {to} about {subject}",
            "Email {to} about {subject}",
            "Compose a mail for {to}, subject {subject}",
            "Send {to} a mail about {subject}",
            "Write to {to}, subject: {subject}",
            "Prepare an email about {subject} to {to}",
        ),
        ("Drop {to} a line regarding {subject}", "Let {to} know about {subject} by mail"),
        lambda v, a: (
            f"Draft to {a['to']} saved as drafts/{v.word().replace(' ', '-')}-{v.random.randrange(16**6):06x}.eml"
        ),
        lambda a, r: f"{r}. Please read it before you send it.",
        {"subject": ("Draft an email to {to}", "Write a mail to {to}"), "to": ("Write an email about {subject}",)},
    ),
    Intent(
        "draft_mail",
        {"to": Values.recipient, "subject": Values.phrase, "body": Values.sentence},
        (
            "Draft an email to {to} about {subject} that says {body}",
            "Mail {to}, subject {subject}, text {body}",
            "Write a mail to {to} about {subject}: {body}",
            "Email {to} about {subject} saying {body}",
        ),
        ("Compose for {to} a message titled {subject} reading {body}",),
        lambda v, a: (
            f"Draft to {a['to']} saved as drafts/{v.word().replace(' ', '-')}-{v.random.randrange(16**6):06x}.eml"
        ),
        lambda a, r: f"{r}. Please read it before you send it.",
    ),
    *(
        Intent(
            "query_table",
            {"path": Values.table, "column": Values.column},
            train,
            held,
            lambda v, a: v.decimal(),
            answer,
            {"path": missing},
            {"operation": operation},
        )
        for operation, train, held, answer, missing in (
            (
                "sum",
                (
                    "What is the sum of {column} in {path}?",
                    "Add up {column} in {path}",
                    "Total of {column} in {path}",
                    "Sum the column {column} of {path}",
                    "How much is {column} in {path} all together?",
                ),
                ("Tally {column} from {path}",),
                lambda a, r: f"The sum of {a['column']} is {r}.",
                ("Add up the column {column}",),
            ),
            (
                "average",
                (
                    "What is the average {column} in {path}?",
                    "Average of {column} in {path}",
                    "Mean {column} in {path}",
                    "Compute the average of {column} from {path}",
                ),
                ("On average, what is {column} in {path}?",),
                lambda a, r: f"The average of {a['column']} is {r}.",
                ("What is the average {column}?",),
            ),
            (
                "max",
                (
                    "What is the highest {column} in {path}?",
                    "Maximum of {column} in {path}",
                    "Largest {column} in {path}",
                    "Find the max of {column} in {path}",
                ),
                ("What is the biggest value of {column} in {path}?",),
                lambda a, r: f"The max of {a['column']} is {r}.",
                ("What is the highest {column}?",),
            ),
            (
                "min",
                (
                    "What is the lowest {column} in {path}?",
                    "Minimum of {column} in {path}",
                    "Smallest {column} in {path}",
                    "Find the min of {column} in {path}",
                ),
                ("What is the least {column} in {path}?",),
                lambda a, r: f"The min of {a['column']} is {r}.",
                ("What is the lowest {column}?",),
            ),
        )
    ),
    Intent(
        "query_table",
        {"path": Values.table, "where": Values.condition},
        (
            "How many rows of {path} have {where}?",
            "Count the rows in {path} where {where}",
            "How many in {path} with {where}?",
            "Count {path} where {where}",
        ),
        ("What is the row count of {path} given {where}?",),
        lambda v, a: v.number(),
        lambda a, r: f"There are {r} rows.",
        fixed={"operation": "count"},
    ),
    Intent(
        "query_table",
        {"path": Values.table, "where": Values.condition},
        (
            "Show the rows of {path} where {where}",
            "Which rows of {path} have {where}?",
            "List rows in {path} with {where}",
            "Filter {path} by {where}",
        ),
        ("Give me every line of {path} with {where}",),
        lambda v, a: "\n".join(
            [f"{v.column()}, {v.column()}", *(f"{v.word()}, {v.number()}" for _ in range(v.random.randint(1, 3)))]
        ),
        _found,
        fixed={"operation": "rows"},
    ),
)
# fmt: on

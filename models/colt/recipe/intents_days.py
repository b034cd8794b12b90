"""Dates, times and the calendar."""

from __future__ import annotations

from intents import Args, Intent, day, listing
from values import Values


def _now(values: Values, _: Args) -> str:
    return day(values).replace(" (", f" {values.random.randint(0, 23):02d}:{values.random.randint(0, 59):02d} (")


def _event(values: Values) -> str:
    return f"{day(values)[:10]} {values.random.randint(7, 20):02d}:00: {values.phrase()}"


def _clock(values: Values) -> str:
    return f"{values.random.randint(0, 23):02d}:{values.random.choice([0, 15, 30, 45]):02d}"


_CALENDAR = "(my|the) (calendar|agenda|schedule|diary)"
_EVENT = "(event|appointment|meeting|calendar entry|entry)"

DAYS: tuple[Intent, ...] = (
    Intent(
        "current_time",
        {},
        (
            "(what|which) (day|date) is (it|today) [today]?",
            "what time is it [now|right now]?",
            "(tell|give) me the [current] (time|date|date and time)",
            "(what's|what is) the [current] (time|date) [now|today]?",
            "(time|date|the time|the date)",
            "(which|what) day is (today|it)?",
            "do you know (the time|the date|what time it is|what day it is)?",
            "I need (the time|the date|today's date)",
            "(today is|now it is) (what|which) (day|date)?",
            "(check|look at|read) the (clock|watch|date) [for me]",
            "(is it|are we) (late|early|still morning|already evening) [already|yet]?",
            "(which|what) (month|year|weekday|hour) (is it|do we have|are we in)?",
            "I (lost track of|forgot|do not know) (the time|the date|what day it is)",
            "(how|what) is the time [now|please]?",
        ),
        ("Do you have the time?", "How late is it?"),
        _now,
        "It is",
    ),
    Intent(
        "current_time",
        {"zone": Values.city},
        (
            "what (time|date|day) is it [now|right now] in {zone} [now|right now]?",
            "(the|current|local|the local) time in {zone}",
            "(tell|give) me the [local|current] time in {zone}",
            "what is the [local|current] time in {zone}?",
            "how late is it in {zone} [now]?",
            "do you know what time it is in {zone}?",
            "time in {zone}",
            "(is it|are they) (late|early|still morning|already evening|night) in {zone}?",
            "(people|friends|we) in {zone}: what time (is it there|do they have)?",
            "(check|look up|find out) the (time|hour|date) in {zone}",
            "{zone} (time|local time|time now)",
            "(which|what) (hour|day|weekday) is it [now] in {zone}?",
            "I (want|need|have) to (know|call) {zone}, what time is it there?",
        ),
        ("What does the clock say in {zone}?", "Is it morning in {zone}?"),
        _now,
        "It is",
    ),
    Intent(
        "shift_date",
        {"date": Values.date, "days": lambda v: str(v.random.randint(1, 400))},
        (
            "(what|which) (date|day) is {days} days (after|from|past) {date}?",
            "{days} days (after|from|past) {date}",
            "(add|count) {days} days (to|from|onto) {date}",
            "what (comes|is|do we have) {days} days after {date}?",
            "(which|what) (date|day) (do we get|is it|will it be) {days} days (after|from) {date}?",
            "go {days} days (forward|ahead|on) from {date}",
            "{date} plus {days} days",
            "(starting|beginning|counting) (on|from|at|with) {date}, what (date|day) is {days} days (later|on)?",
            "(the date|the day) {days} days (after|past|from) {date}",
            "(move|push|shift|put off) {date} by {days} days",
            "{date}, and then {days} days (later|more|on): (what|which) (date|day) is that?",
            "(when|on which date) (are|is|will be) {days} days over (from|after) {date}?",
            "wait {days} days (from|after) {date}, (what|which) day is it then?",
        ),
        ("If {date} is the start, where do {days} days lead?", "Hop {days} days onward from {date}"),
        lambda v, _: day(v),
        "It is",
        {
            "days": ("add some days to {date}", "(which|what) date is some days after {date}?"),
            "date": ("what (date|day) is {days} days after that?", "add {days} days"),
        },
        numbers=("days",),
    ),
    Intent(
        "days_between",
        {"start": Values.date, "end": Values.date},
        (
            "how many days (are|lie|are there) (between {start} and {end}|from {start} to {end}|from {start} until {end})?",
            "(count|number of|count the) days (between {start} and {end}|from {start} to {end})",
            "days (from {start} to {end}|between {start} and {end})",
            "how (long|far|many days) is it from {start} (to|until|till) {end}?",
            "(what is the time|the days) between {start} and {end}?",
            "from {start} to {end}, how many days is that?",
            "(tell me|work out|find|give me) (how many days|the days) (lie between|are between|between) {start} and {end}",
            "{start} (to|until|till|and) {end}: how (many days|long)?",
            "(how much time|how many days) (passes|pass|go by|do I have) from {start} (to|until|till) {end}?",
            "the (distance|time|gap|span) in days (from {start} to {end}|between {start} and {end})",
            "if it starts on {start} and ends on {end}, how many days (does it take|is it)?",
        ),
        ("What is the number of days separating {start} and {end}?",),
        lambda v, _: f"{v.random.randint(2, 900)} days",
        "It is",
        {"end": ("how many days (are there|is it) from {start}?", "count the days from {start}")},
    ),
    Intent(
        "add_event",
        {"title": Values.phrase, "date": Values.date, "time": Values.time},
        (
            f"(put|add|enter|write|note) {{title}} (in|into|to|on) {_CALENDAR} (on|for) {{date}} at {{time}}",
            "(schedule|book|plan|set up|arrange) {title} (for|on) {date} at {time}",
            f"[new|add a new|create a new] {_EVENT}: {{title}}, {{date}} at {{time}}",
            f"(create|make|add) (a|an) {_EVENT} [called|named] {{title}} (on|for) {{date}} at {{time}}",
            f"on {{date}} at {{time}} I have {{title}}, (add|put) it (to|in) {_CALENDAR}",
            "calendar: {title} {date} {time}",
            "(remind me of|I have) {title} on {date} at {time}, (add it to|put it in) (my|the) calendar",
            "(book|schedule) {date} at {time} for {title}",
            "(schedule|book|plan|set up|arrange|enter) {title} at {time} on {date}",
            f"(put|add|enter) {{title}}, {{date}}, {{time}}, (in|into|to) {_CALENDAR}",
            "{date}, {time}: {title}, (add it to|put it in|note it in) (my|the) calendar",
            "{title} is on {date} at {time}, (put it in|add it to) (my|the) calendar",
            "(there is|we have|I got) {title} on {date} at {time}, (enter|save|note) it",
            "(for|on) {date}, {time}, (plan|schedule|book|add) {title}",
            "{title} (starts|begins|happens|takes place) on {date} at {time}, (keep it in|enter it in) (my|the) calendar",
            "my calendar (needs|should have|should get) {title} on {date} at {time}",
            "(let me|I want to) (meet for|go to|do) {title} on {date} at {time}, (enter|add) it",
            "at {time} on {date} (there is|comes|I have) {title}, (add|enter|schedule) it",
        ),
        ("Block {date} at {time} in the planner for {title}", "Pencil in {title}, {date}, {time}"),
        lambda v, a: f"Added {a['title']} on {day(v)} at {_clock(v)}",
        "",
    ),
    Intent(
        "add_event",
        {"title": Values.phrase, "date": Values.date},
        (
            f"(put|add|enter|write|note) {{title}} (in|into|to|on) {_CALENDAR} (on|for) {{date}}",
            "(schedule|book|plan|set up|arrange) {title} (for|on) {date}",
            f"[new|add a new|create a new] {_EVENT}: {{title}}, {{date}}",
            f"(create|make|add) (a|an) {_EVENT} [called|named] {{title}} (on|for) {{date}}",
            "{title} is on {date}, (put it in|add it to) (my|the) calendar",
            "on {date} I have {title}, (add it to|put it in) (my|the) calendar",
            "(mark|book|keep|block) {date} for {title} [in my calendar]",
            "{date}: {title}, (add it to|put it in|note it in) (my|the) calendar",
            "I have {title} on {date}, (remember it in|write it into) (my|the) calendar",
            "(there is|we have|I got) {title} on {date}, (enter|save|schedule) it",
            "(for|on) {date}, (plan|schedule|book|add) {title}",
            "{title} (starts|happens|takes place) on {date}, (keep it in|enter it in) (my|the) calendar",
            "my calendar (needs|should have|should get) {title} (on|for) {date}",
            "(make|leave|find) (room|time) (on|for) {date} for {title}",
            "{date} is (for|the day of) {title}, (enter|add|schedule) it",
        ),
        ("Reserve {date}: {title}", "Set {date} aside in the planner for {title}"),
        lambda v, a: f"Added {a['title']} on {day(v)}",
        "",
        {
            "date": (
                f"(put|add|enter) {{title}} (in|into|to) {_CALENDAR}",
                "(schedule|book|plan) {title}",
                f"(create|add|make) (a|an) {_EVENT} called {{title}}",
                "{title}: (schedule|enter|plan) it",
                "I have {title}, (put it in|add it to) (my|the) calendar",
            ),
            "title": (
                f"(put|add|enter) something (in|into|to) {_CALENDAR} on {{date}}",
                f"(add|create|make) (a|an) {_EVENT} on {{date}}",
                "book {date}",
                "(there is|I have) something on {date}, (enter|schedule|add) it",
                "(keep|block) {date} for something",
            ),
        },
    ),
    Intent(
        "list_events",
        {"date": Values.date},
        (
            f"what is (in|on) {_CALENDAR} (on|for) {{date}}?",
            "what (do I have|have I got|is planned|is there|is scheduled|is happening) on {date}?",
            "(show|list|tell|give) [me] (my|the) (events|appointments|meetings|plans) (on|for|of) {date}",
            "(events|appointments|meetings|plans) (on|for) {date}",
            "do I have (anything|something|any appointments|any meetings|plans) on {date}?",
            "(am I free|am I busy|do I have time) on {date}?",
            f"(look|check) (at|in|into) {_CALENDAR} for {{date}}",
            "(is|will) {date} (busy|free|full|be busy|be free)?",
            "(tell me|show me|I want to know) what (happens|is planned|I have) on {date}",
            "{date}: (what is planned|what do I have|anything planned)?",
            "(who|what) (do I meet|am I doing|must I do|is waiting) on {date}?",
            "how (does|will) {date} look [for me]?",
            "(can I|could we) (meet|rest|sleep in|go out) on {date}?",
        ),
        ("Which obligations await me on {date}?", "How full is {date}?"),
        lambda v, _: listing(v, lambda: _event(v)) if v.chance(0.8) else "nothing",
        "I found:",
    ),
    Intent(
        "list_events",
        {},
        (
            f"what is (in|on) {_CALENDAR}?",
            f"(show|open|print|display) [me] {_CALENDAR}",
            "(show|list|tell|give) [me] [all] (my|the) (events|appointments|meetings|plans)",
            f"what is coming up [next] [in {_CALENDAR}]?",
            "(which|what) (events|appointments|meetings) do I have?",
            "what (do I have|have I got|is) planned?",
            "(am I|are we) (busy|free) [at all|these days]?",
            "(everything|all) (that is planned|in my calendar|coming up)",
            "(read|tell) me my (plans|calendar|appointments|schedule)",
            "(when|what) is my next (event|appointment|meeting)?",
            f"(let me see|I want to see|browse) {_CALENDAR}",
        ),
        ("What obligations await me?",),
        lambda v, _: listing(v, lambda: _event(v)),
        "I found:",
    ),
)

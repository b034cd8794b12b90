"""Arithmetic, units and tables."""

from __future__ import annotations

from intents import Args, Intent
from values import Values

from bridle.errors import ToolError
from bridle.toolbox.calculator import evaluate, show
from bridle.toolbox.units import convert_units


def _arithmetic(_: Values, args: Args) -> str:
    try:
        return show(evaluate(str(args["expression"])))
    except ToolError as error:
        return f"error: {error.message}"


def _conversion(_: Values, args: Args) -> str:
    try:
        return str(convert_units.function(float(args["value"]), str(args["from_unit"]), str(args["to_unit"])))
    except ToolError as error:
        return f"error: {error.message}"


def _rows(values: Values, _: Args) -> str:
    head = f"{values.column()}, {values.column()}"
    return "\n".join([head, *(f"{values.word()}, {values.number()}" for _ in range(values.random.randint(1, 3)))])


_TABLES = "(in|from|of) [the table|the file] {path}"
_OPERATIONS = {
    "sum": (
        "(sum|total|overall sum|overall total)",
        ("(sum|add|total) [up] [the column|all|the] {column} " + _TABLES, "how much is {column} " + _TABLES + " (in all|in total|all together|together)?"),
        ("Tally {column} from {path}", "What does {column} in {path} amount to?"),
    ),
    "average": ("(average|mean|average value of)", ("(average|take the mean of) [the column] {column} " + _TABLES,), ("On average, what is {column} in {path}?",)),
    "max": ("(highest|largest|biggest|greatest|maximum|max|top)", ("(maximum|max) (of|for) {column} " + _TABLES,), ("What does {column} in {path} peak at?",)),
    "min": ("(lowest|smallest|least|minimum|min)", ("(minimum|min) (of|for) {column} " + _TABLES,), ("What is the bottom value of {column} in {path}?",)),
}  # fmt: skip
"""By operation: its name in sentences, sentences of its own, and held ones."""

NUMBERS: tuple[Intent, ...] = (
    Intent(
        "calculate",
        {"expression": Values.expression},
        (
            "(what is|what's|how much is|what makes|what does it make:) {expression}?",
            "(calculate|compute|work out|evaluate|solve|figure out|do|add up) {expression}",
            "{expression}",
            "{expression} [=] ?",
            "{expression} =",
            "tell me (what|how much) {expression} is",
            "(what|how much) do (I|you|we) get for {expression}?",
            "the result of {expression}",
            "I need the (result|value|answer) of {expression}",
            "(math|quick math|calculator): {expression}",
            "(how|what) does {expression} (come to|add up to|make)?",
            "{expression} (is|makes|gives|equals) (what|how much)?",
            "(I wonder|tell me|find out|check) what {expression} (is|makes|gives)",
            "(run|type|enter) {expression} (through|into) the calculator",
            "(can|do) you know {expression}?",
            "(take|use) {expression}, what (is it|do you get)?",
        ),
        ("Crunch {expression}", "Which number comes out of {expression}?"),
        _arithmetic,
        "It is",
        {
            "expression": (
                "(calculate|compute|work out) something [for me]",
                "(do|help me with) some (math|maths|arithmetic)",
                "I need (a calculation|a calculator|to calculate something)",
                "(run|start|use) the calculator",
                "(figure|check) (a number|some numbers|something) out",
            )
        },
    ),
    Intent(
        "convert_units",
        {"value": Values.decimal, "from_unit": lambda v: v.units()[0], "to_unit": lambda v: v.units()[1]},
        (
            "(convert|change|turn|transform|express) {value} {from_unit} (to|into|in) {to_unit}",
            "how (many|much) {to_unit} (are|is|are in|is in|do I get for|make) {value} {from_unit}?",
            "{value} {from_unit} (in|to|into|as) {to_unit}",
            "(what is|what are|what's|how much is|how much are) {value} {from_unit} in {to_unit}?",
            "(give|tell) me {value} {from_unit} in {to_unit}",
            "I (have|need|want) {value} {from_unit} in {to_unit}",
            "{value} {from_unit} (is|are) how many {to_unit}?",
            "(how long|how heavy|how much|how big) (is|are) {value} {from_unit} in {to_unit}?",
            "(I know|we have|there are) {value} {from_unit}, what (is that|are they) in {to_unit}?",
            "{value} {from_unit}: (what is that|how much is it|put it) in {to_unit}",
            "(say|write|show) {value} {from_unit} (in|as) {to_unit}",
            "in {to_unit}, (what|how much) (is|are) {value} {from_unit}?",
            "(translate|switch|bring) {value} {from_unit} (to|into) {to_unit}",
            "what do {value} {from_unit} (make|equal|become) in {to_unit}?",
        ),
        (
            "Restate {value} {from_unit} using {to_unit}",
            "Were {value} {from_unit} given in {to_unit}, what would they be?",
        ),
        _conversion,
        "",
        {
            "to_unit": (
                "(convert|change|turn) {value} {from_unit} [for me]",
                "I have {value} {from_unit}, convert (it|them)",
                "(translate|switch|express) {value} {from_unit}",
                "what (is|are) {value} {from_unit} in (something else|another unit|other units)?",
            )
        },
        numbers=("value",),
    ),
    *(
        Intent(
            "query_table",
            {"path": Values.table, "column": Values.column},
            (
                f"what is the {name} [of] [the column] {{column}} {_TABLES}?",
                f"(find|get|give|tell|show|compute|calculate|work out) [me] the {name} [of] [the column] {{column}} {_TABLES}",
                f"{name} [of] {{column}} {_TABLES}",
                f"in {{path}}, what is the {name} [of] {{column}}?",
                f"I need the {name} [of] {{column}} {_TABLES}",
                f"(tell me|check|look up|I wonder) what the {name} [of] {{column}} {_TABLES} is",
                f"(look at|open|take|use) {{path}} and (tell|give|get) me the {name} [of] {{column}}",
                f"{{path}}: {name} [of] {{column}}",
                f"[the] {{column}} {_TABLES}: (what is|give me|show) the {name}",
                f"(do you know|can you say) the {name} [of] {{column}} {_TABLES}?",
                *own,
            ),
            held,
            lambda v, _: v.decimal(),
            "It is",
            {"path": (f"what is the {name} [of] {{column}}?", f"(find|get|tell me) the {name} [of] {{column}}")},
            {"operation": operation},
        )
        for operation, (name, own, held) in _OPERATIONS.items()
    ),
    Intent(
        "query_table",
        {"path": Values.table, "where": Values.condition},
        (
            "how many (rows|lines|entries|records) (of|in) {path} (have|with|where|are there with) {where}?",
            "(count|count up) the (rows|lines|entries|records) (of|in) {path} (where|with|that have) {where}",
            "how many (in|of) {path} (with|have) {where}?",
            "(count|number of rows in) {path} where {where}",
            "in {path}, how many (rows|entries) have {where}?",
            "(tell me|say|I wonder) how many (rows|lines|entries|records) (of|in) {path} have {where}",
            "(the|a) count of (rows|lines|entries|records) (in|of) {path} (where|with) {where}",
            "{path}: how many (rows|lines|entries) (with|where) {where}?",
            "(look at|check|go through) {path} and count (what has|those with|all with) {where}",
        ),
        ("What is the row count of {path} given {where}?",),
        lambda v, _: v.number(),
        "There are",
        fixed={"operation": "count"},
    ),
    Intent(
        "query_table",
        {"path": Values.table, "where": Values.condition},
        (
            "(show|list|get|print|give|find) [me] (the|all) (rows|lines|entries|records) (of|in|from) {path} (where|with|that have) {where}",
            "(which|what) (rows|lines|entries|records) (of|in) {path} have {where}?",
            "filter {path} (by|on|for) {where}",
            "(select|take) from {path} where {where}",
            "(I want|I need|let me see|fetch) (the|all) (rows|lines|entries|records) (of|in|from) {path} (where|with) {where}",
            "{path}: (rows|lines|entries|everything) (with|where) {where}",
            "(look at|open|search) {path} (for|and show) (rows|entries|lines) (with|where) {where}",
            "(only|just) the (rows|entries|lines) (of|from) {path} (with|where) {where}",
        ),
        ("Give me every line of {path} satisfying {where}",),
        _rows,
        "I found:",
        fixed={"operation": "rows"},
    ),
)

"""Notes and mail."""

from __future__ import annotations

from intents import Args, Intent, day, listing
from values import Values


def _draft(values: Values, args: Args) -> str:
    name = f"{values.word().replace(' ', '-')}-{values.random.randrange(16**6):06x}"
    return f"Draft to {args['to']} saved as drafts/{name}.eml"


_MAIL = "(mail|email|e-mail|message)"

WRITING: tuple[Intent, ...] = (
    Intent(
        "add_note",
        {"text": Values.phrase},
        (
            "(note|note down|write down|jot down|take down|put down|remember|record|save|keep in mind|log) [that|:] {text}",
            "(note|memo|reminder|remember|new note|note to self): {text}",
            "(take|make|save|add|create|write|leave) [me] (a|a new|another) (note|memo): {text}",
            "(take|make|save|add|create|write) (a|a new) (note|memo) (that says|saying|with the text|about) {text}",
            "do not (forget|let me forget) {text}",
            "(remind me|I must not forget): {text}",
            "(save|keep|store) {text} (as a note|in my notes)",
            "(add|write|put) {text} (to|into|in) my notes",
            "I (want|need|would like) (a note|to note): {text}",
            "{text}: (note that|write that down|keep that|remember it|do not forget it)",
            "(let us|I should|we should) (note|remember|write down) [that|:] {text}",
            "(my notes|the notes) (should have|need|lack): {text}",
            "(type|file|drop) {text} (into|in|under) my notes",
            "(one|a) (note|memo) (more|please): {text}",
            "(keep|hold) {text} (for later|in memory|somewhere safe)",
            "later I (want|need) to (know|remember): {text}",
        ),
        ("Scribble {text} on the pad", "For the record: {text}", "Bear in mind {text}"),
        lambda v, _: f"Saved note {v.random.randint(1, 400)}",
        "",
        {
            "text": (
                "(take|make|save|add|write) (a|another) (note|memo) [for me]",
                "I (want|need) to (make|take|write|save) a note",
                "(note|remember|write down) something [for me]",
                "new note",
                "(one|a) (note|memo) (more|please)",
                "(keep|remember|log) (this|that|it) [for later]",
            )
        },
    ),
    Intent(
        "find_notes",
        {"text": Values.word},
        (
            "(find|show|get|list|look up|search|bring up) [me] (my|the) (note|notes|memo) (about|on|with|that mention|for) {text}",
            "what did I (note|write down|write|remember|say) about {text}?",
            "(search|look through|check|go through) my notes (for|about) {text}",
            "do I have (a note|any notes|notes|a memo) (about|on|with) {text}?",
            "notes (about|on|with) {text}",
            "what do my notes say about {text}?",
            "(is|was) there a note (about|on) {text}?",
            "(fetch|grab|retrieve|browse) (my|the) (note|notes) (about|on|with) {text}",
            "(remind me|tell me) what I (wrote|noted|saved) about {text}",
            "{text}: (did I note something|any notes|what did I write)?",
            "(which|what) notes (mention|are about|have) {text}?",
            "I (wrote|noted|saved) something about {text}, (find it|show it|what was it)?",
        ),
        ("Dig out the memo concerning {text}", "Did I ever put something on paper about {text}?"),
        lambda v, _: (
            listing(v, lambda: f"{v.random.randint(1, 99)} ({day(v)[:10]}): {v.phrase()}")
            if v.chance(0.8)
            else "nothing"
        ),
        "I found:",
    ),
    Intent(
        "find_notes",
        {},
        (
            "(show|list|get|read|give) [me] [all] (my|the) notes",
            "what (notes do I have|did I note|have I noted)?",
            "(which|what) notes are there?",
            "(browse|go through|open|print) (my|the|all) notes",
            "(everything|all) (I noted|I wrote down|in my notes)",
            "(let me|may I|can I) see (my|the|all) notes?",
            "(did|have) I (note|noted|written) (anything|something) [down]?",
        ),
        ("Hand me my memos",),
        lambda v, _: listing(v, lambda: f"{v.random.randint(1, 99)} ({day(v)[:10]}): {v.phrase()}", 1),
        "I found:",
    ),
    Intent(
        "draft_mail",
        {"to": Values.recipient, "subject": Values.subject},
        (
            f"(draft|write|compose|prepare|send|start|create) (a|an) {_MAIL} (to|for) {{to}} (about|on|with the subject|regarding) {{subject}}",
            "(mail|email|write|write to|message) {to} about {subject}",
            f"(draft|write|compose|prepare) (a|an) {_MAIL} about {{subject}} (to|for) {{to}}",
            f"(send|write) {{to}} (a|an) {_MAIL} (about|on|regarding) {{subject}}",
            "(write to|mail to|email) {to}, subject[:] {subject}",
            "(tell|ask|inform) {to} by (mail|email) about {subject}",
            f"{{to}} (needs|should get|wants) (a|an) {_MAIL} about {{subject}}",
            f"(I want|I need|we have) to (tell|inform|ask) {{to}} about {{subject}} (by|in a) {_MAIL}",
            f"(a|one) {_MAIL} (to|for) {{to}}: {{subject}}",
            f"(begin|open|set up|put together) (a|an) {_MAIL} (to|for) {{to}} (about|on) {{subject}}",
            "{to} (should|must|has to) (hear|know|read) about {subject}, (write a mail|send a message)",
            f"about {{subject}}: (send|write) (a|an) {_MAIL} to {{to}}",
            "(get in touch with|reach out to|contact|answer) {to} about {subject}",
        ),
        ("Drop {to} a line regarding {subject}", "Let {to} know of {subject} in writing"),
        _draft,
        "Please read it before you send it:",
        {
            "subject": (
                f"(draft|write|compose|prepare|send) (a|an) {_MAIL} (to|for) {{to}}",
                "(mail|email|write to) {to}",
                "(get in touch with|contact|answer) {to}",
            ),
            "to": (f"(draft|write|compose|prepare|send) (a|an) {_MAIL} about {{subject}}",),
        },
    ),
    Intent(
        "draft_mail",
        {"to": Values.recipient, "subject": Values.subject, "body": Values.sentence},
        (
            f"(draft|write|compose|send) (a|an) {_MAIL} (to|for) {{to}} about {{subject}} (that says|saying|with the text) {{body}}",
            "(mail|email|write to) {to}, subject {subject}, (text|body|saying) {body}",
            f"(write|draft|compose) (a|an) {_MAIL} to {{to}} about {{subject}}: {{body}}",
            "(email|mail) {to} about {subject} (saying|and say) {body}",
            f"(send|write) {{to}} (a|an) {_MAIL} about {{subject}}[,] (saying|that says|with the words) {{body}}",
            f"(a|one) {_MAIL} (to|for) {{to}}, subject {{subject}}, text {{body}}",
            "(tell|inform) {to} by (mail|email) about {subject}: {body}",
            f"(put together|begin|prepare) (a|an) {_MAIL} to {{to}} about {{subject}} with the text {{body}}",
        ),
        ("Compose for {to} a letter titled {subject} reading {body}",),
        _draft,
        "Please read it before you send it:",
    ),
)

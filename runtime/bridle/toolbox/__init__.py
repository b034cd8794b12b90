"""The first toolbox: small tools that work offline on one folder and cannot leave it."""

from __future__ import annotations

from bridle.tool import Tool
from bridle.toolbox.calculator import calculate
from bridle.toolbox.calendar import add_event, list_events
from bridle.toolbox.dates import current_time, days_between, shift_date
from bridle.toolbox.files import find_files, list_files, read_file, search_text, write_file
from bridle.toolbox.mail import draft_mail
from bridle.toolbox.notes import add_note, find_notes
from bridle.toolbox.table import query_table
from bridle.toolbox.units import convert_units
from bridle.toolbox.workspace import Workspace

__all__ = ["TOOLBOX", "Workspace"]

TOOLBOX: tuple[Tool, ...] = (
    list_files,
    find_files,
    search_text,
    read_file,
    write_file,
    calculate,
    current_time,
    shift_date,
    days_between,
    convert_units,
    add_note,
    find_notes,
    add_event,
    list_events,
    draft_mail,
    query_table,
)
"""Every tool of the toolbox, in the order in which the model is shown them."""

"""All pages of the late orders, each answer checked before it is believed, and faults reported once.

The server is an ERP-like API over HTTP: pages of orders, machines by name, faults to report. Where it is stands in
`BRIDLE_SHOP_FLOOR`, as http://127.0.0.1:8123. Loops, checks and what to do about errors are code; the model reads the
request at the beginning and writes the report at the end.
"""

import asyncio
import json
import os
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bridle.context import Context
from bridle.errors import ToolError, describe
from bridle.tool import CallKey, tool

PAGES = 50
"""Pages that are read at most."""
TRIES = 3
"""Times that the server is asked for one thing."""
MOST = 1_000_000
"""Bytes of an answer that are read."""
SERVER = "BRIDLE_SHOP_FLOOR"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Order(_Told):
    """A production order, as the server tells it."""

    order: str = Field(pattern=r"^PO-\d+$")
    product: str
    machine: str
    due: str
    days_late: int = Field(ge=0)


class Page(_Told):
    """Some of the orders, and where the rest begins."""

    orders: list[Order] = Field(max_length=100)
    next: int | None = Field(default=None, ge=2)


class Machine(_Told):
    """A machine, as the server tells it."""

    machine: str
    state: Literal["running", "idle", "down"]
    since: str


def ask(path: str, body: Any = None, key: str = "") -> Any:
    """What the server says; asked again where it is busy or broke off.

    Raises:
        ToolError: it refuses, or says nothing usable.
    """
    server = urlsplit(os.environ.get(SERVER, ""))
    if server.scheme not in ("http", "https") or not server.hostname:
        raise ToolError(f"where the ERP server is has to stand in {SERVER}, as http://127.0.0.1:8123")
    connect = HTTPConnection if server.scheme == "http" else HTTPSConnection
    headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
    data, why = None if body is None else json.dumps(body), ""
    for _ in range(TRIES):
        try:
            with closing(connect(server.hostname, server.port, timeout=10)) as connection:
                connection.request("GET" if body is None else "POST", path, data, headers)
                answer = connection.getresponse()
                said = answer.read(MOST)
            if answer.status < 300:
                return json.loads(said)
            why = f"{answer.status} {answer.reason}"
            if answer.status < 500 and answer.status != 429:
                raise ToolError(f"the server refuses {path}: {why}")
        except (OSError, HTTPException, ValueError) as error:
            why = str(error)
    raise ToolError(f"the server does not answer {path}: {why}")


def believed(kind: type[_Told], told: Any) -> Any:
    """What the server says as a value.

    Raises:
        ToolError: it is not what it should be.
    """
    try:
        return TypeAdapter(kind).validate_python(told).model_dump()
    except ValidationError as error:
        raise ToolError(f"the server says what cannot be: {describe(error)}") from None


@tool(effect="pure")
async def list_orders(page: int = 1, least_days_late: int = 0) -> dict[str, Any]:
    """List production orders, a page of them."""
    path = f"/orders?{urlencode({'page': page, 'late': least_days_late})}"
    return believed(Page, await asyncio.to_thread(ask, path))


@tool(effect="pure")
async def get_machine(machine: str) -> dict[str, Any]:
    """Tell the state of a machine."""
    return believed(Machine, await asyncio.to_thread(ask, f"/machines/{quote(machine, safe='')}"))


@tool(effect="idempotent")
async def report_fault(machine: str, orders: list[str], key: CallKey) -> str:
    """Report a machine that is down, with the orders that wait for it."""
    told = await asyncio.to_thread(ask, "/faults", {"machine": machine, "orders": orders}, key.value)
    return f"reported as {told['fault']}"


TOOLS = (list_orders, get_machine, report_fault)


class Wanted(BaseModel):
    """What the shift lead wants to know."""

    least_days_late: int = Field(default=1, ge=1, le=365)
    report_faults: bool = False
    """Whether machines that are down are to be reported."""


async def run(context: Context) -> str:
    """Read the request, all pages and all machines; report; tell."""
    wanted = await context.extract(Wanted, "From how many days on is an order late, and are faults to be reported?")
    orders, problems = await late_orders(context, wanted.least_days_late)
    machines = sorted({order.machine for order in orders})
    context.note(f"{len(orders)} late orders on {len(machines)} machines")
    facts: list[str] = []
    for name in machines:
        waiting = [order for order in orders if order.machine == name]
        seen = await context.call("get_machine", machine=name)
        if not seen.ok:
            problems.append(f"{name}: {seen.value}")
            continue
        machine = Machine.model_validate(seen.value)
        facts.append(f"{name} is {machine.state} since {machine.since}; {told(waiting)} wait for it")
        if machine.state == "down" and wanted.report_faults:
            names: Any = [order.order for order in waiting]
            reported = await context.call("report_fault", machine=name, orders=names)
            facts.append(f"{name}: {reported.value}")
    said = "\n".join(facts) or f"no order is {wanted.least_days_late} days late or more"
    summary = await context.reply(f"The facts:\n{said}\n\nWrite a report of two sentences from these facts alone.")
    missing = "".join(f"\nNot known: {it}" for it in problems)
    return f"{summary}\n\n{said}{missing}"


async def late_orders(context: Context, days: int) -> tuple[list[Order], list[str]]:
    """Orders of all pages, each once, and what went wrong."""
    found, page = dict[str, Order](), 1
    for _ in range(PAGES):
        seen = await context.call("list_orders", page=page, least_days_late=days)
        if not seen.ok:
            return list(found.values()), [f"the orders from page {page} on: {seen.value}"]
        told = Page.model_validate(seen.value)
        found |= {it.order: it for it in told.orders if it.days_late >= days}
        if told.next is None:
            return list(found.values()), []
        if told.next <= page:
            return list(found.values()), [f"the orders after page {page}: the server leads back to page {told.next}"]
        page = told.next
    return list(found.values()), [f"the orders after {PAGES} pages"]


def told(orders: list[Order]) -> str:
    """Orders in a few words."""
    return ", ".join(f"{it.order} ({it.product}, {it.days_late} days late)" for it in orders)

"""Bridle: an agent runtime for quantized local models, every step held to a form.

Names are imported when they are used: importing the package does nothing else. No name here is a module's too (the
decorator is `bridle.tool.tool`), for a module that is imported takes its name's place.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bridle._version import __version__

if TYPE_CHECKING:
    from bridle.agent import Agent
    from bridle.bounds import Limits
    from bridle.context import Context
    from bridle.errors import BridleError
    from bridle.grammar import form_of
    from bridle.how import StepSettings
    from bridle.journal import Journal
    from bridle.local import open_model, open_remote
    from bridle.model import Model
    from bridle.prompt import Message
    from bridle.run import Run
    from bridle.skill import Skill, skill_from
    from bridle.step import Step, take
    from bridle.streaming import stream
    from bridle.tool import Tool

_HOMES = {
    "Agent": "agent",
    "BridleError": "errors",
    "Context": "context",
    "Journal": "journal",
    "Limits": "bounds",
    "Message": "prompt",
    "Model": "model",
    "Run": "run",
    "Skill": "skill",
    "Step": "step",
    "StepSettings": "how",
    "Tool": "tool",
    "form_of": "grammar",
    "open_model": "local",
    "open_remote": "local",
    "skill_from": "skill",
    "stream": "streaming",
    "take": "step",
}

__all__ = [
    "Agent",
    "BridleError",
    "Context",
    "Journal",
    "Limits",
    "Message",
    "Model",
    "Run",
    "Skill",
    "Step",
    "StepSettings",
    "Tool",
    "__version__",
    "form_of",
    "open_model",
    "open_remote",
    "skill_from",
    "stream",
    "take",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"bridle.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'bridle' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__

"""Workflows written down: steps.yaml, the same verbs as in code."""

from bridle.workflow.flow import Flow, read_flow

__all__ = ["Flow", "read_flow"]

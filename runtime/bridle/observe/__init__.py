"""Seeing runs: while they happen, and afterwards from the journal."""

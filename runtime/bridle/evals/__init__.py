"""Measuring: how fast, how valid, how right."""

"""Tokens in, tokens out: batching, masks, sampling, memory. Knows no grammar and no agent."""

"""Processes that run code nobody here trusts: confined, supervised, pooled, spoken to in frames."""

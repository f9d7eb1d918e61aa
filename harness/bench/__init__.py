"""What each side costs: paired timing, variants, peaks of memory, sizes, and the report of it."""

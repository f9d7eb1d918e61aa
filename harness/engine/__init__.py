"""The general engine: Pair, Recipe, Trace, Comparison. Start reading at `lockstep`."""

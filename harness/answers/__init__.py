"""A learner's file: read, its parts recognised, and made into pieces of a recipe."""

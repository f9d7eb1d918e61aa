# I did not do this exercise.

"""Nor that one."""

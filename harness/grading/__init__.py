"""Answers judged, one process each: a class, results and reports, a notebook, a watched file."""

"""What can go wrong on the way to a verdict, each with one sentence for the person who asked.

Does not cover verdicts: "different" and "inconclusive" are answers, not exceptions.
"""


class InputError(Exception):
    """The call or its input was wrong: the message says what, where and what to do.

    The command ends with status 2.
    """

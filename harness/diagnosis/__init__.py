"""Which mistake is it: questions, replies judged and matched, what can be measured."""

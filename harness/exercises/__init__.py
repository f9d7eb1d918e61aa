"""The book's exercises: what each asks, and how it is judged."""

"""How often the judge is right, and what hostile files and killed runs come to."""

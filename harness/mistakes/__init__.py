"""The catalogue of known mistakes, by the component they are made in."""

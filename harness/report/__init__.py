"""What any report is made of: texts, plots, files, templates, and the environment it is from."""

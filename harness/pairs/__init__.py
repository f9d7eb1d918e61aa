"""What can be written by hand and taken built in: one file a pair, and the data they train on."""

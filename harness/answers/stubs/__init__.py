"""What stands in for packages that an answer imports and that are not installed."""

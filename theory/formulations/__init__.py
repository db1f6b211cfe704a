"""What the meta-gradient is of: other objectives than the K steps taken as they stand."""

"""Networks as trackers."""

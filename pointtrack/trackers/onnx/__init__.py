"""Networks that ``pointtrack export`` wrote, as trackers."""

"""What two networks share."""

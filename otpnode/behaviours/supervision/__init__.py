"""The supervisors, and the life that they share."""

"""What may be lost and comes back by itself: cached values and announcements for live followers."""

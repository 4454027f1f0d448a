"""What a service keeps: hidden drawings, reports, progress."""

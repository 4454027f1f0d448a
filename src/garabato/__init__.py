"""Find out what a hand-drawn sketch shows, and find sketches like it."""

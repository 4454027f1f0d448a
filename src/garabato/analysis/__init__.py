"""What a gallery shows about its drawings: odd ones, duplicates, typical ones, a map."""

"""Pictures -> strokes: ink, thinning, graph, walk, fit, in this order."""

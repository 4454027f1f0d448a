"""Pictures -> strokes, in three steps: skeleton, graph, lines."""

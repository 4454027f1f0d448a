// The hits of the last answer, for views that show where in the gallery they are.

export const found = {hits: []};

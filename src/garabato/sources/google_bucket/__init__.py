"""Google's public bucket of Quick, Draw! drawings, sampled by HTTP Range or fetched whole."""

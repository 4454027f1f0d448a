"""Files, cores and memory of the machine garabato runs on."""

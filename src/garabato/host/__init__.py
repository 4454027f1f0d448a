"""The machine garabato runs on: files, folders, cores, memory, compiled code."""

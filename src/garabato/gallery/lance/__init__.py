"""The gallery in a folder: LanceDB."""

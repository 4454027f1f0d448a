"""The gallery on a Milvus server or cluster."""

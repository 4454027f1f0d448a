"""Requests, responses, middleware and errors of the HTTP API."""

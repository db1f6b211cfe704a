"""Runs an experiment's cells on one machine or a cluster, and keeps what is finished."""

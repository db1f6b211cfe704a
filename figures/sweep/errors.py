"""What may stop a sweep from outside."""


class WorkerDied(OSError):
    """A process that computed a cell is gone: killed, out of memory, or off the network."""

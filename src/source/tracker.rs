//! Trackers: read, create, update (read-merge-write), delete, as the customer's documents do.

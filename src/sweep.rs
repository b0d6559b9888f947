//! Closes alert windows, puts expired leases back, forgets what is old.

//! What every format tells: who, what, where, when, in words.

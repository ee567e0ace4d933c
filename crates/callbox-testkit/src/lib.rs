//! What callbox's own tests share.

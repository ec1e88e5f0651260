//! Munin node.

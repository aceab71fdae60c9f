//! The trait that decides where executions go and how large the fleet is, and its default. Pure.

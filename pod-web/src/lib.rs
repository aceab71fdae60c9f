//! The dashboard of POD, rendered on the server.
//!
//! Its pages are not there yet: `pod serve` answers `/` with the welcome of the action API, and nothing depends on this
//! crate. It keeps its place so that the dependencies point one way from the start.

//! Both APIs over a real manager: HTTP on a free port, SQLite, a worker that runs real processes.

mod action_activities;
mod action_errors;
mod action_executions;
mod action_policies;
mod api_activities;
mod api_errors;
mod api_executions;
mod api_fleet;
mod api_output;
mod bounds;
mod browsers;
mod dashboard;
mod forms;
mod guards;
mod masked;
mod page_weight;
mod pages_alone;
mod peers;
mod repeated;
mod requests;
mod restored;
mod same_name;
mod server;
mod sessions;
mod shutdown;
mod worker_link;

//! The dashboard in a real browser: headless Chromium, driven through its own driver, against a real manager.

mod actions;
mod behind_nginx;
mod browser;
mod checks;
mod following;
mod forms;
mod hostile_output;
mod lighthouse;
mod links;
mod lists;
mod live_output;
mod manager;
mod many_pages;
mod pictures;
mod signing_in;

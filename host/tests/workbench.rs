//! `wharf plugin …` as an author runs it: the program itself in a folder of its own, on real
//! components.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "workbench/book.rs"]
mod book;
#[path = "workbench/cases.rs"]
mod cases;
#[path = "workbench/commands.rs"]
mod commands;
#[path = "workbench/page.rs"]
mod page;
#[path = "workbench/projects.rs"]
mod projects;
#[path = "workbench/support.rs"]
mod support;

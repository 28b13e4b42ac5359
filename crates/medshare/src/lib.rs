//! medshare: patients own their medical records and share them.
//!
//! The binary's inside: homes ([`home`]), the interface `/v1` ([`http`]), the command
//! line ([`cli`]), pages ([`page`]), the same verbs for programs ([`verbs`]). [`wire`] alone names concrete back-ends.

pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod exit;
mod faults;
pub mod fhir;
pub mod files;
pub mod home;
pub mod http;
mod log;
mod machine;
pub mod page;
pub mod peers;
pub mod stop;
pub mod system;
pub mod verbs;
mod watch;
pub mod wire;

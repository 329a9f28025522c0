//! GitHub, behind types of our own.
//!
//! Owns: what a label on a pull request leads to. Must not: run anything, or trust a word that was not read from GitHub's
//! own record. Whatever decides is pure.

pub mod trigger;

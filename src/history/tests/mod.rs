//! Histories that are made up, and what the index must say of them.

mod answers;
mod damage;
mod migrations;
mod plans;
mod properties;
mod retention;
mod world;

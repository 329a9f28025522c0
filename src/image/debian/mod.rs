//! Debian node images: the archive's exact package list, and the image made of it by mmdebstrap.

mod archive;
mod make;
mod recipe;
mod resolve;

pub(super) use archive::Archive;
pub(super) use make::{KERNEL, make};
pub(super) use recipe::wanted;
pub(super) use resolve::resolve;

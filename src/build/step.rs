//! One command of a recipe, as data. Recipes are pure lists of these.

use camino::{Utf8Path, Utf8PathBuf};

use super::toolchain::Toolchain;
use crate::{
    process::{self, Call},
    source::{self, Checkout, Shape},
};

/// A command to run in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub folder: Utf8PathBuf,
}

impl Step {
    /// A command in the check-out, with the environment every build gets.
    pub fn new(program: &str, checkout: &Checkout, toolchain: &Toolchain) -> Self {
        let (flags, workspace) = match checkout.shape {
            Shape::Module { .. } => ("-mod=mod -buildvcs=false", "off"),
            // An empty GOWORK looks for go.work from the tree upwards: only where the tree has one.
            Shape::Tree if checkout.folder.join("go.work").exists() => ("-buildvcs=false", ""),
            Shape::Tree => ("-buildvcs=false", "off"),
        };
        let above = checkout.folder.parent().unwrap_or(Utf8Path::new("/"));
        let step = Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: checkout.folder.clone(),
        };
        step.env("LC_ALL", "C")
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", flags)
            .env("GOWORK", workspace)
            .env("GO111MODULE", "on")
            .env("GOTOOLCHAIN", &toolchain.selector)
            // The check-out has no repository of its own; one around it says nothing about it.
            .env("GIT_CEILING_DIRECTORIES", above.as_str())
            // What a `make` around bellwether was given is not meant for the project's make.
            .env("MAKEFLAGS", "")
            .env("MAKEOVERRIDES", "")
            .rewriting(checkout)
    }

    fn rewriting(self, checkout: &Checkout) -> Self {
        let environment = source::environment(&checkout.rewrites);
        environment
            .iter()
            .fold(self, |step, (name, value)| step.env(name, value))
    }

    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn folder(mut self, folder: Utf8PathBuf) -> Self {
        self.folder = folder;
        self
    }

    /// The command line, for people.
    pub fn line(&self) -> String {
        process::command_line(&self.program, &self.arguments)
    }

    pub fn call(&self) -> Call {
        let call = process::call(&self.program)
            .args(self.arguments.iter().cloned())
            .folder(&self.folder);
        let environment = self.environment.iter();
        environment.fold(call, |call, (name, value)| call.env(name, value))
    }
}

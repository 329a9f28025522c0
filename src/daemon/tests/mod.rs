mod crashes;
mod queue;
mod world;

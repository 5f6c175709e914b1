//! Plain statements at the speed of batches: `UPDATE products SET embedding = embed_text(description)`.
//!
//! A node of our own is put into the plan, above what gives the rows whose texts are going to be embedded. It reads rows
//! ahead, has their texts embedded as one batch, and passes the rows on as they are. `embed_text()` is called where it
//! always was, once per row, and finds the vectors there. So the answer cannot differ, and where the node is wrong about a
//! text, only time is lost.
//!
//! - `planner`: where the node goes
//! - `executor`: which statements keep all their rows
//! - `calls`: which texts it looks at
//! - `target`: the texts of tables that embed themselves
//! - `node`: what it does

mod calls;
mod executor;
mod node;
mod planner;
mod target;

/// Registers the node, and has it put into plans.
pub fn init() {
    node::register();
    planner::init();
    executor::init();
}

//! What goes on beside the sessions: a launcher for the server, and a worker for each database with rows that wait for
//! their vectors.

pub mod column;
pub mod launcher;
pub mod process;
pub mod shared;
pub mod state;
pub mod trouble;
pub mod wake;
pub mod watch;
pub mod worker;

//! Stories about a whole worker: real processes, threads, files and sockets, and a server's side
//! that follows a script. Nothing sleeps to be in step; every wait is bounded.

mod images;
mod mill;
mod programs;
mod reconnect;
mod stopping;

//! The binary as people use it: real processes, real files; exit code, standard output and standard
//! error are what is looked at.

mod images;
mod images_by_workers;
mod jobs;
mod mill;
mod serving;
mod settings;
mod submit;

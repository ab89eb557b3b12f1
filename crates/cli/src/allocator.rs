//! Memory comes from jemalloc. Events are made on one thread and dropped on another: the system's
//! allocator makes such threads wait for each other, and it keeps what a million jobs took long
//! after they are done.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What was freed goes back to the system within a second, also while nothing happens.
// SAFETY: jemalloc looks for a pointer to a C string under this name; a reference to its first
// character is that pointer, and the string is a constant.
#[unsafe(export_name = "_rjem_malloc_conf")]
static SETTINGS: Option<&std::ffi::c_char> =
    Some(unsafe { &*c"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0".as_ptr() });

//! A host of sessions for tests: it loads as its entry says (`echo`, `fail`, `crash`, `silent`,
//! `slow`, `stranger`, `elsewhere`, `oldest`; `echo:a` is called `a`) and does with each item what
//! its input says, well or in every way badly. Without the library, so that the contract is met by
//! somebody else too.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gristmill_model::host::{
    Call, FD_VARIABLE, FromHost, HostError, HostErrorKind, HostMemory, HostResult, Open, PROTOCOL,
    SeenDevice, ToHost,
};
use serde_json::{Value, json};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, verb, entry] = &words[..]
        && verb == "describe"
    {
        let (_, name) = entry.split_once(':').unwrap_or(("", entry));
        let signature = json!({ "input": { "type": "object" }, "output": {} });
        println!("{}", json!({ "name": name, "signature": signature }));
        return;
    }
    let fd = std::env::var(FD_VARIABLE).expect("a socket").parse().expect("a number");
    // SAFETY: whoever started this process left the descriptor open for it alone.
    let socket = unsafe { UnixStream::from_raw_fd(fd) };
    let mut host = Host {
        reader: socket.try_clone().expect("a socket"),
        writer: Arc::new(Mutex::new(socket)),
        folder: String::new(),
    };
    host.hello();
    while let Some(frame) = host.hear() {
        match frame {
            ToHost::Open(open) => host.open(open),
            ToHost::Call(call) => host.call(call),
            ToHost::Cancel { .. } => {}
            ToHost::Close {} => return,
        }
    }
}

struct Host {
    reader: UnixStream,
    writer: Arc<Mutex<UnixStream>>,
    folder: String,
}

impl Host {
    fn say(&self, frame: &FromHost) {
        say(&self.writer, frame);
    }

    fn hear(&mut self) -> Option<ToHost> {
        let mut head = [0; 4];
        self.reader.read_exact(&mut head).ok()?;
        let mut bytes = vec![0; u32::from_le_bytes(head) as usize];
        self.reader.read_exact(&mut bytes).ok()?;
        Some(rmp_serde::from_slice(&bytes).expect("a frame"))
    }

    fn hello(&self) {
        let versions = BTreeMap::from([("fake".into(), "1".into())]);
        let oldest = std::env::args().any(|word| word == "oldest");
        let protocol = if oldest { 0 } else { PROTOCOL };
        self.say(&FromHost::Hello { protocol, versions });
    }

    fn open(&mut self, open: Open) {
        self.folder = open.folder;
        println!("loading {}", open.entry);
        open.devices.iter().for_each(|device| occupy(&device.id));
        let seen = |id: String| SeenDevice { id, name: "fake".into(), vram: 0 };
        let mut devices: Vec<_> = open.devices.into_iter().map(|device| seen(device.id)).collect();
        let mut on_device = None;
        match open.entry.split_once(':').map_or(open.entry.as_str(), |(how, _)| how) {
            "fail" => {
                let error = error(HostErrorKind::Failed, "ImportError", "no module named torch");
                self.say(&FromHost::Failed { error });
                std::process::exit(1);
            }
            "crash" => std::process::abort(),
            "silent" => thread::sleep(Duration::from_secs(600)),
            "slow" => {
                let alive = || self.say(&FromHost::Alive {});
                loop {
                    alive();
                    thread::sleep(Duration::from_millis(20));
                }
            }
            "stranger" => devices = vec![seen("GPU-of-somebody-else".into())],
            "elsewhere" => on_device = Some(false),
            _ => {}
        }
        self.say(&FromHost::Ready { devices, on_device });
    }

    fn call(&mut self, Call { call, items }: Call) {
        let size = items.len();
        for (item, input) in (0..).zip(items) {
            let what = input.input.get("do").and_then(Value::as_str).unwrap_or("echo").to_owned();
            let result = match what.as_str() {
                "crash" => std::process::abort(),
                "leave" => std::process::exit(3),
                "hang" => loop {
                    thread::sleep(Duration::from_secs(600));
                },
                "forget" => continue,
                "babble" => {
                    let _ = self
                        .writer
                        .lock()
                        .expect("nobody panics")
                        .write_all(&[2, 0, 0, 0, 0xc1, 0xc1]);
                    continue;
                }
                "work" => self.work(),
                what => self.item(call, item, what, &input.input, size),
            };
            io::stdout().flush().expect("standard output");
            self.say(&FromHost::Ended { call, item, result });
        }
        let memory = Some(HostMemory { now: 1 << 30, peak: 2 << 30 });
        self.say(&FromHost::Done { call, memory });
    }

    /// Goes on until it is told to give an item up.
    fn work(&mut self) -> HostResult {
        let writer = Arc::clone(&self.writer);
        thread::spawn(move || {
            loop {
                say(&writer, &FromHost::Alive {});
                thread::sleep(Duration::from_millis(20));
            }
        });
        loop {
            if let Some(ToHost::Cancel { .. }) = self.hear() {
                return HostResult::Error(error(HostErrorKind::Cancelled, "cancelled", "as asked"));
            }
        }
    }

    fn item(&self, call: u64, item: u32, what: &str, input: &Value, size: usize) -> HostResult {
        match what {
            "oom" => return failed(HostErrorKind::OutOfMemory, "OutOfMemory", "20 GiB wanted"),
            "sticky" => {
                let why = error(HostErrorKind::Device, "cuda_700", "an illegal memory access");
                return HostResult::Error(HostError { fatal: true, ..why });
            }
            "raise" => {
                let why = error(HostErrorKind::Failed, "ValueError", "no such prompt");
                let traceback = "File \"app.py\", line 7".to_owned();
                return HostResult::Error(HostError { traceback, ..why });
            }
            "invalid" => {
                return failed(HostErrorKind::Invalid, "bad_input", "`prompt`: expected text");
            }
            "nap" => thread::sleep(Duration::from_millis(input["ms"].as_u64().unwrap_or(1))),
            "print" => println!("{}", input["text"].as_str().unwrap_or_default()),
            "log" => self.say(&FromHost::Log { call, item: Some(item), text: "half\n".into() }),
            "progress" => {
                let message = "half".to_owned();
                self.say(&FromHost::Progress { call, item, done: 1, total: 2, message });
            }
            "parts" => {
                for index in 0..3 {
                    self.say(&FromHost::Partial { call, item, index, value: json!(index) });
                }
            }
            "file" => {
                let path = format!("{}/made-{call}-{item}.txt", self.folder);
                std::fs::write(&path, "flour").expect("a file");
                let file = json!({ "path": path, "name": "flour.txt", "media": "text/plain" });
                return HostResult::Ok(json!({ "$file": file }));
            }
            "files" => {
                let path = format!("{}/part-{call}-{item}.txt", self.folder);
                std::fs::write(&path, "bran").expect("a file");
                let file = json!({ "$file": { "path": path, "name": "bran.txt" } });
                return HostResult::Ok(json!({ "first": file, "second": 2 }));
            }
            "steal" => return HostResult::Ok(json!({ "$file": { "path": "/etc/hostname" } })),
            "read" => {
                let path = input["file"]["$file"]["path"].as_str().expect("a file at hand");
                return HostResult::Ok(json!(std::fs::read_to_string(path).expect("its text")));
            }
            "long" => return HostResult::Ok(json!("x".repeat(100_000))),
            "devices" => {
                let variable = |name: &str| std::env::var(name).ok();
                return HostResult::Ok(json!([
                    variable("CUDA_VISIBLE_DEVICES"),
                    variable("GRISTMILL_DEVICES"),
                    variable("GRISTMILL_TOKEN"),
                    variable("GRISTMILL_CPUS"),
                ]));
            }
            _ => {}
        }
        HostResult::Ok(json!({ "input": input, "size": size, "pid": std::process::id() }))
    }
}

/// Writes down where two are on one device at a time, in the folder that FAKE_HOST_BOOKS names.
fn occupy(device: &str) {
    let Some(books) = std::env::var_os("FAKE_HOST_BOOKS").map(std::path::PathBuf::from) else {
        return;
    };
    let file = std::fs::File::options().create(true).append(true).open(books.join(device));
    let file = file.expect("a book");
    // SAFETY: a lock on a descriptor that is open.
    let free = unsafe {
        libc::flock(std::os::fd::AsRawFd::as_raw_fd(&file), libc::LOCK_EX | libc::LOCK_NB)
    } == 0;
    if !free {
        let path = books.join("violations");
        let opened = std::fs::File::options().create(true).append(true).open(path);
        let mut violations = opened.expect("a book");
        writeln!(violations, "{device} by {}", std::process::id()).expect("a line");
    }
    // Held until this process ends.
    std::mem::forget(file);
}

fn say(writer: &Mutex<UnixStream>, frame: &FromHost) {
    let bytes = rmp_serde::to_vec_named(frame).expect("a frame");
    let mut whole = u32::try_from(bytes.len()).expect("short").to_le_bytes().to_vec();
    whole.extend(bytes);
    if writer.lock().expect("nobody panics").write_all(&whole).is_err() {
        std::process::exit(0);
    }
}

fn error(kind: HostErrorKind, code: &str, message: &str) -> HostError {
    let (code, message) = (code.to_owned(), message.to_owned());
    HostError { kind, code, message, traceback: String::new(), fatal: false }
}

fn failed(kind: HostErrorKind, code: &str, message: &str) -> HostResult {
    HostResult::Error(error(kind, code, message))
}

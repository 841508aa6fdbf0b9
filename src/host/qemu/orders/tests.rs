use std::fs::File;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::pty::openpty;

use super::*;

/// A shell on a terminal behind a socket, as a machine has it on a serial line; what comes while nobody is connected is
/// lost, as QEMU does it.
struct Machine {
    bash: Child,
    folder: tempfile::TempDir,
}

impl Machine {
    #[expect(clippy::disallowed_methods, reason = "the shell of a machine")]
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("hvc0")).unwrap();
        let pair = openpty(None, None).unwrap();
        let [input, output] = [(); 2].map(|()| Stdio::from(pair.slave.try_clone().unwrap()));
        let bash = Command::new("bash").stdin(input).stdout(output).stderr(Stdio::null()).spawn().unwrap();
        let master = File::from(pair.master);
        let current: Arc<Mutex<Option<UnixStream>>> = Arc::default();
        let (mut tells, listeners) = (master.try_clone().unwrap(), current.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = tells.read(&mut bytes) {
                if let Some(stream) = listeners.lock().unwrap().as_mut() {
                    let _ = stream.write_all(&bytes[..count]);
                }
            }
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *current.lock().unwrap() = Some(stream.try_clone().unwrap());
                // One that holds its end open has none of the next one's time.
                let mut master = master.try_clone().unwrap();
                std::thread::spawn(move || io::copy(&mut &stream, &mut master));
            }
        });
        Self { bash, folder }
    }

    fn ask(&self, words: &[&str], input: Option<Box<dyn Read + Send>>) -> (i32, Vec<u8>, String) {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (mut output, mut error) = (Vec::new(), Vec::new());
        let ends = Ends { input, output: &mut output, error: &mut error };
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let secret = u128::from(count) << 64 | u128::from(std::process::id());
        let told = Order { words: &words, limit: Some(Duration::from_secs(60)), terminal: None };
        let status = order(&self.folder.path().join("hvc0"), secret, &told, ends).unwrap();
        (status, output, String::from_utf8(error).unwrap())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.bash.kill();
        let _ = self.bash.wait();
    }
}

#[test]
fn a_program_gets_its_words_and_its_answer_comes_back_whole() {
    let machine = Machine::new();
    let script = "printf '%s\\n\\0\\r\\003' \"$0\"; echo no >&2; exit 3";
    for _ in 0..3 {
        let (status, output, error) = machine.ask(&["sh", "-c", script, "it's $HOME"], None);
        assert_eq!((status, &output[..], &error[..]), (3, &b"it's $HOME\n\0\r\x03"[..], "no\n"));
    }
}

#[test]
fn an_input_of_any_bytes_reaches_the_program() {
    let machine = Machine::new();
    let bytes: Vec<u8> = (0..300_000_u32).map(|number| (number.wrapping_mul(number) >> 3) as u8).collect();
    let (status, output, _) = machine.ask(&["cat"], Some(Box::new(io::Cursor::new(bytes.clone()))));
    assert_eq!((status, output == bytes), (0, true), "{} of {}", output.len(), bytes.len());
}

#[test]
fn a_program_that_does_not_read_its_input_ends_and_the_next_is_run() {
    let machine = Machine::new();
    let (never, _held) = UnixStream::pair().unwrap();
    assert_eq!(machine.ask(&["echo", "done"], Some(Box::new(never))).1, b"done\n");
    let endless = Box::new(io::repeat(7));
    assert_eq!(machine.ask(&["echo", "again"], Some(endless)).1, b"again\n");
    assert_eq!(machine.ask(&["echo", "last"], None).1, b"last\n");
}

#[test]
fn a_machine_that_says_nothing_is_not_waited_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("hvc0");
    let _listener = UnixListener::bind(&socket).unwrap();
    let told = Order { words: &["true".to_owned()], limit: Some(Duration::from_millis(200)), terminal: None };
    let ends = Ends { input: None, output: &mut io::sink(), error: &mut io::sink() };
    assert_eq!(order(&socket, 1, &told, ends).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

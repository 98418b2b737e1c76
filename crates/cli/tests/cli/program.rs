//! Starting `plusx` in a folder of its own, listening to it, and judging what it said.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No single command of these tests takes longer, even on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// A folder to work in. Commands run in it with an empty cache and without the user's own variables.
pub(crate) struct Place(TempDir);

/// What a command left.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that still runs.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    heard: String,
    errors: Option<std::thread::JoinHandle<String>>,
    started: Instant,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder to write to");
        fs::write(path, bytes).expect("a file to write");
    }

    /// `plusx` with `arguments` (words separated by blanks), not yet started.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.prepare(Command::new(env!("CARGO_BIN_EXE_plusx")));
        command.args(arguments.split_whitespace());
        command
    }

    /// Runs `plusx` to its end as somebody to whom permissions apply; nothing, and a word, if that cannot be had.
    #[cfg(unix)]
    pub(crate) fn unprivileged(&self, arguments: &str) -> Option<Said> {
        use std::os::unix::{fs::PermissionsExt, process::CommandExt};
        const NOBODY: u32 = 65_534;
        let barred = self.path("barred");
        fs::write(&barred, b"")
            .and_then(|()| fs::set_permissions(&barred, fs::Permissions::from_mode(0o000)))
            .expect("a file");
        if fs::read(&barred).is_err() {
            return Some(self.plusx(arguments));
        }
        let other = |program: &Path| {
            let mut command = self.prepare(Command::new(program));
            command.uid(NOBODY).gid(NOBODY);
            command
        };
        fs::set_permissions(self.0.path(), fs::Permissions::from_mode(0o755)).expect("an open folder");
        if let Err(error) = other(Path::new("true")).status() {
            println!("SKIPPED: permissions do not bind this user, who cannot be another one: {error}");
            return None;
        }
        // the folder that the program was built in may be closed to others
        let program = self.path("program");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_plusx"), &program).expect("a copy of the program");
        }
        let mut command = other(&program);
        command.args(arguments.split_whitespace());
        Some(start(command).wait())
    }

    /// As [`Place::command`], hearing signals though whoever runs the tests should ignore them (a script's background job
    /// does, and its children with it).
    #[cfg(unix)]
    pub(crate) fn hearing(&self, arguments: &str) -> Command {
        let mut command = self.prepare(Command::new("env"));
        command.args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_plusx")]);
        command.args(arguments.split_whitespace());
        command
    }

    /// A shell script in which `$PLUSX` is the program.
    #[cfg(unix)]
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = self.prepare(Command::new("sh"));
        command.args(["-c", script]).env("PLUSX", env!("CARGO_BIN_EXE_plusx"));
        command
    }

    fn prepare(&self, mut command: Command) -> Command {
        command.current_dir(self.0.path()).env("XDG_CACHE_HOME", self.path("cache"));
        for name in [
            "PLUSX_DATA",
            "HF_ENDPOINT",
            "RAYON_NUM_THREADS",
            "OMP_NUM_THREADS",
            "NO_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs `plusx` to its end.
    pub(crate) fn plusx(&self, arguments: &str) -> Said {
        start(self.command(arguments)).wait()
    }

    /// Runs `plusx`, which must succeed.
    pub(crate) fn ok(&self, arguments: &str) -> Said {
        let said = self.plusx(arguments);
        assert_eq!(said.code, Some(0), "plusx {arguments}: {said:?}");
        said
    }
}

/// Starts a command and listens to it.
pub(crate) fn start(mut command: Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = child.stdout.take().expect("a pipe");
    let mut stderr = child.stderr.take().expect("a pipe");
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Running { child, lines, heard: String::new(), errors: Some(errors), started: Instant::now() }
}

impl Running {
    /// Waits until `count` lines of stdout contain `text`; false if the command ended before.
    pub(crate) fn hear(&mut self, text: &str, count: usize) -> bool {
        for _ in 0..count {
            loop {
                match self.lines.recv_timeout(Duration::from_millis(100)) {
                    Ok(line) => {
                        let found = line.contains(text);
                        self.heard.push_str(&line);
                        self.heard.push('\n');
                        if found {
                            break;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => self.check_patience(),
                    Err(RecvTimeoutError::Disconnected) => return false,
                }
            }
        }
        true
    }

    /// Sends a signal by name: `INT`, `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status().expect("a shell");
        assert!(status.success(), "{script}");
    }

    /// Waits until `done`; false if the command ended before.
    pub(crate) fn until(&mut self, done: impl Fn() -> bool) -> bool {
        while !done() {
            if self.child.try_wait().expect("a child process").is_some() {
                return done();
            }
            self.check_patience();
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// The most memory it has held so far, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Ends the command at once, wherever it is (SIGKILL).
    pub(crate) fn kill(mut self) -> Said {
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Said {
        let status = loop {
            match self.child.try_wait().expect("a child process") {
                Some(status) => break status,
                None => self.check_patience(),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        while let Ok(line) = self.lines.recv() {
            self.heard.push_str(&line);
            self.heard.push('\n');
        }
        let stderr = self.errors.take().expect("not yet taken").join().expect("a reader");
        Said { code: status.code(), stdout: self.heard, stderr }
    }

    fn check_patience(&mut self) {
        if self.started.elapsed() > PATIENCE {
            let _ = self.child.kill();
            panic!("still running after {PATIENCE:?}; it had said:\n{}", self.heard);
        }
    }
}

impl Said {
    /// The hash after `weights sha256`.
    pub(crate) fn weights_sha256(&self) -> String {
        let (_, rest) =
            self.stderr.split_once("weights sha256 ").unwrap_or_else(|| panic!("no hash: {self:?}"));
        rest.split_whitespace().next().expect("a hash").to_string()
    }

    /// The epoch lines of stdout, times aside.
    pub(crate) fn epochs(&self) -> Vec<String> {
        let epochs = self.stdout.lines().filter(|line| line.starts_with("epoch "));
        epochs.map(|line| line.split(", time ").next().unwrap_or(line).to_string()).collect()
    }
}

/// A small and fast run of the embedded sample, as options.
pub(crate) const SMALL: &str =
    "--data fashion-mnist-mini --resize 16 --train-limit 160 --batch-size 32 --threads 2 --seed 7";

/// One that is even smaller and faster, with checkpoints of a megabyte.
pub(crate) const TINY: &str = "--model resnet20 --data fashion-mnist-mini --resize 8 --train-limit 160 --batch-size 32 \
                               --threads 2 --seed 7";

/// `results.csv` without its columns of time and speed.
pub(crate) fn results_without_times(text: &str) -> Vec<Vec<String>> {
    let mut rows = text.lines().map(|line| line.split(',').map(str::to_string).collect::<Vec<_>>());
    let head = rows.next().expect("a head line");
    let keep: Vec<bool> =
        head.iter().map(|name| !["time", "img_per_s", "data_wait"].contains(&name.as_str())).collect();
    let filter = |row: Vec<String>| {
        row.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(value, _)| value).collect::<Vec<_>>()
    };
    std::iter::once(filter(head.clone())).chain(rows.map(filter)).collect()
}

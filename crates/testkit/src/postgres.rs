//! A real PostgreSQL for tests: each call makes an empty database, in a private cluster that lives as long as the test process.
//!
//! | variable | meaning |
//! |---|---|
//! | `VESTIBULE_TEST_POSTGRES_URL` | use this server and make databases named `vestibule_test_…` there, which it keeps; its user needs CREATEDB |
//! | `VESTIBULE_TEST_SKIP_POSTGRES=1` | go without, if PostgreSQL is not installed |
//!
//! Needs nothing but the standard library and the programs that come with PostgreSQL, so that `vestibule-store` can include this file
//! in its tests without building the crates above it.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

const SERVER: &str = "VESTIBULE_TEST_POSTGRES_URL";
const SKIP: &str = "VESTIBULE_TEST_SKIP_POSTGRES";
const DEBIAN: &str = "/usr/lib/postgresql";
const USER: &str = "vestibule";

/// Makes a cluster, says `ready` and where it is, and takes it away when its standard input ends: that is when the test process ends, however it does.
const KEEPER: &str = r#"
bin=$1 port=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/vestibule-postgres.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
# The order of text that a server installed with defaults has, so that tests see who relies on another one.
if ! "$bin/initdb" -D "$dir/data" -U vestibule --auth=trust --no-sync -E UTF8 \
  --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US >"$dir/log" 2>&1; then
  cat "$dir/log"; exit 1
fi
if ! {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
    -keyout "$dir/authority.key" -out "$dir/authority.pem" &&
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server \
    -keyout "$dir/server.key" -out "$dir/server.csr" &&
  echo "subjectAltName=IP:127.0.0.1" >"$dir/server.ext" &&
  openssl x509 -req -days 2 -in "$dir/server.csr" -extfile "$dir/server.ext" -CAcreateserial \
    -CA "$dir/authority.pem" -CAkey "$dir/authority.key" -out "$dir/server.pem"
} >"$dir/log" 2>&1; then
  cat "$dir/log"; exit 1
fi
"$bin/postgres" -D "$dir/data" -p "$port" -h 127.0.0.1 -k "$dir" -c max_connections=300 -c shared_buffers=64MB \
  -c ssl=on -c ssl_cert_file="$dir/server.pem" -c ssl_key_file="$dir/server.key" \
  -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0 \
  </dev/null >"$dir/log" 2>&1 &
server=$!
tries=0
until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U vestibule; do
  tries=$((tries + 1))
  if [ $tries -gt 600 ] || ! kill -0 $server 2>/dev/null; then
    cat "$dir/log"; kill -QUIT $server 2>/dev/null; exit 1
  fi
  sleep 0.1
done
echo "ready $dir"
cat >/dev/null
kill -QUIT $server
wait $server
"#;

static SOURCE: OnceLock<Result<Source, String>> = OnceLock::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The URL of a new, empty database. `None` if PostgreSQL is not installed and the tests were told to go without.
///
/// # Panics
/// When there is no PostgreSQL and nobody said that this is right, or it does not work.
pub fn test_database_url() -> Option<String> {
    let Some(bin) = programs() else {
        assert!(
            env::var_os(SKIP).is_some_and(|value| value == "1"),
            "PostgreSQL is not installed (apt-get install postgresql); {SKIP}=1 runs the tests without it"
        );
        return None;
    };
    let source = match SOURCE.get_or_init(|| Source::start(&bin)) {
        Ok(source) => source,
        Err(reason) => panic!("PostgreSQL did not start: {reason}"),
    };
    match source.database(&bin) {
        Ok(url) => Some(url),
        Err(reason) => panic!("PostgreSQL made no database: {reason}"),
    }
}

/// The file with the certificate of the authority that certified the private cluster for 127.0.0.1. `None` for another server.
pub fn test_authority() -> Option<PathBuf> {
    let source = SOURCE.get()?.as_ref().ok()?;
    source.authority.clone()
}

/// Where databases are made.
struct Source {
    /// A URL of the server, up to the name of the database.
    server: String,
    /// What follows the name of the database.
    parameters: String,
    /// The database to connect to when making another.
    maintenance: String,
    authority: Option<PathBuf>,
    /// Runs until its standard input, which is held here, ends.
    _keeper: Option<Child>,
}

impl Source {
    fn start(bin: &Path) -> Result<Self, String> {
        if let Ok(url) = env::var(SERVER) {
            return Self::existing(&url);
        }
        let mut reason = String::new();
        // The port may be taken between being found free and being used.
        for _ in 0..5 {
            match Self::private(bin) {
                Ok(source) => return Ok(source),
                Err(failed) => reason = failed,
            }
        }
        Err(reason)
    }

    fn existing(url: &str) -> Result<Self, String> {
        let (address, parameters) = match url.split_once('?') {
            Some((address, parameters)) => (address, format!("?{parameters}")),
            None => (url, String::new()),
        };
        let (scheme, rest) = address
            .split_once("://")
            .ok_or_else(|| format!("{SERVER} is not a URL"))?;
        let (host, name) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            server: format!("{scheme}://{host}/"),
            parameters,
            maintenance: if name.is_empty() { "postgres" } else { name }.to_owned(),
            authority: None,
            _keeper: None,
        })
    }

    fn private(bin: &Path) -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(said)?
            .port();
        let mut command = if is_root() {
            // PostgreSQL refuses to run as root.
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let mut keeper = command
            .args(["-c", KEEPER, "keeper"])
            .arg(bin)
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Out of reach of an interrupt typed at the tests, which would keep it from clearing up.
            .process_group(0)
            .spawn()
            .map_err(said)?;
        let mut output = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                let line = line.map_err(said)?;
                if let Some(dir) = line.strip_prefix("ready ") {
                    return Ok(Self {
                        server: format!("postgres://{USER}@127.0.0.1:{port}/"),
                        parameters: "?sslmode=disable".to_owned(),
                        maintenance: "postgres".to_owned(),
                        authority: Some(Path::new(dir).join("authority.pem")),
                        _keeper: Some(keeper),
                    });
                }
                output.push_str(&line);
                output.push('\n');
            }
        }
        keeper.wait().map_err(said)?;
        Err(output)
    }

    fn database(&self, bin: &Path) -> Result<String, String> {
        // Differs between processes that share a server.
        let process = RandomState::new().hash_one(std::process::id());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vestibule_test_{process:016x}_{count}");
        let done = Command::new(bin.join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url(&self.maintenance))
            .arg("-c")
            .arg(format!("CREATE DATABASE {name} TEMPLATE template0"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if done.status.success() {
            Ok(self.url(&name))
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    fn url(&self, name: &str) -> String {
        format!("{}{name}{}", self.server, self.parameters)
    }
}

/// Where PostgreSQL's programs are: the newest that Debian installed, or on the path.
fn programs() -> Option<PathBuf> {
    let complete = |dir: &PathBuf| {
        ["initdb", "postgres", "pg_isready", "psql"]
            .iter()
            .all(|program| dir.join(program).is_file())
    };
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, dir)| complete(dir))
        .collect();
    versions.sort();
    versions.pop().map(|(_, dir)| dir).or_else(|| {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find(complete)
    })
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}

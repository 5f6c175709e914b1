//! A web page over the example's catalogue: search in plain words, "more like this", filters, a new product.
//!
//! The server is thin on purpose: each endpoint is one SQL statement, and the page shows it. Hence axum for the HTTP
//! side and tokio-postgres for the other: a driver without a query layer of its own, whose statements are the text that
//! is read here and whose parameters are bound by the protocol. deadpool-postgres keeps a few connections, gives each new
//! one its settings and replaces those that the database has closed, so that a restart of the database needs none here.
//!
//! It listens on 127.0.0.1 only and knows no users: whoever can use this machine's loopback can search and add.

mod api;
mod database;
mod guard;
mod picture;
mod problem;
mod statement;

use std::ffi::OsString;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const USAGE: &str = "\
usage: catalog-server --socket DIR [OPTIONS]
  --socket DIR             the directory of the database server's Unix socket
  --port-of-database PORT  the database server's port (5432)
  --user NAME              who connects (postgres)
  --database NAME          the database with the catalogue (postgres)
  --pictures DIR           pictures, named like the last part of a product's url
  --port PORT              where the page is served on 127.0.0.1 (0: a free one)
";

/// For requests that are still being answered when the signal comes.
const FAREWELL: Duration = Duration::from_secs(3);

#[derive(Debug, PartialEq, Eq)]
struct Options {
    socket: PathBuf,
    port_of_database: u16,
    user: String,
    database: String,
    pictures: Option<PathBuf>,
    port: u16,
}

/// None: help was asked for.
fn options(mut arguments: impl Iterator<Item = OsString>) -> Result<Option<Options>, String> {
    let mut socket = None;
    let mut options = Options {
        socket: PathBuf::new(),
        port_of_database: 5432,
        user: "postgres".to_owned(),
        database: "postgres".to_owned(),
        pictures: None,
        port: 0,
    };
    while let Some(name) = arguments.next() {
        let name = name.into_string().map_err(|name| format!("unknown option {}", name.to_string_lossy()))?;
        if name == "--help" {
            return Ok(None);
        }
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        let word = |value: OsString| value.into_string().map_err(|_| format!("the value of {name} is not UTF-8"));
        let number = |value: OsString| {
            value.to_str().and_then(|v| v.parse::<u16>().ok()).ok_or_else(|| format!("{name} needs a number to 65535"))
        };
        match name.as_str() {
            "--socket" => socket = Some(PathBuf::from(value()?)),
            "--port-of-database" => options.port_of_database = number(value()?)?,
            "--user" => options.user = word(value()?)?,
            "--database" => options.database = word(value()?)?,
            "--pictures" => options.pictures = Some(PathBuf::from(value()?)),
            "--port" => options.port = number(value()?)?,
            _ => return Err(format!("unknown option {name}")),
        }
    }
    options.socket = socket.ok_or("--socket is missing")?;
    Ok(Some(options))
}

async fn serve(options: Options) -> Result<(), String> {
    // Before the address is printed: whoever reads it may send a signal at once.
    let catching = |kind| signal(kind).map_err(|error| format!("cannot catch signals: {error}"));
    let mut interrupt = catching(SignalKind::interrupt())?;
    let mut terminate = catching(SignalKind::terminate())?;

    if let Some(folder) = options.pictures.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(format!("there is no directory {}", folder.display()));
    }
    let app = api::App {
        database: database::Database::new(&options.socket, options.port_of_database, &options.user, &options.database)?,
        pictures: options.pictures,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{}: {error}", options.port))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut out = std::io::stdout();
    // Whoever started it may not want to know the address.
    let _ = writeln!(out, "http://{address}/").and_then(|()| out.flush());

    let (stop, mut stopped) = watch::channel(false);
    let asked_to_stop = async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        let _ = stop.send(true);
    };
    let farewell = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(FAREWELL).await;
    };
    let server = axum::serve(listener, api::router(app)).with_graceful_shutdown(asked_to_stop);
    tokio::select! {
        result = server.into_future() => result.map_err(|error| error.to_string()),
        () = farewell => Ok(()),
    }
}

fn main() -> ExitCode {
    let options = match options(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprint!("catalog-server: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("catalog-server: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("catalog-server: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Option<Options>, String> {
        options(words.iter().map(OsString::from))
    }

    #[test]
    fn the_socket_is_enough() {
        let options = parsed(&["--socket", "/run/pg"]).unwrap().unwrap();
        assert_eq!(options.socket, PathBuf::from("/run/pg"));
        assert_eq!((options.port_of_database, options.port, options.pictures), (5432, 0, None));
        assert_eq!((options.user.as_str(), options.database.as_str()), ("postgres", "postgres"));
    }

    #[test]
    fn every_option_is_read() {
        let words = "--socket /s --port-of-database 5433 --user u --database d --pictures /p --port 8080";
        let options = parsed(&words.split(' ').collect::<Vec<_>>()).unwrap().unwrap();
        let expected = Options {
            socket: "/s".into(),
            port_of_database: 5433,
            user: "u".to_owned(),
            database: "d".to_owned(),
            pictures: Some("/p".into()),
            port: 8080,
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed(&["--help"]), Ok(None));
        for (words, message) in [
            (&[][..], "--socket is missing"),
            (&["--socket"], "--socket needs a value"),
            (&["--socket", "/s", "--port", "http"], "--port needs a number to 65535"),
            (&["--socket", "/s", "--port", "65536"], "--port needs a number to 65535"),
            (&["--sockets", "/s"], "unknown option --sockets"),
        ] {
            assert_eq!(parsed(words), Err(message.to_owned()));
        }
    }
}

//! The connections, and what a failure of the database means to the user.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod, Runtime,
};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, NoTls, Row};

use crate::problem::Problem;
use crate::statement::Statement;

const CONNECTIONS: usize = 4;
/// To get a connection. A stopped server refuses at once; a starting one too.
const PATIENCE: Duration = Duration::from_secs(5);
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=10s";
/// For a server that does not even answer that it has stopped the statement.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// What a new connection is given. The first statement loads pgvector, so that the second can see which settings the
/// installed version has: those named here exist since 0.8, apart from `probes` and `ef_search`. With a filter, a scan
/// of an approximate index can come to its end with too few rows; these let it go on. IVFFlat knows no strict order.
const SESSION: &str = "
    SELECT '[1]'::vector;
    SELECT set_config(name, wanted.value, false)
    FROM (VALUES
        ('hnsw.iterative_scan', 'strict_order'),
        ('hnsw.ef_search', '100'),
        ('ivfflat.iterative_scan', 'relaxed_order'),
        ('ivfflat.probes', '4')) AS wanted (name, value)
    JOIN pg_settings USING (name)";

/// Those of them that the server has, as statements that whoever copies a search needs too. Not those of the kind of index
/// that there is not.
const SETTINGS: &str = "
    SELECT format('SET %s = %L;', name, setting)
    FROM pg_settings
    WHERE name IN ('hnsw.iterative_scan', 'hnsw.ef_search', 'ivfflat.iterative_scan', 'ivfflat.probes')
        AND EXISTS (
            SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
            WHERE indrelid = to_regclass('products') AND amname = split_part(name, '.', 1))
    ORDER BY name";

/// A few connections, so that one slow statement does not keep the others waiting. The pool throws away what the
/// database has closed and connects again when it is back.
pub struct Database {
    pool: Pool,
}

impl Database {
    /// Connects to nothing yet: the page is there before the database is.
    pub fn new(socket: &Path, port: u16, user: &str, database: &str) -> Result<Database, String> {
        let mut config = Config::new();
        config
            .host_path(socket)
            .port(port)
            .user(user)
            .dbname(database)
            .application_name("catalog-server")
            .options(STATEMENT_TIMEOUT)
            .connect_timeout(PATIENCE);
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let settings = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            // The last one used has its model at hand.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .post_create(settings)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Database { pool })
    }

    /// The rows, and how many milliseconds they took.
    ///
    /// The types go along, so there is nothing to ask the server first: one round trip. The planner sees the values and
    /// embeds the words once, instead of once for every row.
    pub async fn run(&self, statement: &Statement) -> Result<(Vec<Row>, f64), Failure> {
        let client = self.pool.get().await?;
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            statement.values.iter().map(|value| (value.bound(), value.of_type())).collect();
        let begun = Instant::now();
        match tokio::time::timeout(ANSWER_TIMEOUT, client.query_typed(&statement.text, &values)).await {
            Ok(rows) => Ok((rows?, begun.elapsed().as_secs_f64() * 1000.0)),
            Err(_) => {
                // Nobody should be given a connection that still waits for an answer.
                drop(Object::take(client));
                Err(Failure::silence("no answer within the time for a statement"))
            }
        }
    }
}

impl Database {
    /// The settings of a connection that bear on what a search finds, as statements.
    pub async fn settings(&self) -> Result<Vec<String>, Failure> {
        let client = self.pool.get().await?;
        let rows = client.query_typed(SETTINGS, &[]).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }
}

#[derive(Debug)]
pub struct Failure {
    /// None: the database did not answer at all.
    code: Option<SqlState>,
    detail: String,
}

impl Failure {
    fn silence(detail: impl Into<String>) -> Failure {
        Failure { code: None, detail: detail.into() }
    }

    /// The attributes of this url are there already.
    pub fn has_attributes(&self) -> bool {
        self.code == Some(SqlState::UNIQUE_VIOLATION) && self.detail.contains("product_attributes")
    }

    /// The column or the view that words.sql makes.
    fn lacks_words(&self) -> bool {
        self.code == Some(SqlState::UNDEFINED_COLUMN) && self.detail.contains("words")
            || self.code == Some(SqlState::UNDEFINED_TABLE) && self.detail.contains("rarity")
    }

    pub fn lacks_attributes(&self) -> bool {
        self.code == Some(SqlState::UNDEFINED_TABLE) && self.detail.contains("product_attributes")
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Failure {
        let mut detail = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            detail = format!("{detail}: {inner}");
            cause = inner.source();
        }
        Failure { code: error.code().cloned(), detail }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Failure {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            other => Failure::silence(other.to_string()),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        let (status, sentence) = meaning(&failure);
        Problem::new(status, sentence).with_detail(failure.detail)
    }
}

fn meaning(failure: &Failure) -> (StatusCode, &'static str) {
    const SILENT: &str =
        "The catalogue's database does not answer; it may be stopped or just starting. Please try again in a moment.";
    let Some(code) = &failure.code else {
        return (StatusCode::SERVICE_UNAVAILABLE, SILENT);
    };
    match code.code() {
        // Shut down, crashed, starting; too many connections; a connection that broke.
        "57P01" | "57P02" | "57P03" | "53300" => (StatusCode::SERVICE_UNAVAILABLE, SILENT),
        class if class.starts_with("08") => (StatusCode::SERVICE_UNAVAILABLE, SILENT),
        class if class.starts_with("28") || class == "3D000" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The catalogue's database refuses the connection; the terminal of catalog-server says why.",
        ),
        "57014" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The catalogue's database took too long, so it was told to stop. Please try again in a moment.",
        ),
        "42P01" if failure.lacks_attributes() => {
            (StatusCode::BAD_REQUEST, "This catalogue has no attributes to filter by.")
        }
        _ if failure.lacks_words() => (
            StatusCode::BAD_REQUEST,
            "This catalogue cannot be searched by words yet: run examples/catalog/words.sql in its database.",
        ),
        "42P01" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The database has no catalogue yet: load one with examples/catalog/load.sql.",
        ),
        "42704" | "42883" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The database has no pg_embed yet: run CREATE EXTENSION pg_embed CASCADE in it.",
        ),
        "42501" => (StatusCode::FORBIDDEN, "The catalogue's database does not allow this."),
        "25006" => (StatusCode::SERVICE_UNAVAILABLE, "The catalogue can only be read at the moment."),
        "54000" => (StatusCode::BAD_REQUEST, "The text is longer than the model reads. Please use fewer words."),
        "22021" | "22P05" => (StatusCode::BAD_REQUEST, "The text has a character that the database cannot store."),
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The catalogue's database could not do this; the terminal of catalog-server says why.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: Option<&str>, detail: &str) -> Problem {
        Failure { code: code.map(SqlState::from_code), detail: detail.to_owned() }.into()
    }

    #[test]
    fn failures_become_sentences() {
        for (code, status, words) in [
            (None, 503, "does not answer"),
            (Some("57P03"), 503, "does not answer"),
            (Some("08006"), 503, "does not answer"),
            (Some("28P01"), 503, "refuses"),
            (Some("57014"), 503, "too long"),
            (Some("42883"), 503, "no pg_embed"),
            (Some("54000"), 400, "fewer words"),
            (Some("XX000"), 500, "could not do this"),
        ] {
            let problem = problem(code, "secret detail");
            assert_eq!(problem.status().as_u16(), status, "{code:?}");
            assert!(problem.sentence().contains(words), "{}", problem.sentence());
            assert!(problem.sentence().ends_with('.') && !problem.sentence().contains("secret"));
        }
    }

    #[test]
    fn a_missing_table_is_named_by_what_it_holds() {
        assert!(problem(Some("42P01"), r#"relation "products" does not exist"#).sentence().contains("no catalogue"));
        assert!(
            problem(Some("42P01"), r#"relation "product_attributes" does not exist"#).sentence().contains("attributes")
        );
        for (code, detail) in
            [("42P01", r#"relation "rarity" does not exist"#), ("42703", r#"column "words" does not exist"#)]
        {
            assert!(problem(Some(code), detail).sentence().contains("words.sql"));
        }
    }
}

//! The endpoints. Each runs one statement and says which it was.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::database::{Database, Failure};
use crate::guard;
use crate::picture;
use crate::problem::Problem;
use crate::statement::{self, FACETS, Find, HIGHEST_LIMIT, Order, Shown, Statement, USUAL_LIMIT};

/// For a query, a description and a url alike. The model reads some 200 words; this leaves room for them.
const LONGEST_TEXT: usize = 2000;
/// A description and a url of that length, each character written as an escape.
const LARGEST_BODY: usize = 64 * 1024;

pub struct App {
    pub database: Database,
    pub pictures: Option<PathBuf>,
}

type Shared = State<Arc<App>>;
type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;
type Answer = Result<Json<Value>, Problem>;

pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(|| async { asset("text/html; charset=utf-8", include_str!("../page/index.html")) }))
        .route("/style.css", get(|| async { asset("text/css; charset=utf-8", include_str!("../page/style.css")) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", include_str!("../page/page.js")) }))
        .route("/pictures/{name}", get(picture_file))
        .route("/api/search", get(search))
        .route("/api/products", get(browse).post(add))
        .route("/api/products/{id}", get(product))
        .route("/api/products/{id}/similar", get(similar))
        .route("/api/facets", get(facets))
        .route("/api/explain", get(explain))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take such requests.")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(guard::guard))
        .with_state(Arc::new(app))
}

fn asset(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, content_type)], content)
}

// --- products

#[derive(Serialize)]
struct Product {
    id: i64,
    description: Option<String>,
    url: Option<String>,
    split: Option<i32>,
    /// What the page shows: a file of this server, an address, or nothing.
    picture: Option<String>,
    /// Without a vector there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<f64>,
    /// What its words are worth, or its places in both lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// The places: in a list that it is not in, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_meaning: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_words: Option<i64>,
}

/// NULL, or a column that this statement does not have.
fn optional<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<Option<T>, tokio_postgres::Error> {
    if row.columns().iter().any(|column| column.name() == name) { row.try_get(name) } else { Ok(None) }
}

impl App {
    /// The files are looked for at once: that takes microseconds, less than handing it to a thread.
    fn product(&self, row: &Row) -> Result<Product, Failure> {
        let url: Option<String> = row.try_get("url")?;
        let has_file =
            |name: &str| self.pictures.as_deref().is_some_and(|folder| picture::file_of(folder, name).is_some());
        Ok(Product {
            id: row.try_get("id")?,
            description: row.try_get("description")?,
            picture: picture::source_of(url.as_deref(), has_file),
            url,
            split: row.try_get("split")?,
            distance: optional(row, "distance")?,
            score: optional(row, "score")?,
            by_meaning: optional(row, "by_meaning")?,
            by_words: optional(row, "by_words")?,
        })
    }

    /// The first of the products that are wanted, how many there are in all, and what ran.
    async fn find(&self, wanted: &Find) -> Result<Value, Problem> {
        let statement = statement::find(wanted);
        let (rows, ms) = self.database.run(&statement).await?;
        let mut products = rows.iter().map(|row| self.product(row)).collect::<Result<Vec<_>, _>>()?;
        if matches!(wanted.order, Order::Meaning(_) | Order::Product(_)) {
            // IVFFlat's iterative scan may hand over neighbours in the wrong order. Those without a distance stay last.
            let far = f64::INFINITY;
            products.sort_by(|a, b| a.distance.unwrap_or(far).total_cmp(&b.distance.unwrap_or(far)));
        }
        let mut searched = ran(&statement, ms);
        searched["settings"] = self.database.settings().await?.into();
        let count = statement::count(wanted);
        let (rows, ms) = self.database.run(&count).await?;
        let found: i64 = match rows.first() {
            Some(row) => row.try_get("found").map_err(Failure::from)?,
            None => 0,
        };
        Ok(json!({ "products": products, "found": found, "ran": searched, "counted": ran(&count, ms) }))
    }
}

/// The statement as the page shows it.
fn ran(statement: &Statement, ms: f64) -> Value {
    let parameters: Vec<Shown> = statement.shown();
    json!({ "sql": statement.text, "parameters": parameters, "ms": (ms * 100.0).round() / 100.0 })
}

async fn search(State(app): Shared, pairs: Pairs) -> Answer {
    let asked = asked(pairs?.0, &["q", "by"])?;
    let order = asked.words(asked.q.as_deref().unwrap_or_default())?;
    Ok(Json(app.find(&asked.by(order)).await?))
}

async fn similar(State(app): Shared, Path(id): Path<String>, pairs: Pairs) -> Answer {
    let id = id_of(&id)?;
    let found = app.find(&asked(pairs?.0, &[])?.by(Order::Product(id))).await?;
    if found["products"].get(0).is_some_and(|nearest| nearest.get("distance").is_none()) {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("There is no dress {id}, or it has no vector yet.")));
    }
    Ok(Json(found))
}

async fn browse(State(app): Shared, pairs: Pairs) -> Answer {
    Ok(Json(app.find(&asked(pairs?.0, &[])?.by(Order::Id)).await?))
}

async fn product(State(app): Shared, Path(id): Path<String>) -> Answer {
    let id = id_of(&id)?;
    let statement = statement::product(id);
    let (rows, ms) = app.database.run(&statement).await?;
    match rows.first() {
        Some(row) => Ok(Json(json!({ "product": app.product(row)?, "ran": ran(&statement, ms) }))),
        None => Err(Problem::new(StatusCode::NOT_FOUND, format!("There is no dress {id}."))),
    }
}

#[derive(Deserialize)]
struct New {
    description: String,
    url: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

async fn add(State(app): Shared, body: Result<Bytes, BytesRejection>) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, too_long("description")),
        _ => Problem::input("What was sent did not arrive in full.").with_detail(rejection.body_text()),
    })?;
    let new: New = serde_json::from_slice(&body).map_err(|error| {
        Problem::input(
            "What was sent is no product: a JSON object with a description, and perhaps a url and attributes.",
        )
        .with_detail(error.to_string())
    })?;
    let statement = statement::add(checked(&new)?);
    let (rows, ms) = app.database.run(&statement).await.map_err(|failure| {
        if failure.has_attributes() {
            let sentence = "A dress with this picture has attributes already: give another picture, or no attributes.";
            Problem::new(StatusCode::CONFLICT, sentence).about("url")
        } else {
            failure.into()
        }
    })?;
    let row = rows.first().ok_or_else(|| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The product was not added: something in the database kept it out.",
        )
    })?;
    let embedded: bool = row.try_get("embedded").map_err(Failure::from)?;
    let tokens: i32 = row.try_get("tokens").map_err(Failure::from)?;
    let added = json!({
        "product": app.product(row)?, "embedded": embedded, "tokens": tokens, "ran": ran(&statement, ms),
    });
    Ok((StatusCode::CREATED, Json(added)))
}

// --- filters

async fn facets(State(app): Shared, pairs: Pairs) -> Answer {
    let asked = asked(pairs?.0, &["q", "by", "like"])?;
    let wanted = asked.by(asked.order()?);
    let mut statement = statement::facets(&wanted);
    let (rows, ms) = match app.database.run(&statement).await {
        Err(failure) if failure.lacks_attributes() => {
            statement = statement::splits(&wanted);
            app.database.run(&statement).await?
        }
        other => other?,
    };
    let found = rows
        .iter()
        .map(|row| Ok((row.try_get("facet")?, row.try_get("value")?, row.try_get("products")?)))
        .collect::<Result<Vec<_>, tokio_postgres::Error>>()
        .map_err(Failure::from)?;
    Ok(Json(json!({ "facets": in_order(&found), "ran": ran(&statement, ms) })))
}

/// In the page's order; facets without values are left out.
fn in_order(found: &[(String, Option<String>, i64)]) -> Vec<Value> {
    let mut facets = Vec::new();
    for name in ["split"].iter().chain(&FACETS) {
        let mut values: Vec<(&str, i64)> = found
            .iter()
            .filter(|(facet, _, _)| facet == name)
            .filter_map(|(_, value, products)| Some((value.as_deref()?, *products)))
            .collect();
        if *name == "split" {
            values.sort_by_key(|(value, _)| value.parse::<i64>().unwrap_or(i64::MAX));
        }
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|(v, n)| json!({ "value": v, "products": n })).collect();
            facets.push(json!({ "name": name, "values": values }));
        }
    }
    facets
}

// --- the plan

async fn explain(State(app): Shared, pairs: Pairs) -> Answer {
    let asked = asked(pairs?.0, &["q", "by", "like"])?;
    let statement = statement::find(&asked.by(asked.order()?)).explained();
    let (rows, ms) = app.database.run(&statement).await?;
    let lines = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>().map_err(Failure::from)?;
    Ok(Json(json!({ "plan": statement::shorten_vectors(&lines.join("\n")), "ran": ran(&statement, ms) })))
}

// --- pictures

async fn picture_file(State(app): Shared, Path(name): Path<String>) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "There is no such picture.");
    let folder = app.pictures.as_deref().ok_or_else(missing)?;
    let of_type = picture::type_of(&name).ok_or_else(missing)?;
    let file = picture::file_of(folder, &name).ok_or_else(missing)?;
    let bytes = tokio::fs::read(&file).await.map_err(|error| missing().with_detail(format!("{name}: {error}")))?;
    // An SVG opened by itself is a document; it may have styles and nothing else.
    let alone: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, of_type),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        (header::CACHE_CONTROL, "private, max-age=300"),
    ];
    Ok((alone, bytes).into_response())
}

// --- what the user gave

/// What is gone by in a search in words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum By {
    #[default]
    Meaning,
    Words,
    Both,
}

#[derive(Debug)]
struct Asked {
    q: Option<String>,
    way: By,
    like: Option<String>,
    split: Option<i32>,
    attributes: Vec<(&'static str, String)>,
    limit: i64,
}

impl Asked {
    fn order(&self) -> Result<Order, Problem> {
        match (&self.q, &self.like) {
            (Some(_), Some(_)) => Err(Problem::input("Ask for words or for a product, not for both.")),
            (Some(q), None) => self.words(q),
            (None, Some(id)) => Ok(Order::Product(id_of(id)?)),
            (None, None) => Ok(Order::Id),
        }
    }

    fn words(&self, q: &str) -> Result<Order, Problem> {
        let words = words(q)?;
        Ok(match self.way {
            By::Meaning => Order::Meaning(words),
            By::Words => Order::Words(words),
            By::Both => Order::Both(words),
        })
    }

    fn by(&self, order: Order) -> Find {
        Find { order, split: self.split, attributes: self.attributes.clone(), limit: self.limit }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        Problem::input("The address of this page is damaged.").with_detail(rejection.body_text())
    }
}

/// Sorts the parts of the address's query. A filter that is empty is none.
fn asked(pairs: Vec<(String, String)>, also: &[&str]) -> Result<Asked, Problem> {
    let mut asked =
        Asked { q: None, way: By::default(), like: None, split: None, attributes: Vec::new(), limit: USUAL_LIMIT };
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in pairs {
        if seen.contains(&name) {
            return Err(Problem::input("Each filter can have one value only."));
        }
        seen.push(name.clone());
        let facet = FACETS.iter().find(|facet| **facet == name);
        match name.as_str() {
            // Words may be empty: that is worth a sentence of its own.
            "q" if also.contains(&"q") => asked.q = Some(value),
            "by" if also.contains(&"by") => {
                asked.way = match value.as_str() {
                    "" | "meaning" => By::Meaning,
                    "words" => By::Words,
                    "both" => By::Both,
                    _ => return Err(Problem::input("A search goes by meaning, by words, or by both.")),
                };
            }
            "like" if also.contains(&"like") => asked.like = Some(value),
            "split" if value.is_empty() => (),
            "split" => {
                let split = value.parse().map_err(|_| Problem::input("A split is a whole number."))?;
                asked.split = Some(split);
            }
            "limit" => {
                asked.limit = value.parse().ok().filter(|n| (1..=HIGHEST_LIMIT).contains(n)).ok_or_else(|| {
                    Problem::input(format!("At least 1 and at most {HIGHEST_LIMIT} products can be shown."))
                })?;
            }
            _ => match facet {
                Some(_) if value.is_empty() => (),
                Some(facet) => asked.attributes.push((facet, text(&value, "filter")?.to_owned())),
                None => return Err(Problem::input("There is no such filter.")),
            },
        }
    }
    sort(&mut asked.attributes);
    Ok(asked)
}

fn sort(attributes: &mut [(&'static str, String)]) {
    attributes.sort_by_key(|(name, _)| FACETS.iter().position(|facet| facet == name));
}

fn too_long(what: &str) -> String {
    format!("The {what} is too long; at most {LONGEST_TEXT} characters fit.")
}

/// Trimmed, and fit for the database.
fn text<'a>(value: &'a str, what: &str) -> Result<&'a str, Problem> {
    let value = value.trim();
    if value.chars().count() > LONGEST_TEXT {
        return Err(Problem::input(too_long(what)));
    }
    if value.contains('\0') {
        return Err(Problem::input(format!("The {what} has a character that the database cannot store.")));
    }
    Ok(value)
}

fn words(q: &str) -> Result<String, Problem> {
    match text(q, "query")? {
        "" => Err(Problem::input("Type a few words about what you are looking for, and then search.")),
        words => Ok(words.to_owned()),
    }
}

fn checked(new: &New) -> Result<statement::New, Problem> {
    let description = text(&new.description, "description")?;
    if description.is_empty() {
        return Err(Problem::input("A product needs a description: a few words are enough."));
    }
    let url =
        text(new.url.as_deref().unwrap_or_default(), "picture's address").map_err(|problem| problem.about("url"))?;
    if !url.is_empty() && !picture::is_web_address(url) {
        return Err(
            Problem::input("A picture's address starts with https:// or http:// and has no spaces.").about("url")
        );
    }
    let mut attributes = Vec::new();
    for (name, value) in &new.attributes {
        let facet = FACETS.iter().find(|facet| **facet == name.as_str());
        let facet = facet.ok_or_else(|| Problem::input("There is no such attribute."))?;
        match text(value, "attribute")? {
            "" => return Err(Problem::input("An attribute has a value, or is left out.")),
            value => attributes.push((*facet, value.to_owned())),
        }
    }
    sort(&mut attributes);
    Ok(statement::New {
        description: description.to_owned(),
        url: (!url.is_empty()).then(|| url.to_owned()),
        attributes,
    })
}

fn id_of(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::new(StatusCode::NOT_FOUND, "There is no such product."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn refused(list: &[(&str, &str)]) -> String {
        asked(pairs(list), &["q", "by"]).unwrap_err().sentence().to_owned()
    }

    fn new(description: &str, url: Option<&str>) -> New {
        New { description: description.to_owned(), url: url.map(str::to_owned), attributes: BTreeMap::new() }
    }

    #[test]
    fn filters_are_sorted_and_empty_ones_dropped() {
        let list =
            [("sleeves", "long"), ("q", "gown"), ("colour", "red"), ("fit", ""), ("split", "3"), ("limit", "48")];
        let asked = asked(pairs(&list), &["q"]).unwrap();
        assert_eq!(asked.q.as_deref(), Some("gown"));
        let find = asked.by(Order::Id);
        assert_eq!(find.attributes, [("colour", "red".to_owned()), ("sleeves", "long".to_owned())]);
        assert_eq!((find.split, find.limit), (Some(3), 48));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(refused(&[("size", "L")]).contains("no such filter"));
        assert!(refused(&[("like", "1")]).contains("no such filter"));
        assert!(refused(&[("by", "luck")]).contains("by meaning, by words, or by both"));
        assert!(refused(&[("split", "x")]).contains("whole number"));
        assert!(refused(&[("colour", "red"), ("colour", "blue")]).contains("one value"));
        assert!(refused(&[("colour", "\0")]).contains("cannot store"));
        for limit in ["0", "97", "-1", "", "x", "99999999999999999999"] {
            assert!(refused(&[("limit", limit)]).contains("at most 96"), "{limit}");
        }
    }

    #[test]
    fn what_is_gone_by_is_meaning_unless_asked_for() {
        for (list, order) in [
            (&[("q", "gown")][..], Order::Meaning("gown".to_owned())),
            (&[("q", "gown"), ("by", "")], Order::Meaning("gown".to_owned())),
            (&[("q", "gown"), ("by", "meaning")], Order::Meaning("gown".to_owned())),
            (&[("by", "words"), ("q", "gown")], Order::Words("gown".to_owned())),
            (&[("q", "gown"), ("by", "both")], Order::Both("gown".to_owned())),
            // Products are like others by their vectors.
            (&[("like", "7"), ("by", "both")], Order::Product(7)),
            (&[("by", "words")], Order::Id),
        ] {
            assert_eq!(asked(pairs(list), &["q", "by", "like"]).unwrap().order().unwrap(), order);
        }
    }

    #[test]
    fn words_are_wanted() {
        assert_eq!(words("  green dress\n").unwrap(), "green dress");
        for empty in ["", " \t\n", "\u{a0}"] {
            assert!(words(empty).unwrap_err().sentence().starts_with("Type a few words"));
        }
        // Characters count, not bytes.
        assert!(words(&"é".repeat(2000)).is_ok());
        assert!(words(&"é".repeat(2001)).unwrap_err().sentence().contains("too long"));
    }

    #[test]
    fn a_product_is_checked() {
        let plain = checked(&new(" a dress ", Some(" "))).unwrap();
        assert_eq!((plain.description.as_str(), plain.url, plain.attributes), ("a dress", None, Vec::new()));
        assert_eq!(
            checked(&new("a dress", Some("https://x.example/1.jpg"))).unwrap().url.as_deref(),
            Some("https://x.example/1.jpg")
        );
        let refused = |new: &New| checked(new).err().map(|problem| problem.sentence().to_owned()).unwrap_or_default();
        assert!(refused(&new("\n", None)).contains("needs a description"));
        assert!(refused(&new("a", Some("javascript:alert(1)"))).contains("https://"));
        assert!(refused(&new("a\0", None)).contains("cannot store"));

        let with =
            |list: &[(&str, &str)]| New { attributes: pairs(list).into_iter().collect(), ..new("a dress", None) };
        assert_eq!(
            checked(&with(&[("sleeves", "long"), ("colour", " red ")])).unwrap().attributes,
            [("colour", "red".to_owned()), ("sleeves", "long".to_owned())]
        );
        assert!(refused(&with(&[("size", "L")])).contains("no such attribute"));
        assert!(refused(&with(&[("colour", " ")])).contains("left out"));
        assert!(refused(&with(&[("colour", "\0")])).contains("cannot store"));
    }

    #[test]
    fn facets_come_in_the_page_s_order() {
        let found = [
            ("colour".to_owned(), Some("red".to_owned()), 2),
            ("size".to_owned(), Some("L".to_owned()), 9),
            ("split".to_owned(), Some("10".to_owned()), 1),
            ("split".to_owned(), Some("9".to_owned()), 1),
            ("fit".to_owned(), None, 1),
        ];
        assert_eq!(
            json!(in_order(&found)),
            json!([
                { "name": "split", "values": [{ "value": "9", "products": 1 }, { "value": "10", "products": 1 }] },
                { "name": "colour", "values": [{ "value": "red", "products": 2 }] },
            ])
        );
    }
}

//! The reference page of the interface: for programmers, in English. Plain sections and
//! tables, one style sheet in the page, no script.

use maud::{DOCTYPE, Markup, html};

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Routes, by what they are about.
    pub groups: Vec<(&'static str, Vec<Route>)>,
    /// Error codes: name, HTTP status, meaning.
    pub errors: Vec<(String, u16, &'static str)>,
    /// Shapes of objects: name, fields with their shapes.
    pub shapes: Vec<(&'static str, String)>,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path with names in braces.
    pub path: &'static str,
    /// What it does.
    pub says: &'static str,
    /// Whom it answers; empty for everybody.
    pub asks: &'static str,
    /// Parameters of the query.
    pub query: Vec<String>,
    /// Its body; empty for none.
    pub takes: String,
    /// Its answer.
    pub gives: String,
}

/// The header under which the page is sent: nothing is loaded, nothing runs.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Without a character that HTML would escape.
const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;\
margin:0 auto;max-width:60rem;padding:1rem}code{font-family:ui-monospace,monospace;\
overflow-wrap:anywhere}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem}\
dd{margin:0}article{border-top:1px solid;padding:.3rem 0}h3{font-size:1rem;margin:.3rem 0}\
td,th{text-align:left;vertical-align:top;padding:.1rem .8rem .1rem 0}nav ul{display:flex;\
flex-wrap:wrap;gap:.8rem;list-style:none;padding:0}";

/// The page.
pub fn show(reference: &Reference) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "medshare: reference of the interface" }
                style { (STYLE) }
            }
            body {
                header {
                    h1 { "Reference of the interface" }
                    p {
                        "Made from the program that answers here; for programs there is "
                        a href="/openapi.json" { "openapi.json" } "."
                    }
                    nav aria-label="Sections" {
                        ul {
                            @for (name, _) in &reference.groups {
                                li { a href={ "#of-" (name) } { (name) } }
                            }
                            li { a href="#errors" { "errors" } }
                            li { a href="#shapes" { "shapes" } }
                        }
                    }
                }
                main {
                    @for (name, routes) in &reference.groups {
                        section aria-labelledby={ "of-" (name) } {
                            h2 id={ "of-" (name) } { (name) }
                            @for route in routes { (one(route)) }
                        }
                    }
                    (errors(&reference.errors))
                    section aria-labelledby="shapes" {
                        h2 id="shapes" { "Shapes" }
                        p {
                            "As JSON: bytes are " code { "{\"/\":{\"bytes\":\"base64\"}}" }
                            ", links " code { "{\"/\":\"CID\"}" } "; ? may be null."
                        }
                        dl {
                            @for (name, fields) in &reference.shapes {
                                dt id={ "shape-" (name) } { code { (name) } }
                                dd { code { (fields) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn one(route: &Route) -> Markup {
    let facts = [
        ("asks for", route.asks),
        ("takes", route.takes.as_str()),
        ("gives", route.gives.as_str()),
    ];
    html! {
        article {
            h3 { code { (route.method) " " (route.path) } }
            p { (route.says) }
            dl {
                @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                    dt { (name) }
                    dd { (value) }
                }
                @for parameter in &route.query {
                    dt { "query" }
                    dd { (parameter) }
                }
            }
        }
    }
}

fn errors(errors: &[(String, u16, &'static str)]) -> Markup {
    html! {
        section aria-labelledby="errors" {
            h2 id="errors" { "Errors" }
            table {
                thead { tr { th scope="col" { "code" } th scope="col" { "status" } th scope="col" { "meaning" } } }
                tbody {
                    @for (name, status, title) in errors {
                        tr id=(name) { td { code { (name) } } td { (status) } td { (title) } }
                    }
                }
            }
        }
    }
}

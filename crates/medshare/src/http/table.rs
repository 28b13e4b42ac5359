//! What a route is, for the router and for whoever reads about it: one description, of which
//! the router, the OpenAPI document and the reference page are made.

use axum::{
    Router,
    handler::Handler,
    middleware::from_fn,
    routing::{MethodFilter, MethodRouter, on},
};
use std::sync::Arc;

use super::{interface::Interface, media};

/// Handlers of one path.
pub(super) type Handlers = MethodRouter<Arc<Interface>>;

/// One route, as it is described.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its method.
    pub method: Method,
    /// Its path, with names in braces.
    pub path: &'static str,
    /// What it does or gives, in a line.
    pub says: &'static str,
    /// Whom it answers.
    pub asks: Asks,
    /// Parameters of the query.
    pub query: &'static [Parameter],
    /// What its body is.
    pub takes: Takes,
    /// What a 200 holds.
    pub gives: Gives,
    /// How its time is limited.
    pub(super) kind: Kind,
}

/// The methods that there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Method {
    /// Reads.
    Get,
    /// Does something.
    Post,
    /// Puts something under a name.
    Put,
    /// Removes it.
    Delete,
}

impl Method {
    /// In upper case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// Whom a route answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asks {
    /// Everybody on this machine.
    Nothing,
    /// An account of the ledger.
    Account,
    /// The same, and one that is about to register.
    Newcomer,
    /// The node's own account.
    Operator,
}

/// A parameter of the query; all are whole numbers from 0 on.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it says.
    pub says: &'static str,
}

const fn optional(name: &'static str, says: &'static str) -> Parameter {
    Parameter {
        name,
        required: false,
        says,
    }
}

const fn required(name: &'static str, says: &'static str) -> Parameter {
    Parameter {
        name,
        required: true,
        says,
    }
}

/// A page of a list.
pub(super) const PAGE: &[Parameter] = &[
    optional("from", "where the page begins: `next` of the page before"),
    optional("limit", "most items, at most 500"),
];
/// Where a page begins.
pub(super) const FROM: &[Parameter] = &[optional("from", "where it begins")];
/// Where, and how many.
pub(super) const RANGE: &[Parameter] = &[
    optional("from", "where it begins"),
    optional("limit", "most items"),
];
/// Letters after one.
pub(super) const AFTER: &[Parameter] = &[optional("after", "number of the last letter seen")];
/// Of an inclusion proof.
pub(super) const INCLUSION: &[Parameter] = &[
    required("index", "index of the leaf"),
    required("size", "leaves of the tree"),
];
/// Of a consistency proof.
pub(super) const CONSISTENCY: &[Parameter] = &[
    required("from", "leaves of the smaller tree"),
    required("to", "leaves of the larger tree"),
];

/// What the body of a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// There is none.
    Nothing,
    /// An object, by the name of its schema.
    Object(&'static str),
    /// Bytes, by their media type.
    Bytes(&'static str),
}

/// What an answer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gives {
    /// Nothing: `null`.
    Done,
    /// An object, by the name of its schema.
    Object(&'static str),
    /// A list of objects.
    List(&'static str),
    /// A page of them.
    Page(&'static str),
    /// Something else, by its media type.
    Bytes(&'static str),
}

/// How the time of a request is limited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It ends in time.
    Timely,
    /// It ends in time, and belongs to the post: elsewhere, at a node that follows.
    Post,
    /// As long as it moves.
    Streamed,
}

/// A route with what answers it.
pub(super) struct Route {
    pub(super) about: About,
    handlers: Handlers,
}

impl Route {
    /// A timely route for anybody, that takes nothing.
    pub(super) fn new(
        method: Method,
        path: &'static str,
        handlers: Handlers,
        gives: Gives,
        says: &'static str,
    ) -> Self {
        let about = About {
            method,
            path,
            says,
            asks: Asks::Nothing,
            query: &[],
            takes: Takes::Nothing,
            gives,
            kind: Kind::Timely,
        };
        Self { about, handlers }
    }

    pub(super) fn query(mut self, query: &'static [Parameter]) -> Self {
        self.about.query = query;
        self
    }

    pub(super) fn asks(mut self, asks: Asks) -> Self {
        self.about.asks = asks;
        self
    }

    pub(super) fn takes(mut self, takes: Takes) -> Self {
        self.about.takes = takes;
        self
    }

    /// All of `routes` are of this kind.
    pub(super) fn all(kind: Kind, mut routes: Vec<Self>) -> Vec<Self> {
        for route in &mut routes {
            route.about.kind = kind;
        }
        routes
    }

    /// Adds it to a router.
    pub(super) fn put_into(self, router: Router<Arc<Interface>>) -> Router<Arc<Interface>> {
        let handlers = match self.about.takes {
            Takes::Bytes(_) => self.handlers.route_layer(from_fn(media::raw_types)),
            _ => self.handlers,
        };
        router.route(self.about.path, handlers)
    }

    /// The same route, answered by something else.
    pub(super) fn instead<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, Arc<Interface>>,
        T: 'static,
    {
        self.handlers = on(self.about.method.filter(), handler);
        self
    }
}

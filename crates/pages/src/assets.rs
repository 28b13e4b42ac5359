//! The one style sheet and the one script, and the headers that let nothing else run.

/// A file that pages ask for, by a path of its own content's version.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Where pages look for it, below the site's root.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// Layout and colours, light and dark.
pub const STYLE: Asset = Asset {
    path: "/assets/pages.css",
    media_type: "text/css; charset=utf-8",
    bytes: include_bytes!("../assets/pages.css"),
};

/// What is nicer with JavaScript; nothing needs it.
pub const SCRIPT: Asset = Asset {
    path: "/assets/pages.js",
    media_type: "text/javascript; charset=utf-8",
    bytes: include_bytes!("../assets/pages.js"),
};

/// Every asset.
pub const ALL: [Asset; 2] = [STYLE, SCRIPT];

/// The headers of every page: no script, style, frame, form or connection but our own;
/// pictures only our own and those written into the page; nothing kept by caches.
pub const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // Not `no-referrer`: browsers then say `Origin: null` of our own forms, too.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
    ("cache-control", "no-store"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_from_elsewhere() {
        for asset in ALL {
            let text = String::from_utf8_lossy(asset.bytes);
            for mark in ["http:", "https:", "@import", "eval(", "innerHTML", "//cdn"] {
                assert!(!text.contains(mark), "{}: {mark}", asset.path);
            }
        }
        // Small: a phone on a bad line reads its record too.
        assert!(ALL.iter().map(|asset| asset.bytes.len()).sum::<usize>() < 24 << 10);
    }

    #[test]
    fn the_policy_allows_nothing_inline() {
        let (_, policy) = HEADERS[0];
        assert!(!policy.contains("unsafe") && policy.contains("default-src 'none'"));
    }
}
